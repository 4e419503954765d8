"""The cost of a request with growing numbers of users, sessions and revocations. It should stay the same."""

import tracemalloc
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from benchmarks.contenders import CONTENDERS
from benchmarks.measure import Server, interleaved
from benchmarks.operations import begin_sessions

OURS = ("open", "jwt_auth_memory", "jwt_auth_database")


def measure(user: Any, numbers: list[int], rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """
    Measure microseconds over an open view, by the number of users, then of sessions, then of live revocations.

    Args:
        numbers: in rising order; revocations are measured up to 100,000.
    """
    return {
        "users": {str(number): _after(_users, user, number, rounds) for number in numbers},
        "sessions": {str(number): _after(_sessions, user, number, rounds) for number in numbers},
        "revocations": {str(n): _after(_revocations, user, n, rounds) for n in numbers if n <= 100_000},
        "bytes": {str(n): {"denylist": _bytes(n)} for n in numbers if n <= 100_000},
    }


def _after(fill: Any, user: Any, number: int, rounds: int) -> dict[str, float]:
    fill(user, number)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    from jwt_auth.revocation.memory import view

    view.forget()
    server = Server()
    calls = {
        item.name: server.get(f"/ping/{item.name}/", item.credentials(user)) for item in CONTENDERS if item.name in OURS
    }
    while not view.view().was_ever_read:  # the list is read in pieces, and until then the database judges
        calls["jwt_auth_memory"]()
    medians = interleaved(calls, rounds=rounds, per_round=10)
    return {name: (medians[name] - medians["open"]) * 1e6 for name in OURS[1:]}


def _users(user: Any, number: int) -> None:
    model = get_user_model()
    have = model._default_manager.count()
    rows = (model(username=f"user{i}", password="!") for i in range(have, number))  # type: ignore[call-arg]
    model._default_manager.bulk_create(rows, batch_size=5000)


def _sessions(user: Any, number: int) -> None:
    from jwt_auth.models import UserSession

    missing = number - UserSession.objects.count()
    others = list(get_user_model()._default_manager.exclude(pk=user.pk)[:1000]) or [user]
    begin_sessions(others, max(0, missing) // len(others))


def _revocations(user: Any, number: int) -> None:
    from jwt_auth.models import RevocationEvent

    RevocationEvent.objects.bulk_create(_events(RevocationEvent.objects.count(), number), batch_size=5000)


def _events(begin: int, end: int) -> Any:
    from jwt_auth.models import RevocationEvent

    now = timezone.now()
    expires_at = now + timedelta(hours=12)
    return (
        RevocationEvent(scope="user", subject=f"somebody{i}", cutoff=now, created_at=now, expires_at=expires_at)
        for i in range(begin, end)
    )


def _bytes(number: int) -> float:
    """Return the bytes of memory per entry in a denylist of `number` revocations."""
    from jwt_auth.conf import lifetimes
    from jwt_auth.revocation.memory.denylist import Denylist
    from jwt_auth.revocation.memory.reader import entries_of

    tracemalloc.start()  # before the entries are made, because the strings in them stay in memory
    denylist = Denylist()
    denylist.add(entries_of(list(_events(0, number))), lifetimes.longest_life())
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / max(1, len(denylist))
