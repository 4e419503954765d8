"""The log: one record for each thing that happens, with exactly the fields that are documented."""

import logging
from contextlib import contextmanager
from datetime import timedelta
from time import time
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.db import OperationalError, connection
from django.test import override_settings
from rest_framework.test import APIRequestFactory

from jwt_auth import clients, service_tokens, signing_keys
from jwt_auth.claims import Claims
from jwt_auth.exceptions import RevocationUnavailableError, UnavailableError
from jwt_auth.http import logs
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.jose import jwk
from jwt_auth.jose.keys import make_key
from jwt_auth.jose.public_keys import PublicKeys
from jwt_auth.jose.tokens import encode
from jwt_auth.keyring.stored import StoredKeys
from jwt_auth.models import ClientKey, SigningKey, UserSession
from jwt_auth.responses import error_response
from jwt_auth.revocation import (
    disable_client,
    revoke_all,
    revoke_client,
    revoke_client_key,
    revoke_session,
    revoke_token,
    revoke_user,
)
from jwt_auth.revocation.memory import notifications, view as memory
from jwt_auth.verification import verify
from jwt_auth.views.serializers import ACCESS_TOKEN_TYPE, TOKEN_EXCHANGE
from tests.conftest import pem
from tests.support.browser import Browser
from tests.support.http_endpoint import body, document, serving

pytestmark = pytest.mark.django_db(transaction=True)

CLAIMS = Claims(iss="jwt_auth", aud=("jwt_auth",), sub="1", iat=0, exp=1, jti="x", sid="0" * 32)

NOBODY = "unix:///nowhere/redis.sock"

PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG, "jwt_auth")
    return lambda: [record for record in caplog.records if record.name == "jwt_auth"]


def refuse(execute, sql, params, many, context):
    raise OperationalError("the database is down")


def sign_in(client, user):
    client.tokens(user)


def refresh(client, user):
    client.refresh(client.tokens(user)["refresh_token"])


def reuse(client, user):
    pair = client.tokens(user)
    UserSession.objects.update(counter=7)
    client.refresh(pair["refresh_token"])


def go_ahead(client, user):
    newer = client.refresh(client.tokens(user)["refresh_token"]).json()
    UserSession.objects.update(counter=0)
    client.refresh(newer["refresh_token"])


def deny_a_token(client, user):
    revoke_token(verify(client.tokens(user)["access_token"]).claims, reason="seen in a log", actor=user)


def end_a_session(client, user):
    revoke_session(UUID(client.tokens(user)["session"]), reason="lost", actor="command line: root")


def revoke_a_user(client, user):
    client.tokens(user)
    revoke_user(user, reason="lost", actor=user)


def revoke_everything(client, user):
    revoke_all(reason="leak")


def show_a_bad_token(client, user):
    client.get_me("x")


def refresh_with_a_bad_token(client, user):
    client.refresh("x")


def mistype_the_password(client, user):
    client.login(user, "wrong")


def sign_in_too_often(client, user):
    for _ in range(11):
        client.login(user)


def ask_in_an_outage(client, user):
    token = client.tokens(user)["access_token"]
    with connection.execute_wrapper(refuse):
        assert client.get_me(token).status_code == 503


def refresh_in_an_outage(client, user):
    token = client.tokens(user)["refresh_token"]
    with connection.execute_wrapper(refuse):
        assert client.refresh(token).status_code == 503


def come_from_another_site(client, user):
    answer = Browser(HTTP_SEC_FETCH_SITE="cross-site").send("login/", {})
    assert answer.json()["code"] == "csrf_failed"


def come_from_another_site_that_is_only_watched(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "CSRF_MODE": "log_only"}):
        assert Browser(HTTP_SEC_FETCH_SITE="cross-site").send("login/", {}).status_code == 400


def fail_to_renew_the_memory(client, user):
    """Known by nobody but the view itself: as in `memory` mode, but without that mode's settings."""
    view = memory.View()
    with connection.execute_wrapper(refuse), pytest.raises(RevocationUnavailableError):
        view.state_of(CLAIMS)
    return view


def renew_the_memory_after_all(client, user):
    view = fail_to_renew_the_memory(client, user)
    view._retry_at = view._clock()
    view.state_of(CLAIMS)


def listen_where_nobody_is(client, user):
    assert not notifications.Push(NOBODY).rang()


def announce_where_nobody_is(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "REVOCATION_PUSH": NOBODY}):
        notifications.ring()


