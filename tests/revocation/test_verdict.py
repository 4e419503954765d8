"""The pure rule, branch by branch."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from jwt_auth.claims import Claims
from jwt_auth.exceptions import ExpiredTokenError, RevokedTokenError
from jwt_auth.revocation.verdict import State, latest, refused_by_cutoff, verdict

SECOND = datetime(2026, 5, 17, 12, 30, 15, tzinfo=timezone.utc)
NOW = SECOND.replace(microsecond=250_000)
US = timedelta(microseconds=1)

WELCOME = State(
    token_denied=False,
    session_revoked=False,
    session_ends_at=NOW + timedelta(days=1),
    cutoffs=(None, None),
    principal_active=True,
    credentials_stale=False,
)


def claims_with(auth_time=NOW, iat=SECOND):
    issued_at = iat.timestamp()
    return Claims(iss="us", aud=("us",), sub="1", iat=issued_at, exp=issued_at + 300, auth_time=auth_time)


def test_a_token_against_which_nothing_is_known_is_welcome():
    assert verdict(claims_with(), WELCOME, NOW) is None


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"key_revoked": True}, "the key is revoked"),
        ({"token_denied": True}, "the token is denied"),
        ({"session_revoked": True}, "the session is revoked"),
        ({"principal_active": False}, "the user is inactive"),
        ({"cutoffs": (NOW + US, None)}, "the session began before the cutoff"),
        ({"cutoffs": (None, NOW + US)}, "the session began before the cutoff"),
        ({"credentials_stale": True}, "the password was changed since"),
    ],
)
def test_each_fact_alone_revokes(facts, reason):
    with pytest.raises(RevokedTokenError) as caught:
        verdict(claims_with(), replace(WELCOME, **facts), NOW)
    assert caught.value.reason == reason


def test_a_token_without_a_session_is_revoked():
    with pytest.raises(RevokedTokenError):
        verdict(claims_with(), None, NOW)


@pytest.mark.parametrize(("ends_in", "over"), [(-US, True), (timedelta(0), True), (US, False)])
def test_a_session_is_over_from_the_moment_it_ends(ends_in, over):
    state = replace(WELCOME, session_ends_at=NOW + ends_in)
    if over:
        with pytest.raises(ExpiredTokenError):
            verdict(claims_with(), state, NOW)
    else:
        verdict(claims_with(), state, NOW)


def test_a_session_of_which_no_end_is_known_is_not_over():
    assert verdict(claims_with(), replace(WELCOME, session_ends_at=None), NOW) is None


def test_what_was_revoked_and_is_over_as_well_is_called_revoked():
    with pytest.raises(RevokedTokenError):
        verdict(claims_with(), replace(WELCOME, session_revoked=True, session_ends_at=NOW - US), NOW)


@pytest.mark.parametrize(
    ("auth_time", "cutoff", "before"),
    [
        (NOW, None, False),
        (NOW, NOW, False),
        (NOW, NOW + US, True),
        (NOW, NOW - US, False),
        (NOW - timedelta(days=1), NOW, True),
        (SECOND, SECOND + US, True),
        (SECOND + US, SECOND + US, False),
    ],
)
@pytest.mark.parametrize("iat", [SECOND - timedelta(days=9), SECOND + timedelta(days=9)])
def test_the_beginning_of_the_session_decides_to_the_microsecond_and_iat_has_no_say(auth_time, cutoff, before, iat):
    assert refused_by_cutoff(claims_with(auth_time, iat), cutoff) is before


@pytest.mark.parametrize(
    ("iat", "cutoff", "before"),
    [
        (SECOND, None, False),
        (SECOND, SECOND, False),
        (SECOND, SECOND + US, True),
        (SECOND, SECOND + timedelta(seconds=1) - US, True),
        (SECOND + timedelta(seconds=1), SECOND + US, False),
        (SECOND + timedelta(seconds=1), SECOND + timedelta(seconds=1), False),
        (SECOND - timedelta(seconds=1), SECOND, True),
    ],
)
def test_without_auth_time_the_whole_second_of_the_cutoff_falls(iat, cutoff, before):
    assert refused_by_cutoff(claims_with(None, iat), cutoff) is before


def test_an_iat_with_a_fraction_falls_with_its_second_too():
    claims = replace(claims_with(None), iat=SECOND.timestamp() + 0.9)
    assert refused_by_cutoff(claims, SECOND + timedelta(seconds=0.5))
    assert not refused_by_cutoff(replace(claims, iat=SECOND.timestamp() + 1), SECOND + timedelta(seconds=0.5))


@pytest.mark.parametrize(
    ("cutoffs", "expected"),
    [
        ((), None),
        ((None, None), None),
        ((NOW, None), NOW),
        ((None, NOW), NOW),
        ((NOW - US, NOW), NOW),
        ((NOW, NOW - US), NOW),
    ],
)
def test_the_latest_cutoff_of_all_levels_counts(cutoffs, expected):
    assert latest(cutoffs) == expected


def test_an_older_cutoff_of_one_level_never_hides_a_newer_one_of_another():
    for cutoffs in [(NOW - timedelta(days=1), NOW + US), (NOW + US, NOW - timedelta(days=1))]:
        with pytest.raises(RevokedTokenError):
            verdict(claims_with(), replace(WELCOME, cutoffs=cutoffs), NOW)
