"""The exchange of former refresh tokens and sliding tokens for sessions: the checks of simplejwt, and the states."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError as PackageError
from rest_framework_simplejwt.serializers import TokenRefreshSerializer
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken

from jwt_auth import sessions
from jwt_auth.claims import moment
from jwt_auth.contrib.simplejwt.window import package, users
from jwt_auth.contrib.simplejwt.window.exchange import check_former
from jwt_auth.contrib.simplejwt.window.package import former_of
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    InvalidClaimError,
    InvalidTokenError,
    MalformedTokenError,
    MissingUserError,
    RefreshTokenReusedError,
    RevokedTokenError,
    StaleCredentialsError,
    UnavailableError,
)
from jwt_auth.http.peer import Peer
from jwt_auth.management.cleaning import expired_used_tokens
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.sessions import refresh
from jwt_auth.signals import new_device_seen, refresh_token_reused, refresh_token_shared, session_started
from jwt_auth.verification import verify
from tests.support.clocks import NOW
from tests.support.former import former_pair, former_sliding, resigned, rolled_back_refresh
from tests.support.outages import outage

HERE, THERE = Peer(ip_address="192.0.2.1", user_agent="Firefox"), Peer(ip_address="198.51.100.1", user_agent="curl")

SECOND = NOW.replace(microsecond=0)  # `iat` has whole seconds

COMMITS = pytest.mark.django_db(transaction=True)


def jti_of(raw):
    return RefreshToken(raw, verify=False)["jti"]


def test_over_http(client, user, raw, clock):
    clock.shift(60)
    answer = client.refresh(raw)
    assert answer.status_code == 200
    pair = answer.json()
    assert client.get_me(pair["access_token"]).status_code == 200
    clock.shift(180)
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_the_session_is_known_by_the_token_and_begins_now(user, raw, clock):
    clock.shift(3600)
    pair = refresh(raw, peer=HERE)
    session = UserSession.objects.get()
    assert session.pk == pair.session_id == former_of(raw).digest
    assert session.user == user
    assert session.started_at == SECOND
    assert (session.created_at, session.last_issued_at) == (timezone.now(), timezone.now())
    assert session.expires_at - timezone.now() == timedelta(days=30)
    assert session.idle_expires_at - timezone.now() == timedelta(days=14)
    assert (session.ip_address, session.user_agent) == (HERE.ip_address, HERE.user_agent)
    assert (session.counter, session.amr, session.data) == (0, "", {})
    assert verify(pair.access_token).claims.auth_time == SECOND


@COMMITS
def test_the_rotation_is_timed_by_the_database(user, heard):
    sent = heard(session_started)
    pair = refresh(former_pair(user)["refresh"])
    [(_, facts)] = sent
    assert abs(facts["session"].rotated_at - timezone.now()) < timedelta(minutes=5)
    assert refresh(pair.refresh_token).refresh_token == pair.refresh_token


def test_the_number_of_queries(raw, count, user):
    first, _ = count(refresh, raw)
    repeated, _ = count(refresh, raw)
    # Simplejwt's blacklist, and the user; the lock, the row, the used token, the session; and four for the blacklist. A
    # database without row locks has one more for the lock.
    assert first == 10, first
    assert repeated == 4, repeated


def test_it_is_a_start_of_a_session_and_no_new_device(raw, heard, django_capture_on_commit_callbacks):
    sent = heard(session_started, new_device_seen)
    with django_capture_on_commit_callbacks(execute=True):
        refresh(raw)
    assert [signal for signal, _ in sent] == [session_started]


# The project's own claims


def test_own_claims_are_kept_and_the_others_are_not(user, package_settings, clock):
    package_settings(CHECK_REVOKE_TOKEN=True)
    raw = former_pair(user, org="acme", roles=["a", "b"], scope="read", sid="0" * 32)["refresh"]
    refresh(raw)
    assert UserSession.objects.get().data == {"claims": {"org": "acme", "roles": ["a", "b"]}}


@pytest.mark.parametrize("value", ["x" * 1000, "a\0b"])
def test_claims_that_can_not_be_kept_refuse_the_token(user, clock, value):
    raw = former_pair(user, note=value)["refresh"]
    with pytest.raises(InvalidTokenError, match="can't be kept"):
        refresh(raw)
    assert not UsedToken.objects.exists()
    assert rolled_back_refresh(raw)
    assert refresh(former_pair(user, note=value[:1])["refresh"])


# What simplejwt checks


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"without": ("exp",)}, InvalidClaimError),
        ({"without": ("jti",)}, InvalidClaimError),
        ({"without": ("user_id",)}, InvalidClaimError),
        ({"without": ("token_type",)}, MalformedTokenError),
        ({"token_type": "access"}, MalformedTokenError),
        ({"headers": {"kid": "one"}}, MalformedTokenError),
        ({"exp": 1}, ExpiredTokenError),
        ({"iat": 4_000_000_000}, InvalidClaimError),
        ({"user_id": "nobody"}, MissingUserError),
    ],
)
def test_a_token_with_other_claims_is_refused(raw, changes, error):
    with pytest.raises(error):
        refresh(resigned(raw, **changes))
    assert refresh(resigned(raw))


def test_another_key_is_refused(raw, package_backend):
    package_backend("HS256", "another key than the project's, which is long enough")
    with pytest.raises(InvalidTokenError, match="Signature verification failed"):
        refresh(raw)


def test_a_token_that_is_no_text_at_all(raw):
    with pytest.raises(TypeError):
        refresh(raw.encode())
    with pytest.raises(MalformedTokenError):
        refresh("x")


def test_until_it_expires(user, clock, raw):
    other = former_pair(user)["refresh"]
    clock.shift(timedelta(days=14) - timedelta(seconds=1))
    assert refresh(raw)
    clock.shift(2)
    with pytest.raises(ExpiredTokenError):
        refresh(other)


def test_one_on_the_blacklist_is_refused(user, raw):
    RefreshToken(raw).blacklist()
    with pytest.raises(RevokedTokenError, match="blacklisted"):
        refresh(raw)
    assert refresh(former_pair(user)["refresh"])


def test_a_missing_user(user, raw):
    user.delete()
    with pytest.raises(MissingUserError):
        refresh(raw)


def test_an_inactive_user(user, raw):
    user.is_active = False
    user.save()
    with pytest.raises(InactivePrincipalError):
        refresh(raw)


def test_the_rule_of_the_project_is_asked(user, raw, package_settings):
    package_settings(USER_AUTHENTICATION_RULE=lambda user: False)
    with pytest.raises(InactivePrincipalError, match="USER_AUTHENTICATION_RULE"):
        refresh(raw)
    package_settings(USER_AUTHENTICATION_RULE=lambda found: found == user)
    assert refresh(raw)


def test_an_exchange_revives_no_token_that_a_new_password_has_killed(user, package_settings, clock):
    package_settings(CHECK_REVOKE_TOKEN=True)
    raw, other = (former_pair(user)["refresh"] for _ in range(2))
    assert refresh(other)
    get_user_model().objects.filter(pk=user.pk).update(password="another")
    with pytest.raises(StaleCredentialsError):
        refresh(raw)


def test_revocations_from_after_it_was_issued_refuse_it(user, clock, make_user):
    raw, bobs = former_pair(user)["refresh"], former_pair(make_user("bob"))["refresh"]
    clock.shift(1)
    revoke_user(user)
    with pytest.raises(RevokedTokenError):
        refresh(raw)
    assert refresh(bobs)
    carols = former_pair(make_user("carol"))["refresh"]
    revoke_all()
    with pytest.raises(RevokedTokenError):
        refresh(carols)


def test_revocations_from_before_it_was_issued_do_not(user, clock):
    revoke_user(user)
    clock.shift(60)
    assert refresh(former_pair(user)["refresh"])


def test_a_token_without_iat_is_exchanged_if_nobody_was_revoked(user, raw):
    other = resigned(raw, without=("iat",), jti="another")
    assert refresh(resigned(raw, without=("iat",)))
    assert UserSession.objects.get().started_at == moment(0)
    revoke_user(user, at=NOW - timedelta(days=1000))
    with pytest.raises(RevokedTokenError):
        refresh(other)


def test_a_clock_that_was_ahead(user, raw, package_backend):
    package_backend("HS256", RefreshToken(raw).get_token_backend().signing_key, leeway=10)
    ahead = resigned(raw, iat=int(NOW.timestamp()) + 5)
    assert refresh(ahead)
    assert UserSession.objects.get().started_at == timezone.now()


def test_a_change_of_the_user_during_the_exchange_refuses_it(user, raw, package_settings):
    def change(found):
        get_user_model().objects.filter(pk=found.pk).update(password="another")
        return True

    package_settings(USER_AUTHENTICATION_RULE=change)
    with pytest.raises(StaleCredentialsError):
        refresh(raw)
    assert not UsedToken.objects.exists()


def test_one_that_is_exchanged_during_the_exchange_gives_the_same_tokens(raw, package_settings):
    pairs = []

    def exchange_too(found):
        if not pairs:
            pairs.append(None)
            pairs[0] = refresh(raw)
        return True

    package_settings(USER_AUTHENTICATION_RULE=exchange_too)
    assert refresh(raw).refresh_token == pairs[0].refresh_token
    assert UserSession.objects.get()


def test_one_that_is_signed_out_during_the_exchange_is_refused(raw, package_settings):
    package_settings(USER_AUTHENTICATION_RULE=lambda found: sessions.end(raw))
    with pytest.raises(RevokedTokenError):
        refresh(raw)
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("is_plain", [True, False])
def test_the_compiled_query_finds_what_the_orm_does(user, raw, monkeypatch, is_plain):
    monkeypatch.setattr(users, "manager_is_plain", lambda: is_plain)
    revoke_user(user, at=NOW - timedelta(days=1))
    pair = refresh(raw)
    assert refresh(raw).refresh_token == pair.refresh_token
    access = former_pair(user)["access"]
    assert verify(access).user == user
    assert users._compiled(connection.alias).is_compiled
    sessions.end(raw)
    with pytest.raises(RevokedTokenError, match="session is revoked"):
        verify(access)


@pytest.mark.parametrize("shown", [True, False])
def test_a_user_whom_the_manager_makes(user, raw, monkeypatch, shown):
    """The project's manager is asked for the user; it may hide the user a moment after the row was read."""
    monkeypatch.setattr(users, "as_made", lambda row, shown: row if visible else None)
    visible = shown
    if shown:
        assert refresh(raw)
    else:
        with pytest.raises(MissingUserError, match="gone"):
            refresh(raw)


