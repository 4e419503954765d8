"""The actions of other processes, as this one sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest

from jwt_auth.conf import lifetimes
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation.memory import uncommitted


@contextmanager
def by_another_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Announce no revocation of the block to this process."""
    with monkeypatch.context() as patch:
        patch.setattr(uncommitted, "Announcement", lambda *arguments: _Silence())
        yield


class _Silence:
    def __call__(self) -> None:
        pass


def end(pair: dict[str, Any], number: int | None = None) -> RevocationEvent:
    """Commit the end of a session as another process does, with the number that it was assigned."""
    session = UserSession.objects.get(pk=UUID(pair["session"]))
    UserSession.objects.filter(pk=session.pk).update(revoked_at=session.started_at)
    return RevocationEvent.objects.create(
        pk=number,
        created_at=session.last_issued_at,
        scope="session",
        subject=session.sid,
        expires_at=session.last_issued_at + lifetimes.longest_life(),
    )
