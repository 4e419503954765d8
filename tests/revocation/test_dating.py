"""`recorded_at` of events is set again after a long transaction's commit, so that every reader looks there."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import events, revoke_all, revoke_user, revoke_users
from jwt_auth.revocation.window import LONGEST_OPEN

pytestmark = pytest.mark.django_db(transaction=True)

OPEN = LONGEST_OPEN.total_seconds()
AGO = timedelta(minutes=2)


def commit_after(seconds, ticks, revoke):
    """Revoke in a transaction that stays open for so long; return how old the events are afterwards."""
    with transaction.atomic():
        revoke()
        for event in RevocationEvent.objects.all():
            RevocationEvent.objects.filter(pk=event.pk).update(recorded_at=event.recorded_at - AGO)
        before = list(RevocationEvent.objects.order_by("pk"))
        ticks.forward(seconds)
    after = RevocationEvent.objects.order_by("pk")
    return [new.recorded_at - old.recorded_at for new, old in zip(after, before, strict=True)]


@pytest.mark.parametrize(("seconds", "is_dated"), [(OPEN - 1, False), (OPEN + 1, True)])
@pytest.mark.parametrize("number", [1, 5])
def test_they_are_dated_by_the_time_after_the_commit(ticks, make_user, monkeypatch, number, seconds, is_dated):
    monkeypatch.setattr(events, "_DATED_AT_ONCE", 2)
    users = [make_user(f"user{each}") for each in range(number)]
    moved = commit_after(seconds, ticks, lambda: revoke_users(users))
    assert len(moved) == number
    for each in moved:
        assert (each >= AGO) == is_dated
        assert is_dated or each == timedelta(0)


@pytest.mark.parametrize("seconds", [OPEN - 1, OPEN + 300])
def test_they_outlast_the_tokens_that_others_issue_until_the_commit(ticks, user, seconds):
    ends = []

    def revoke():
        revoke_user(user)
        revoke_all()
        ends.extend(RevocationEvent.objects.order_by("pk").values_list("expires_at", flat=True))

    commit_after(seconds, ticks, revoke)
    longer = timedelta(seconds=seconds if seconds > OPEN else 0)
    after = RevocationEvent.objects.order_by("pk").values_list("expires_at", flat=True)
    assert list(after) == [ends[0] + longer, None]


def test_those_of_other_transactions_keep_their_date(ticks, make_user):
    alice, bob = make_user("alice"), make_user("bob")
    revoke_user(alice)
    (other,) = RevocationEvent.objects.all()
    commit_after(OPEN + 1, ticks, lambda: revoke_user(bob))
    there = RevocationEvent.objects.get(pk=other.pk)
    assert there.recorded_at == other.recorded_at - AGO  # as commit_after() has left it


def test_if_that_fails_the_log_says_so_and_the_revocation_is_committed(ticks, user, log, in_memory):
    in_memory()

    def refuse(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "CASE" not in sql and not connection.in_atomic_block:
            raise OperationalError("the server is gone")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        moved = commit_after(OPEN + 1, ticks, lambda: revoke_user(user))
    assert moved == [timedelta(0)]
    assert "revocations_dated_late" in [getattr(record, "event", "") for record in log()]
