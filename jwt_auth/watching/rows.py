"""
Read the rows of many tokens: in common queries for tokens of this server, one by one for the others.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.exceptions import JWTAuthError, TokenError, UnavailableError
from jwt_auth.issuers.base import Recheck
from jwt_auth.process.blocking import about_to_block
from jwt_auth.process.clock import seconds
from jwt_auth.watching.watched_token import WatchedToken

# The most tokens in one query. Old releases of SQLite have a limit of 999 parameters.
BATCH = 200


def ask_rows_of(many: Iterable[WatchedToken], now: datetime) -> None:
    """
    Judge each token by its rows. A refusal is remembered, and `WatchedToken.judge` raises it.

    Args:
        now: aware.
    """
    about_to_block()
    together: dict[Recheck, list[WatchedToken]] = {}
    for watched in many:
        recheck = None
        with suppress(JWTAuthError):  # the settings may have changed, without this issuer; `judge` finds that
            recheck = watched.recheck
        if recheck is not None and recheck.read_states is not None:
            together.setdefault(recheck, []).append(watched)
        else:
            with suppress(TokenError):
                watched.ask_rows(now)
    for recheck, some in together.items():
        for batch in in_batches(some, BATCH):
            _ask_together(recheck, batch, now)


def in_batches(many: Iterable[WatchedToken], size: int) -> Iterator[list[WatchedToken]]:
    """Yield `many` in lists of `size`, the last of which may be shorter."""
    rest = iter(many)
    while batch := list(islice(rest, size)):
        yield batch


def _ask_together(recheck: Recheck, batch: Sequence[WatchedToken], now: datetime) -> None:
    began_at, asked = seconds(), [watched.token for watched in batch]
    try:
        with outage_is_unavailable():
            states = recheck.read_states([token.verified.claims for token in asked])  # type: ignore[misc]  # not None
    except UnavailableError:
        for watched in batch:
            watched.ask_later()
        return
    for watched, token, state in zip(batch, asked, states, strict=True):
        with suppress(TokenError):
            watched.judge_by(token, state, now, began_at)
