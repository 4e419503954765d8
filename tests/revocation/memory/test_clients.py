"""A process's copy of clients' keys: it is as fresh as its list of revocations, and accepts no token beyond that."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction

from jwt_auth import clients
from jwt_auth.issuers.clients import kept_rows
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import disable_client, revoke_all, revoke_client, revoke_client_key, revoke_user
from jwt_auth.revocation.memory import reader
from tests.support.api_clients import register
from tests.support.outages import outage

pytestmark = pytest.mark.urls("tests.client_urls")

SECOND = timedelta(seconds=1)


def deactivate(user):
    user.is_active = False
    user.save()


OPERATIONS = {
    "client revoked": lambda api: revoke_client(api.row),
    "client disabled": lambda api: disable_client(api.row),
    "key revoked": lambda api: revoke_client_key(api.key),
    "key deleted": lambda api: api.key.delete(),
    "client deleted": lambda api: api.row.delete(),
    "user revoked": lambda api: revoke_user(api.row.user),
    "user deactivated": lambda api: deactivate(api.row.user),
    "user deleted": lambda api: get_user_model().objects.get(pk=api.row.user_id).delete(),
    "all revoked": lambda api: revoke_all(),
}


@pytest.fixture
def get(client):
    return lambda raw, method="get", path="/who/": getattr(client.bearer(raw), method)(path).status_code


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_what_another_process_does_is_known_within_the_bound(
    api, user, get, in_memory, ticks, elsewhere, clock, operation
):
    in_memory(LEEWAY=timedelta(0))
    other = register(user)
    raw, control = api.token(), other.token()
    assert (get(raw), get(control)) == (200, 200)
    with elsewhere():
        operation(api)
    ticks.forward(0.7)
    assert get(raw) == 200  # the control: nothing was announced to this process
    ticks.forward(0.3)
    assert get(raw) == 401
    clock.shift(SECOND)
    both_end = operation in (OPERATIONS["user deactivated"], OPERATIONS["user deleted"])
    assert get(other.token()) == (401 if both_end else 200)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "operation", ["client disabled", "key revoked", "key deleted", "client deleted", "user deactivated"]
)
def test_what_is_over_is_over_for_what_is_signed_later_too(api, get, in_memory, ticks, elsewhere, clock, operation):
    in_memory(LEEWAY=timedelta(0))
    assert get(api.token()) == 200
    with elsewhere():
        OPERATIONS[operation](api)
    ticks.forward(1)
    clock.shift(5 * SECOND)
    assert get(api.token()) == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_the_process_that_does_it_knows_at_once(api, get, in_memory, clock, operation):
    in_memory(LEEWAY=timedelta(0))
    raw = api.token()
    assert get(raw) == 200
    operation(api)
    assert get(raw) == 401


@pytest.mark.django_db(transaction=True)
def test_a_change_of_scopes_elsewhere_is_known_within_the_bound(api, get, in_memory, ticks, elsewhere):
    in_memory()
    assert get(api.token(), path="/write/") == 200
    with elsewhere():
        clients.change(api.row, scopes="read", actor=None)
    ticks.forward(1)
    assert (get(api.token(), path="/write/"), get(api.token(), path="/read/")) == (403, 200)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_has_never_been(api, get, in_memory):
    in_memory()
    raw = api.token()
    assert get(raw) == 200
    with transaction.atomic():
        revoke_client_key(api.key)
        assert get(raw) == 401
        transaction.set_rollback(True)
    assert get(raw) == 200
    assert not RevocationEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_one_look_is_enough_after_news(api, get, in_memory, count, clock):
    in_memory(LEEWAY=timedelta(0))
    assert get(api.token()) == 200
    revoke_client(api.row)
    clock.shift(SECOND)
    assert [count(get, api.token()) for _ in range(3)] == [(1, 200), (0, 200), (0, 200)]


def test_in_a_transaction_that_may_be_older_than_the_news_nothing_is_kept(api, get, in_memory, count, clock):
    in_memory(LEEWAY=timedelta(0))
    assert get(api.token()) == 200
    with transaction.atomic():
        revoke_client(api.row)
        clock.shift(SECOND)
        assert [count(get, api.token())[0] for _ in range(2)] == [1, 1]
    assert len(kept_rows()) == 1


# Outages


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("policy", ["deny", "allow_safe_methods"])
def test_beyond_the_bound_nobody_is_let_in_unless_the_project_says_so(api, get, in_memory, ticks, policy, jwt_settings):
    in_memory(REVOCATION_ON_STALE=policy)
    raw = api.token()
    assert get(raw) == 200
    with outage():
        ticks.forward(0.9)
        assert get(raw) == 200
        ticks.forward(0.2)
        assert get(raw, "post") == 503
        assert get(raw) == (200 if policy == "allow_safe_methods" else 503)
        assert get(api.token(header={"kid": "another"})) == 503  # a key that the process has never seen


@pytest.mark.django_db(transaction=True)
def test_while_the_list_is_a_part_the_database_judges(api, get, in_memory, elsewhere, monkeypatch, clock):
    monkeypatch.setattr(reader, "PIECE", 1)
    monkeypatch.setattr(reader, "PATIENCE", 0.0)
    others = [register(api.row.user) for _ in range(6)]
    with elsewhere():
        for other in others:
            revoke_client(other.row)
    view = in_memory()
    assert get(api.token()) == 200
    assert not view.was_ever_read
    with elsewhere():
        revoke_client(api.row)
    assert get(api.token()) == 401
    assert not view.was_ever_read
