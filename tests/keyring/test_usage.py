"""The use of keys: each process counts it for itself, and writes the count after a minute."""

from threading import Thread

import pytest
from django.db import transaction

from jwt_auth import signing_keys
from jwt_auth.keyring import usage as key_usage
from jwt_auth.keyring.usage import WRITE_EVERY, Usage
from jwt_auth.models import SigningKey
from tests.support.outages import outage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def usage(ticks, jwt_settings, monkeypatch):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    usage = Usage(clock=ticks)
    monkeypatch.setattr(key_usage, "usage", lambda: usage)
    return usage


@pytest.fixture
def key(usage):
    return signing_keys.create(activate=True)


def written(key):
    return SigningKey.objects.values_list("verified", flat=True).get(pk=key.pk)


def test_tokens_are_counted_once_and_written_after_a_minute(client, user, key, ticks):
    pairs = [client.tokens(user) for _ in range(3)]
    for pair in [*pairs, *pairs]:
        assert client.get_me(pair["access_token"]).status_code == 200
    assert written(key) == 0
    ticks.forward(WRITE_EVERY)
    assert client.get_me(client.tokens(user)["access_token"]).status_code == 200
    assert written(key) == 4
    assert SigningKey.objects.get(pk=key.pk).last_used_at


def test_a_forged_signature_is_not_counted(client, user, key, usage):
    token = client.tokens(user)["access_token"]
    assert client.get_me(token[:-10] + "A" * 10).status_code == 401
    assert not usage._counts


def test_what_can_t_be_written_is_written_later_and_troubles_nobody(usage, key, ticks):
    ticks.forward(WRITE_EVERY)
    with outage():
        usage.count(key.kid)
    assert written(key) == 0
    usage.count(key.kid)
    assert written(key) == 0  # it does not try each time
    ticks.forward(WRITE_EVERY)
    usage.count(key.kid)
    assert written(key) == 3


def test_nothing_is_written_within_the_transaction_of_a_request(usage, key, ticks):
    ticks.forward(WRITE_EVERY)
    with transaction.atomic():
        usage.count(key.kid)
        assert written(key) == 0
    assert written(key) == 1


def test_no_count_is_lost_between_threads(usage, key, ticks):
    threads = [Thread(target=lambda: [usage.count(key.kid) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ticks.forward(WRITE_EVERY)
    usage.count(key.kid)
    assert written(key) == 2001


def test_after_a_fork_it_is_counted_anew(usage, key):
    usage.count(key.kid)
    key_usage._known.reset()
    assert not usage._counts
