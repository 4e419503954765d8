"""Signing out with tokens of simplejwt."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, SlidingToken

from jwt_auth.contrib.simplejwt.window.package import former_of
from jwt_auth.exceptions import RevokedTokenError, UnavailableError
from jwt_auth.management.cleaning import delete_in_batches, expired_sessions
from jwt_auth.models import RevocationEvent, UsedToken, UserSession
from jwt_auth.sessions import end, refresh
from jwt_auth.signals import session_revoked, token_revoked
from jwt_auth.verification import verify
from tests.support.clocks import NOW
from tests.support.former import former_access, former_pair, former_sliding, resigned, rolled_back_refresh
from tests.support.outages import outage

COMMITS = pytest.mark.django_db(transaction=True)


def test_over_http(client, user, raw):
    assert client.send("revoke/", {"token": raw}).status_code == 200
    assert client.refresh(raw).status_code == 401
    assert client.refresh(former_pair(user)["refresh"]).status_code == 200


@COMMITS
def test_a_refresh_token_that_was_not_exchanged_is_used_up(user, raw, heard):
    other = former_pair(user)["refresh"]
    sent = heard(token_revoked, session_revoked)
    sid = end(raw, reason="signed out")
    assert sid == former_of(raw).digest
    assert [(signal, facts["event"].reason) for signal, facts in sent] == [(token_revoked, "signed out")]
    assert not UserSession.objects.exists()
    with pytest.raises(RevokedTokenError):
        refresh(raw)
    assert not rolled_back_refresh(raw)
    assert rolled_back_refresh(other)
    assert refresh(other)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_sign_out_that_is_repeated_writes_one_event(user, clock, is_there):
    access = former_access(user)
    if not is_there:
        user.delete()
    before = RevocationEvent.objects.count()
    for _ in range(3):
        assert end(access) == former_of(access).digest
    assert RevocationEvent.objects.count() == before + 1


def test_it_refuses_access_tokens_of_its_user_from_before(user, raw, clock, make_user):
    bob = make_user("bob")
    before, bobs = former_access(user), former_access(bob)
    clock.shift(2)
    end(raw)
    clock.shift(2)
    with pytest.raises(RevokedTokenError):
        verify(before)
    assert verify(bobs).user == bob
    assert verify(former_access(user)).user == user


# Rule: a clean-up asks every query that refuses a token which rows it reads, and until when.
def test_a_clean_up_revives_no_access_token_that_outlives_the_ended_session(user, raw, clock):
    access, other = (former_access(user, life=timedelta(days=90)) for _ in range(2))
    clock.shift(5)
    ended, live = refresh(raw), refresh(former_pair(user)["refresh"])
    end(ended.refresh_token)
    clock.shift(timedelta(days=31))
    for _ in delete_in_batches(expired_sessions(timezone.now()), 100):
        pass
    assert not UserSession.objects.filter(pk=live.session_id).exists()
    for refused in (access, other):
        with pytest.raises(RevokedTokenError):
            verify(refused)
    UsedToken.objects.all().delete()  # as after the window, when no former token is accepted
    assert expired_sessions(timezone.now()).exists()


@COMMITS
def test_the_session_of_one_that_was_exchanged_ends(raw, heard):
    pair = refresh(raw)
    sent = heard(token_revoked, session_revoked)
    assert end(raw, reason="signed out") == pair.session_id
    assert [signal for signal, _ in sent] == [session_revoked]
    assert UserSession.objects.get().revoked_reason == "signed out"
    for refused in (raw, pair.refresh_token):
        with pytest.raises(RevokedTokenError):
            refresh(refused)


def test_again_it_changes_nothing(raw, user):
    sid = end(raw)
    assert end(raw) == sid
    assert RevocationEvent.objects.count() == BlacklistedToken.objects.count() == UsedToken.objects.count() == 1


def test_an_expired_one_still_ends_its_session(raw, clock):
    pair = refresh(raw)
    clock.shift(timedelta(days=15))
    UserSession.objects.update(idle_expires_at=NOW + timedelta(days=20))
    assert end(raw) == pair.session_id
    assert UserSession.objects.get().revoked_at is not None


def test_an_access_token_is_denied_alone(user, clock):
    one, other = former_access(user), former_access(user)
    assert end(one) is not None
    assert end(one) is not None
    assert RevocationEvent.objects.get().scope == "token"
    with pytest.raises(RevokedTokenError, match="denied"):
        verify(one)
    assert verify(other).user == user


def test_a_sliding_token_is_denied_and_used_up(user, clock, package_settings):
    package_settings(AUTH_TOKEN_CLASSES=(AccessToken, SlidingToken))
    access, raw, other, of_device = former_access(user), *(former_sliding(user) for _ in range(3))
    clock.shift(1)
    end(raw)
    with pytest.raises(RevokedTokenError):
        verify(raw)
    with pytest.raises(RevokedTokenError):
        refresh(raw)
    assert verify(access)
    pair = refresh(other)
    assert end(other) == pair.session_id
    assert verify(of_device)
    assert refresh(of_device)
    with pytest.raises(RevokedTokenError):
        refresh(pair.refresh_token)


def test_the_token_of_a_user_who_is_gone(user, raw):
    user.delete()
    assert end(raw) is not None
    assert end(raw) is not None


@pytest.mark.parametrize("changes", [{"token_type": "other"}, {"headers": {"kid": "one"}}, {"user_id": None}])
def test_others_are_none_of_ours(raw, changes):
    assert end(resigned(raw, **changes)) is None
    assert end("x") is None
    assert end(raw[:-2] + ("AA" if raw[-2:] != "AA" else "BB")) is None
    assert not UsedToken.objects.exists()
    assert refresh(raw)


def test_after_the_end_it_is_no_token_of_ours(raw, jwt_settings):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": NOW})
    assert end(raw) is None
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": NOW + timedelta(days=1)})
    assert end(raw) is not None


@COMMITS
def test_an_outage_at_any_statement_changes_nothing(user):
    statements = 0
    while True:
        raw = former_pair(user)["refresh"]
        try:
            with outage(after=statements):
                end(raw)
        except UnavailableError:
            assert not UsedToken.objects.exists()
            assert not RevocationEvent.objects.exists()
            assert rolled_back_refresh(raw)
            statements += 1
            continue
        break
    assert statements >= 5
    assert not rolled_back_refresh(raw)
