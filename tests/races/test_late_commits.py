"""The database assigns numbers before transactions commit: an event that is committed after a newer one is not lost."""

from functools import partial
from threading import Event

import jwt
import pytest
from django.db import connection, transaction

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.revocation.feed import pieces
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.verdict import verdict
from jwt_auth.verification import verify
from tests.support.clocks import Ticks
from tests.support.threads import PATIENCE

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]


class Process:
    """The view of another process that only reads, and gets no notifications."""

    def __init__(self):
        self.ticks = Ticks()
        self.view = view.View(clock=self.ticks)

    def lets_in(self, verified):
        """Return whether a request that comes a second later is accepted."""
        self.ticks.forward(1)
        try:
            verdict(verified.claims, self.view.state_of(verified.claims), verified.claims.auth_time)
        except RevokedTokenError:
            return False
        return True


REVOCATIONS = {
    "token": lambda verified: revoke_token(verified.claims),
    "session": lambda verified: revoke_session(verified.session.pk),
    "user": lambda verified: revoke_user(verified.user),
    "all": lambda verified: revoke_all(),
}


@pytest.fixture
def come(client, make_user):
    """Sign in and verify the token."""
    return lambda name: verify(client.tokens(make_user(name))["access_token"])


@pytest.mark.parametrize("warm", [True, False], ids=["warm", "begins meanwhile"])
@pytest.mark.parametrize("scope", REVOCATIONS)
def test_an_event_that_commits_after_a_newer_one_is_not_lost(come, at_once, scope, warm):
    late, early, other = come("late"), come("early"), come("other")
    process, written, go_on = Process(), Event(), Event()
    if warm:
        assert process.lets_in(late)

    def commit_late():
        with transaction.atomic():
            REVOCATIONS[scope](late)
            number = RevocationEvent.objects.get(scope=scope).pk
            written.set()
            assert go_on.wait(PATIENCE)
        return number

    def commit_early():
        try:
            assert written.wait(PATIENCE)
            revoke_session(early.session.pk)
            seen = [process.lets_in(each) for each in (early, late, other)]
            return RevocationEvent.objects.latest("pk").pk, seen
        finally:
            go_on.set()

    late_number, (early_number, seen) = at_once(commit_late, commit_early)
    assert late_number < early_number
    assert seen == [False, True, True]
    assert [process.lets_in(each) for each in (early, late, other)] == [False, False, scope != "all"]


@pytest.fixture
def scattered():
    """Numbers as a cluster hands them out: in blocks for each connection (PostgreSQL), or each third one (MariaDB)."""
    table = RevocationEvent._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION auto_increment_increment = 3")
            yield
            cursor.execute("SET SESSION auto_increment_increment = 1")
            return
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        (sequence,) = cursor.fetchone()
        cursor.execute(f"ALTER SEQUENCE {sequence} CACHE 50")
        yield
        cursor.execute(f"ALTER SEQUENCE {sequence} CACHE 1")


def test_whatever_numbers_the_database_hands_out_each_event_is_known_in_time(come, at_once, scattered):
    people = [come(f"user{number}") for number in range(5)]
    process = Process()
    assert process.lets_in(people[-1])
    for turn, person in enumerate(people[:-1]):
        if turn % 2:
            at_once(partial(revoke_session, person.session.pk))
        else:
            revoke_session(person.session.pk)
        assert not process.lets_in(person)
    assert process.lets_in(people[-1])
    numbers = list(RevocationEvent.objects.order_by("recorded_at").values_list("pk", flat=True))
    assert numbers[2] < numbers[1] or numbers[2] - numbers[0] >= 3  # the control


def test_an_event_that_is_rolled_back_after_a_newer_one_never_counts(come, at_once):
    """The control: a missing number alone refuses no token."""
    late, early = come("late"), come("early")
    process, written, go_on = Process(), Event(), Event()
    assert process.lets_in(late)

    def roll_back_late():
        with transaction.atomic():
            revoke_user(late.user)
            written.set()
            assert go_on.wait(PATIENCE)
            transaction.set_rollback(True)

    def commit_early():
        try:
            assert written.wait(PATIENCE)
            revoke_session(early.session.pk)
            return [process.lets_in(each) for each in (early, late)]
        finally:
            go_on.set()

    assert at_once(roll_back_late, commit_early)[1] == [False, True]
    assert [process.lets_in(each) for each in (early, late)] == [False, True]


def listed():
    """Return the subjects in the feed that other servers read."""
    document = jwt.decode(pieces.publish().document, options={"verify_signature": False})
    return {event["subject"] for event in document["events"]}


def test_an_event_that_commits_after_a_newer_one_is_in_the_next_feed(come, at_once, jwt_settings, ec_settings):
    jwt_settings(**ec_settings)
    late, early = come("late"), come("early")
    written, go_on = Event(), Event()
    assert listed() == set()

    def commit_late():
        with transaction.atomic():
            revoke_session(late.session.pk)
            number = RevocationEvent.objects.get(subject=late.claims.sid).pk
            written.set()
            assert go_on.wait(PATIENCE)
        return number

    def commit_early():
        try:
            assert written.wait(PATIENCE)
            revoke_session(early.session.pk)
            return RevocationEvent.objects.latest("pk").pk, listed()
        finally:
            go_on.set()

    late_number, (early_number, seen) = at_once(commit_late, commit_early)
    assert late_number < early_number
    assert seen == {early.claims.sid}
    assert listed() == {early.claims.sid, late.claims.sid}
