"""Many readers ask one process for the feed while revocations are committed."""

from threading import Event
from types import SimpleNamespace
from uuid import uuid4

import jwt
import pytest
from django.utils import timezone

from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation.feed import pieces
from jwt_auth.revocation.feed.pieces import Publisher
from tests.support.threads import PATIENCE

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

READERS = 12


def commit():
    """Commit the end of a session, and return its id."""
    sid, now = uuid4().hex, timezone.now()
    facts = {"created_at": now, "expires_at": now + longest_life(), "sub": sid}
    RevocationEvent.objects.create(scope="session", subject=sid, **facts)
    return sid


@pytest.fixture
def makes(monkeypatch):
    """`makes.begun` is set when the rows of a piece were read; it is not signed before `makes.go_on` is set."""
    state, read = SimpleNamespace(begun=Event(), go_on=Event()), pieces.Publisher._read

    def held(*arguments):
        found = read(*arguments)
        state.begun.set()
        assert state.go_on.wait(PATIENCE)
        return found

    monkeypatch.setattr(pieces.Publisher, "_read", held)
    return state


def test_each_reader_gets_what_was_committed_before_it_asked(at_once, jwt_settings, ec_settings, makes):
    jwt_settings(**ec_settings)
    publisher, arrived = Publisher(), []

    def first():
        return publisher.publish(None)

    def later():
        assert makes.begun.wait(PATIENCE)  # the first piece has been read, and is not signed yet
        sid = commit()
        arrived.append(sid)
        if len(arrived) == READERS:
            # All others wait for the next piece by now, or are about to.
            makes.go_on.set()
        document = publisher.publish(None).document
        events = jwt.decode(document, options={"verify_signature": False})["events"]
        return sid in {event["subject"] for event in events}

    _, *found = at_once(first, *[later] * READERS)
    assert all(found)
