"""Each request is answered literally as simplejwt answers it, but for the differences that are listed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import transaction

from tests.contrib.simplejwt.compared.differences import DIFFERENCES, Answer
from tests.contrib.simplejwt.compared.requests import REQUESTS
from tests.contrib.simplejwt.compared.sides import Asked, Side, ask
from tests.support.clocks import NOW


@contextmanager
def undone() -> Iterator[None]:
    """Undo what one side does before the other one is asked: both have the same users."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    cache.clear()


def everywhere(asked: Asked) -> tuple[str, ...]:
    """Return the differences that all answers of the views for tokens have."""
    return ("no-store",) if asked.path.startswith("token/") else ()


@pytest.fixture(autouse=True)
def _lifetimes_are_exact(monkeypatch):
    """Otherwise up to 5 % of an access token's lifetime is subtracted at random."""
    monkeypatch.setattr("jwt_auth.sessions.pairs.secrets.randbelow", lambda below: 0)


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.title)
def test_a_request_gets_the_same_answer(asked, make_user, clock):
    answers: list[Answer] = []
    for prefix in ("before", "now"):
        clock.move_to(NOW)
        with undone():
            answers.append(ask(Side(prefix, make_user(), clock), asked))
    before, now = answers
    for id in (*asked.differs, *everywhere(asked)):
        changed = DIFFERENCES[id].change(before)
        assert changed != before, f"this answer does not need the difference {id!r}"
        before = changed
    assert now == before


def test_no_difference_is_stale():
    needed = {id for asked in REQUESTS for id in (*asked.differs, *everywhere(asked))}
    assert needed == DIFFERENCES.keys()


def test_there_are_as_many_requests_as_promised():
    titles = [asked.title for asked in REQUESTS]
    assert len(set(titles)) == len(titles) >= 60
