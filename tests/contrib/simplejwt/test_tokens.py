"""The token classes of simplejwt, as the code and the tests of projects use them."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.utils import timezone
from rest_framework.exceptions import APIException
from rest_framework.test import APIClient
from rest_framework_simplejwt import tokens as theirs

from jwt_auth import sessions
from jwt_auth.contrib.simplejwt import reading, tokens
from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, ExpiredTokenError, TokenError
from jwt_auth.contrib.simplejwt.tokens import AccessToken, RefreshToken, Token, UntypedToken
from jwt_auth.exceptions import UnstorableTextError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.verification import verify
from tests.support.forge import claims_of, with_claims
from tests.support.outages import outage

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _speaks_simplejwt(jwt_settings):
    jwt_settings(SIMPLEJWT={})


class OrgToken(RefreshToken):
    @classmethod
    def for_user_and_org(cls, user, org):
        token = cls.for_user(user)
        token["org_id"] = str(org)
        return token


class ShortAccess(AccessToken):
    lifetime = timedelta(minutes=1)


class LongAccess(AccessToken):
    lifetime = timedelta(days=1)


class ShortRefresh(RefreshToken):
    lifetime = timedelta(minutes=1)
    access_token_class = ShortAccess


class Reset(AccessToken):
    token_type = "reset"


class Careful(RefreshToken):
    def verify(self):
        super().verify()
        if self.payload.get("blocked"):
            raise TokenError("blocked")


# In tests of projects


def test_a_client_with_the_token_of_a_user(user):
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {RefreshToken.for_user(user).access_token}")
    assert client.get("/auth/me/").status_code == 200
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {AccessToken.for_user(user)}")
    assert client.get("/auth/me/").status_code == 200


def test_an_expired_access_token(user, client):
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=-timedelta(days=1))
    assert client.get_me(str(token)).json()["code"] == "token_expired"
    with pytest.raises(TokenError, match=r"^Token is expired$"):
        AccessToken(str(token))


def test_an_expired_refresh_token(user, client):
    token = RefreshToken.for_user(user)
    token.set_exp(lifetime=-timedelta(days=1))
    assert client.refresh(str(token)).json()["code"] == "token_expired"
    with pytest.raises(TokenError, match=r"^Token is expired$"):
        RefreshToken(str(token))


def test_a_blacklisted_refresh_token(user, client):
    token = RefreshToken.for_user(user)
    access = str(token.access_token)
    token.check_blacklist()
    session, is_new = token.blacklist()
    assert (session, is_new) == (UserSession.objects.get(), True)
    assert session.revoked_reason == "logout"
    assert client.is_dead({"access_token": access, "refresh_token": str(token)})
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        token.check_blacklist()
    assert token.blacklist() == (session, False)


def test_one_that_was_not_used_before(user, client):
    token = RefreshToken.for_user(user)
    token.check_blacklist()
    assert token.outstand() is None
    token.blacklist()
    assert client.refresh(str(token)).status_code == 401


# Lazily


def test_the_session_starts_when_the_token_is_written(user, count):
    token = RefreshToken.for_user(user)
    token["role"] = "editor"
    token["org"] = {"id": 7}
    access = token.access_token
    assert (token["role"], token.get("org"), token.get("other", 3)) == ("editor", {"id": 7}, 3)
    assert "role" in token
    assert "other" not in token
    assert (token["user_id"], token["token_type"], access["token_type"]) == (str(user.pk), "refresh", "access")
    assert UserSession.objects.count() == 0
    queries, raw = count(str, token)
    assert queries == 3
    assert UserSession.objects.get().data == {"claims": {"role": "editor", "org": {"id": 7}}}
    queries, again = count(str, token)
    assert (queries, again) == (0, raw)
    queries, raw = count(str, access)
    assert queries == 0
    assert claims_of(raw)["org"] == {"id": 7}


@pytest.mark.parametrize("name", ["exp", "iat", "jti"])
@pytest.mark.parametrize(
    "read", [lambda token, name: token[name], lambda token, name: token.payload.get(name)], ids=["item", "get"]
)
def test_so_it_does_when_a_claim_is_read_that_only_a_session_has(user, name, read):
    for token in (RefreshToken.for_user(user), AccessToken.for_user(user), RefreshToken.for_user(user).access_token):
        before = UserSession.objects.count()
        assert name in token
        assert UserSession.objects.count() == before
        assert read(token, name)
        assert UserSession.objects.count() == before + 1
        token.verify()


def test_times(user, clock):
    refresh = RefreshToken.for_user(user)
    access, session = refresh.access_token, None
    now = int(timezone.now().timestamp())
    assert (refresh["iat"], access["iat"]) == (now, now)
    session = UserSession.objects.get()
    assert refresh["exp"] == int(session.ends_at.timestamp())
    assert refresh["jti"] == session.sid
    assert claims_of(str(access))["exp"] == access["exp"] > now
    assert refresh.current_time == timezone.now()
    assert AccessToken.lifetime == timedelta(minutes=5)
    assert RefreshToken.lifetime == refresh.lifetime


def test_claims_in_one_access_token_alone(user):
    refresh = RefreshToken.for_user(user)
    refresh["role"] = "editor"
    access = refresh.access_token
    access["role"] = "admin"
    access["alone"] = True
    del access["token_type"]
    raw = str(access)
    assert (claims_of(raw)["role"], claims_of(raw)["alone"]) == ("admin", True)
    assert verify(raw).user == user
    other = refresh.access_token
    del other["role"]
    assert "role" not in claims_of(str(other))
    assert claims_of(str(refresh.access_token))["role"] == "editor"
    assert UserSession.objects.count() == 1


def test_claims_that_are_set_after_the_start(user, client, count):
    refresh = RefreshToken.for_user(user)
    before = str(refresh.access_token)
    refresh["role"] = "editor"
    queries, raw = count(str, refresh)
    assert queries == 1
    assert claims_of(str(refresh.access_token))["role"] == "editor"
    assert "role" not in claims_of(before)
    assert claims_of(client.refresh(raw).json()["access_token"])["role"] == "editor"
    del refresh["role"]
    assert "role" not in claims_of(str(refresh.access_token))


def test_not_those_of_a_session_that_has_ended(user):
    refresh = RefreshToken.for_user(user)
    str(refresh)
    revoke_user(user)
    refresh["role"] = "editor"
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        str(refresh)
    assert UserSession.objects.get().data == {}


def test_a_session_that_is_gone(user):
    refresh = RefreshToken.for_user(user)
    str(refresh)
    UserSession.objects.all().delete()
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        refresh["exp"]


def test_a_token_class_of_the_project(user):
    token = OrgToken.for_user_and_org(user, 7)
    assert isinstance(token, OrgToken)
    assert claims_of(str(token.access_token))["org_id"] == "7"


def test_claims_that_access_tokens_do_not_get(user):
    class Own(RefreshToken):
        no_copy_claims = (*RefreshToken.no_copy_claims, "secret")

    token = Own.for_user(user)
    token["secret"] = 1
    token["role"] = 2
    access = token.access_token
    assert "secret" not in access
    assert claims_of(str(access))["role"] == 2
    assert "secret" not in claims_of(str(access))
    assert UserSession.objects.get().data == {"claims": {"role": 2}}


def test_the_options(user, jwt_settings):
    field = user.USERNAME_FIELD
    jwt_settings(SIMPLEJWT={"USER_ID_FIELD": field, "USER_ID_CLAIM": "name", "TOKEN_TYPE_CLAIM": None})
    token = RefreshToken.for_user(user)
    assert token["name"] == user.get_username()
    assert "token_type" not in token
    claims = claims_of(str(token.access_token))
    assert claims["name"] == user.get_username()
    assert {"user_id", "token_type"}.isdisjoint(claims)
    made = AccessToken()
    made["name"] = user.get_username()
    assert verify(str(made)).user == user


def test_a_user_claim_that_the_app_sets_itself(user, jwt_settings):
    jwt_settings(SIMPLEJWT={"USER_ID_CLAIM": "sub"})
    token = RefreshToken.for_user(user)
    assert token["sub"] == str(user.pk)
    assert claims_of(str(token.access_token))["sub"] == str(user.pk)


# Limits


def test_claims_that_the_app_sets_itself(user):
    for token in (RefreshToken.for_user(user), AccessToken.for_user(user)):
        token["sub"] = "somebody"
        token["scope"] = "all"
        with pytest.raises(ValueError, match=r"^the app itself sets scope, sub: "):
            str(token)
    assert UserSession.objects.count() <= 1


def test_too_many_claims(user):
    token = RefreshToken.for_user(user)
    token["text"] = "x" * 1000
    with pytest.raises(ValueError, match="CLAIMS_CALLABLE"):
        str(token)
    del token["text"]
    access = token.access_token
    access["text"] = "x" * 1000
    assert len(claims_of(str(access))["text"]) == 1000


def test_claims_that_are_not_json(user):
    token = RefreshToken.for_user(user)
    token["user"] = user
    with pytest.raises(ValueError, match="must be JSON"):
        str(token)


@pytest.mark.parametrize("has_begun", [False, True])
def test_claims_that_can_not_be_stored(user, has_begun):
    token = RefreshToken.for_user(user)
    if has_begun:
        str(token)
    for text in ("\0", "\ud800"):
        token["text"] = text
        with pytest.raises(UnstorableTextError):
            str(token)
    token["text"] = "\N{GRINNING FACE}"
    assert claims_of(str(token.access_token))["text"] == "\N{GRINNING FACE}"


def test_claims_without_the_setting(user, jwt_settings):
    jwt_settings(SIMPLEJWT=None)
    token = RefreshToken.for_user(user)
    assert verify(str(token.access_token)).user == user
    assert "user_id" not in claims_of(str(token.access_token))
    token["role"] = "editor"
    with pytest.raises(ImproperlyConfigured, match=r"SIMPLEJWT.* role\."):
        str(token)


def test_an_access_token_does_not_live_longer_than_the_settings_say(user):
    token = AccessToken.for_user(user)
    token.set_exp()
    issued = claims_of(str(token))
    assert issued["exp"] <= issued["iat"] + 300
    token.set_exp(lifetime=HOUR)
    with pytest.raises(ValueError, match="ACCESS_TOKEN_LIFETIME"):
        str(token)
    with pytest.raises(ValueError, match="ACCESS_TOKEN_LIFETIME"):
        str(LongAccess.for_user(user))


def test_lifetimes_of_classes(user, clock, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=60))
    refresh = ShortRefresh.for_user(user)
    issued = claims_of(str(refresh.access_token))
    assert issued["exp"] - issued["iat"] <= 60
    session = UserSession.objects.get()
    assert session.ends_at == timezone.now() + timedelta(minutes=1)
    assert session.idle_timeout == timedelta(minutes=1)


def test_the_session_of_an_access_token_alone_ends_with_it(user, clock):
    access = AccessToken.for_user(user)
    claims = claims_of(str(access))
    session = UserSession.objects.get()
    assert claims["exp"] <= int(session.ends_at.timestamp()) == int(timezone.now().timestamp()) + 300
    clock.shift(120)
    str(access)
    assert UserSession.objects.get().ends_at == session.ends_at


def test_a_session_shorter_than_its_access_token(user, clock):
    refresh = RefreshToken.for_user(user)
    refresh.set_exp(lifetime=timedelta(minutes=2))
    assert claims_of(str(refresh.access_token))["exp"] == int(timezone.now().timestamp()) + 120


def test_an_end_that_is_set_after_the_start(user, clock, client):
    refresh = RefreshToken.for_user(user)
    str(refresh)
    refresh.set_exp(lifetime=HOUR)
    access = str(refresh.access_token)
    session = UserSession.objects.get()
    assert session.expires_at == session.idle_expires_at == timezone.now() + HOUR
    assert client.get_me(access).status_code == 200
    refresh.set_exp(lifetime=HOUR + timedelta(seconds=1))  # as computed a moment later
    str(refresh)
    assert UserSession.objects.get().expires_at == session.expires_at
    refresh.set_exp(lifetime=-HOUR)
    assert client.refresh(str(refresh)).json()["code"] == "token_expired"


def test_an_end_beyond_the_longest_timeout(user):
    token = RefreshToken.for_user(user)
    for has_begun in (False, True):
        ends = token["exp"] if has_begun else None
        token.set_exp(lifetime=timedelta(days=4000))
        for _ in range(2):
            with pytest.raises(ValueError, match="SESSION_MAX_TIMEOUT"):
                str(token)
        del token["exp"]
        assert str(token)
        assert ends in (None, token["exp"])


def test_a_session_whose_data_has_something_else_there(user):
    raw = str(RefreshToken.for_user(user))
    UserSession.objects.update(data={"claims": 7})
    token = RefreshToken(raw)
    assert verify(str(token.access_token)).user == user
    token["role"] = "editor"
    assert claims_of(str(token.access_token))["role"] == "editor"


def test_other_claims_with_times(user, clock):
    token = AccessToken.for_user(user)
    token.set_exp("until", from_time=timezone.now(), lifetime=HOUR)
    token.set_iat("since")
    token.set_iat(at_time=timezone.now() - timedelta(seconds=3))
    token.set_jti()
    now = int(timezone.now().timestamp())
    claims = claims_of(str(token))
    assert (claims["until"], claims["since"], claims["iat"]) == (now + 3600, now, now - 3)
    assert claims["jti"] == token["jti"]
    token.check_exp("until")
    with pytest.raises(TokenError, match=r"^Token 'until' claim has expired$"):
        token.check_exp("until", current_time=timezone.now() + 2 * HOUR)
    with pytest.raises(TokenError, match=r"^Token has no 'never' claim$"):
        token.check_exp("never")


# Users


def test_a_new_token_without_a_user(user, make_user):
    for kind in (RefreshToken, AccessToken):
        with pytest.raises(TypeError, match=rf"^{kind.__name__}\(\) has no user"):
            str(kind())
        token = kind()
        token["user_id"] = str(user.pk)
        token["role"] = "editor"
        raw = str(token.access_token if kind is RefreshToken else token)
        assert verify(raw).user == user
        assert claims_of(raw)["role"] == "editor"
    for name in ("0", "x", "99999999999999999999999999"):
        token = RefreshToken()
        token["user_id"] = name
        with pytest.raises(AuthenticationFailed) as info:
            str(token)
        assert info.value.detail == {"detail": "User not found", "code": "user_not_found"}


def test_the_user_can_not_be_changed(user, make_user):
    for token in (RefreshToken.for_user(user), AccessToken.for_user(user)):
        token["user_id"] = str(make_user(f"bob{token.token_type}").pk)
        with pytest.raises(ValueError, match="another user"):
            str(token)
        token["user_id"] = str(user.pk)
        assert str(token)


def test_those_who_get_no_token(make_user):
    with pytest.raises(AuthenticationFailed) as info:
        RefreshToken.for_user(make_user(is_active=False))
    assert info.value.detail == {"detail": "User is inactive", "code": "user_inactive"}
    for nobody in (AnonymousUser(), None, "alice"):
        with pytest.raises(TypeError):
            RefreshToken.for_user(nobody)


def test_a_user_who_has_changed(user):
    token = RefreshToken.for_user(user)
    type(user)._default_manager.filter(pk=user.pk).update(password="another")
    with pytest.raises(AuthenticationFailed) as info:
        str(token)
    assert info.value.detail["code"] == "no_active_account"


def test_types_of_a_projects_own():
    """An access token of such a type would be accepted as any other."""
    for kind in (Reset, Token):
        with pytest.raises(TokenError, match="no type"):
            kind()


# Reading


def test_a_token_that_was_read(user, count):
    made = RefreshToken.for_user(user)
    made["role"] = "editor"
    raw, access = str(made), str(made.access_token)
    queries, token = count(AccessToken, access)
    assert queries == 1
    assert (token["role"], token["user_id"], token.get("token_type")) == ("editor", str(user.pk), "access")
    assert (str(token), token.token) == (access, access)
    assert repr(token) == repr(token.payload)
    assert str(AccessToken(access.encode())) == access
    queries, token = count(RefreshToken, raw)
    assert queries == 1
    assert (token["role"], token["user_id"], token.get("token_type")) == ("editor", str(user.pk), "refresh")
    assert (str(token), token["jti"], token["exp"]) == (raw, made["jti"], made["exp"])
    queries, access = count(str, token.access_token)
    assert queries == 0
    assert claims_of(access)["role"] == "editor"
    assert verify(access).user == user


def test_claims_of_one_that_was_read(user, client):
    raw = str(RefreshToken.for_user(user))
    UserSession.objects.update(data={"own": 1})
    token = RefreshToken(raw)
    token["role"] = "editor"
    assert claims_of(str(token.access_token))["role"] == "editor"
    assert UserSession.objects.get().data == {"own": 1, "claims": {"role": "editor"}}
    token.set_exp()  # as code does that rotates, which is done anyway
    token.set_iat()
    assert str(token) == raw
    assert client.refresh(raw).status_code == 200


def test_one_that_is_rotated(user, client):
    token = RefreshToken(str(RefreshToken.for_user(user)))
    token.set_jti()
    rotated = str(token)
    assert rotated not in (token.token, None)
    assert str(token) == rotated
    assert UserSession.objects.get().counter == 1
    assert verify(str(token.access_token)).user == user
    ended = RefreshToken(rotated)
    ended.blacklist()
    ended.set_jti()
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        str(ended)


def test_an_access_token_that_is_issued_late_is_revoked_for_all_its_life(user, clock):
    """The event of a revocation is kept until all tokens of the session have expired."""
    raw = str(RefreshToken.for_user(user))
    clock.shift(86400)
    access = str(RefreshToken(raw).access_token)
    sessions.end(raw)
    assert RevocationEvent.objects.get().expires_at.timestamp() > claims_of(access)["exp"]


def test_none_is_issued_after_the_end(user, clock):
    raw = str(RefreshToken.for_user(user))
    clock.shift(86400)
    token = RefreshToken(raw)
    sessions.end(raw)
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        str(token.access_token)


def test_claims_of_an_access_token_that_was_read_can_not_be_changed(user):
    token = AccessToken(str(AccessToken.for_user(user)))
    token["role"] = "admin"
    with pytest.raises(ValueError, match="read"):
        str(token)


def test_a_token_from_before_the_setting(user, pair):
    assert AccessToken(pair["access_token"])["user_id"] == str(user.pk)


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (lambda user, raw: sessions.end(raw), "Token is blacklisted"),
        (lambda user, raw: revoke_user(user), "Token is blacklisted"),
        (lambda user, raw: revoke_all(), "Token is blacklisted"),
        (
            lambda user, raw: type(user)._default_manager.filter(pk=user.pk).update(is_active=False),
            "Token is blacklisted",
        ),
        (lambda user, raw: UserSession.objects.all().delete(), "Token is blacklisted"),
        (lambda user, raw: UserSession.objects.update(expires_at=timezone.now()), "Token is expired"),
    ],
    ids=["end", "revoke_user", "revoke_all", "inactive", "deleted", "expired"],
)
def test_refused_tokens(user, end, text):
    refresh = RefreshToken.for_user(user)
    raw, access = str(refresh), str(refresh.access_token)
    kinds = ((RefreshToken, raw), (AccessToken, access), (UntypedToken, raw), (UntypedToken, access))
    for kind, written in kinds:
        assert str(kind(written)) == written
    end(user, raw)
    for kind, written in kinds:
        with pytest.raises(TokenError, match=f"^{text}$"):
            kind(written)


def test_a_refresh_token_that_was_used_before(user, client, clock):
    raw = str(RefreshToken.for_user(user))
    client.refresh(raw)
    assert RefreshToken(raw)
    clock.shift(3600)
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        RefreshToken(raw)


@pytest.mark.parametrize(
    "raw",
    ["", "x", "a.b.c", "eyJ", "\0", "é", b"\xff", "x" * 100_000, "0" * 32 + ".0." + "x" * 43],
    ids=lambda raw: repr(raw)[:20],
)
def test_texts_that_are_no_tokens(db, raw):
    for kind in (RefreshToken, AccessToken, UntypedToken):
        with pytest.raises(TokenError, match=r"^Token is invalid$"):
            kind(raw)


def test_a_single_use_token(user, monkeypatch):
    """Only a request uses it up."""
    raw = str(AccessToken.for_user(user))
    monkeypatch.setattr(reading, "verify", lambda raw: verify(raw)._replace(one_time=True))
    with pytest.raises(TokenError, match=r"^Token is invalid$"):
        AccessToken(raw)


def test_changed_tokens(user):
    refresh = RefreshToken.for_user(user)
    for kind, raw in (
        (AccessToken, with_claims(str(refresh.access_token), sub='"2"')[:-43] + "x" * 43),
        (RefreshToken, f"{refresh}"[:-1] + "-"),
    ):
        for verifies in (True, False):
            with pytest.raises(TokenError, match=r"^Token is invalid$"):
                kind(raw, verify=verifies)


def test_the_other_type(user):
    refresh = RefreshToken.for_user(user)
    for kind, raw in ((AccessToken, str(refresh)), (RefreshToken, str(refresh.access_token))):
        with pytest.raises(TokenError, match=r"^Token has wrong type$"):
            kind(raw)


def test_a_type_claim_that_differs(user, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"token_type": "other"})
    raw = str(AccessToken.for_user(user))
    with pytest.raises(TokenError, match=r"^Token has wrong type$"):
        AccessToken(raw)
    assert UntypedToken(raw)["token_type"] == "other"


def test_without_verification_the_signature_counts(user):
    refresh = RefreshToken.for_user(user)
    raw, access = str(refresh), str(refresh.access_token)
    revoke_user(user)
    assert AccessToken(access, verify=False)["user_id"] == str(user.pk)
    assert RefreshToken(raw, verify=False)["user_id"] == str(user.pk)
    UserSession.objects.all().delete()
    with pytest.raises(TokenError, match=r"^Token is blacklisted$"):
        RefreshToken(raw, verify=False)


def test_an_untyped_token(user):
    refresh = RefreshToken.for_user(user)
    refresh["role"] = "editor"
    for raw, kind in ((str(refresh), "refresh"), (str(refresh.access_token), "access")):
        token = UntypedToken(raw)
        assert (token["role"], token["token_type"], token["user_id"]) == ("editor", kind, str(user.pk))
        assert token["exp"] > token["iat"]
        assert token["jti"]
        assert str(token) == raw
    for token, name in ((UntypedToken(raw), "other"), (UntypedToken(), "jti")):
        with pytest.raises(KeyError):
            token[name]
    assert str(UntypedToken()) == ""


def test_a_check_of_the_project(user):
    token = Careful.for_user(user)
    raw = str(token)
    assert Careful(raw)
    token["blocked"] = True
    str(token)
    with pytest.raises(TokenError, match=r"^blocked$"):
        Careful(raw)
    assert Careful(raw, verify=False)["blocked"] is True


def test_outages(user):
    refresh = RefreshToken.for_user(user)
    raw, access = str(refresh), str(refresh.access_token)
    read = RefreshToken(raw)
    read["role"] = "editor"
    for call in (
        lambda: RefreshToken(raw),
        lambda: AccessToken(access),
        lambda: str(RefreshToken.for_user(user)),
        lambda: str(read),
        lambda: refresh.blacklist(),
    ):
        with outage(), pytest.raises(APIException) as info:
            call()
        assert info.value.status_code == 503
    with pytest.raises(OperationalError), outage():  # the control
        UserSession.objects.count()


# Beside simplejwt


# They depend on the encoding of simplejwt's refresh tokens, or are for tests of it.
NOT_OURS = {"get_token_backend", "token_backend"}


@pytest.mark.parametrize("name", ["RefreshToken", "AccessToken", "UntypedToken", "Token"])
def test_the_classes_have_what_those_of_simplejwt_have(name):
    def public(kind):
        return {attribute for attribute in dir(kind) if not attribute.startswith("_")}

    kind, their_kind = getattr(tokens, name), getattr(theirs, name)
    assert public(their_kind) - public(kind) == NOT_OURS
    assert kind.token_type == their_kind.token_type


@pytest.mark.parametrize("module", ["tokens", "sign_in", "claims"])
def test_simplejwt_is_not_needed(module):
    """A subprocess can't import it."""
    code = (
        "import sys; sys.modules['rest_framework_simplejwt'] = None; import django; django.setup();"
        f"import jwt_auth.contrib.simplejwt.{module}"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=environment)


def test_a_claim_may_be_none(user):
    refresh = RefreshToken.for_user(user)
    refresh["org"] = None
    assert AccessToken(str(refresh.access_token))["org"] is None
    access = refresh.access_token
    del access["org"]
    assert "org" not in AccessToken(str(access))


def test_an_expired_token_has_an_error_of_its_own(user, clock):
    raw = str(AccessToken.for_user(user))
    with pytest.raises(TokenError) as refused:
        AccessToken(f"{raw[:-4]}AAAA")
    assert not isinstance(refused.value, ExpiredTokenError)
    clock.shift(HOUR)
    with pytest.raises(ExpiredTokenError, match=r"^Token is expired$"):
        AccessToken(raw)


def test_the_lifetime_of_a_refresh_token_is_that_of_an_unused_session(user):
    refresh = RefreshToken.for_user(user)
    assert refresh["exp"] - refresh["iat"] == refresh.lifetime.total_seconds()
