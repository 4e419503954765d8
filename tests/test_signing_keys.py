"""A key's life: its effect in each state, and the moment at which it may enter the next one."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, transaction

from jwt_auth import signals, signing_keys
from jwt_auth.keyring import stored
from jwt_auth.keyring.states import PUBLISHED_AFTER, KeyStateError, dead_at, ready_at
from jwt_auth.models import RevocationEvent, SigningKey
from tests.support.clocks import NOW
from tests.support.outages import outage

pytestmark = pytest.mark.django_db

State = SigningKey.State
ONE = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _stored_keys(jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")


@pytest.fixture
def active():
    return signing_keys.create(activate=True, now=NOW)


@pytest.fixture
def standby(active):
    return signing_keys.create(now=NOW)


def states():
    return dict(SigningKey.objects.values_list("kid", "state"))


def refusal_of(move, *arguments, **options):
    before = list(SigningKey.objects.order_by("pk").values())
    with pytest.raises(KeyStateError) as caught:
        move(*arguments, **options)
    assert list(SigningKey.objects.order_by("pk").values()) == before
    return str(caught.value)


def test_the_first_key_signs_at_once(active):
    assert (active.state, active.activated_at, active.signs) == (State.ACTIVE, NOW, True)


def test_a_second_key_is_published_first(active, standby):
    assert states() == {active.kid: "active", standby.kid: "standby"}


def test_a_key_that_verifiers_may_not_know_is_not_activated(active, standby):
    too_early = ready_at(standby) - timedelta(seconds=90)
    assert refusal_of(signing_keys.activate, standby.kid, now=too_early) == (
        f"Key {standby.kid} was published at 2026-05-17 12:30:15 UTC, and verifiers may not know it yet. "
        "It can be activated from 2026-05-17 12:37:15 UTC on, in 1 min 30 s."
    )
    assert refusal_of(signing_keys.activate, standby.kid, now=ready_at(standby) - ONE).endswith("in 1 s.")
    signing_keys.activate(standby.kid, now=ready_at(standby))
    assert states() == {active.kid: "retiring", standby.kid: "active"}


def test_the_wait_is_longer_than_key_sets_are_cached(client, active):
    max_age = client.get("/auth/.well-known/jwks.json")["Cache-Control"].rpartition("=")[2]
    assert timedelta(seconds=int(max_age) + 60) <= PUBLISHED_AFTER


def test_a_key_whose_tokens_may_be_alive_is_not_revoked(active, standby):
    changed = ready_at(standby)
    signing_keys.activate(standby.kid, now=changed)
    possible = changed + timedelta(seconds=300 + 120 + 1)
    assert dead_at(changed) == possible
    assert refusal_of(signing_keys.revoke, active.kid, now=possible - ONE) == (
        f"Key {active.kid} retired at 2026-05-17 12:37:15 UTC, and tokens that it signed may still be valid. "
        "It can be revoked from 2026-05-17 12:44:16 UTC on, in 1 s."
    )
    signing_keys.revoke(active.kid, now=possible)
    assert states() == {active.kid: "revoked", standby.kid: "active"}


def test_longer_tokens_make_the_wait_longer(jwt_settings):
    short = dead_at(NOW)
    jwt_settings(KEYS="database", ALGORITHM="ES256", ACCESS_TOKEN_LIFETIME=timedelta(minutes=30))
    assert dead_at(NOW) - short == timedelta(minutes=25)


def test_shorter_ones_do_not_make_it_shorter_than_tokens_for_other_servers_may_live(jwt_settings):
    usual = dead_at(NOW)
    jwt_settings(KEYS="database", ALGORITHM="ES256", ACCESS_TOKEN_LIFETIME=timedelta(minutes=1))
    assert dead_at(NOW) == usual


def test_the_active_key_is_not_revoked_while_it_signs(active):
    assert refusal_of(signing_keys.revoke, active.kid, now=NOW) == (
        f"Key {active.kid} is active: its tokens would be refused. Retire it first; if you do so now, it can be "
        "revoked from 2026-05-17 12:37:16 UTC on, in 7 min 1 s."
    )


def test_the_active_key_is_not_retired_without_another(active):
    assert refusal_of(signing_keys.retire, active.kid, now=NOW) == (
        "There is no standby key to take over. Create one; it can be activated from 2026-05-17 12:37:15 UTC on, "
        "in 7 min 0 s."
    )


def test_a_standby_key_has_signed_nothing_and_can_be_revoked_at_any_time(active, standby):
    assert signing_keys.revoke(standby.kid, now=NOW) is None
    assert states() == {active.kid: "active", standby.kid: "revoked"}


def test_no_key_comes_back(active, standby):
    signing_keys.activate(standby.kid, now=ready_at(standby))
    for emergency in (False, True):
        assert "can't become active again" in refusal_of(signing_keys.activate, active.kid, emergency=emergency)
        assert "is active already" in refusal_of(signing_keys.activate, standby.kid, emergency=emergency)
        assert "only the active key can be retired" in refusal_of(signing_keys.retire, active.kid, emergency=emergency)
    signing_keys.revoke(active.kid, emergency=True, now=ready_at(standby))
    for emergency in (False, True):
        assert "can't become active again" in refusal_of(signing_keys.activate, active.kid, emergency=emergency)
        assert "was revoked at 2026-05-17 12:37:15 UTC" in refusal_of(
            signing_keys.revoke, active.kid, emergency=emergency
        )
    row = SigningKey.objects.get(kid=active.kid)
    row.state = State.STANDBY
    with pytest.raises(TypeError):
        row.save()


def test_in_an_emergency_the_standby_key_takes_over_at_once(active, standby):
    assert signing_keys.revoke(active.kid, emergency=True, reason="leaked", actor="olga", now=NOW).kid == standby.kid
    assert states() == {active.kid: "revoked", standby.kid: "active"}
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.reason, event.actor) == (
        "key",
        f"jwt_auth {active.kid}",
        "leaked",
        "olga",
    )


def test_in_an_emergency_a_key_is_made_if_there_is_none_that_can_be_read(active, standby):
    SigningKey.objects.filter(pk=standby.pk).update(encrypted_private_jwk="lost")
    assert "can't be decrypted" in refusal_of(signing_keys.activate, standby.kid, now=ready_at(standby))
    successor = signing_keys.retire(active.kid, emergency=True, now=NOW)
    assert successor.kid not in (active.kid, standby.kid)
    assert states() == {active.kid: "retiring", standby.kid: "standby", successor.kid: "active"}


def test_without_an_active_key_the_standby_key_signs_at_once(standby):
    SigningKey.objects.filter(state="active").delete()
    step, key = signing_keys.rotate(now=NOW)
    assert (step.move, key.kid) == ("activate", standby.kid)


def test_the_private_half_goes_when_a_key_stops_signing(active, standby):
    assert active.encrypted_private_jwk
    signing_keys.activate(standby.kid, now=ready_at(standby))
    signing_keys.revoke(active.kid, emergency=True)
    assert list(SigningKey.objects.exclude(encrypted_private_jwk="")) == [standby]


def test_a_key_that_is_revoked_before_it_ever_signed_has_no_private_half_either(active, standby):
    signing_keys.revoke(standby.kid, now=NOW)
    assert list(SigningKey.objects.exclude(encrypted_private_jwk="")) == [active]


def test_a_key_has_one_row(active):
    copy = SigningKey(kid=active.kid, algorithm="ES256", public_jwk=active.public_jwk, changed_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()


def test_no_two_changes_have_the_same_moment():
    for _ in range(3):
        signing_keys.create(now=NOW)
    assert SigningKey.objects.values("changed_at").distinct().count() == 3


@pytest.mark.parametrize("algorithm", ["RS256", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"])
def test_a_key_of_each_algorithm_can_be_stored_and_read(algorithm):
    key = signing_keys.create(algorithm=algorithm, activate=True)
    signing = stored.own_keys().signing
    assert (signing.kid, signing.algorithm) == (key.kid, algorithm)
    assert not key.kid.startswith("-")
    assert stored.own_keys().public_jwks()[0]["alg"] == algorithm


def test_a_kid_that_a_shell_would_take_for_an_option_is_not_given(monkeypatch):
    real, kids = signing_keys.make_key, []

    def unlucky_at_first(material, algorithm):
        key = real(material, algorithm)
        kids.append(key.kid)
        return replace(key, kid="-" + key.kid[1:]) if len(kids) == 1 else key

    monkeypatch.setattr(signing_keys, "make_key", unlucky_at_first)
    assert signing_keys.create().kid == kids[-1]  # usually the second


def test_an_outage_is_not_taken_for_a_race(active):
    with outage(), pytest.raises(OperationalError):
        signing_keys.create()


def test_who_loses_a_race_is_told_to_look_again(active):
    deadlock = OperationalError(1213, "Deadlock found when trying to get lock")
    with outage(deadlock), pytest.raises(KeyStateError, match="Try again"):
        signing_keys.create()


def test_signals_are_sent_when_it_is_committed(django_capture_on_commit_callbacks):
    sent = []

    def note(signal, **arguments):
        sent.append((signal, arguments["key"].kid))

    named = (signals.key_created, signals.key_activated, signals.key_revoked)
    for signal in named:
        signal.connect(note)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            first = signing_keys.create(activate=True)
            assert not sent
        assert sent == [(signals.key_created, first.kid), (signals.key_activated, first.kid)]
        with django_capture_on_commit_callbacks(execute=True):
            successor = signing_keys.revoke(first.kid, emergency=True)
        assert sent[2:] == [
            (signals.key_created, successor.kid),
            (signals.key_activated, successor.kid),
            (signals.key_revoked, first.kid),
        ]
    finally:
        for signal in named:
            signal.disconnect(note)
