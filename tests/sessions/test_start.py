"""The start of sessions: the checks that are repeated, the signals, the content of tokens, and the signing keys."""

import itertools
from datetime import datetime, timedelta, timezone as datetime_timezone

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction
from django.urls import resolve
from django.utils import timezone

from jwt_auth import sessions, signals
from jwt_auth.exceptions import (
    ConfigurationError,
    ExpiredTokenError,
    InvalidCredentialsError,
    RevokedTokenError,
    UnavailableError,
)
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.sessions import CredentialsChangedError, Peer, any_account, find_account, start
from jwt_auth.sessions.refresh_tokens import grace_period
from tests.support.outages import outage

TICK = timedelta(microseconds=1)
UTC = datetime_timezone.utc
NEW_PASSWORD = "a quite different password"


def read(token):
    """Return the claims of a token that was just issued."""
    return jwt.decode(token, options={"verify_signature": False})


def query(user):
    return get_user_model().objects.filter(pk=user.pk)


# Repeated checks


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: rows.update(password=make_password(NEW_PASSWORD)), id="new password"),
        pytest.param(lambda rows: rows.update(is_active=False), id="deactivated"),
        pytest.param(lambda rows: rows.delete(), id="deleted"),
    ],
)
def test_a_user_who_is_no_longer_what_was_authenticated_gets_no_session(user, change):
    authenticated = query(user).get()
    change(query(user))
    with pytest.raises(CredentialsChangedError) as caught:
        start(authenticated)
    assert isinstance(caught.value, InvalidCredentialsError)
    assert not UserSession.objects.exists()


@pytest.mark.parametrize(
    ("operation", "refused"),
    [
        pytest.param(lambda user, bob: revoke_user(user), True, id="the user"),
        pytest.param(lambda user, bob: revoke_all(), True, id="everything"),
        pytest.param(lambda user, bob: revoke_user(bob), False, id="another user"),
        pytest.param(lambda user, bob: revoke_session(start(user).session_id), False, id="a session of the user"),
    ],
)
def test_a_revocation_since_the_name_was_looked_up_refuses_and_one_before_it_does_not(
    user, make_user, clock, operation, refused
):
    bob = make_user("bob")
    account = find_account(user.get_username())
    operation(user, bob)
    if refused:
        with pytest.raises(CredentialsChangedError):
            start(user, account=account)
    else:
        start(user, account=account)
    start(user, account=find_account(user.get_username()))


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_all()], ids=["the user", "everybody"])
@pytest.mark.parametrize(
    "look",
    [lambda make_user: find_account(make_user("bob").get_username()), lambda make_user: any_account()],
    ids=["a name", "no name"],
)
def test_a_revocation_since_an_account_was_read_counts_if_another_user_signs_in(user, make_user, look, revoke):
    """A backend may find another user than the owner of the name, and with a passkey there is no name."""
    revoke(user)
    RevocationEvent.objects.update(recorded_at=timezone.now() - timedelta(minutes=1))
    account = look(make_user)
    revoke_user(make_user("carol"))
    start(user, account=account)
    revoke(user)
    with pytest.raises(CredentialsChangedError):
        start(user, account=account)


def test_before_there_is_any_user_nothing_can_be_revoked(db, make_user):
    account = any_account()
    assert account.read_at is None
    start(make_user(), account=account)


# Terms


HOUR = timedelta(hours=1)


def test_the_terms_of_a_sign_in_are_in_its_session_and_its_tokens(user, clock):
    pair = start(
        user,
        amr=("pwd", "otp", "pwd"),
        acr="urn:example:strong",
        idle_timeout=HOUR,
        absolute_timeout=2 * HOUR,
        is_persistent=False,
        data={"organisation": 7},
    )
    session = UserSession.objects.get()
    assert session.methods == ("pwd", "otp")
    assert (session.idle_expires_at, session.expires_at) == (timezone.now() + HOUR, timezone.now() + 2 * HOUR)
    assert (session.data, session.is_persistent) == ({"organisation": 7}, False)
    assert read(pair.access_token)["amr"] == ["pwd", "otp"]
    assert read(pair.access_token)["acr"] == "urn:example:strong"
    assert not pair.is_persistent


def test_a_refresh_changes_none_of_them(user, clock):
    pair = start(user, amr=["pwd"], acr="1", idle_timeout=HOUR, is_persistent=False)
    before = read(pair.access_token)
    clock.move_to(timezone.now() + HOUR / 2)
    newer = sessions.refresh(pair.refresh_token)
    after = read(newer.access_token)
    assert [after[name] for name in ("amr", "acr", "auth_time")] == [
        before[name] for name in ("amr", "acr", "auth_time")
    ]
    assert not newer.is_persistent
    assert UserSession.objects.get().idle_expires_at == timezone.now() + HOUR
    clock.move_to(timezone.now() + HOUR)
    with pytest.raises(ExpiredTokenError):
        sessions.refresh(newer.refresh_token)


