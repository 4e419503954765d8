"""The token classes, given tokens that simplejwt itself has issued."""

from datetime import timedelta

import pytest
from rest_framework.exceptions import APIException
from rest_framework_simplejwt.tokens import AccessToken as TheirAccess, SlidingToken

from jwt_auth.contrib.simplejwt.exceptions import TokenError
from jwt_auth.contrib.simplejwt.tokens import AccessToken, RefreshToken, UntypedToken
from jwt_auth.contrib.simplejwt.window.package import former_of
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.sessions import end, refresh
from tests.support.clocks import NOW
from tests.support.forge import claims_of
from tests.support.former import former_access, former_pair, former_sliding, resigned, rolled_back_refresh
from tests.support.outages import outage

AHEAD = timedelta(days=1)


@pytest.fixture
def raw(user, clock):
    return former_pair(user, org="acme")["refresh"]


# Reading


def test_a_refresh_token_has_its_claims_and_is_not_used_up(user, raw):
    token = RefreshToken(raw)
    sent = claims_of(raw)
    assert {name: token[name] for name in sent} == sent
    assert token["user_id"] == str(user.pk)
    assert token["org"] == "acme"
    assert "hash" not in token
    token.check_blacklist()
    assert not UsedToken.objects.exists()
    assert rolled_back_refresh(raw)


@pytest.mark.parametrize("kind", [RefreshToken, UntypedToken])
def test_one_that_an_exchange_would_refuse(user, raw, kind, clock):
    other = former_pair(user)["refresh"]
    assert kind(other)
    end(raw)
    with pytest.raises(TokenError, match="Token is blacklisted"):
        kind(raw)
    assert kind(raw, verify=False)["org"] == "acme"
    with pytest.raises(TokenError, match="Token is invalid"):
        kind(resigned(other, user_id=None))
    clock.shift(timedelta(days=15))
    with pytest.raises(TokenError, match="Token is expired"):
        kind(other)
    assert kind(other, verify=False)


def test_those_of_an_inactive_user(user, raw):
    user.is_active = False
    user.save()
    with pytest.raises(TokenError, match="Token is blacklisted"):
        RefreshToken(raw)
    assert RefreshToken(raw, verify=False)["user_id"] == str(user.pk)


@pytest.mark.parametrize("kind", [RefreshToken, UntypedToken])
def test_those_of_a_user_who_is_gone(user, raw, kind):
    pk = str(user.pk)
    user.delete()
    with pytest.raises(TokenError):
        kind(raw)
    assert kind(raw, verify=False)["user_id"] == pk


def test_an_untyped_token_reads_both(user, raw, clock):
    assert (UntypedToken(raw)["token_type"], UntypedToken(raw)["org"]) == ("refresh", "acme")
    assert UntypedToken(former_access(user))["token_type"] == "access"
    assert not UsedToken.objects.exists()


def test_an_access_token_has_its_claims(user, clock):
    raw = former_pair(user, org="acme")["access"]
    assert AccessToken(raw).payload == claims_of(raw)
    assert str(AccessToken(raw)) == raw
    old = former_access(user, age=timedelta(hours=1))
    with pytest.raises(TokenError, match="Token is expired"):
        AccessToken(old)
    assert AccessToken(old, verify=False).payload == claims_of(old)
    end(raw)
    with pytest.raises(TokenError, match="Token is blacklisted"):
        AccessToken(raw)


@pytest.mark.parametrize("verify", [True, False])
def test_the_other_type(user, raw, verify):
    with pytest.raises(TokenError, match="Token has wrong type"):
        AccessToken(raw, verify=verify)
    with pytest.raises(TokenError, match="Token has wrong type"):
        RefreshToken(former_access(user), verify=verify)


def test_a_sliding_token_is_no_refresh_token(user, clock, package_settings):
    package_settings(AUTH_TOKEN_CLASSES=(TheirAccess, SlidingToken))
    raw = former_sliding(user)
    assert UntypedToken(raw)["token_type"] == "sliding"
    with pytest.raises(TokenError, match="Token has wrong type"):
        RefreshToken(raw)


def test_after_the_window(raw, jwt_settings):
    assert RefreshToken(raw)
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": NOW})
    for verify in (True, False):
        with pytest.raises(TokenError, match="Token is invalid"):
            RefreshToken(raw, verify=verify)


