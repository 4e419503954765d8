"""Keys in the database: each process reads them when they have changed, and a revoked key is never accepted."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO

import pytest
from asgiref.sync import async_to_sync
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.db import OperationalError
from django.db.models import F

from jwt_auth import clients, signing_keys
from jwt_auth.exceptions import RevokedKeyError, UnavailableError, UnknownKeyError
from jwt_auth.jose.encoding import base64url_decode, json_object
from jwt_auth.keyring import states, stored
from jwt_auth.keyring.encryption import encrypt
from jwt_auth.keyring.stored import LOOK_AGAIN_AFTER, READ_EVERY, StoredKeys
from jwt_auth.models import RevocationEvent, SigningKey
from jwt_auth.process import renewal
from jwt_auth.process.blocking import on_loop
from jwt_auth.process.renewal import PATIENCE
from jwt_auth.revocation.clients import revoke_client_key
from jwt_auth.revocation.memory import view
from tests.support.clocks import NOW
from tests.support.commands import look
from tests.support.other_processes import by_another_process
from tests.support.outages import outage
from tests.support.queries import Queries

pytestmark = pytest.mark.django_db

LATER = NOW + states.PUBLISHED_AFTER
BOUND = 1  # second: the default of REVOCATION_MAX_STALENESS


@pytest.fixture(autouse=True)
def _stored_keys(jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")


@pytest.fixture
def process(ticks):
    """The keys of a process that changes none itself and gets no notifications."""
    return StoredKeys(clock=ticks)


@pytest.fixture
def first():
    return signing_keys.create(activate=True, now=NOW)


def rotate(first):
    """Make another key sign; the first one retires."""
    second = signing_keys.create(now=NOW)
    signing_keys.activate(second.kid, now=LATER)
    return second


def revoke_elsewhere(key, moment):
    """Revoke the key as another process does: this process gets no notification."""
    SigningKey.objects.filter(pk=key.pk).update(state="revoked", signs=None, changed_at=moment)


def queries_of(action, *arguments):
    with Queries() as queries:
        action(*arguments)
    return len(queries)


# Signing


def test_who_signs_learns_within_the_bound_which_key_is_active(process, ticks, first):
    assert process.newest().signing.kid == first.kid
    second = rotate(first)
    assert process.newest().signing.kid == first.kid  # the control: it does not ask each time
    ticks.forward(BOUND)
    assert process.newest().signing.kid == second.kid
    assert set(process.newest().verifying) == {first.kid, second.kid}


def test_who_signs_asks_once_per_bound_and_reads_the_rows_when_they_have_changed(process, ticks, first):
    assert queries_of(process.newest) == 2
    assert queries_of(process.newest) == 0
    ticks.forward(BOUND)
    assert queries_of(process.newest) == 1
    assert queries_of(process.newest) == 0


def test_the_process_that_changes_a_key_knows_at_once(first, django_capture_on_commit_callbacks):
    assert stored.own_keys().signing.kid == first.kid
    with django_capture_on_commit_callbacks(execute=True):
        second = rotate(first)
    assert stored.own_keys().signing.kid == second.kid


def test_a_private_key_is_decrypted_once(process, ticks, first, monkeypatch):
    process.newest()
    monkeypatch.setattr(stored, "decrypt", None)
    signing_keys.create(now=NOW)
    ticks.forward(BOUND)
    assert process.newest().signing.kid == first.kid
    assert len(process.newest().verifying) == 2


@pytest.mark.django_db(transaction=True)
def test_without_an_active_key_nobody_can_sign_in_and_the_log_says_what_to_do(client, user, caplog):
    answer = client.login(user)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "jwt_keys create --activate" in caplog.text
    assert "Traceback" not in caplog.text
    assert client.get("/auth/.well-known/jwks.json").json() == {"keys": []}


@pytest.mark.django_db(transaction=True)
def test_a_lost_encryption_key_keeps_from_signing_and_not_from_verifying(client, user, first, jwt_settings, caplog):
    token = client.tokens(user)["access_token"]
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key()])
    answer = client.login(user)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "ENCRYPTION_KEYS" in caplog.text
    assert "Traceback" not in caplog.text
    assert client.get_me(token).status_code == 200
    assert [key["kid"] for key in client.get("/auth/.well-known/jwks.json").json()["keys"]] == [first.kid]


# Broken rows: from a restored backup, a truncated column or a mistake by hand. Each process reads them anew.


def broken(**columns):
    """Change columns of the active key's row, and return the keys of a process that has not read them before."""
    SigningKey.objects.filter(state="active").update(**columns)
    return StoredKeys()


