"""
Wrong claims under a right signature.

Such tokens come when another server, an older release or a leaked key signs them. Each is refused with 401 by every
entry point that accepts tokens, and never reaches the database as a value that it can't hold.
"""

import json
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model

from tests.support import forge
from tests.support.entry_points import REFUSALS, knock
from tests.support.forge import LONG, NOT_NUMBERS, NOT_TEXTS


def assert_lets_nobody_in(client, raw):
    for entry_point, response in knock(client, raw):
        assert response.status_code in REFUSALS[entry_point], (
            entry_point,
            response.status_code,
            response.content[:200],
        )


@pytest.mark.parametrize("value", NOT_TEXTS.values(), ids=NOT_TEXTS)
@pytest.mark.parametrize("claim", ["sub", "jti", "sid", "iss", "aud", "client_id"])
@pytest.mark.sampled
def test_an_identifier_that_is_no_decent_text_is_refused(client, pair, claim, value):
    if claim == "aud" and value == '["1"]':
        value = '["1", 1]'
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], **{claim: value}))


@pytest.mark.parametrize("claim", ["sub", "jti", "sid", "iss", "aud", "client_id", "iat", "exp", "auth_time"])
def test_a_claim_that_must_be_there_and_is_not_refuses(client, pair, claim):
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], **{claim: None}))


@pytest.mark.parametrize("value", NOT_NUMBERS.values(), ids=NOT_NUMBERS)
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
@pytest.mark.sampled
def test_a_time_that_is_no_number_of_seconds_is_refused(client, pair, claim, value):
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], **{claim: value}))


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "auth_time"])
def test_a_time_in_quotes_is_refused(client, pair, claim):
    claims = forge.claims_of(pair["access_token"])
    quoted = json.dumps(str(claims.get(claim, claims["iat"])))
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], **{claim: quoted}))


@pytest.mark.parametrize("value", ["1", "null", "true", '["read"]', "{}", '"read\\u0000"'])
def test_a_scope_that_is_no_text_is_refused(client, pair, value):
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], scope=value))


def test_a_scope_that_is_a_text_is_read(client, pair):
    response = client.get_me(forge.with_claims(pair["access_token"], scope='"read write"'))
    assert response.json()["scope"] == "read write"


SPELLINGS = {
    "space before": " {}",
    "space behind": "{} ",
    "zero before": "0{}",
    "plus": "+{}",
    "fraction": "{}.0",
    "exponent": "{}e0",
    "underscore": "{}_0",
    "hexadecimal": "0x{}",
    "quotes": '"{}"',
    "no-break space": "{}\u00a0",
    "zero width space": "{}\u200b",
    "wildcard": "%",
    "a word": "abc",
    "SQL": "{} OR 1=1",
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_user_id_in_another_spelling_is_nobody(client, pair, user, spelling):
    sub = json.dumps(spelling.format(user.pk))
    assert client.get_me(forge.with_claims(pair["access_token"], sub=sub)).status_code == 401
    assert client.get_me(forge.with_claims(pair["access_token"], sub=json.dumps(str(user.pk)))).status_code == 200


UUID_SPELLINGS = {
    "capitals": str.upper,
    "no dashes": lambda text: text.replace("-", ""),
    "braces": "{{{}}}".format,
    "urn": "urn:uuid:{}".format,
    "fullwidth digits": lambda text: text.replace("1", "\uff11"),
}


@pytest.mark.parametrize("respell", UUID_SPELLINGS.values(), ids=UUID_SPELLINGS)
def test_a_uuid_in_another_spelling_is_nobody(client, make_user, clock, respell):
    if get_user_model()._meta.pk.get_internal_type() != "UUIDField":
        pytest.skip("the user model has no UUID key")
    user = make_user("carol", id=uuid.UUID("abcdef01-2345-4789-8abc-def012345671"))
    raw = client.tokens(user)["access_token"]
    sub = json.dumps(respell(str(user.pk)))
    assert client.get_me(forge.with_claims(raw, sub=sub)).status_code == 401
    assert client.get_me(forge.with_claims(raw, sub=json.dumps(str(user.pk)))).status_code == 200


def test_the_fullwidth_digit_that_int_reads_is_nobody(client, pair, user):
    wide = str(user.pk).translate({ord("0") + i: 0xFF10 + i for i in range(10)})
    assert wide != str(user.pk)
    assert client.get_me(forge.with_claims(pair["access_token"], sub=json.dumps(wide))).status_code == 401


def test_another_user_in_somebodys_session_is_nobody(client, pair, make_user):
    bob = make_user("bob")
    raw = forge.with_claims(pair["access_token"], sub=json.dumps(str(bob.pk)))
    assert client.get_me(raw).status_code == 401
    assert not client.is_dead(pair)


def test_an_unknown_user_is_nobody(client, pair):
    for sub in ("0", "999999999", "9" * 200, str(uuid.uuid4())):
        assert client.get_me(forge.with_claims(pair["access_token"], sub=json.dumps(sub))).status_code == 401


SIDS = {
    "with dashes": lambda sid: str(uuid.UUID(sid)),
    "in capitals": str.upper,
    "another": lambda sid: uuid.UUID(int=1).hex,
    "cut": lambda sid: sid[:-1],
    "braces": lambda sid: f"{{{sid}}}",
    "word": lambda sid: "abc",
}


@pytest.mark.parametrize("respell", SIDS.values(), ids=SIDS)
def test_a_session_id_that_we_did_not_write_is_no_session(client, pair, respell):
    sid = forge.claims_of(pair["access_token"])["sid"]
    other = respell(sid)
    if other == sid:
        pytest.skip("this session's id has no letters")
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], sid=json.dumps(other)))
    assert not client.is_dead(pair)


