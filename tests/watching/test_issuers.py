"""Watches of tokens that this server has not signed: of other issuers, and of API clients."""

import datetime
import json
import time
from dataclasses import replace

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.utils import timezone
from jwt.algorithms import ECAlgorithm

from jwt_auth.exceptions import (
    ExpiredTokenError,
    InvalidTokenError,
    RevocationUnavailableError,
    RevokedTokenError,
    UnavailableError,
    UntrustedIssuerError,
)
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.revocation import (
    disable_client,
    revoke_all,
    revoke_client,
    revoke_client_key,
    revoke_session,
    revoke_user,
)
from jwt_auth.watching import Watch
from jwt_auth.watching.rows import ask_rows_of
from tests.support.api_clients import register
from tests.support.http_endpoint import body, document, serving, silence
from tests.support.keys import public_pem
from tests.support.queries import Queries

NAME = "https://issuer.example"

pytestmark = pytest.mark.usefixtures("mode", "ticks")


@pytest.fixture
def trust(jwt_settings, ec_key):
    def change(**options):
        jwt_settings(TRUSTED_ISSUERS={NAME: {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"], **options}})

    return change


@pytest.fixture
def sign(ec_key):
    def make(headers=None, **claims):
        now = int(time.time())
        values = {"iss": NAME, "aud": "jwt_auth", "sub": "alice", "iat": now, "exp": now + 300, **claims}
        return jwt.encode(values, ec_key, "ES256", headers={"typ": "at+jwt", **(headers or {})})

    return make


@pytest.fixture
def by_name(trust):
    trust(PRINCIPAL="user", USER_FIELD=get_user_model().USERNAME_FIELD)


def name_of(user):
    return user.get_username()


ENDS = {
    "user": revoke_user,
    "all": lambda user: revoke_all(),
    "deleted": lambda user: user.delete(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.usefixtures("by_name")
def test_what_ends_a_user_here_ends_the_watches_of_another_issuers_tokens(user, sign, end, ticks):
    watch = Watch(sign(sub=name_of(user)))
    watch.check()
    with Queries() as queries:
        watch.check()
    assert len(queries) == 0
    end(user)
    ticks.forward(1)
    with pytest.raises((RevokedTokenError, InvalidTokenError)):
        watch.check()


@pytest.mark.usefixtures("by_name")
def test_a_change_without_an_event_is_found_in_the_rows(user, sign, ticks):
    watch = Watch(sign(sub=name_of(user)))
    watch.check()
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    ticks.forward(22)
    watch.check()
    ticks.forward(1)
    with pytest.raises(RevokedTokenError):
        watch.check()


@pytest.mark.usefixtures("by_name")
def test_their_ids_name_nothing_of_ours(user, make_user, sign, pair):
    other = make_user("bob")
    watch = Watch(sign(sub=name_of(user), sid=pair.session_id.hex))
    stranger = Watch(sign(sub=name_of(other), sid=pair.session_id.hex))
    revoke_session(pair.session_id)
    watch.check()
    revoke_user(user)
    stranger.check()


def test_a_principal_of_claims_needs_no_row(trust, sign, ticks, user):
    trust()
    watch = Watch(sign(sub=str(user.pk)))
    revoke_user(user)  # whose key is the `sub`
    ticks.forward(100)
    with Queries() as queries:
        watch.check()
    assert len(queries) == 0


def test_another_key_of_the_issuer_ends_a_watch(trust, sign, jwt_settings, ed_key):
    trust()
    watch = Watch(sign())
    trust(KEYS=public_pem(ed_key), ALGORITHMS=["Ed25519"])
    with pytest.raises(InvalidTokenError):
        watch.check()


@pytest.fixture
def reports(user):
    return register(user)


OF_CLIENTS = {
    "disabled": lambda api, user: disable_client(api.row),
    "revoked": lambda api, user: revoke_client(api.row),
    "its key": lambda api, user: revoke_client_key(api.key),
    "all": lambda api, user: revoke_all(),
    "its user": lambda api, user: revoke_user(user, with_clients=True),
}


@pytest.mark.parametrize("end", OF_CLIENTS.values(), ids=OF_CLIENTS)
def test_what_ends_a_client_ends_the_watches_of_its_tokens(reports, user, make_user, end):
    watch = Watch(reports.token(), issuers="clients")
    watch.check()
    with Queries() as queries:
        watch.check()
    assert len(queries) == 0
    end(reports, user)
    with pytest.raises(RevokedTokenError):
        watch.check()


RAW = {
    "inactive": lambda api: RegisteredClient.objects.filter(pk=api.row.pk).update(is_active=False),
    "no key": lambda api: ClientKey.objects.filter(pk=api.key.pk)._raw_delete("default"),
}


@pytest.mark.parametrize("change", RAW.values(), ids=RAW)
def test_a_change_of_a_client_without_an_event_is_found_in_the_rows(reports, change, ticks):
    watch = Watch(reports.token(), issuers="anyone")
    watch.check()
    change(reports)
    ticks.forward(22)
    watch.check()
    ticks.forward(1)
    with pytest.raises((RevokedTokenError, InvalidTokenError)):
        watch.check()


def test_a_clients_token_expires(reports, clock):
    watch = Watch(reports.token(), issuers="clients")
    clock.shift(100)
    with pytest.raises(ExpiredTokenError):
        watch.check()


def test_the_next_token_of_a_client_goes_on(reports, clock, user):
    watch = Watch(reports.token(), issuers="clients")
    clock.shift(50)
    watch.renew(reports.token())
    clock.shift(50)
    watch.check()
    with pytest.raises(InvalidTokenError):
        watch.renew(register(user).token())


FEED = "Content-Type: application/revocations+jwt"


@pytest.fixture
def publish(trust, settings, ec_key):
    """`publish(...)` changes the answer of the issuer's feed to one with these events; with None it does not answer."""
    settings.DEBUG = True  # it has no TLS
    with serving(silence) as endpoint:

        def answer(*events):
            now = int(time.time())
            piece = {"iss": NAME, "iat": now, "exp": now + 60, "after": None, "next": "one", "more": False}
            signed = jwt.encode({**piece, "events": events}, ec_key, "ES256", headers={"typ": "revocations+jwt"})
            endpoint.answer = body(signed.encode(), FEED)

        answer()
        trust(REVOCATIONS_URL=endpoint.url)
        answer.endpoint = endpoint
        yield answer


@pytest.fixture
def no_answer():
    return body(b"", status="503 Service Unavailable")


@pytest.mark.parametrize("dated", [True, False], ids=["auth_time", "iat"])
def test_what_the_issuer_revokes_ends_a_watch(publish, sign, ticks, dated):
    given = {"auth_time": time.time()} if dated else {}
    watch = Watch(sign(sid="theirs", **given))
    other = Watch(sign(sid="another", **given))
    publish({"scope": "session", "subject": "theirs", "exp": int(time.time()) + 300})
    ticks.forward(100)
    with pytest.raises(RevokedTokenError):
        watch.check()
    other.check()


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_an_issuer_that_does_not_answer(publish, sign, ticks, jwt_settings, no_answer, on_stale):
    watch = Watch(sign())
    jwt_settings(REVOCATION_ON_STALE=on_stale)
    watch.check()  # the settings are new, and so is what is known
    publish.endpoint.answer = no_answer
    ticks.forward(100)
    if on_stale == "deny":
        with pytest.raises(RevocationUnavailableError):
            watch.check()
    else:
        watch.check()
    publish({"scope": "session", "subject": "theirs", "exp": int(time.time()) + 300})
    ticks.forward(100)
    watch.check()


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_an_issuer_whose_keys_cant_be_fetched(
    settings, jwt_settings, sign, ticks, no_answer, ec_key, on_stale, monkeypatch
):
    settings.DEBUG = True
    jwk = {**json.loads(ECAlgorithm.to_jwk(ec_key.public_key())), "kid": "one", "use": "sig", "alg": "ES256"}
    keys = document({"keys": [jwk]})
    with serving(keys) as endpoint:
        trusted = {NAME: {"JWKS_URL": endpoint.url, "ALGORITHMS": ["ES256"]}}
        jwt_settings(TRUSTED_ISSUERS=trusted, REVOCATION_ON_STALE=on_stale)
        watch = Watch(sign(headers={"kid": "one"}))
        endpoint.answer = no_answer
        jwt_settings(TRUSTED_ISSUERS={NAME: {**trusted[NAME], "AUDIENCE": ["jwt_auth"]}})  # so nothing is known
        ticks.forward(10**6)
        if on_stale == "deny":
            with pytest.raises(UnavailableError):
                watch.check()
        else:
            watch.check()
        endpoint.answer = keys
        ticks.forward(10**6)
        watch.check()


@pytest.mark.usefixtures("by_name")
def test_each_tenant_has_its_own_rows(monkeypatch, jwt_settings, sign, user, pair, reports, ticks):
    """No memory of the process may answer for them, so the rows are asked within the bound."""
    monkeypatch.setattr(connections["default"], "set_tenant", None, raising=False)
    jwt_settings(REVOCATION="database", LEEWAY=datetime.timedelta(seconds=11))
    watches = [Watch(pair.access_token), Watch(reports.token(), issuers="clients"), Watch(sign(sub=name_of(user)))]
    for expected in (0, 1):
        for watch in watches[:2]:
            with Queries() as queries:
                watch.check()
            assert len(queries) == expected
        ticks.forward(0.8)
    revoke_user(user, with_clients=True)
    ticks.forward(0.8)
    for watch in watches[:2]:
        with pytest.raises(RevokedTokenError):
            watch.check()
    ticks.forward(23)
    with pytest.raises(RevokedTokenError):
        watches[2].check()


def test_rows_are_asked_for_all_kinds_together(by_name, sign, user, pair, reports, jwt_settings):
    watches = [Watch(pair.access_token), Watch(reports.token(), issuers="clients"), Watch(sign(sub=name_of(user)))]
    gone = Watch(sign(sub=name_of(user)))
    gone._watched.token = gone._watched.token._replace(
        named=replace(gone._watched.token.named, issuer="https://other.example")
    )
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    ask_rows_of([watch._watched for watch in [*watches, gone]], timezone.now())
    for watch in watches:
        with pytest.raises(RevokedTokenError):
            watch.check()
    with pytest.raises(UntrustedIssuerError):
        gone.check()


def test_without_revocations_here_a_user_of_another_issuer_is_in_the_rows(by_name, sign, user, jwt_settings, ticks):
    jwt_settings(REVOCATION="none")
    watch = Watch(sign(sub=name_of(user)))
    with Queries() as queries:
        watch.check()
    assert len(queries) == 0
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    ticks.forward(23)
    with pytest.raises(RevokedTokenError):
        watch.check()
