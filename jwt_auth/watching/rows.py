"""
Read the rows of many tokens: in common queries for tokens of this server, one by one for the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.exceptions import JWTAuthError, TokenError, UnavailableError
from jwt_auth.issuers.base import Recall
from jwt_auth.process.blocking import about_to_block
from jwt_auth.process.clock import seconds
from jwt_auth.watching.held import Held

# The most tokens in one query. Old releases of SQLite have a limit of 999 parameters.
BATCH = 200


def ask_rows_of(many: Iterable[Held], now: datetime) -> None:
    """
    Judge each token by its rows. A refusal is remembered, and `Held.judge` raises it.

    Args:
        now: aware.
    """
    about_to_block()
    together: dict[Recall, list[Held]] = {}
    for held in many:
        recall = None
        with suppress(JWTAuthError):  # the settings may have changed, without this issuer; `judge` finds that
            recall = held.recall
        if recall is not None and recall.read_states is not None:
            together.setdefault(recall, []).append(held)
        else:
            with suppress(TokenError):
                held.ask_rows(now)
    for recall, some in together.items():
        for batch in in_batches(some, BATCH):
            _ask_together(recall, batch, now)


def in_batches(many: Iterable[Held], size: int) -> Iterator[list[Held]]:
    """Yield `many` in lists of `size`, the last of which may be shorter."""
    rest = iter(many)
    while batch := list(islice(rest, size)):
        yield batch


def _ask_together(recall: Recall, batch: Sequence[Held], now: datetime) -> None:
    began_at, asked = seconds(), [held.token for held in batch]
    try:
        with outage_is_unavailable():
            states = recall.read_states([token.verified.claims for token in asked])  # type: ignore[misc]  # not None
    except UnavailableError:
        for held in batch:
            held.postpone()
        return
    for held, token, state in zip(batch, asked, states, strict=True):
        with suppress(TokenError):
            held.settle(token, state, now, began_at)
