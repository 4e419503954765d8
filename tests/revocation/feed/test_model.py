"""
Readers of the feed know everything that was committed, whatever happens in whichever order.

A world writes events, commits them late or rolls them back, restores the database from a backup, restarts processes
and readers, breaks connections, shows readers old pieces, and lets time pass. After each reading that was not
disturbed it compares what the reader refuses with the table.
"""

from datetime import datetime, timedelta, timezone
from random import Random

import pytest
import time_machine
from django.db import transaction

from jwt_auth.claims import Claims
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.exceptions import RevocationUnavailableError, RevokedTokenError
from jwt_auth.issuers.remote.fetching import Fetched, FetchError
from jwt_auth.issuers.remote.refusals import FeedError
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.management.cleaning import MARGIN
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation.feed import pieces
from jwt_auth.revocation.feed.pieces import Publisher
from jwt_auth.revocation.verdict import verdict
from tests.support.clocks import NOW, Ticks
from tests.support.feeds import OwnKey
from tests.support.keys import pem
from tests.support.selection import IS_USUAL, SAMPLE, THOROUGH

NAME = "https://one.example.com"
USERS = ("alice", "bob")
PROCESSES, READERS = 3, 3
WORLDS, STEPS = (60, 300) if THOROUGH else (8 if IS_USUAL and not SAMPLE else 3, 200)


def refuses(reader, claims):
    try:
        verdict(claims, reader.last_known_state_of(claims), now())
    except RevokedTokenError:
        return True
    return False


def now():
    return datetime.now(timezone.utc)


def token(*, sub, began, **names):
    second = int(began.timestamp())
    return Claims(iss=NAME, aud=(), sub=sub, iat=second, exp=second + 300, auth_time=began, **names)


def revoked_by(event):
    """Return claims that `event` refuses."""
    began = event.created_at - timedelta(microseconds=1)
    if event.scope == "session":
        return token(sub=event.sub, began=began, sid=event.subject)
    if event.scope == "token":
        return token(sub=event.sub, began=began, jti=event.subject.split()[1])
    return token(sub=event.subject or "carol", began=began)


