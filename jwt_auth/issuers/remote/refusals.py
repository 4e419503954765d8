"""
The revocations of one issuer that a process remembers: for a limited time, and in limited memory. Pure.

    an entry is about          it is dropped
    -----------------------    -----------------------------------------------------------------------------------------
    a session, token, user     when the issuer says so, but after the longest life of the issuer's tokens at the latest
    or client
    a key, or everybody        at the same time; but each piece of the feed names it again while it is in force
    everybody, as a            when the entries that it stands for would have been dropped
    stand-in

If there are more than MAX_ENTRIES, a cutoff for everybody stands for all of them but the keys: it refuses each session
that began before the last of them was published. That needs thousands of users who are revoked within minutes, because
the issuer names no user more than a hundred times.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from jwt_auth.claims import Claims
from jwt_auth.revocation.memory.denylist import Denylist, Entry
from jwt_auth.revocation.verdict import WELCOME, State, latest

MAX_ENTRIES = 200_000
MAX_KEYS = 1000

# The entries that are looked at with each piece, to drop those that are over.
_LOOKED_AT = 2000


class FeedError(ValueError):
    """Raised when a document is not a currently valid piece of the issuer's feed."""


class Refusals:
    """
    The entries of one issuer. Calls of `add` must not overlap; `state_of` needs no lock.

    Args:
        keep: how long an entry may be needed after it was read.
        margin: how much longer an entry is kept: the issuer's clock may be behind.
        max_entries: see MAX_ENTRIES.
    """

    def __init__(self, keep: timedelta, margin: timedelta, *, max_entries: int = MAX_ENTRIES) -> None:
        self._keep, self._margin, self._max_entries = keep, margin, max_entries
        self._list = Denylist()
        # The cutoffs for everybody, and their ends: the one that the issuer names, and the one that stands for others.
        self._named: tuple[datetime, datetime] | None = None
        self._stand_in: tuple[datetime, datetime] | None = None
        self._everybody = WELCOME

    def __len__(self) -> int:
        return len(self._list)

    @property
    def revoked_keys(self) -> frozenset[str]:
        """See Denylist.revoked_keys."""
        return self._list.revoked_keys

    def state_of(self, claims: Claims) -> State:
        """Return the state to judge a token of the issuer by."""
        state = self._list.state_of(claims)
        return state if self._everybody is WELCOME else state.joined(self._everybody)

    def add(self, entries: Sequence[Entry], issued_at: datetime, now: datetime) -> None:
        """
        Add the entries of a piece that was issued at `issued_at`.

        Raises:
            FeedError: when the issuer has revoked more than MAX_KEYS keys. Then nothing is added.
        """
        if len(self.revoked_keys.union(entry.subject for entry in entries if entry.scope == "key")) > MAX_KEYS:
            raise FeedError(f"it has revoked more than {MAX_KEYS} keys")
        last = now + self._keep
        bounded = [entry._replace(expires_at=min(entry.expires_at or last, last)) for entry in entries]
        self._list.add((entry for entry in bounded if entry.scope != "all"), timedelta(0))
        for entry in bounded:
            if entry.scope == "all" and entry.cutoff is not None:
                # A piece may be older than the one before, by a slice of time, or from a restored database.
                cutoff, until = self._named or (entry.cutoff, last)
                self._named = (max(cutoff, entry.cutoff), max(until, entry.expires_at or last))
        if len(self._list) > self._max_entries:
            ends = (self._list.last_end(), self._stand_in and self._stand_in[1])
            self._stand_in = (issued_at + self._margin, latest(ends) or last)
            self._list = self._only_keys(last)
        self._drop(now)

    def _only_keys(self, last: datetime) -> Denylist:
        kept = Denylist()
        kept.add((Entry(None, "key", subject, None, last, last) for subject in self.revoked_keys), timedelta(0))
        return kept

    def _drop(self, now: datetime) -> None:
        """Drop what can't affect an unexpired token any more."""
        over = now - self._margin
        self._named = _unexpired(self._named, over)
        self._stand_in = _unexpired(self._stand_in, over)
        cutoff = latest(pair[0] for pair in (self._named, self._stand_in) if pair)
        self._everybody = WELCOME if cutoff is None else replace(WELCOME, cutoffs=(cutoff,))
        self._list.forget(over, _LOOKED_AT)


def _unexpired(cutoff: tuple[datetime, datetime] | None, now: datetime) -> tuple[datetime, datetime] | None:
    return cutoff if cutoff and cutoff[1] > now else None