def test_without_terms_a_token_has_no_such_claims(user):
    assert not {"amr", "acr"} & read(start(user).access_token).keys()
    session = UserSession.objects.get()
    assert (session.methods, session.data, session.idle_timeout, session.is_persistent) == ((), {}, None, True)


def test_a_short_session_ends_before_it_is_idle(user, clock):
    start(user, absolute_timeout=HOUR)
    assert UserSession.objects.get().idle_expires_at == UserSession.objects.get().expires_at == timezone.now() + HOUR


def test_the_grace_period_is_never_longer_than_a_quarter_of_a_sessions_own_idle_timeout(user):
    minutes = timedelta(minutes=1)
    start(user, idle_timeout=5 * minutes)
    assert grace_period(UserSession.objects.get()) == minutes
    UserSession.objects.update(idle_timeout=2 * minutes)
    assert grace_period(UserSession.objects.get()) == minutes / 2


def test_a_setting_allows_longer_timeouts(user, settings, clock):
    with pytest.raises(ValueError, match="SESSION_MAX_TIMEOUT"):
        start(user, absolute_timeout=timedelta(days=90))
    settings.JWT_AUTH = {"SESSION_MAX_TIMEOUT": timedelta(days=90)}
    start(user, absolute_timeout=timedelta(days=90), idle_timeout=timedelta(days=60))
    session = UserSession.objects.get()
    assert session.expires_at == timezone.now() + timedelta(days=90)
    assert session.idle_expires_at == timezone.now() + timedelta(days=60)


def test_an_earlier_authentication_is_judged_by_its_own_time(user, clock):
    yesterday = timezone.now() - timedelta(days=1)
    revoke_user(user, at=yesterday)
    pair = start(user, authenticated_at=yesterday)
    session = UserSession.objects.get(pk=pair.session_id)
    assert (session.started_at, session.last_issued_at) == (yesterday, timezone.now())
    with pytest.raises(CredentialsChangedError):
        start(user, authenticated_at=yesterday - TICK)


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"amr": "pwd"}, TypeError),
        ({"amr": 1}, TypeError),
        ({"amr": ["a b"]}, ValueError),
        ({"amr": [1]}, ValueError),
        ({"amr": [f"method{i:03}" for i in range(30)]}, ValueError),
        ({"acr": 1}, TypeError),
        ({"tied_to": 1}, TypeError),
        ({"authenticated_at": datetime(2026, 1, 1)}, ValueError),  # noqa: DTZ001  # a naive time
        ({"authenticated_at": datetime(2999, 1, 1, tzinfo=UTC)}, ValueError),
        ({"acr": ""}, ValueError),
        ({"acr": "two\nlines"}, ValueError),
        ({"idle_timeout": 300}, TypeError),
        ({"idle_timeout": timedelta(seconds=59)}, ValueError),
        ({"idle_timeout": timedelta(seconds=299)}, ValueError),
        ({"absolute_timeout": timedelta(days=31)}, ValueError),
        ({"is_persistent": "yes"}, TypeError),
        ({"data": [1]}, TypeError),
        ({"data": {"set": {1}}}, ValueError),
        ({"data": {"number": float("nan")}}, ValueError),
        ({"data": {"text": "x" * 1000}}, ValueError),
        ({"replaces": "an id"}, TypeError),
        ({"transport": "pigeon"}, ValueError),
    ],
    ids=itertools.count(),
)
def test_wrong_terms_are_a_mistake_of_the_caller_and_start_nothing(user, terms, error):
    with pytest.raises(error):
        start(user, **terms)
    assert not UserSession.objects.exists()


# Replacement


def test_a_sign_in_can_replace_a_session(user):
    old = start(user)
    other = start(user)
    new = start(user, replaces=old.session_id)
    assert UserSession.objects.get(pk=old.session_id).revoked_reason == "replaced"
    assert {session.pk for session in UserSession.objects.filter(revoked_at=None)} == {other.session_id, new.session_id}
    event = RevocationEvent.objects.get()
    assert (event.subject, event.reason, event.actor) == (old.session_id.hex, "replaced", str(user.pk))


