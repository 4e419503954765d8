"""The uses of keys: each process counts its own, and writes them once a minute."""

import time
from threading import Event, Thread

import pytest
from django.db import ProgrammingError, connections, transaction

from jwt_auth import signing_keys
from jwt_auth.keyring import usage
from jwt_auth.keyring.usage import WRITE_EVERY, Usage, note_client_key, note_signing_key
from jwt_auth.models import SigningKey
from tests.support.api_clients import register
from tests.support.outages import down, outage
from tests.support.queries import count_queries

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(ticks, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    return signing_keys.create(activate=True)


def written(key):
    return SigningKey.objects.values_list("verified", flat=True).get(pk=key.pk)


def test_each_token_is_counted_once_and_the_counts_are_written_once_a_minute(client, user, key, ticks):
    pairs = [client.tokens(user) for _ in range(3)]
    for pair in [*pairs, *pairs]:
        assert client.get_me(pair["access_token"]).status_code == 200
    assert written(key) == 1
    ticks.forward(WRITE_EVERY - 1)
    assert client.get_me(client.tokens(user)["access_token"]).status_code == 200
    assert written(key) == 1
    ticks.forward(1)
    assert client.get_me(client.tokens(user)["access_token"]).status_code == 200
    assert written(key) == 5
    assert SigningKey.objects.get(pk=key.pk).last_used_at


def test_a_forged_signature_is_not_counted(client, user, key):
    token = client.tokens(user)["access_token"]
    assert client.get_me(token[:-10] + "A" * 10).status_code == 401
    assert written(key) == 0
    assert client.get_me(token).status_code == 200  # the control
    assert written(key) == 1


def test_uses_are_kept_through_an_outage_and_written_a_minute_later(key, ticks):
    with outage():
        note_signing_key(key.kid)
    assert written(key) == 0
    note_signing_key(key.kid)
    assert written(key) == 0  # it does not try each time
    ticks.forward(WRITE_EVERY)
    note_signing_key(key.kid)
    assert written(key) == 3


def test_within_the_transaction_of_a_request_nothing_is_written(key):
    with transaction.atomic():
        note_signing_key(key.kid)
        assert written(key) == 0
    assert written(key) == 1


def test_between_two_writes_it_costs_no_query(key):
    note_signing_key(key.kid)
    assert count_queries(note_signing_key, key.kid)[0] == 0


@pytest.mark.concurrent
def test_a_row_that_another_transaction_has_locked_is_written_a_minute_later(key, ticks, at_once):
    held, go_on = Event(), Event()

    def hold():
        with transaction.atomic():
            list(SigningKey.objects.select_for_update().filter(pk=key.pk))
            held.set()
            assert go_on.wait(60)

    def use():
        try:
            assert held.wait(60)
            note_signing_key(key.kid)
        finally:
            go_on.set()

    at_once(hold, use)
    assert written(key) == 0
    ticks.forward(WRITE_EVERY)
    note_signing_key(key.kid)
    assert written(key) == 2


class Interrupted:
    """Uses of a key; another thread runs between the reading and the writing of their number."""

    def __init__(self, write_at, last):
        self.write_at, self.last, self._count = write_at, last, 0

    @property
    def count(self):
        count = self._count
        time.sleep(0)
        return count

    @count.setter
    def count(self, value):
        self._count = value


def test_no_use_is_lost_between_threads(key, ticks, monkeypatch):
    monkeypatch.setattr(usage, "_Uses", Interrupted)
    note_signing_key(key.kid)
    threads = [Thread(target=lambda: [note_signing_key(key.kid) for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ticks.forward(WRITE_EVERY)
    note_signing_key(key.kid)
    assert written(key) == 2002


def test_the_last_uses_of_a_key_are_written_when_others_are_used(key, ticks):
    """A retiring key is used less and less: its uses must not wait for one that never comes."""
    for _ in range(10):
        note_signing_key(key.kid)
    assert written(key) == 1
    ticks.forward(WRITE_EVERY)
    note_signing_key("another")
    assert written(key) == 10


def test_a_use_in_a_transaction_that_is_rolled_back_is_written_soon(key, ticks):
    with transaction.atomic():
        note_signing_key(key.kid)
        transaction.set_rollback(True)
    assert written(key) == 0
    ticks.forward(5)
    note_signing_key(key.kid)
    assert written(key) == 2


def test_an_outage_of_the_connection_refuses_nobody_and_is_met_once_a_minute(key, ticks, monkeypatch):
    tried = []
    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "ensure_connection", lambda: tried.append(True) or down())
        for _ in range(2):
            note_signing_key(key.kid)
            ticks.forward(WRITE_EVERY - 1)
    assert len(tried) == 1
    ticks.forward(1)
    note_signing_key(key.kid)
    assert written(key) == 3


def test_a_commit_that_fails_loses_no_use(key, ticks, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(connections["default"], "commit", down)
        note_signing_key(key.kid)
    assert written(key) == 0
    ticks.forward(WRITE_EVERY)
    note_signing_key(key.kid)
    assert written(key) == 2


def test_a_request_writes_the_use_of_no_other_client_s_key(user, ticks):
    alone, _ = count_queries(note_client_key, register(user).key)
    for other in [register(user) for _ in range(3)]:
        note_client_key(other.key)
        note_client_key(other.key)
    ticks.forward(WRITE_EVERY)
    assert count_queries(note_client_key, register(user).key)[0] == alone


def test_other_errors_are_logged_and_lose_no_use(key, ticks, caplog):
    with outage(ProgrammingError("permission denied")):
        note_signing_key(key.kid)
    assert "permission denied" in str(caplog.records[0].exc_info[1])
    assert written(key) == 0
    ticks.forward(WRITE_EVERY)
    note_signing_key(key.kid)
    assert written(key) == 2


def test_a_forked_process_counts_from_zero():
    wrote = []
    uses = Usage(SigningKey, lambda key, count, now: wrote.append(count) or 1, counts=True, clock=lambda: 0)
    uses.note("key")
    uses.note("key")
    uses.forget()
    uses.note("key")
    assert wrote == [1, 1]
