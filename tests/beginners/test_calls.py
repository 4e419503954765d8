"""Wrong arguments of public functions: each is refused before anything is written, and the text says what to pass."""

from datetime import datetime
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from jwt_auth import clients, revocation, service_tokens, sessions, signing_keys, verification
from jwt_auth.exceptions import InvalidScopeError, InvalidTargetError
from jwt_auth.models import RegisteredClient, RevocationEvent, UserSession
from tests.support.keys import pem

NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001  # the mistake

USERS = {
    "start": sessions.start,
    "revoke_user": revocation.revoke_user,
    "issue": lambda user: service_tokens.issue(user, "billing"),
    "register": lambda user: clients.register("billing", user),
    "revoke_users": lambda user: revocation.revoke_users([user]),
}


@pytest.fixture
def billing(jwt_settings, ec_key):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key), SERVICE_AUDIENCES={"billing": {"USERS": ["read"]}})


@pytest.mark.parametrize("name", USERS)
def test_what_is_no_user(user, billing, name):
    for wrong in ("alice", user.pk, None, AnonymousUser(), type(user)()):
        if isinstance(wrong, AnonymousUser) and name == "register":
            wrong.is_active = True
        with pytest.raises(TypeError, match=f"user must be a saved {type(user).__name__}, not {type(wrong).__name__}"):
            USERS[name](wrong)
    assert not any(model.objects.exists() for model in (UserSession, RegisteredClient, RevocationEvent))
    USERS[name](user)


def test_users_that_are_only_looked_up_when_they_are_used(user):
    with pytest.raises(TypeError, match="not AnonymousUser"):
        revocation.revoke_user(SimpleLazyObject(AnonymousUser))
    lazy = SimpleLazyObject(lambda: user)
    sessions.start(lazy)
    assert revocation.revoke_user(lazy, actor=lazy).sessions_revoked == 1
    assert RevocationEvent.objects.get().actor == str(user.pk)


@pytest.mark.parametrize("actor", [AnonymousUser(), SimpleLazyObject(AnonymousUser)])
def test_an_actor_who_is_not_signed_in(user, actor):
    revocation.revoke_user(user, actor=actor)
    client = clients.register("billing", user, actor=actor)
    revocation.revoke_client(client, actor=actor)
    assert {*RevocationEvent.objects.values_list("actor", flat=True), client.created_by} == {""}


DATED = {
    "start": lambda user, now: sessions.start(user, now=now),
    "revoke_user": lambda user, now: revocation.revoke_user(user, now=now),
    "revoke_user at": lambda user, now: revocation.revoke_user(user, at=now),
    "revoke_users": lambda user, now: revocation.revoke_users([user], now=now),
    "revoke_all": lambda user, now: revocation.revoke_all(now=now),
    "revoke_session": lambda user, now: revocation.revoke_session(uuid4(), now=now),
    "revoke_sessions": lambda user, now: revocation.revoke_sessions([uuid4()], now=now),
    "issue": lambda user, now: service_tokens.issue(user, "billing", now=now),
    "verify": lambda user, now: verification.verify(sessions.start(user).access_token, now=now),
    "refresh": lambda user, now: sessions.refresh(sessions.start(user).refresh_token, now=now),
    "end": lambda user, now: sessions.end(sessions.start(user).refresh_token, now=now),
}


@pytest.mark.parametrize("name", DATED)
def test_a_time_without_a_zone(user, billing, name):
    with pytest.raises(ValueError, match=r"must be an aware datetime: django\.utils\.timezone\.now\(\) returns one"):
        DATED[name](user, NAIVE)
    with pytest.raises(TypeError, match="must be of type datetime, not str"):
        DATED[name](user, "now")
    DATED[name](user, timezone.now())


SESSIONS = (revocation.revoke_session, lambda sid: revocation.revoke_sessions([sid]))