def test_times_that_do_not_hold_now_are_refused(client, pair, clock):
    claims = forge.claims_of(pair["access_token"])
    now = claims["iat"]
    wrong = {
        "iat in the future": {"iat": str(now + 11), "exp": str(now + 100)},
        "nbf in the future": {"nbf": str(now + 11)},
        "exp in the past": {"iat": str(now - 100), "exp": str(now - 11)},
        "exp at the epoch": {"exp": "0"},
        "issued in 1970": {"iat": "1"},
        "valid for too long": {"exp": str(now + 301)},
    }
    for name, changes in wrong.items():
        assert client.get_me(forge.with_claims(pair["access_token"], **changes)).status_code == 401, name
    # Times within the leeway of 10 s, and times with fractions, are accepted.
    good = {"iat": str(now + 9), "nbf": str(now + 9.5), "exp": str(now + 299.5)}
    assert client.get_me(forge.with_claims(pair["access_token"], **good)).status_code == 200


def test_without_leeway_the_clock_is_taken_at_its_word(client, pair, jwt_settings):
    now = forge.claims_of(pair["access_token"])["iat"]
    jwt_settings(LEEWAY=timedelta(0))
    assert client.get_me(forge.with_claims(pair["access_token"], iat=str(now + 5))).status_code == 401
    assert client.get_me(forge.with_claims(pair["access_token"])).status_code == 200


@pytest.mark.parametrize("iss", ["other", "JWT_AUTH", "jwt_auth ", "jwt_auth/", "https://jwt_auth"])
def test_the_name_of_another_issuer_is_not_ours(client, pair, iss):
    assert_lets_nobody_in(client, forge.with_claims(pair["access_token"], iss=json.dumps(iss)))


@pytest.mark.parametrize("aud", ['"other"', '["other", "another"]', "[]", '"JWT_AUTH"', '"jwt_auth jwt_auth"', "[[]]"])
def test_a_token_for_somebody_else_is_not_for_us(client, pair, aud):
    assert client.get_me(forge.with_claims(pair["access_token"], aud=aud)).status_code == 401


def test_a_list_of_audiences_with_ours_in_it_is_for_us(client, pair):
    assert client.get_me(forge.with_claims(pair["access_token"], aud='["other", "jwt_auth"]')).status_code == 200


@pytest.mark.parametrize("claim", ["sub", "sid", "jti", "exp", "aud", "auth_time"])
def test_a_claim_that_comes_twice_is_refused_whichever_is_right(client, pair, claim):
    raw = pair["access_token"]
    good = forge.unb64(raw.split(".")[1])
    again = json.dumps({claim: forge.claims_of(raw)[claim]}).encode()
    assert_lets_nobody_in(client, forge.with_payload(raw, good[:-1] + b"," + again[1:]))
    assert_lets_nobody_in(client, forge.with_payload(raw, again[:-1] + b"," + good[1:]))


def test_private_claims_may_say_what_they_like_within_the_limits_of_json(client, pair):
    raw = pair["access_token"]
    good = {"x": "[1.5, null, true, {}]", "user_id": "1", "y": '"\\ud83d\\ude00"', "z": "[" * 30 + "]" * 30}
    assert client.get_me(forge.with_claims(raw, **good)).status_code == 200
    for bad in ("NaN", LONG, "[" * 33 + "]" * 33, '"\\udc00"'):
        assert client.get_me(forge.with_claims(raw, x=bad)).status_code == 401, bad[:20]
