"""Functions that each cause one kind of documented log record."""

from contextlib import contextmanager, suppress
from datetime import datetime, timedelta, timezone
from time import time
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.test import override_settings

from jwt_auth import clients, service_tokens, signing_keys
from jwt_auth._django.differences import note_difference
from jwt_auth._django.handshakes import request_of
from jwt_auth.claims import Claims
from jwt_auth.contrib.channels.credentials import credential_of, warn_of_token_in_url
from jwt_auth.exceptions import RevocationUnavailableError, UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.jose import jwk
from jwt_auth.jose.keys import make_key
from jwt_auth.jose.public_keys import PublicKeys
from jwt_auth.jose.tokens import encode
from jwt_auth.keyring.stored import StoredKeys
from jwt_auth.models import RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import (
    disable_client,
    events,
    revoke_all,
    revoke_client,
    revoke_client_key,
    revoke_session,
    revoke_token,
    revoke_user,
)
from jwt_auth.revocation.memory import notifications, view as memory
from jwt_auth.transports import warn_of_plain_http
from jwt_auth.verification import verify
from jwt_auth.views.serializers import ACCESS_TOKEN_URN, TOKEN_EXCHANGE
from tests.support.browser import Browser
from tests.support.clocks import later
from tests.support.http_endpoint import body, document, serving
from tests.support.keys import pem
from tests.support.outages import outage
from tests.support.websockets import scope_of

CLAIMS = Claims(iss="jwt_auth", aud=("jwt_auth",), sub="1", iat=0, exp=1, jti="x", sid="0" * 32)

NOBODY = "unix:///nowhere/redis.sock"


def sign_in(client, user):
    client.tokens(user)


def refresh(client, user):
    client.refresh(client.tokens(user)["refresh_token"])


def share(client, user):
    pair = client.tokens(user)
    client.refresh(pair["refresh_token"])
    client.send("refresh/", {"refresh_token": pair["refresh_token"]}, REMOTE_ADDR="203.0.113.7")


def move(client, user):
    pair = client.tokens(user)
    client.send("refresh/", {"refresh_token": pair["refresh_token"]}, REMOTE_ADDR="203.0.113.7")


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


def show_no_token_to_a_developer(client, user):
    with override_settings(DEBUG=True):
        client.get("/auth/me/")


def show_a_bad_token(client, user):
    client.get_me("x")


def refresh_with_a_bad_token(client, user):
    client.refresh("x")


def mistype_the_password(client, user):
    client.login(user, "wrong")


def ask_for_a_fresh_sign_in(client, user):
    type(user)._default_manager.filter(pk=user.pk).update(is_superuser=True)
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "ADMIN_ENDPOINTS_AMR": ["otp"]}):
        assert client.bearer(client.tokens(user)["access_token"]).get("/auth/clients/").status_code == 401


def sign_in_too_often(client, user):
    for _ in range(11):
        client.login(user)


def sign_out_while_nobody_can_count(client, user):
    token = client.tokens(user)["refresh_token"]
    with override_settings(CACHES={"default": {"BACKEND": "tests.test_throttling.BrokenCache"}}):
        assert client.send("logout/", {"refresh_token": token}).status_code == 204


def ask_in_an_outage(client, user):
    token = client.tokens(user)["access_token"]
    with outage():
        assert client.get_me(token).status_code == 503


def refresh_in_an_outage(client, user):
    token = client.tokens(user)["refresh_token"]
    with outage():
        assert client.refresh(token).status_code == 503


def sign_in_over_plain_http(client, user):
    warn_of_plain_http.cache_clear()
    Browser(secure=False, HTTP_SEC_FETCH_SITE=None, HTTP_ORIGIN="http://www.example.com").sign_in(user)


def send_a_token_in_the_url(client, user):
    warn_of_token_in_url.cache_clear()
    credential_of(request_of(scope_of(query_string=b"token=x")), [])


def come_from_another_site(client, user):
    answer = Browser(HTTP_SEC_FETCH_SITE="cross-site").send("login/", {})
    assert answer.json()["code"] == "csrf_failed"


def come_from_another_site_that_is_only_watched(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "CSRF_MODE": "log_only"}):
        assert Browser(HTTP_SEC_FETCH_SITE="cross-site").send("login/", {}).status_code == 400


def fail_to_renew_the_memory(client, user):
    """Fail in a view that only this function knows: it works as in `memory` mode, without the settings of that mode."""
    view = memory.View()
    with outage(), pytest.raises(RevocationUnavailableError):
        view.state_of(CLAIMS)
    return view


def renew_the_memory_after_all(client, user):
    view = fail_to_renew_the_memory(client, user)
    with later(60):
        view.state_of(CLAIMS)


def listen_where_nobody_is(client, user):
    assert not notifications.Push(NOBODY).has_message()


def announce_where_nobody_is(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "REVOCATION_PUSH": NOBODY}):
        notifications.notify()


def fail_to_fetch_keys(client, user):
    keys = RemoteKeys(jwks_source("https://127.0.0.1/keys"), ["ES256"])
    with pytest.raises(UnavailableError):
        keys.find("any")
    return keys