def test_a_session_is_replaced_once_and_not_after_its_end(user, make_user, clock):
    pair = start(user)
    with pytest.raises(RevokedTokenError):
        start(make_user("bob"), replaces=pair.session_id)
    start(user, replaces=pair.session_id)
    with pytest.raises(RevokedTokenError):
        start(user, replaces=pair.session_id)
    idle = start(user, absolute_timeout=HOUR)
    clock.move_to(timezone.now() + HOUR)
    with pytest.raises(RevokedTokenError):
        start(user, replaces=idle.session_id)
    assert UserSession.objects.count() == 3


def test_a_replaced_session_makes_room_for_its_successor(user, settings):
    settings.JWT_AUTH = {"SESSION_LIMIT": 2}
    other, old = start(user), start(user)
    new = start(user, replaces=old.session_id)
    assert {session.pk for session in UserSession.objects.filter(revoked_at=None)} == {other.session_id, new.session_id}


def test_without_an_account_a_revocation_meanwhile_is_not_noticed_and_the_session_begins_after_it(user, clock):
    cutoff = revoke_user(user).tokens_valid_after
    start(user)
    assert UserSession.objects.get().started_at == cutoff + TICK


def test_a_session_begins_after_the_latest_cutoff_even_when_the_clock_is_behind(user, clock):
    of_all = revoke_all(now=timezone.now() + timedelta(seconds=5))
    revoke_user(user)
    start(user)
    session = UserSession.objects.get()
    assert session.started_at == of_all + TICK
    assert session.last_issued_at >= session.started_at
    assert session.expires_at == timezone.now() + timedelta(days=30)


def test_a_session_remembers_where_it_came_from(user):
    start(user, peer=Peer(ip_address="192.0.2.7", user_agent="curl"), label="phone")
    session = UserSession.objects.get()
    assert (session.ip_address, session.user_agent, session.label) == ("192.0.2.7", "curl", "phone")
    assert session.auth_hash == user.get_session_auth_hash()


# Transactions and signals


@pytest.fixture
def heard():
    sent = []

    def hear(signal, sender, **arguments):
        sent.append((signal, arguments["session"].pk))

    watched = (signals.session_started, signals.token_refreshed, signals.refresh_token_reused)
    for signal in watched:
        signal.connect(hear)
    yield sent
    for signal in watched:
        signal.disconnect(hear)


@pytest.mark.django_db(transaction=True)
def test_a_session_stands_or_falls_with_the_transaction_it_was_started_in(client, user, heard):
    with transaction.atomic():
        kept = start(user)
        assert heard == []
    with transaction.atomic():
        lost = start(user)
        transaction.set_rollback(True)
    assert heard == [(signals.session_started, kept.session_id)]
    assert client.refresh(kept.refresh_token).status_code == 200
    assert client.refresh(lost.refresh_token).status_code == 401
    assert client.get_me(lost.access_token).status_code == 401


@pytest.mark.django_db(transaction=True)
def test_a_refused_start_breaks_no_transaction_around_it(user):
    authenticated = query(user).get()
    with transaction.atomic():
        query(user).update(password=make_password(NEW_PASSWORD))
        with pytest.raises(CredentialsChangedError):
            start(authenticated)
        query(user).update(is_active=False)
    assert not query(user).get().is_active


@pytest.mark.django_db(transaction=True)
def test_each_refresh_is_announced_and_says_whether_it_rotated(user, clock):
    rotated = []

    def hear(sender, session, **arguments):
        rotated.append(arguments["rotated"])

    raw = start(user).refresh_token
    signals.token_refreshed.connect(hear)
    try:
        newer = sessions.refresh(raw).refresh_token
        sessions.refresh(raw)
        sessions.refresh(newer)
    finally:
        signals.token_refreshed.disconnect(hear)
    assert rotated == [True, False, False]


@pytest.mark.django_db(transaction=True)
def test_a_reuse_is_announced_once_and_after_it_was_committed(client, user, heard, clock):
    pair = client.tokens(user)
    client.refresh(pair["refresh_token"])
    clock.shift(60)
    heard.clear()
    seen = []
    signals.refresh_token_reused.connect(
        hear := lambda session, **kwargs: seen.append(UserSession.objects.get(pk=session.pk).revoked_at)
    )
    client.refresh(pair["refresh_token"])
    client.refresh(pair["refresh_token"])
    signals.refresh_token_reused.disconnect(hear)
    assert [signal for signal, _ in heard] == [signals.refresh_token_reused]
    assert seen == [timezone.now()]


# ATOMIC_REQUESTS