# Once


def test_it_is_used_up_for_simplejwt_too(raw, user):
    other = former_pair(user)["refresh"]
    refresh(raw)
    assert not rolled_back_refresh(raw)
    assert rolled_back_refresh(other)
    assert BlacklistedToken.objects.get().token == OutstandingToken.objects.get(jti=jti_of(raw))


def test_a_token_that_simplejwt_never_listed_is_put_on_its_blacklist(raw):
    OutstandingToken.objects.all().delete()
    refresh(raw)
    assert not rolled_back_refresh(raw)


def test_in_the_grace_period_it_gives_the_same_refresh_token(raw, clock):
    first = refresh(raw)
    clock.shift(59)
    again = refresh(raw)
    assert again.refresh_token == first.refresh_token
    assert again.access_token != first.access_token
    assert again.session_id == first.session_id
    assert verify(again.access_token)
    assert UserSession.objects.get().counter == 0


def test_the_first_refresh_token_does_not_rotate_while_the_former_one_gives_it(raw, clock):
    first = refresh(raw)
    clock.shift(30)
    assert refresh(first.refresh_token).refresh_token == first.refresh_token
    clock.shift(100)
    assert refresh(first.refresh_token).refresh_token != first.refresh_token


@COMMITS
@pytest.mark.parametrize("rotated", [False, True])
def test_later_it_ends_the_session(raw, clock, heard, rotated):
    pair = refresh(raw)
    clock.shift(130)
    if rotated:
        pair = refresh(pair.refresh_token)
    sent = heard(refresh_token_reused)
    with pytest.raises(RefreshTokenReusedError):
        refresh(raw)
    assert [facts["presented"] for _, facts in sent] == [-1]
    assert UserSession.objects.get().revoked_at == timezone.now()
    with pytest.raises(RevokedTokenError):
        refresh(pair.refresh_token)
    with pytest.raises(RevokedTokenError):
        refresh(raw)