def fetch_keys_after_all(client, user):
    keys = fail_to_fetch_keys(client, user)
    key = {**jwk.dump_public(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": "one"}
    with override_settings(DEBUG=True), serving(document({"keys": [key]})) as endpoint:
        keys._source = jwks_source(endpoint.url)
        with later(60):
            assert keys.find("one")


def fetch_a_weak_key(client, user):
    good = {**jwk.dump_public(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": "one"}
    weak = {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "two"}
    with override_settings(DEBUG=True), serving(document({"keys": [good, weak]})) as endpoint:
        RemoteKeys(jwks_source(endpoint.url), ["ES256", "EdDSA"]).find("one")


def fetch_keys_of_another_algorithm(client, user):
    key = {**jwk.dump_public(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": "one"}
    with override_settings(DEBUG=True), serving(document({"keys": [key]})) as endpoint, suppress(UnknownKeyError):
        RemoteKeys(jwks_source(endpoint.url), ["RS256"]).find("one")


def refresh_where_the_clock_was_ahead(client, user):
    pair = client.refresh(client.tokens(user)["refresh_token"]).json()
    UserSession.objects.update(rotated_at=datetime.now(timezone.utc) + timedelta(hours=6))
    assert client.refresh(pair["refresh_token"]).status_code == 200


def find_a_broken_signing_key(client, user):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "KEYS": "database", "ALGORITHM": "ES256"}):
        signing_keys.create(activate=True)
        SigningKey.objects.update(public_jwk="")
        StoredKeys().newest()


@contextmanager
def another_server():
    key = pem(ec.generate_private_key(ec.SECP256R1()))
    audiences = {"https://two.example.com": {"USERS": ["read"]}}
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
            "subject_token_type": ACCESS_TOKEN_URN,
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
    life = timedelta(minutes=5)
    known = Subscription("https://a.example", nobody, PublicKeys({}), timedelta(seconds=10), max_lifetime=life)
    with pytest.raises(RevocationUnavailableError):
        known.state_of(CLAIMS)
    return known


def fetch_a_feed_after_all(client, user):
    known = fail_to_fetch_a_feed(client, user)
    key = make_key(ec.generate_private_key(ec.SECP256R1()), "ES256")
    now = int(time())
    values = {"iss": "https://a.example", "iat": now, "exp": now + 60}
    values.update(after=None, next="cursor", more=False, events=[])
    answer = body(encode(values, key, "revocations+jwt").encode(), "Content-Type: application/revocations+jwt")
    with override_settings(DEBUG=True), serving(answer) as endpoint:
        known._source, known._keys = feed_source(endpoint.url), PublicKeys({key.kid: key})
        with later(60):
            known.state_of(CLAIMS)


def meet_another_django(client, user):
    note_difference.cache_clear()
    note_difference("a test is slower", "ValueError()")


def lose_the_database_after_a_long_transaction(client, user):
    revoke_user(user)
    committed = list(RevocationEvent.objects.all())
    with outage():
        events._date_anew(committed, timedelta(seconds=30))


HAPPENINGS = {
    meet_another_django: ("django_differs", "WARNING"),
    sign_in: ("session_started", "INFO"),
    refresh: ("token_refreshed", "DEBUG"),
    share: ("refresh_token_shared", "WARNING"),
    move: ("session_peer_changed", "INFO"),
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
    show_no_token_to_a_developer: ("token_missing", "WARNING"),
    show_a_bad_token: ("token_refused", "INFO"),
    refresh_with_a_bad_token: ("token_refused", "INFO"),
    mistype_the_password: ("sign_in_refused", "INFO"),
    ask_for_a_fresh_sign_in: ("sign_in_demanded", "INFO"),
    sign_in_over_plain_http: ("cookies_lost", "WARNING"),
    send_a_token_in_the_url: ("token_in_url", "WARNING"),
    come_from_another_site: ("csrf_refused", "INFO"),
    come_from_another_site_that_is_only_watched: ("csrf_let_through", "WARNING"),
    fail_to_renew_the_memory: ("revocations_unread", "ERROR"),
    lose_the_database_after_a_long_transaction: ("revocations_dated_late", "ERROR"),
    renew_the_memory_after_all: ("revocations_read_again", "WARNING"),
    fail_to_fetch_a_feed: ("feed_unread", "ERROR"),
    fetch_a_feed_after_all: ("feed_read_again", "WARNING"),
    fail_to_fetch_keys: ("keys_unread", "ERROR"),
    fetch_keys_after_all: ("keys_read_again", "WARNING"),
    fetch_a_weak_key: ("key_left_out", "ERROR"),
    fetch_keys_of_another_algorithm: ("keys_unusable", "ERROR"),
    refresh_where_the_clock_was_ahead: ("clock_ahead", "WARNING"),
    find_a_broken_signing_key: ("signing_key_unread", "ERROR"),
    listen_where_nobody_is: ("bell_unheard", "WARNING"),
    announce_where_nobody_is: ("bell_unrung", "ERROR"),
    sign_in_too_often: ("request_throttled", "WARNING"),
    sign_out_while_nobody_can_count: ("request_uncounted", "WARNING"),
    ask_in_an_outage: ("unavailable", "ERROR"),
    refresh_in_an_outage: ("unavailable", "ERROR"),
}