class World:
    """
    The issuer's database and processes, and their readers.

    `everybody_until` is the latest cutoff for everybody, whether or not it is in the table.
    """

    def __init__(self, seed, traveller):
        self.random, self.traveller, self.ticks = Random(seed), traveller, Ticks()
        self.number = self.names = 0
        self.open, self.backup, self.shown = [], (0, []), []
        self.processes = [Publisher() for _ in range(PROCESSES)]
        self.readers = [self.new_reader() for _ in range(READERS)]
        self.pieces_left = None  # before the connection breaks
        self.everybody_until = NOW - timedelta(days=1)

    def new_reader(self):
        options = {"max_lifetime": timedelta(hours=1), "clock": self.ticks, "fetch": self.answer}
        return Subscription(
            NAME, feed_source("https://one.example.com/feed"), OwnKey(), timedelta(seconds=10), **options
        )

    def answer(self, source, *, etag, query):
        """Answer as any of the processes does."""
        if self.pieces_left is not None:
            self.pieces_left -= 1
            if self.pieces_left < 0:
                raise FetchError("the connection broke")
        piece = self.random.choice(self.processes).publish(query.removeprefix("after=") or None)
        self.shown.append(piece)
        body = None if etag == piece.etag else piece.document.encode()
        return Fetched(body=body, etag=piece.etag, cache_control="")

    # The issuer

    def write(self):
        self.number += 1
        self.names += 1
        kind, user = self.random.choice(["session", "session", "token", "user"]), self.random.choice(USERS)
        if self.random.random() < 0.6:
            user = f"user {self.names}"
        subject = {"session": f"{self.names:032x}", "token": f"{NAME} {self.names}", "user": user}[kind]
        facts = {"cutoff": now()} if kind == "user" else {"sub": user}
        facts.update(created_at=now(), expires_at=now() + longest_life())
        self.open.append(RevocationEvent(pk=self.number, scope=kind, subject=subject, **facts))

    def write_and_commit(self):
        self.write()
        self.open.pop().save(force_insert=True)

    def write_for_everybody(self):
        self.number += 1
        self.everybody_until = now()
        RevocationEvent.objects.create(pk=self.number, scope="all", cutoff=now(), created_at=now())

    def commit(self):
        if self.open:
            self.open.pop(self.random.randrange(len(self.open))).save(force_insert=True)

    def roll_back(self):
        if self.open:
            self.open.pop(self.random.randrange(len(self.open)))

    def clean(self):
        # Also what was recorded a moment ago: that is more than `jwt_clear_expired` deletes.
        rows = RevocationEvent.objects.exclude(scope="all")
        rows.filter(expires_at__lt=now() - longest_life() - MARGIN).delete()

    def back_up(self):
        self.backup = (self.number, list(RevocationEvent.objects.all()))

    def restore(self):
        (self.number, rows), self.open = self.backup, []
        RevocationEvent.objects.all().delete()
        RevocationEvent.objects.bulk_create(rows)

    def restart_a_process(self):
        self.processes[self.random.randrange(PROCESSES)] = Publisher()

    def let_time_pass(self):
        seconds = self.random.choice([0.01, 0.01, 1, 1, 7, 25, 70])
        self.ticks.forward(seconds)
        self.traveller.shift(seconds)

    def let_much_time_pass(self):
        self.traveller.shift(self.random.choice([200, 500, 2000]))

    # Readers

    def restart_a_reader(self):
        self.readers[self.random.randrange(READERS)] = self.new_reader()

    def break_a_connection(self):
        self.pieces_left = self.random.randrange(3)
        self.try_to_read(self.random.choice(self.readers))
        self.pieces_left = None

    def show_an_old_piece(self):
        if self.shown:
            reader, old = self.random.choice(self.readers), self.random.choice(self.shown[-20:])
            reader._fetch = lambda *args, **options: Fetched(body=old.document.encode(), etag=None, cache_control="")
            try:
                reader._read_piece(now())
            except FeedError:
                assert reader._cursor is None
            reader._fetch = self.answer

    def read(self):
        reader = self.random.choice(self.readers)
        assert self.try_to_read(reader)
        for event in RevocationEvent.objects.all():
            if event.scope == "all" or event.expires_at > now():
                assert refuses(reader, revoked_by(event)), event
        # The controls: a user of whom nothing was revoked, and new sessions.
        assert not refuses(reader, token(sub="carol", began=self.everybody_until))
        for sub in USERS:
            assert not refuses(reader, token(sub=sub, began=now() + timedelta(seconds=11)))

    def try_to_read(self, reader):
        self.ticks.forward(60)
        try:
            reader.state_of(token(sub="carol", began=NOW))
        except RevocationUnavailableError:
            return False
        return True


WEIGHTS = {
    World.write: 10,
    World.write_and_commit: 20,
    World.write_for_everybody: 1,
    World.commit: 10,
    World.roll_back: 2,
    World.clean: 1,
    World.back_up: 2,
    World.restore: 2,
    World.restart_a_process: 2,
    World.let_time_pass: 20,
    World.let_much_time_pass: 1,
    World.restart_a_reader: 1,
    World.break_a_connection: 4,
    World.show_an_old_piece: 8,
    World.read: 20,
}


@pytest.mark.django_db
def test_readers_know_everything_that_was_committed(jwt_settings, ec_key, monkeypatch):
    monkeypatch.setattr(pieces, "PAGE", 4)
    monkeypatch.setattr(pieces, "MAX_OF_A_USER", 3)
    jwt_settings(ISSUER=NAME, ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    for seed in range(WORLDS):
        with time_machine.travel(NOW, tick=False) as traveller, transaction.atomic():
            world = World(seed, traveller)
            for step in world.random.choices(list(WEIGHTS), WEIGHTS.values(), k=STEPS):
                step(world)
            transaction.set_rollback(True)