def test_after_a_rotation_it_ends_the_session_even_early(raw, clock):
    pair = refresh(raw, peer=HERE)
    UserSession.objects.update(counter=1)
    with pytest.raises(RefreshTokenReusedError):
        refresh(raw, peer=HERE)
    with pytest.raises(RevokedTokenError):
        verify(pair.access_token)


@COMMITS
def test_another_peer_is_noticed(raw, heard):
    sent = heard(refresh_token_shared)
    refresh(raw, peer=HERE)
    assert refresh(raw, peer=HERE)
    assert not sent
    refresh(raw, peer=THERE)
    assert [facts["peer"] for _, facts in sent] == [THERE]


def test_after_the_end_of_the_session_it_is_refused(raw):
    sessions.end(refresh(raw).refresh_token)
    with pytest.raises(RevokedTokenError):
        refresh(raw)


def test_after_the_deletion_of_the_session_it_is_refused(raw):
    refresh(raw)
    UserSession.objects.all().delete()
    with pytest.raises(RevokedTokenError, match="no session"):
        refresh(raw)


def test_it_stays_used_until_it_and_the_window_have_ended(user, jwt_settings, clock):
    refresh(former_pair(user)["refresh"])
    used = UsedToken.objects.get()
    assert used.expires_at.year == 2100
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": (NOW + timedelta(days=1)).date()})
    refresh(former_pair(user)["refresh"])
    assert UsedToken.objects.earliest("expires_at").expires_at > NOW + timedelta(days=14)
    assert not expired_used_tokens(NOW + timedelta(days=14)).exists()