def a_stranger():
    return signing_keys._encrypt(signing_keys.generate("ES256"))


def the_public_half():
    return encrypt(SigningKey.objects.get(state="active").public_jwk.encode())


BROKEN_CELLS = {
    "is no ciphertext": (lambda: {"encrypted_private_jwk": "garbage"}, stored.UNREADABLE_KEY),
    "is not ASCII": (lambda: {"encrypted_private_jwk": "g\u00e4rbage"}, stored.UNREADABLE_KEY),
    "is empty": (lambda: {"encrypted_private_jwk": ""}, stored.UNREADABLE_KEY),
    "is no JSON": (lambda: {"encrypted_private_jwk": encrypt(b"nothing")}, stored.BROKEN_KEY),
    "is no object": (lambda: {"encrypted_private_jwk": encrypt(b"[]")}, stored.BROKEN_KEY),
    "is another key": (lambda: {"encrypted_private_jwk": a_stranger()}, stored.BROKEN_KEY),
    "has no private half": (lambda: {"encrypted_private_jwk": the_public_half()}, stored.BROKEN_KEY),
    "is for another algorithm": (lambda: {"algorithm": "RS256"}, stored.BROKEN_KEY),
    "has no public half": (lambda: {"public_jwk": ""}, stored.BROKEN_KEY),
    "has no key as the public half": (lambda: {"public_jwk": '{"kty": "EC", "crv": []}'}, stored.BROKEN_KEY),
}


@pytest.mark.parametrize("cell", BROKEN_CELLS)
def test_with_a_key_that_is_broken_nothing_is_signed(first, cell):
    columns, problem = BROKEN_CELLS[cell]
    assert StoredKeys().newest().signing.kid == first.kid  # the control
    with pytest.raises(UnavailableError, match=problem):
        assert broken(**columns()).newest().signing


@pytest.fixture
def anew():
    """Make this process forget all keys, like one that has just started."""
    return stored._stored.cache_clear