def fail_to_fetch_keys(client, user):
    keys = RemoteKeys(jwks_source("https://127.0.0.1/keys"), ["ES256"])
    with pytest.raises(UnavailableError):
        keys.find("any")
    return keys


def fetch_keys_after_all(client, user):
    keys = fail_to_fetch_keys(client, user)
    key = {**jwk.dump_public(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": "one"}
    with override_settings(DEBUG=True), serving(document({"keys": [key]})) as endpoint:
        keys._source, keys._retry_at = jwks_source(endpoint.url), keys._clock()
        assert keys.find("one")


def find_a_broken_signing_key(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)
        SigningKey.objects.update(public_jwk="")
        StoredKeys().newest()


@contextmanager
def another_server():
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    audiences = {"https://two.example.com": {"USERS": []}}
    names = {"ALGORITHM": "ES256", "SIGNING_KEY": key, "SERVICE_AUDIENCES": audiences}
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, **names}):
        yield


def go_on_to_another_server(client, user):
    with another_server():
        service_tokens.exchange(client.tokens(user)["access_token"], "https://two.example.com")


def go_on_to_where_nobody_may_go(client, user):
    with another_server():
        body = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token": client.tokens(user)["access_token"],
            "subject_token_type": ACCESS_TOKEN_TYPE,
            "audience": "https://three.example.com",
        }
        assert client.send("token/", body).json()["code"] == "invalid_target"