def test_a_cache_for_used_tokens_is_not_asked(raw, jwt_settings):
    jwt_settings(REPLAY_CACHE="default")
    refresh(raw)
    assert UsedToken.objects.exists()


def test_without_the_blacklist_app_it_is_used_up_here(raw, monkeypatch):
    monkeypatch.setattr(package, "BLACKLIST", "elsewhere")
    refresh(raw)
    assert not BlacklistedToken.objects.exists()
    assert UsedToken.objects.exists()


def test_a_blacklist_in_another_database_is_left_alone(raw, monkeypatch):
    class Router:
        def db_for_write(self, model):
            return "other" if model is BlacklistedToken else "default"

    monkeypatch.setattr(package, "router", Router())
    refresh(raw)
    assert not BlacklistedToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_outage_at_any_statement_uses_nothing_up(user):
    statements = 0
    while True:
        raw = former_pair(user)["refresh"]
        try:
            with outage(after=statements):
                refresh(raw)
        except UnavailableError:
            assert not connection.in_atomic_block
            assert not UsedToken.objects.exists()
            assert not UserSession.objects.exists()
            assert rolled_back_refresh(raw)
            statements += 1
            continue
        break
    assert statements >= 10
    assert UserSession.objects.get().pk == former_of(raw).digest


def test_two_users_never_share_a_session_whatever_ids_their_tokens_have(user, raw, make_user):
    bob = make_user("bob")
    bobs = resigned(former_pair(bob)["refresh"], jti=jti_of(raw))
    BlacklistedToken.objects.all().delete()
    OutstandingToken.objects.all().delete()
    assert verify(refresh(bobs).access_token).user == bob
    BlacklistedToken.objects.all().delete()
    assert verify(refresh(raw).access_token).user == user
    assert UserSession.objects.count() == 2


