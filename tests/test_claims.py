"""Claims: their types, and the rules for audience and time. No database, no settings."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from jwt_auth.claims import LATEST, Claims, Policy, check_claims, later, parse_claims
from jwt_auth.exceptions import ExpiredTokenError, InvalidClaimError
from tests.support.clocks import NOW

SECOND = NOW.timestamp()
POLICY = Policy(
    types=frozenset({"at+jwt"}),
    audiences=frozenset({"api"}),
    max_lifetime=timedelta(minutes=5),
    leeway=timedelta(seconds=10),
    required=("sid",),
)


def values(**changes):
    """Return valid claims of all kinds, as a token holds them; Ellipsis removes one."""
    good = {
        "iss": "jwt_auth",
        "aud": "api",
        "sub": "1",
        "iat": int(SECOND),
        "exp": int(SECOND) + 300,
        "nbf": int(SECOND),
        "jti": "a-jti",
        "sid": "0" * 32,
        "client_id": "jwt_auth",
        "scope": "read write",
        "auth_time": 1779021015.25,
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def check(now=NOW, **changes):
    check_claims(parse_claims(values(**changes)), POLICY, now)


def refused(**changes):
    """Return the name of the claim for which valid claims with `changes` are refused."""
    check()
    with pytest.raises(InvalidClaimError) as caught:
        check(**changes)
    assert caught.value.code == "invalid_token"
    assert repr(caught.value.claim) in caught.value.reason
    return caught.value.claim


def test_claims_are_read_into_a_value():
    claims = parse_claims(values(private={"a": 1}))
    assert claims.aud == ("api",)
    assert claims.scopes == {"read", "write"}
    assert claims.auth_time == datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=timezone.utc)
    assert claims.expires_at == NOW.replace(microsecond=0) + timedelta(minutes=5)
    assert claims.all["private"] == {"a": 1}


def test_the_value_gives_back_what_it_was_read_from():
    assert parse_claims(values()).as_dict() == values()
    several = values(aud=["api", "other"], scope=..., nbf=..., jti=..., sid=..., client_id=..., auth_time=...)
    claims = parse_claims(several, default_scope=None)
    assert (claims.as_dict(), claims.is_limited) == (several, False)


def test_an_absent_scope_means_no_limits_only_where_the_policy_says_so():
    absent = values(scope=...)
    assert parse_claims(absent).scope == ""
    assert parse_claims(absent).is_limited
    assert not parse_claims(absent, default_scope=None).is_limited
    for scope in ("", "read"):
        assert parse_claims(values(scope=scope), default_scope=None).is_limited


def test_printing_claims_shows_no_private_one():
    assert "secret" not in repr(parse_claims(values(private="secret")))


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "iat", "exp"])
def test_registered_claims_are_required(claim):
    assert refused(**{claim: ...}) == claim


@pytest.mark.parametrize("claim", ["jti", "client_id", "scope", "auth_time", "nbf"])
def test_other_claims_may_be_absent(claim):
    check(**{claim: ...})


@pytest.mark.parametrize("value", [..., None])
def test_a_policy_can_require_more(value):
    assert refused(sid=value) == "sid"


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "sid", "client_id", "scope"])
@pytest.mark.parametrize("value", [None, True, 1, 1.5, {}, {"a": 1}, [1], [None], [["api"]], [[]]])
def test_texts_are_strings(claim, value):
    assert refused(**{claim: value}) == claim


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "jti", "sid", "client_id"])
@pytest.mark.parametrize("value", ["", "a\x00", "1\n", "a\tb", "a" * 256, "\u202e1", "\x7f"])
def test_identifiers_are_short_and_one_line(claim, value):
    assert refused(**{claim: value}) == claim


def test_identifiers_may_have_255_characters():
    parse_claims(values(jti="a" * 255, sub="\U0001f600" * 255))


@pytest.mark.parametrize("sub", ["علی\u200cرضا", "\U0001f469\u200d\U0001f4bb", "jean\u00adluc"], ids=range(3))
def test_identifiers_may_have_joiners(sub):
    assert parse_claims(values(sub=sub)).sub == sub


def test_a_scope_may_be_empty_and_long_but_not_break_lines():
    assert parse_claims(values(scope="")).scopes == frozenset()
    assert len(parse_claims(values(scope="a b " * 500)).scopes) == 2
    assert refused(scope="read\nwrite") == "scope"


NO_NUMBERS = [None, True, False, "1779021015", "", [], [1], {}, -1, -0.5, 253402300800, 1e18, 1e30, 1e308, 10**30]


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "auth_time"])
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_times_are_numbers_of_seconds(claim, value):
    assert refused(**{claim: value}) == claim


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "auth_time"])
@pytest.mark.parametrize("value", [10**400, -(10**400)], ids=["huge", "hugely negative"])
def test_a_number_that_no_float_can_hold_is_refused_as_any_other(claim, value):
    assert refused(**{claim: value}) == claim


@pytest.mark.parametrize("claim", ["iat", "exp", "nbf", "auth_time"])
def test_the_last_day_of_time_is_refused_so_that_something_can_be_added_to_any_other(claim):
    latest = int(LATEST.timestamp())
    for value in (latest, latest + 0.5, 253402300799, 253402300799.9999):
        assert refused(**{claim: value}) == claim
    claims = parse_claims(values(exp=latest - 0.001, auth_time=latest - 1))
    for moment in (claims.expires_at, claims.auth_time):
        assert (moment + timedelta(days=1)).year == 9999
        for hours in (-14, 14):
            assert moment.astimezone(timezone(timedelta(hours=hours)))


def test_what_is_added_near_the_end_of_time_is_left_out():
    day = timedelta(days=1)
    assert later(NOW, day) == NOW + day
    assert later(LATEST - day, day) == LATEST
    for moment in (LATEST, datetime.max.replace(tzinfo=timezone.utc)):
        assert later(moment, day) == moment


def test_times_may_have_fractions():
    check(iat=SECOND - 0.5, exp=SECOND + 0.5, nbf=SECOND - 0.5)


@pytest.mark.parametrize("aud", ["API", "api ", " api", "other", "ap", "api2", [], ["other"]])
def test_the_audience_names_us_exactly(aud):
    assert refused(aud=aud) == "aud"


def test_an_audience_may_be_a_list_that_names_us():
    check(aud=["other", "api"])
    assert refused(aud=["api", 1]) == "aud"


@pytest.mark.parametrize(("aud", "alone"), [("api", True), (["api"], True), (["api", "other"], False)])
def test_an_audience_may_have_to_be_the_only_one(aud, alone):
    sole = replace(POLICY, sole_audience=True)
    if alone:
        check_claims(parse_claims(values(aud=aud)), sole, NOW)
    else:
        with pytest.raises(InvalidClaimError, match="others"):
            check_claims(parse_claims(values(aud=aud)), sole, NOW)


@pytest.mark.parametrize(("seconds", "good"), [(-10, True), (10, True), (10.5, False), (60, False)])
@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_from_the_future_is_refused_beyond_the_leeway(claim, seconds, good):
    change = {claim: SECOND + seconds, "exp": SECOND + 120}
    if good:
        check(**change)
    else:
        assert refused(**change) == claim


def test_a_token_expires_in_the_very_second_that_it_names():
    exp = SECOND - 10
    check(iat=exp - 60, exp=exp, now=NOW - timedelta(microseconds=1))
    with pytest.raises(ExpiredTokenError) as caught:
        check(iat=exp - 60, exp=exp)
    assert caught.value.code == "token_expired"


def test_a_token_lives_no_longer_than_its_issuer_may_grant():
    check(iat=SECOND, exp=SECOND + 300)
    assert refused(iat=SECOND, exp=SECOND + 300.001) == "exp"


def test_what_was_never_good_is_not_called_expired():
    assert refused(iat=1, exp=100_000) == "exp"
    assert refused(iat=1, exp=100, aud="other") == "aud"


# Claims that take the place of others.


def check_by(names, policy=POLICY, undated=False, now=NOW, **changes):
    policy = replace(policy, names=names, undated=undated)
    life = policy.max_lifetime if undated else None
    claims = parse_claims(values(**changes), names, undated=life)
    check_claims(claims, policy, now)
    return claims


def refused_by(names, **changes):
    with pytest.raises(InvalidClaimError) as caught:
        check_by(names, **changes)
    return caught.value.claim


AUD = {"aud": "client_id"}


@pytest.mark.parametrize("client_id", ["api", ["other", "api"]])
def test_another_claim_is_the_audience(client_id):
    # In a list, it can't be the client as well.
    names = {**AUD, "client_id": "azp"}
    assert "api" in check_by(names, aud=..., client_id=client_id).aud


@pytest.mark.parametrize("client_id", ["other", "API", "", 5, None, [], ["other"], ...])
def test_it_is_as_mandatory_and_compared_as_exactly(client_id):
    assert refused_by(AUD, aud=..., client_id=client_id) == "client_id"


def test_an_audience_of_somebody_else_is_not_overlooked():
    assert check_by(AUD, aud="api", client_id="api").aud == ("api",)
    for aud in ("other", ["other"], [], None, 5, "", ["api", 5]):
        assert refused_by(AUD, aud=aud, client_id="api") == "aud"


IAT = {"iat": "nbf"}


def test_another_claim_is_the_time_of_issue():
    assert check_by(IAT, iat=..., nbf=SECOND - 1, exp=SECOND + 60).iat == SECOND - 1
    for nbf in (..., None, "1", True):
        assert refused_by(IAT, iat=..., nbf=nbf) == "nbf"
    assert refused_by(IAT, iat=..., nbf=SECOND - 301, exp=SECOND) == "exp"


def test_of_two_times_of_issue_the_earlier_one_counts():
    assert check_by(IAT, iat=SECOND - 60, nbf=SECOND, exp=SECOND + 200).iat == SECOND - 60
    assert check_by(IAT, iat=SECOND, nbf=SECOND - 60, exp=SECOND + 200).iat == SECOND - 60
    assert refused_by(IAT, iat=SECOND - 301, nbf=SECOND, exp=SECOND) == "exp"
    assert refused_by(IAT, iat=SECOND + 60, nbf=SECOND) == "iat"
    assert refused_by(IAT, iat=None, nbf=SECOND) == "iat"


@pytest.mark.parametrize("life", [timedelta(minutes=5), timedelta(microseconds=299_999_999), timedelta(seconds=0.1)])
@pytest.mark.parametrize("exp", [int(SECOND) + 5, SECOND + 0.1, SECOND + 0.000001])
def test_without_a_time_of_issue_it_is_the_earliest_possible_one(life, exp):
    policy = replace(POLICY, max_lifetime=life)
    claims = check_by({}, policy, undated=True, iat=..., exp=exp)
    assert claims.iat == exp - life.total_seconds()


@pytest.mark.parametrize(("further", "good"), [(0, True), (10, True), (10.5, False), (86400, False)])
def test_without_a_time_of_issue_the_end_is_not_too_far_away(further, good):
    change = {"iat": ..., "exp": SECOND + 300 + further}
    if good:
        check_by({}, undated=True, **change)
    else:
        assert refused_by({}, undated=True, **change) == "iat"


def test_a_time_of_issue_that_may_be_absent_counts_if_it_is_present():
    assert check_by({}, undated=True, iat=SECOND - 1, exp=SECOND + 60).iat == SECOND - 1
    for iat in (SECOND + 60, None, "1"):
        assert refused_by({}, undated=True, iat=iat) == "iat"
    assert refused_by({}, undated=True, iat=SECOND - 301, exp=SECOND) == "exp"
    assert refused_by({}, iat=...) == "iat"  # the control: it must be there


@pytest.mark.parametrize("exp", [..., None, "1", 0.5])
def test_the_end_is_always_required(exp):
    if exp == 0.5:
        with pytest.raises(ExpiredTokenError):
            check_by({}, undated=True, iat=..., exp=exp)
    else:
        assert refused_by({}, undated=True, iat=..., exp=exp) == "exp"


@pytest.mark.parametrize(
    ("accepted", "value", "good"),
    [
        ((True,), True, True),
        ((True,), 1, False),
        ((1,), 1, True),
        ((1,), 1.0, True),
        ((1,), True, False),
        ((0,), False, False),
        ((True, "true"), "true", True),
        ((None,), ..., True),
        ((None,), None, True),
        ((None,), "", False),
        ((False,), ..., False),
        ((["a"],), ["a"], True),
        (("a",), ["a"], False),
        (([1],), [1], True),
        (([1],), [True], False),
        (((1, 2),), [1, 2], True),
        (([1, 2],), [1], False),
        (([1],), 1, False),
        (({"a": [1]},), {"a": [1]}, True),
        (({"a": [1]},), {"a": [True]}, False),
        (({"a": 1},), {"a": 1, "b": 1}, False),
        (({"a": 1},), ["a"], False),
    ],
)
def test_a_required_value_has_its_type_too(accepted, value, good):
    policy = replace(POLICY, values={"private": accepted})
    if good:
        check_by({}, policy, private=value)
    else:
        assert refused_by({}, policy=policy, private=value) == "private"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(values())), _json))
@example({"exp": 10**400})
@example({"auth_time": -(10**400)})
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@pytest.mark.parametrize("names", [{}, {"aud": "client_id", "iat": "nbf", "scope": "sid"}])
def test_any_json_is_claims_or_an_invalid_claim(names, changes):
    try:
        claims = parse_claims(json.loads(json.dumps({**values(), **changes})), names, undated=timedelta(minutes=5))
    except InvalidClaimError:
        return
    assert isinstance(claims, Claims)