def make_a_key(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create()


def activate_a_key(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)


def revoke_a_key(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.revoke(signing_keys.create().kid, reason="never used", actor=user)


def register_a_client(client, user):
    return clients.register("reports", user, "read", actor=user)


def change_a_client(client, user):
    clients.change(register_a_client(client, user), name="Reports", scopes="")


def give_a_key(client, user):
    return clients.add_secret(register_a_client(client, user))


def revoke_a_clients_key(client, user):
    revoke_client_key(give_a_key(client, user).key, reason="leaked")


def revoke_a_client(client, user):
    revoke_client(register_a_client(client, user))


def disable_a_client(client, user):
    disable_client(register_a_client(client, user))


def fail_to_fetch_a_feed(client, user):
    nobody = feed_source("https://127.0.0.1/feed")
    known = Subscription("https://a.example", nobody, PublicKeys({}), timedelta(seconds=10))
    with pytest.raises(RevocationUnavailableError):
        known.state_of(CLAIMS)
    return known


def fetch_a_feed_after_all(client, user):
    known = fail_to_fetch_a_feed(client, user)
    key = make_key(ec.generate_private_key(ec.SECP256R1()), "ES256")
    now = int(time())
    values = {"iss": "https://a.example", "iat": now, "exp": now + 60, "events": []}
    answer = body(encode(values, key, "revocations+jwt").encode(), "Content-Type: application/revocations+jwt")
    with override_settings(DEBUG=True), serving(answer) as endpoint:
        known._source, known._keys = feed_source(endpoint.url), PublicKeys({key.kid: key})
        known._retry_at = known._clock()
        known.state_of(CLAIMS)


HAPPENINGS = {
    sign_in: ("session_started", "INFO"),
    refresh: ("token_refreshed", "DEBUG"),
    reuse: ("refresh_token_reused", "WARNING"),
    go_ahead: ("refresh_token_ahead", "CRITICAL"),
    deny_a_token: ("token_revoked", "INFO"),
    end_a_session: ("session_revoked", "INFO"),
    revoke_a_user: ("user_revoked", "INFO"),
    revoke_everything: ("all_revoked", "INFO"),
    go_on_to_another_server: ("service_token_issued", "INFO"),
    go_on_to_where_nobody_may_go: ("exchange_refused", "INFO"),
    make_a_key: ("key_created", "INFO"),
    activate_a_key: ("key_activated", "WARNING"),
    revoke_a_key: ("key_revoked", "WARNING"),
    register_a_client: ("client_registered", "INFO"),
    change_a_client: ("client_changed", "INFO"),
    give_a_key: ("client_key_added", "INFO"),
    revoke_a_clients_key: ("client_key_revoked", "INFO"),
    revoke_a_client: ("client_revoked", "INFO"),
    disable_a_client: ("client_disabled", "INFO"),
    show_a_bad_token: ("token_refused", "INFO"),
    refresh_with_a_bad_token: ("token_refused", "INFO"),
    mistype_the_password: ("sign_in_refused", "INFO"),
    come_from_another_site: ("csrf_refused", "INFO"),
    come_from_another_site_that_is_only_watched: ("csrf_let_through", "WARNING"),
    fail_to_renew_the_memory: ("revocations_unread", "ERROR"),
    renew_the_memory_after_all: ("revocations_read_again", "WARNING"),
    fail_to_fetch_a_feed: ("feed_unread", "ERROR"),
    fetch_a_feed_after_all: ("feed_read_again", "WARNING"),
    fail_to_fetch_keys: ("keys_unread", "ERROR"),
    fetch_keys_after_all: ("keys_read_again", "WARNING"),
    find_a_broken_signing_key: ("signing_key_unread", "ERROR"),
    listen_where_nobody_is: ("bell_unheard", "WARNING"),
    announce_where_nobody_is: ("bell_unrung", "ERROR"),
    sign_in_too_often: ("request_throttled", "WARNING"),
    ask_in_an_outage: ("unavailable", "ERROR"),
    refresh_in_an_outage: ("unavailable", "ERROR"),
}


def test_everything_that_is_documented_happens_here():
    assert {event for event, _ in HAPPENINGS.values()} == set(logs.FIELDS)


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda happening: happening.__name__)
def test_each_happening_is_one_record_with_the_documented_fields(client, user, log, happening):
    event, level = HAPPENINGS[happening]
    happening(client, user)
    (record,) = [record for record in log() if record.event == event]
    assert record.levelname == level
    assert set(vars(record)) - PLAIN == {"event", *logs.FIELDS[event]}
    for name in logs.FIELDS[event]:
        assert isinstance(getattr(record, name), str | int), name  # bool is one


def test_nothing_is_logged_of_what_did_not_happen(client, user, log):
    """The control."""
    client.bearer(client.tokens(user)["access_token"]).get("/auth/sessions/")
    assert [record.event for record in log()] == ["session_started"]


def test_the_reason_that_the_client_is_not_told_stands_with_code_address_and_path(client, user, log):
    pair = client.tokens(user)
    revoke_user(user)
    answer = client.bearer(pair["access_token"]).get("/auth/me/?q=1", REMOTE_ADDR="203.0.113.7")
    record = log()[-1]
    assert "session is revoked" not in answer.content.decode()
    assert (record.code, record.reason, record.ip_address, record.path) == (
        "token_revoked",
        "the session is revoked",
        "203.0.113.7",
        "/auth/me/",
    )


def test_a_key_that_replaces_another_names_it_and_no_secret_is_told(client, user, log):
    old = give_a_key(client, user)
    new = clients.rotate(old.key)
    revoke_client_key(new.key)
    assert (log()[-2].kid, log()[-2].replaced_kid) == (new.key.kid, old.key.kid)
    told = "".join(f"{record.getMessage()} {vars(record)!r}" for record in log())
    row = ClientKey.objects.get(pk=new.key.pk)
    assert [text for text in (old.secret, new.secret, row.encrypted_secret) if text in told] == []


def test_what_a_command_did_is_logged_with_its_name(client, user, log):
    end_a_session(client, user)
    record = log()[-1]
    assert (record.actor, record.reason, record.scope, record.sid) == (
        "command line: root",
        "lost",
        "session",
        UserSession.objects.get().sid,
    )


def test_an_outage_that_is_met_while_authenticating_is_one_line(client, user, log):
    ask_in_an_outage(client, user)
    assert log()[-1].getMessage() == "Unavailable: the database can't be asked: the database is down."
    assert not log()[-1].exc_info


def test_an_outage_that_is_met_anywhere_else_is_logged_with_its_traceback(log):
    error = OperationalError("the database is down")
    assert error_response(error).status_code == 503
    assert log()[-1].exc_info[1] is error


def test_without_a_request_there_is_no_address(log):
    assert error_response(UnavailableError("nobody knows")).status_code == 503
    assert (log()[-1].ip_address, log()[-1].path) == (None, None)


def test_projects_that_use_our_handler_are_logged_too(log):
    from rest_framework.exceptions import Throttled
    from rest_framework.request import Request

    request = Request(APIRequestFactory().get("/notes/"))
    assert error_response(Throttled(5), request).status_code == 429
    assert (log()[-1].event, log()[-1].path) == ("request_throttled", "/notes/")


def test_receivers_are_connected_once(client, user, log):
    logs.connect()
    client.tokens(user)
    assert len(log()) == 1