@pytest.mark.django_db(transaction=True)
def test_while_the_active_key_is_broken_nobody_is_signed_out_and_an_emergency_move_ends_it(
    client, user, first, caplog, anew
):
    pair = client.tokens(user)
    SigningKey.objects.update(encrypted_private_jwk=a_stranger())
    anew()
    for answer in (
        client.login(user),
        client.refresh(pair["refresh_token"]),
        client.get("/auth/.well-known/revocations"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert stored.BROKEN_KEY in caplog.text
    assert "Traceback" not in caplog.text
    assert client.get_me(pair["access_token"]).status_code == 200
    signing_keys.retire(first.kid, emergency=True)
    assert client.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["database", "memory"])
def test_one_broken_key_does_not_keep_the_others_from_their_work(client, user, jwt_settings, first, mode, caplog, anew):
    jwt_settings(KEYS="database", ALGORITHM="ES256", REVOCATION=mode)
    old = client.tokens(user)
    second = rotate(first)
    SigningKey.objects.filter(pk=first.pk).update(public_jwk="{")
    anew()
    new = client.refresh(old["refresh_token"]).json()
    assert client.get_me(new["access_token"]).status_code == 200
    answer = client.get_me(old["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert [key["kid"] for key in client.get("/auth/.well-known/jwks.json").json()["keys"]] == [second.kid]
    assert f"Signing key {first.kid} can't be read" in caplog.text
    told = [record for record in caplog.records if getattr(record, "event", "") == "signing_key_unread"]
    assert {(record.kid, bool(record.reason)) for record in told} == {(first.kid, True)}


def test_a_broken_key_is_not_activated(first):
    second = signing_keys.create(now=NOW)
    SigningKey.objects.filter(pk=second.pk).update(encrypted_private_jwk=a_stranger())
    with pytest.raises(signing_keys.KeyStateError, match="is broken, and so can't sign"):
        signing_keys.activate(second.kid, now=LATER)


@pytest.mark.django_db(transaction=True)
def test_introspection_in_plain_json_needs_no_key_that_signs(client, user, staff, first, jwt_settings):
    token, asker = client.tokens(user)["access_token"], client.bearer(client.tokens(staff)["access_token"])
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key()])
    assert asker.send("introspect/", {"token": token}).json()["active"] is True
    signed = asker.send("introspect/", {"token": token}, HTTP_ACCEPT="application/token-introspection+jwt")
    assert (signed.status_code, signed.json()["code"]) == (503, "unavailable")


# Verifying


def test_a_key_is_known_a_minute_after_it_was_created_and_needs_no_question_until_then(process, ticks, first):
    process.find(first.kid)
    second = signing_keys.create(now=NOW)
    assert queries_of(process.find, first.kid) == 0
    ticks.forward(READ_EVERY)
    assert queries_of(process.find, first.kid) == 1
    assert queries_of(process.find, second.kid) == 0


def test_an_unknown_key_is_looked_for_at_most_every_few_seconds(process, ticks, first):
    process.find(first.kid)
    second = signing_keys.create(now=NOW)
    assert process.find(second.kid).kid == second.kid
    for _ in range(20):
        with pytest.raises(UnknownKeyError):
            process.find("forged")
    assert queries_of(pytest.raises, UnknownKeyError, process.find, "forged") == 0
    ticks.forward(LOOK_AGAIN_AFTER)
    assert queries_of(pytest.raises, UnknownKeyError, process.find, None) == 1


def test_a_revoked_key_is_called_revoked(process, ticks, first):
    second = rotate(first)
    signing_keys.revoke(first.kid, emergency=True, now=LATER)
    with pytest.raises(RevokedKeyError):
        process.find(first.kid)
    assert process.find(second.kid)


def test_in_an_outage_what_is_known_goes_on_and_what_is_not_is_unavailable(process, ticks, first):
    with outage(), pytest.raises(UnavailableError):
        process.find(first.kid)
    ticks.forward(1)
    process.find(first.kid)
    ticks.forward(READ_EVERY)
    with outage():
        assert process.find(first.kid)
        assert queries_of(process.find, first.kid) == 0  # it does not try each time
        ticks.forward(LOOK_AGAIN_AFTER)
        with pytest.raises(UnavailableError):
            process.find("unknown")
        with pytest.raises(UnavailableError):
            StoredKeys(clock=ticks).newest()


@pytest.fixture
def hanging(process, monkeypatch):
    """A read of the rows that has begun in another thread, and does not end before the test does."""
    began, end = threading.Event(), threading.Event()

    def hang(manager):
        began.set()
        end.wait(60)
        raise OperationalError("it never came to an end")

    with ThreadPoolExecutor(1) as pool:
        try:
            with monkeypatch.context() as patch:
                patch.setattr(type(SigningKey.objects), "all", hang)
                looking = pool.submit(process.find, "any")
                assert began.wait(10)
            yield looking
        finally:
            end.set()


def all_find(process, kid):
    """Let 20 threads look a key up at once, and return their results: a key id or the class of an error."""

    def find(_):
        try:
            return process.find(kid).kid
        except UnavailableError as error:
            return type(error)

    with ThreadPoolExecutor(20) as pool:
        return set(pool.map(find, range(20)))


def test_a_look_that_hangs_holds_nobody_up_who_does_not_need_it(process, ticks, first, request):
    process.find(first.kid)
    ticks.forward(READ_EVERY)
    looking = request.getfixturevalue("hanging")
    assert all_find(process, first.kid) == {first.kid}
    assert not looking.done()


@pytest.mark.usefixtures("impatient")
def test_others_do_not_queue_behind_a_look_that_hangs(process, ticks, first, request):
    process.find(first.kid)
    looking = request.getfixturevalue("hanging")
    ticks.forward(PATIENCE)  # the read has taken too long
    assert all_find(process, "another") == {UnavailableError}
    assert not looking.done()


@pytest.mark.usefixtures("impatient")
def test_who_knows_nothing_yet_does_not_wait_for_long(process, ticks, hanging):
    ticks.forward(PATIENCE)
    assert all_find(process, "any") == {UnavailableError}
    assert not hanging.done()


@pytest.mark.usefixtures("impatient")
def test_nor_do_those_who_sign_or_publish(process, ticks, first, monkeypatch):
    assert process.newest().signing
    began, end = threading.Event(), threading.Event()

    def hang():
        began.set()
        end.wait(60)
        raise OperationalError("it never came to an end")

    monkeypatch.setattr(stored, "changes_of_keys", hang)
    assert process.newest().signing  # the control: this was compared a moment ago
    ticks.forward(BOUND)
    with ThreadPoolExecutor(21) as pool:
        pool.submit(process.newest)
        assert began.wait(10)
        ticks.forward(PATIENCE)
        tries = [pool.submit(process.newest) for _ in range(20)]
        assert {type(found.exception(10)) for found in tries} == {UnavailableError}
        end.set()


def test_a_key_is_one_object_whatever_its_state_and_however_often_it_is_read(process, ticks, first):
    """A remembered signature is compared with this very object."""
    before = process.find(first.kid)
    rotate(first)
    ticks.forward(READ_EVERY)
    assert process.find(first.kid) is before


def test_a_rolled_back_change_is_not_believed(process, ticks, first):
    stranger = SigningKey.objects.get(kid=first.kid).changed_at + timedelta(seconds=1)
    assert set(process.as_of(stranger).verifying) == {first.kid}
    assert set(process.as_of(first.changed_at).verifying) == {first.kid}


def test_after_a_fork_nothing_is_known(process, first):
    process.newest()
    stored.forget()
    assert queries_of(process.newest) == 2


FORKED = """
import os, signal
import django
django.setup()
from jwt_auth.keyring.usage import Usage
from jwt_auth.keyring.stored import StoredKeys
from jwt_auth.models import SigningKey

keys, usage = StoredKeys(), Usage(SigningKey, lambda key, count, now: 1, counts=True)
keys._version = "known"
usage._uses.put("key", "uses")
with keys._renewal._flight._lock, usage._lock:  # as threads do that do not exist in the child
    child = os.fork()
    if not child:
        signal.alarm(30)
        free = usage._lock.acquire(blocking=False) and keys._renewal._flight.acquire()
        os._exit(0 if free and keys._version != "known" and not len(usage._uses) else 1)
    print(os.waitpid(child, 0)[1], keys._version, usage._uses.get("key"))
"""


def test_a_forked_process_inherits_no_lock_and_no_count():
    """This runs in processes of its own: a test runner with threads must not fork."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0 known uses\n", done.stderr


def test_who_learns_of_a_revoked_key_looks_which_one_took_over_whatever_was_forged(jwt_settings, first, monkeypatch):
    jwt_settings(KEYS="database", ALGORITHM="ES256", REVOCATION="memory")
    source = stored.source_of_own_keys()
    with pytest.raises(UnknownKeyError):
        source.find("forged")
    with by_another_process(monkeypatch):
        successor = signing_keys.revoke(first.kid, emergency=True)
    with pytest.raises(UnknownKeyError):
        source.find(successor.kid)  # the control: the forged one has used up the look
    view.view()._renew()
    assert source.find(successor.kid).kid == successor.kid


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_a_token_of_a_retiring_key_is_good_until_the_key_is_revoked(client, user, jwt_settings, first, mode):
    jwt_settings(KEYS="database", ALGORITHM="ES256", REVOCATION=mode)
    token = client.tokens(user)["access_token"]
    rotate(first)
    assert client.get_me(token).status_code == 200
    signing_keys.revoke(first.kid, emergency=True)
    answer = client.get_me(token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_in_database_mode_another_process_refuses_at_once_what_it_remembers(client, user, first):
    token = client.tokens(user)["access_token"]
    for _ in range(2):
        assert client.get_me(token).status_code == 200
    revoke_elsewhere(first, first.changed_at + timedelta(seconds=1))
    answer = client.get_me(token)
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


def test_a_request_in_database_mode_still_is_one_query(client, user, first):
    token = client.tokens(user)["access_token"]
    client.get_me(token)
    plain = queries_of(client.get_me, token)
    second = rotate(first)
    assert queries_of(client.get_me, token) == plain + 1  # the keys have changed
    assert queries_of(client.get_me, token) == plain
    assert second


@pytest.mark.django_db(transaction=True)
def test_with_a_leaked_key_that_was_revoked_nobody_can_be_signed_out(client, user, first):
    pair = client.tokens(user)
    signing_keys.revoke(first.kid, emergency=True)
    client.send("logout/", {}, HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_neither_with_one_that_another_process_revoked(client, user, first, ticks):
    pair = client.tokens(user)
    rotate(first)
    revoke_elsewhere(first, LATER + timedelta(seconds=1))
    known = stored.source_of_own_keys()
    assert known.find(first.kid)  # the control: this process has read the key and still keeps it
    ticks.forward(BOUND)
    client.send("logout/", {}, HTTP_AUTHORIZATION=f"Bearer {pair['access_token']}")
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_the_key_set_has_all_keys_but_revoked_ones_and_nothing_private(client, first):
    second = rotate(first)
    third = signing_keys.create(algorithm="RS256", now=LATER)
    gone = signing_keys.create(algorithm="Ed25519", now=LATER)
    signing_keys.revoke(gone.kid, now=LATER)
    answer = client.get("/auth/.well-known/jwks.json")
    keys = answer.json()["keys"]
    assert {key["kid"] for key in keys} == {first.kid, second.kid, third.kid}
    assert {name for key in keys for name in key} == {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}
    assert answer["ETag"]


def test_a_dump_of_the_database_has_no_private_key(first):
    private = stored.own_keys().signing.signing
    number = private.private_numbers().private_value
    dump = str(list(SigningKey.objects.values())).lower()
    assert format(number, "x") not in dump
    assert '"d"' not in dump
    rotate(first)
    assert SigningKey.objects.get(pk=first.pk).encrypted_private_jwk == ""  # it signs no more


@pytest.mark.django_db(transaction=True)
def test_an_operator_is_told_that_the_key_was_revoked(client, user, first):
    token = client.tokens(user)["access_token"]
    assert "pass  key" in look(token)[0]
    signing_keys.revoke(first.kid, emergency=True)
    text, end = look(token)
    assert "FAIL  key: the key is revoked" in text
    assert "token_revoked" in end


@pytest.mark.django_db(transaction=True)
def test_other_servers_read_of_a_revoked_key_in_the_feed(client, first):
    signing_keys.revoke(first.kid, emergency=True)
    assert keys_in_the_feed(client) == [f"jwt_auth {first.kid}"]


@pytest.mark.django_db(transaction=True)
def test_a_server_that_has_our_key_in_its_settings_always_reads_that_it_was_revoked(client, user, first, clock):
    """
    This holds after cleaning as well: otherwise the server would accept the key again, and a thief could still sign.
    """
    signing_keys.revoke(first.kid, emergency=True)
    # The control: no other server verifies with a client's key.
    revoke_client_key(clients.add_secret(clients.register("reports", user)).key)
    assert RevocationEvent.objects.filter(scope="key").update(recorded_at=F("created_at")) == 2
    clock.shift(timedelta(days=30))
    call_command("jwt_clear_expired", keep_events_days=0, stdout=StringIO())
    assert RevocationEvent.objects.filter(scope="key").count() == 1
    assert keys_in_the_feed(client) == [f"jwt_auth {first.kid}"]


def keys_in_the_feed(client):
    document = client.get("/auth/.well-known/revocations").content.decode()
    events = json_object(base64url_decode(document.split(".")[1]))["events"]
    return [event["subject"] for event in events if event["scope"] == "key"]


def test_keys_that_are_due_are_read_by_another_thread_for_an_event_loop(process, first, ticks, monkeypatch):
    work = []
    monkeypatch.setattr(renewal.workers, "start", work.append)
    monkeypatch.setattr(stored, "is_private_to_process", lambda alias: False)
    process.find(first.kid)
    ticks.forward(READ_EVERY)

    async def find():
        return await on_loop(lambda: process.find(first.kid))

    assert async_to_sync(find)().kid == first.kid
    assert len(work) == 1