# Back to simplejwt


def test_simplejwt_itself_accepts_what_nobody_has_used(user, raw, package_settings):
    exchanged, signed_out = (former_pair(user)["refresh"] for _ in range(2))
    refresh(exchanged)
    sessions.end(signed_out)
    answer = TokenRefreshSerializer().validate({"refresh": raw})
    assert AccessToken(answer["access"])["user_id"] == str(user.pk)
    for used in (exchanged, signed_out):
        with pytest.raises(PackageError, match="blacklisted"):
            TokenRefreshSerializer().validate({"refresh": used})


# A check that changes nothing


def test_it_can_be_checked_without_being_used_up(user, raw, clock):
    other = former_pair(user)["refresh"]
    assert check_former(raw)
    assert not UsedToken.objects.exists()
    refresh(raw)
    assert check_former(raw)
    clock.shift(100)
    with pytest.raises(RefreshTokenReusedError):
        check_former(raw)
    assert UserSession.objects.get().revoked_at is None
    with outage(), pytest.raises(UnavailableError):
        check_former(other)
    sessions.end(other)
    with pytest.raises(RevokedTokenError):
        check_former(other)
    assert not check_former("x")
    assert not check_former(former_pair(user)["access"])


def test_the_session_of_one_that_was_used_is_checked_as_well(user, raw):
    refresh(raw)
    assert check_former(raw)
    UserSession.objects.update(revoked_at=timezone.now())
    with pytest.raises(RevokedTokenError):
        check_former(raw)
    UserSession.objects.all().delete()
    with pytest.raises(RevokedTokenError, match="no session"):
        check_former(raw)


# Sliding tokens


@pytest.fixture
def sliding(package_settings, user, clock):
    package_settings(AUTH_TOKEN_CLASSES=(AccessToken, SlidingToken))
    return former_sliding(user, org="acme")


def test_a_sliding_token_is_exchanged_once(sliding, clock):
    assert verify(sliding)
    pair = refresh(sliding)
    assert UserSession.objects.get().data == {"claims": {"org": "acme"}}
    assert refresh(sliding).refresh_token == pair.refresh_token
    clock.shift(100)
    with pytest.raises(RefreshTokenReusedError):
        refresh(sliding)
    with pytest.raises(RevokedTokenError):
        verify(sliding)


def test_a_sliding_token_is_exchanged_until_both_of_its_ends(sliding, user, clock):
    ended = former_sliding(user, refresh_exp=int(NOW.timestamp()) - 1)
    assert verify(ended)
    with pytest.raises(ExpiredTokenError, match="refresh_exp"):
        refresh(ended)
    clock.shift(301)
    with pytest.raises(ExpiredTokenError):
        refresh(sliding)


# The window


def test_after_the_end_it_is_no_token_of_ours(raw, jwt_settings):
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": NOW + timedelta(days=1)})
    with pytest.raises(MalformedTokenError):
        refresh(raw, now=NOW + timedelta(days=1))
    assert refresh(raw, now=NOW + timedelta(hours=23))


def test_the_time_can_be_given(raw):
    pair = refresh(raw, now=NOW + timedelta(days=1))
    session = UserSession.objects.get(pk=pair.session_id)
    assert session.rotated_at == session.created_at == NOW + timedelta(days=1)
    assert isinstance(pair.session_id, UUID)
