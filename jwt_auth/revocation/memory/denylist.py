"""
A denylist in memory: what is revoked, in a few dictionaries whose keys are values of a token's claims.

Pure: rows go in, and states for `verdict` come out. `view` reads the rows.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any, NamedTuple, TypeAlias

from jwt_auth.claims import Claims
from jwt_auth.revocation.subjects import key_subject, token_subject
from jwt_auth.revocation.verdict import WELCOME, State, latest

Marks: TypeAlias = tuple[Any, ...]

# The most ids that are kept of the events about one client or key.
_MOST_IDS = 100


class Entry(NamedTuple):
    """A `RevocationEvent`, without the columns that are only for the record."""

    id: int | None
    scope: str
    subject: str
    cutoff: datetime | None
    created_at: datetime
    expires_at: datetime | None
    recorded_at: datetime | None = None  # None if it was not read from our table


def _state(
    *cutoffs: datetime | None, token_denied: bool = False, session_revoked: bool = False, key_revoked: bool = False
) -> State:
    # The list has only reasons to refuse, and needs no others: no token outlives its session, so `session_ends_at` is
    # not needed, and an inactive user or a changed password gets an entry of its own, with a cutoff.
    return State(
        token_denied=token_denied,
        session_revoked=session_revoked,
        session_ends_at=None,
        cutoffs=cutoffs,
        principal_active=True,
        credentials_stale=False,
        key_revoked=key_revoked,
    )


_DENIED = _state(token_denied=True)
_REVOKED = _state(session_revoked=True)
_KEY_REVOKED = _state(key_revoked=True)


class Denylist:
    """
    The revocations that could affect an unexpired token.

    `state_of` needs no lock: it only looks keys up, and the other methods remove nothing that a token still needs.
    Calls of `add` and `forget` must not overlap: their callers hold a lock.
    """

    __slots__ = ("_changes", "_clients", "_everybody", "_keys", "_round", "_sessions", "_tokens", "_users")

    def __init__(self) -> None:
        self._tokens: dict[str, datetime] = {}
        self._sessions: dict[str, datetime] = {}
        self._keys: dict[str, datetime] = {}
        # Each value is the cutoff, and the time at which it may be forgotten.
        self._users: dict[str, tuple[datetime, datetime]] = {}
        self._clients: dict[str, tuple[datetime, datetime]] = {}
        # The ids of the events that name a client or a key, and the time at which they may be forgotten.
        self._changes: dict[str, tuple[frozenset[int | None], datetime]] = {}
        self._everybody = WELCOME
        self._round = self._entries()

    def __len__(self) -> int:
        return len(self._tokens) + len(self._sessions) + len(self._keys) + len(self._users) + len(self._clients)

    @property
    def revoked_keys(self) -> frozenset[str]:
        """The subjects of the revoked keys, as `revocation.subjects.key_subject` makes them."""
        return frozenset(self._keys)

    @property
    def global_cutoff(self) -> datetime | None:
        """The latest cutoff for all users; None if there is none."""
        return latest(self._everybody.cutoffs)

    def last_end(self) -> datetime | None:
        """Return the time when the last entry but the keys may be forgotten; None if there is no such entry."""
        cutoffs = chain(self._users.values(), self._clients.values())
        return max(chain(self._tokens.values(), self._sessions.values(), (until for _, until in cutoffs)), default=None)

    def state_of(self, claims: Claims) -> State:
        """
        Return the state to judge a token by.

        Nearly every call returns one of the few states that exist already. A new one is made only if there is a
        cutoff for the token's user or client.
        """
        if claims.sid in self._sessions:
            return _REVOKED
        if self._tokens and token_subject(claims.iss, claims.jti or "") in self._tokens:
            return _DENIED
        if self._keys and key_subject(claims.iss, claims.kid or "") in self._keys:
            return _KEY_REVOKED
        user = self._users.get(claims.sub)
        client = self._clients.get(claims.client_id or "") if self._clients else None
        if user is None and client is None:
            return self._everybody
        return _state(user and user[0], client and client[0], *self._everybody.cutoffs)

    def marks_of(self, client_id: str, kid: str, sub: str) -> Marks:
        """Return a value that differs from earlier ones if an event has named the client, its key or its user since."""
        key = self._changes.get(key_subject(client_id, kid))
        return self._changes.get(client_id), key, self._users.get(sub)

    def add(self, entries: Iterable[Entry], life: timedelta, over: datetime | None = None) -> list[Entry]:
        """
        Add `entries` to the list, and return those that have changed it. Adding an entry again changes nothing.

        Args:
            life: the least time for which an entry is kept, even if `expires_at` is earlier: a process with other
                settings may have written the row.
            over: entries that may be forgotten at this time are not added.
        """
        # Revoking 100,000 users at once writes the same times into every row. They share one tuple, to save memory.
        shared: dict[Any, Any] = {}
        added = []
        for entry in entries:
            until = entry.created_at + life
            if entry.expires_at is not None and entry.expires_at > until:
                until = entry.expires_at
            until = shared.setdefault(until, until)
            if (over is None or until > over or entry.scope == "all") and self._add(entry, until, shared):
                added.append(entry)
        return added

    def _add(self, entry: Entry, until: datetime, shared: dict[Any, Any]) -> bool:
        """Add one entry; return whether it has changed the list."""
        named = entry.scope in ("client", "key") and self._note_change(entry, until)
        match entry.scope:
            case "session" | "token" | "key" as scope:
                kept = {"session": self._sessions, "token": self._tokens, "key": self._keys}[scope]
                return _prolong(kept, entry.subject, until) or named
            case "user" | "client" as scope:
                cutoffs = self._users if scope == "user" else self._clients
                return _move_cutoff(cutoffs, entry, until, shared) or named
            case "all":
                return self._move_global_cutoff(entry.cutoff)
        return False

    def _note_change(self, entry: Entry, until: datetime) -> bool:
        ids, end = self._changes.get(entry.subject, (frozenset(), until))
        if entry.id in ids and until <= end:
            return False
        if len(ids) >= _MOST_IDS:
            ids = frozenset(sorted(ids, key=lambda each: each or 0)[-_MOST_IDS // 2 :])  # an old one may count as new
        self._changes[entry.subject] = (ids | {entry.id}, max(until, end))
        return entry.id not in ids

    def _move_global_cutoff(self, cutoff: datetime | None) -> bool:
        # Never forgotten: it is a single time, however often everything is revoked.
        newest = latest((cutoff, *self._everybody.cutoffs))
        if newest == self.global_cutoff:
            return False
        self._everybody = _state(newest)
        return True

    def forget(self, now: datetime, limit: int) -> None:
        """
        Drop entries that can't affect an unexpired token any more: look at `limit` of them, and go on at the next call.
        """
        for kept, subject in islice(self._round, limit):
            value = kept.get(subject)
            if value is not None and (value[-1] if isinstance(value, tuple) else value) <= now:
                del kept[subject]
            limit -= 1
        if limit:
            self._round = self._entries()

    def _entries(self) -> Iterator[tuple[dict[str, Any], str]]:
        for kept in (self._tokens, self._sessions, self._keys, self._changes, self._users, self._clients):
            # A copy, because entries come and go before the end is reached.
            for subject in list(kept):
                yield kept, subject


def _prolong(kept: dict[str, datetime], subject: str, until: datetime) -> bool:
    # The latest of several: an event may be listed again with an earlier end.
    known = kept.get(subject)
    if known is not None and known >= until:
        return False
    kept[subject] = until
    return True


def _move_cutoff(
    kept: dict[str, tuple[datetime, datetime]], entry: Entry, until: datetime, shared: dict[Any, Any]
) -> bool:
    if entry.cutoff is None:
        return False
    # The latest of both: an event with an earlier cutoff may be needed for longer.
    known = kept.get(entry.subject)
    value = (entry.cutoff, until) if known is None else (max(known[0], entry.cutoff), max(known[1], until))
    if value == known:
        return False
    kept[entry.subject] = shared.setdefault(value, value)
    return True
