"""Watches of tokens that this server has not signed: of other issuers, and of API clients."""

import time

import jwt
import pytest
from django.contrib.auth import get_user_model

from jwt_auth.exceptions import ExpiredTokenError, InvalidTokenError, RevokedTokenError
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
from tests.support.api_clients import register
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
    def make(**claims):
        now = int(time.time())
        values = {"iss": NAME, "aud": "jwt_auth", "sub": "alice", "iat": now, "exp": now + 300, **claims}
        return jwt.encode(values, ec_key, "ES256", headers={"typ": "at+jwt"})

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
