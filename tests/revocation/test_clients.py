"""Operations that end a client's tokens, a client, or a key: immediate, recorded and permanent."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models.signals import pre_delete
from django.utils import timezone

from jwt_auth import clients
from jwt_auth.conf import lifetimes
from jwt_auth.exceptions import RegistrationError
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import disable_client, revoke_client, revoke_client_key
from jwt_auth.signals import client_disabled, client_key_revoked, client_revoked

TICK = timedelta(microseconds=1)


@pytest.fixture
def reports(user):
    return clients.register("reports", user)


@pytest.fixture
def key(reports):
    return clients.add_secret(reports).key


def facts():
    return list(RevocationEvent.objects.order_by("id").values_list("scope", "subject", "cutoff"))


def test_a_revocation_moves_the_cutoff_and_is_on_the_record(reports, user, clock):
    now = timezone.now()
    assert revoke_client(reports, reason="stolen", actor=user) == now
    assert RegisteredClient.objects.get().tokens_valid_after == now
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.cutoff) == ("client", reports.client_id, now)
    assert (event.reason, event.actor) == ("stolen", str(user.pk))
    assert event.expires_at == now + lifetimes.longest_life()


def test_a_cutoff_only_moves_forward(reports, clock):
    first = revoke_client(reports)
    assert revoke_client(reports) == first + TICK
    clock.shift(-3600)
    assert revoke_client(reports) == first + 2 * TICK
    clock.shift(7200)
    assert revoke_client(reports) > first + timedelta(minutes=59)


def test_revoking_leaves_the_client_and_its_keys(reports, key):
    revoke_client(reports)
    assert RegisteredClient.objects.get().is_active
    assert ClientKey.objects.get().is_usable(timezone.now())


def test_a_client_is_disabled_once_and_for_good(reports, key, clock):
    stale = RegisteredClient.objects.get()
    assert disable_client(reports, reason="gone")
    row = RegisteredClient.objects.get()
    assert not row.is_active
    assert row.tokens_valid_after == timezone.now()
    assert facts() == [("client", reports.client_id, row.tokens_valid_after)]
    stale.save()
    assert not disable_client(reports)
    assert not RegisteredClient.objects.get().is_active
    assert len(facts()) == 1


def test_a_key_is_revoked_once_and_alone(reports, key, clock):
    other = clients.add_secret(reports).key
    assert revoke_client_key(key, reason="leaked")
    assert not revoke_client_key(key)
    now = timezone.now()
    usable = {row.pk: row.is_usable(now) for row in ClientKey.objects.all()}
    assert usable == {key.pk: False, other.pk: True}
    assert ClientKey.objects.get(pk=key.pk).revoked_at == now
    assert facts() == [("key", f"{reports.client_id} {key.kid}", None)]
    assert RegisteredClient.objects.get().tokens_valid_after is None


def test_what_is_gone_can_not_be_revoked(reports, key):
    RegisteredClient.objects.all().delete()
    for operation, thing in ((revoke_client, reports), (disable_client, reports), (revoke_client_key, key)):
        with pytest.raises(RegistrationError), transaction.atomic():
            operation(thing)


def test_deleting_a_key_revokes_it(reports, key):
    key.delete()
    assert facts() == [("key", f"{reports.client_id} {key.kid}", None)]


def test_deleting_a_client_refuses_its_tokens_and_its_keys(reports, key, clock):
    client_id, subject = reports.client_id, f"{reports.client_id} {key.kid}"
    reports.delete()
    assert set(facts()) == {("client", client_id, timezone.now()), ("key", subject, None)}


def test_deleting_the_user_ends_the_clients_that_act_as_them(user, reports, key):
    client_id = reports.client_id
    user.delete()
    assert not RegisteredClient.objects.exists()
    assert not ClientKey.objects.exists()
    assert {(scope, subject) for scope, subject, _ in facts()} >= {("client", client_id)}


def test_signals_follow_the_commit(reports, key, heard, django_capture_on_commit_callbacks):
    sent = heard(client_key_revoked, client_revoked, client_disabled)
    with django_capture_on_commit_callbacks(execute=True):
        revoke_client_key(key)
        cutoff = revoke_client(reports)
        disable_client(reports)
        disable_client(reports)
        assert not sent
    of_key, of_tokens, of_client = RevocationEvent.objects.order_by("id")
    assert sent == [
        (client_key_revoked, {"event": of_key, "client_key": key}),
        (client_revoked, {"event": of_tokens, "client": reports, "cutoff": cutoff}),
        (client_disabled, {"event": of_client, "client": reports}),
    ]


def test_a_deletion_that_is_announced_after_the_row_is_gone_is_recorded_once(reports, key, user):
    """Django announces deletions in any order if rows refer to each other; see `delete_latecomers`."""
    robot, robots_key = reports.pk, key.pk
    reports.delete()
    recorded = RevocationEvent.objects.count()
    pre_delete.send(ClientKey, instance=ClientKey(pk=robots_key, client_id=robot), using="default")
    pre_delete.send(RegisteredClient, instance=RegisteredClient(pk=robot, user=user), using="default")
    assert RevocationEvent.objects.count() == recorded