def reuse(client, user, clock):
    """Use the first refresh token of a pair twice, check the answers, and return the newer pair."""
    pair = client.tokens(user)
    newer = client.refresh(pair["refresh_token"]).json()
    clock.shift(60)
    answer = client.refresh(pair["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_reused")
    return newer


@pytest.mark.django_db(transaction=True)
def test_the_end_of_a_reused_session_outlives_the_error_answer_with_atomic_requests(client, user, clock, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    newer = reuse(client, user, clock)
    assert UserSession.objects.get().revoked_at == timezone.now()
    assert client.is_dead(newer)


def test_atomic_requests_break_no_test_case_that_runs_in_a_transaction(client, user, clock, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    newer = reuse(client, user, clock)
    assert not connection.needs_rollback
    assert client.is_dead(newer)


@pytest.mark.parametrize("path", ["login", "refresh", "logout", "logout/all", "sessions", "revoke", "revoke/user"])
def test_only_the_views_of_this_app_are_excepted_from_atomic_requests(path):
    assert "default" in resolve(f"/auth/{path}/").func._non_atomic_requests
    assert not hasattr(resolve("/api/notes/").func, "_non_atomic_requests")


# Keys


def test_sessions_survive_a_rotation_of_the_secret_key_while_the_old_one_is_a_fallback(client, user, settings):
    pair, old = client.tokens(user), settings.SECRET_KEY
    settings.SECRET_KEY = "another secret key, also long enough for Django's own checks to be content"
    settings.SECRET_KEY_FALLBACKS = [old]
    assert client.get_me(pair["access_token"]).status_code == 200
    newer = client.refresh(pair["refresh_token"]).json()
    assert client.get_me(newer["access_token"]).status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get_me(pair["access_token"]).status_code == 401
    assert client.refresh(pair["refresh_token"]).json()["code"] == "invalid_token"


def test_a_session_begun_after_the_rotation_does_not_need_the_old_key(client, user, settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, also long enough for Django's own checks to be content"
    pair = client.tokens(user)
    settings.SECRET_KEY_FALLBACKS = []
    assert not client.is_dead(pair)


def test_a_session_that_was_refreshed_under_the_new_key_outlives_the_old_one(client, user, settings):
    """Otherwise the removal of the fallback, weeks later, would end every session from before the rotation."""
    pair = client.tokens(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another secret key, also long enough for Django's own checks to be content"
    newer = client.refresh(pair["refresh_token"]).json()
    settings.SECRET_KEY_FALLBACKS = []
    assert not client.is_dead(newer)


# Claims of the project


def name_and_session(user, session):
    return {"name": user.get_username(), "label": session.label}


def test_claims_of_the_project_stand_in_the_token_and_are_fresh_at_each_refresh(client, user, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"active": user.is_active, "login": str(user.last_login)})
    pair = client.tokens(user)
    query(user).update(last_login=None)
    newer = client.refresh(pair["refresh_token"]).json()
    assert read(pair["access_token"])["active"] is read(newer["access_token"])["active"] is True
    assert read(newer["access_token"])["login"] == "None"


def test_claims_can_be_named_by_a_dotted_path(client, user, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE="tests.sessions.test_start.name_and_session")
    claims = read(client.tokens(user, label="phone")["access_token"])
    assert (claims["name"], claims["label"]) == (user.get_username(), "phone")


@pytest.mark.parametrize("name", ["sub", "exp", "iss", "sid", "auth_time", "scope", "client_id"])
def test_no_claim_that_the_app_sets_can_be_set_by_the_project(user, jwt_settings, name):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {name: "mine"})
    with pytest.raises(ConfigurationError) as caught:
        start(user)
    assert caught.value.id == "E016"


def fail(user, session):
    raise LookupError


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(fail, id="raises"),
        pytest.param(lambda user, session: {"sub": "1"}, id="takes a name"),
        pytest.param(lambda user, session: {"x": object()}, id="no JSON"),
        pytest.param(lambda user, session: {"x": "x" * 9000}, id="too long"),
    ],
)
def test_claims_that_fail_do_not_use_up_the_refresh_token(client, user, jwt_settings, settings, source):
    token, sound = client.tokens(user)["refresh_token"], settings.JWT_AUTH
    jwt_settings(CLAIMS_CALLABLE=source)
    assert client.refresh(token).status_code == 500
    assert UserSession.objects.get().counter == 0
    settings.JWT_AUTH = sound
    assert client.refresh(token).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_claims_that_fail_at_a_sign_in_leave_no_session(client, user, jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=fail)
    assert client.login(user).status_code == 500
    assert not UserSession.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_outage_is_the_error_that_the_app_has_for_it(user):
    pair = sessions.start(user)  # the control
    for call in (
        lambda: sessions.start(user),
        lambda: sessions.refresh(pair.refresh_token),
        lambda: sessions.end(pair.refresh_token),
        lambda: sessions.end(pair.access_token),
    ):
        with outage(), pytest.raises(UnavailableError):
            call()
    assert sessions.end(pair.refresh_token) == pair.session_id