def test_an_outage(raw):
    token = RefreshToken(raw)
    for call in (lambda: RefreshToken(raw), token.check_blacklist, token.blacklist, lambda: str(token)):
        with outage(), pytest.raises(APIException) as caught:
            call()
        assert caught.value.status_code == 503
    assert str(token)


# Signing out


def test_a_view_of_the_project_signs_out(user, raw):
    other = former_pair(user)["refresh"]
    assert RefreshToken(raw).blacklist() == (None, True)
    assert not rolled_back_refresh(raw)
    with pytest.raises(TokenError, match="Token is blacklisted"):
        RefreshToken(raw).blacklist()
    assert RefreshToken(raw, verify=False).blacklist() == (None, False)
    assert RefreshToken(other)


def test_one_that_was_read_before_is_refused_then(raw):
    token = RefreshToken(raw)
    RefreshToken(raw).blacklist()
    with pytest.raises(TokenError, match="Token is blacklisted"):
        token.check_blacklist()
    with pytest.raises(TokenError, match="Token is blacklisted"):
        str(token)


def test_it_ends_the_session_of_an_exchange(raw, clock):
    token = RefreshToken(raw)
    pair = refresh(raw)
    session, is_new = token.blacklist()
    assert (session.pk, is_new) == (pair.session_id, True)
    assert session.revoked_at is not None


def test_after_its_own_exchange(raw):
    token = RefreshToken(raw)
    mine = str(token)
    token.check_blacklist()
    session, is_new = token.blacklist()
    assert (session.pk, is_new) == (former_of(raw).digest, True)
    with pytest.raises(TokenError):
        token.check_blacklist()
    with pytest.raises(TokenError):
        RefreshToken(mine)


# New tokens


def test_new_tokens_come_from_one_exchange(user, raw, client):
    token = RefreshToken(raw)
    access, mine = str(token.access_token), str(token)
    assert client.get_me(access).status_code == 200
    assert (claims_of(access)["org"], claims_of(access)["user_id"]) == ("acme", str(user.pk))
    session = UserSession.objects.get()
    assert session.pk == former_of(raw).digest
    assert session.data == {"claims": {"org": "acme"}}
    assert RefreshToken(mine)["org"] == "acme"
    assert str(token) == mine
    assert not rolled_back_refresh(raw)


def test_a_view_of_the_project_changes_claims(raw, client):
    token = RefreshToken(raw)
    token["org"] = "other"
    assert claims_of(str(token.access_token))["org"] == "other"
    answer = client.refresh(str(token)).json()
    assert claims_of(answer["access_token"])["org"] == "other"


def test_a_view_of_the_project_rotates(raw, client, clock):
    """As the serializer of simplejwt does: a new id, and new times."""
    token = RefreshToken(raw)
    token.set_jti()
    token.set_exp()
    token.set_iat()
    mine = str(token)
    session = UserSession.objects.get()
    assert session.counter == 0
    assert abs(session.expires_at - NOW - timedelta(days=30)) < timedelta(minutes=1)
    assert client.refresh(mine).status_code == 200


def test_a_repeated_request_gets_the_same_one_in_the_grace_period(raw, clock):
    mine = str(RefreshToken(raw))
    assert str(RefreshToken(raw)) == mine
    clock.shift(100)
    with pytest.raises(TokenError, match="Token is blacklisted"):
        RefreshToken(raw)
    assert RefreshToken(mine)  # reading alone ends nothing


def test_claims_that_another_request_has_set_stay(raw):
    one, other = RefreshToken(raw), RefreshToken(raw)
    one["org"] = "new"
    assert claims_of(str(one.access_token))["org"] == "new"
    str(other)
    assert UserSession.objects.get().data == {"claims": {"org": "new"}}


def test_claims_that_the_app_sets_are_not_kept(user, clock, package_settings):
    package_settings(CHECK_REVOKE_TOKEN=True)
    token = RefreshToken(former_pair(user, scope="read", org="acme")["refresh"])
    assert token["scope"] == "read"
    str(token)
    assert UserSession.objects.get().data == {"claims": {"org": "acme"}}
