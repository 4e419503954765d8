"""Which facts an answer reveals, and to whom."""

import json

import pytest
from django.contrib.auth.models import Permission

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from tests.support import forge
from tests.support.answers import challenge
from tests.support.clients import PASSWORD

NEVER_GOOD = {
    "no token": lambda raw: "x",
    "wrong signature": lambda raw: unsigned(raw),
    "unsigned": lambda raw: forge.with_header(raw, alg='"none"'),
    "another kind": lambda raw: forge.with_header(raw, typ='"JWT"'),
    "unknown key": lambda raw: forge.with_header(raw, kid='"other"'),
    "unknown issuer": lambda raw: forge.with_claims(raw, iss='"other"'),
    "another audience": lambda raw: forge.with_claims(raw, aud='"other"'),
    "another user": lambda raw: forge.with_claims(raw, sub='"0"'),
    "no expiry": lambda raw: forge.with_claims(raw, exp=None),
    "too long a life": lambda raw: forge.with_claims(raw, exp="99999999999"),
    "expired, and unsigned": lambda raw: unsigned(forge.with_claims(raw, iat="1", exp="2")),
}


def unsigned(raw):
    return raw.rpartition(".")[0] + "." + "A" * 43


def shown(answer):
    """Return everything that a client sees of an answer."""
    return answer.status_code, answer.content, json.dumps(dict(answer.headers), sort_keys=True)


def test_a_token_that_was_never_good_is_told_no_more_than_that(client, pair):
    answers = {name: shown(client.get_me(bend(pair["access_token"]))) for name, bend in NEVER_GOOD.items()}
    assert len(set(answers.values())) == 1, answers
    assert client.get_me(pair["access_token"]).status_code == 200


REVOCATIONS = {
    "session": lambda user: revoke_session(UserSession.objects.get().pk),
    "user": revoke_user,
    "everything": lambda user: revoke_all(),
    "inactive": lambda user: type(user)._default_manager.filter(pk=user.pk).update(is_active=False),
    "password": lambda user: type(user)._default_manager.filter(pk=user.pk).update(password="!"),
    "deleted": lambda user: user.delete(),
}


@pytest.mark.parametrize("operation", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_revoked_token_is_not_told_why(client, pair, user, operation):
    operation(user)
    for answer in (client.get_me(pair["access_token"]), client.refresh(pair["refresh_token"])):
        assert answer.json() == {"detail": "The token has been revoked.", "code": "token_revoked"}
        assert answer["WWW-Authenticate"] == challenge("token_revoked")


def test_a_permission_counts_from_the_next_request_on_and_as_long_as_it_is_there(client, user, make_user):
    other = make_user("bob")
    signed_in = client.bearer(client.tokens(user)["access_token"])
    permission = Permission.objects.get(codename="revoke_user")

    def ask():
        return signed_in.send("revoke/user/", {"user": str(other.pk)}).status_code

    assert ask() == 403
    user.user_permissions.add(permission)
    assert ask() == 200
    user.user_permissions.remove(permission)
    assert ask() == 403


def test_users_list_and_end_their_own_sessions_and_nobody_elses(client, user, make_user, clock):
    phone, laptop, bobs = client.tokens(user, label="phone"), client.tokens(user), client.tokens(make_user("bob"))
    signed_in = client.bearer(laptop["access_token"])

    def listed():
        return {row["id"]: row["current"] for row in signed_in.get("/auth/sessions/").json()["results"]}

    assert listed() == {phone["session"]: False, laptop["session"]: True}
    assert signed_in.delete(f"/auth/sessions/{bobs['session']}/").status_code == 404
    assert not client.is_dead(bobs)
    assert signed_in.delete(f"/auth/sessions/{phone['session']}/").status_code == 204
    assert client.is_dead(phone)
    assert listed() == {laptop["session"]: True}


@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "saml2", "", "\u00e9"])
@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_hint_at_the_kind_of_token_decides_nothing(client, pair, hint, kind):
    assert client.send("revoke/", {"token": pair[kind], "token_type_hint": hint}).status_code == 200
    assert client.is_dead(pair)


@pytest.mark.parametrize("method", ["post", "options"])
def test_no_answer_lets_another_origin_read_it(client, user, method):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    answer = client.send("login/", body, method, HTTP_ORIGIN="https://evil.example")
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_no_page_can_sign_somebody_in_with_a_form(client, user, kind):
    """A form of another origin may send these three types without a preflight; none of them signs in."""
    body = json.dumps({user.USERNAME_FIELD: user.get_username(), "password": PASSWORD})
    assert client.generic("POST", "/auth/login/", body, content_type="application/json").status_code == 200
    assert client.generic("POST", "/auth/login/", body, content_type=kind).status_code == 415
    assert UserSession.objects.count() == 1
