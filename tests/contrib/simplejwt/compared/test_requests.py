"""Each request is answered literally as simplejwt answers it, but for the differences that are listed."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import transaction
from rest_framework_simplejwt import authentication, views

from tests.contrib.simplejwt.compared.differences import DIFFERENCES, Answer
from tests.contrib.simplejwt.compared.requests import OF_TWO_TYPES, REQUESTS
from tests.contrib.simplejwt.compared.sides import Asked, Side, ask
from tests.support import ROOT
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


@pytest.fixture
def compare(make_user, clock):
    """`compare(asked)` sends a request to both, and compares the answers."""

    def ask_both(asked: Asked) -> None:
        answers: list[Answer] = []
        for prefix in ("before", "now"):
            clock.move_to(NOW)
            with undone():
                answers.append(ask(Side(prefix, make_user(), clock), asked))
        before, now = answers
        for name in (*asked.differs, *everywhere(asked)):
            changed = DIFFERENCES[name].change(before)
            assert changed != before, f"this answer does not need the difference {name!r}"
            before = changed
        assert now == before

    return ask_both


@pytest.mark.parametrize("asked", REQUESTS, ids=lambda asked: asked.title)
def test_a_request_gets_the_same_answer(compare, asked):
    compare(asked)


@pytest.mark.parametrize("asked", OF_TWO_TYPES, ids=lambda asked: asked.title)
def test_a_request_gets_the_same_answer_if_there_are_two_types(compare, monkeypatch, jwt_settings, asked):
    types = ("JWT", "Bearer")
    jwt_settings(SIMPLEJWT={"AUTH_HEADER_TYPES": types})
    # simplejwt reads them at import.
    monkeypatch.setattr(authentication, "AUTH_HEADER_TYPES", types)
    monkeypatch.setattr(views, "AUTH_HEADER_TYPES", types)
    monkeypatch.setattr(authentication, "AUTH_HEADER_TYPE_BYTES", {b"JWT", b"Bearer"})
    compare(asked)


def test_no_difference_is_stale():
    needed = {name for asked in REQUESTS for name in (*asked.differs, *everywhere(asked))}
    assert needed == DIFFERENCES.keys()


def test_there_are_as_many_requests_as_promised():
    titles = [asked.title for asked in [*REQUESTS, *OF_TWO_TYPES]]
    assert len(set(titles)) == len(titles) >= 60


def test_the_guide_lists_the_same_differences():
    page = (ROOT / "docs/how-to/from-simplejwt.md").read_text()
    section = page[page.index("## What a client may notice") :]
    section = section[section.index("| --- |") :].partition("\n\n")[0]
    listed = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines()[1:]]
    assert listed == [[each.title, each.reason] for each in DIFFERENCES.values()]