@pytest.mark.parametrize("revoke", SESSIONS)
def test_what_is_no_session_id(user, revoke):
    pair = sessions.start(user)
    for wrong in (str(pair.session_id), pair.access_token, None):
        with pytest.raises(TypeError, match=f"must be of type UUID, not {type(wrong).__name__}") as caught:
            revoke(wrong)
        assert pair.access_token not in str(caught.value)
    assert revoke(pair.session_id)


def test_reasons_labels_and_peers(user):
    pair = sessions.start(user)
    calls = {
        "reason": lambda: revocation.revoke_user(user, reason=None),
        "label": lambda: sessions.start(user, label=None),
        "peer": lambda: sessions.start(user, peer="127.0.0.1"),
        "account": lambda: sessions.start(user, account="alice"),
        "claims": lambda: revocation.revoke_token(pair.access_token),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=f"{name} must be of type"):
            call()
    with pytest.raises(ValueError, match="transport must be one of bearer, cookie"):
        sessions.start(user, transport="header")
    account = sessions.find_account(user.get_username())
    assert sessions.start(user, account=account, peer=sessions.Peer(ip_address="127.0.0.1"))


def test_translated_texts(user):
    text = gettext_lazy("Password")
    pair = sessions.start(user, label=text)
    assert UserSession.objects.get(label=str(text)).pk == pair.session_id
    revocation.revoke_session(pair.session_id, reason=text)
    revocation.revoke_user(user, reason=text)
    revocation.revoke_users([user], reason=text)
    revocation.revoke_all(reason=text)
    client = clients.register(text, user)
    revocation.revoke_client(client, reason=text)
    assert set(RevocationEvent.objects.values_list("reason", flat=True)) == {str(text)} == {client.name}


def test_tokens_for_other_servers(user, billing):
    session = UserSession.objects.get(pk=sessions.start(user).session_id)
    wrong = {
        "audience must be of type str, not list": {"audience": ["billing"]},
        r'scope must be of type str, not list: .*" "\.join\(scopes\)': {"scope": ["read", "write"]},
        "session must be of type UserSession, not UUID": {"session": session.pk},
        "actor must be of type str": {"actor": user},
    }
    right = {"audience": "billing", "scope": "read write", "session": session}
    for text, arguments in wrong.items():
        with pytest.raises(TypeError, match=text):
            service_tokens.issue(user, **{**right, **arguments})
    with pytest.raises(InvalidTargetError, match=r"'biling' is not one of SERVICE_AUDIENCES: .* has 'billing'"):
        service_tokens.issue(user, "biling")
    raw = sessions.start(user).access_token
    with pytest.raises(InvalidScopeError, match="not allowed: 'write'; allowed: 'read'"):
        service_tokens.exchange(raw, "billing", "write")
    assert service_tokens.issue(user, **right)


def test_no_audience_at_all(user):
    with pytest.raises(InvalidTargetError, match="SERVICE_AUDIENCES is empty"):
        service_tokens.issue(user, "billing")


def test_clients_and_their_keys(user):
    client = clients.register("billing", user)
    for call in (revocation.revoke_client, revocation.disable_client, clients.add_secret):
        with pytest.raises(TypeError, match="client must be of type RegisteredClient, not str"):
            call(client.client_id)
    key = clients.add_secret(client).key
    with pytest.raises(TypeError, match="key must be of type ClientKey, not str"):
        revocation.revoke_client_key(key.kid)
    with pytest.raises(TypeError, match="old must be of type ClientKey, not str"):
        clients.rotate(key.kid)
    with pytest.raises(TypeError, match="scopes must be of type str, not list"):
        clients.register("billing", user, ["read"])
    with pytest.raises(TypeError, match="name must be of type str"):
        clients.register(None, user)
    assert revocation.revoke_client_key(clients.rotate(key).key)


def test_an_algorithm_that_can_not_be_stored(jwt_settings, db):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    with pytest.raises(signing_keys.KeyStateError, match="'HS256' is none of RS256"):
        signing_keys.create(algorithm="HS256")
    assert signing_keys.create(algorithm="ES256")
