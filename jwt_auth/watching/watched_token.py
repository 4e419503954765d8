"""
A watched token: the rules that decide whether it is still good, and the facts that are remembered for them.

    source                            read                              by
    ------------------------------    ------------------------------    ----------------------------------------------
    the memory of the process:        at each judgement                 `judge`: settings, keys, times, the memory view
    issuer, key, times, revocations                                     and the feeds of other issuers; no query if
                                                                        they are fresh
    the rows, because they may        at most ROWS_EVERY after the      `ask_rows`: one query; the watcher reads the
    change without an event: raw      last time                         rows of many tokens of this server together
    SQL, `QuerySet.update()`
    the rows, because the memory      at most REVOCATION_MAX_STALENESS  the same
    has no revocations of this        after the last time
    token, or a part of them

As with each value that a process polls, the rows are read after 3/4 of that time; the rest is for the answer. In memory
mode the rows of this server's tokens are not read, as in requests.
"""

from datetime import datetime
from typing import NamedTuple

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import check_claims
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import InvalidSignatureError, RevocationUnavailableError, TokenError, UnavailableError
from jwt_auth.issuers.base import Issuer, Recheck, Verified
from jwt_auth.issuers.directory import DIRECTORIES
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.process.blocking import about_to_block, may_block
from jwt_auth.process.clock import seconds
from jwt_auth.process.renewal import FAR_FUTURE, LONG_AGO
from jwt_auth.revocation.verdict import State, verdict

# Seconds after which the rows are read again, at the latest, if they may change without an event.
ROWS_EVERY = 30.0

# The part of the time after which the rows are read. The rest is for the answer, and for another try after a failure.
_ASK_AFTER = 0.75
_PAUSE = 1.0  # seconds after a failure

_SHORTEST_TICK, _LONGEST_TICK = 0.02, 0.25

# Seconds after which a token is judged again in any case: a key may have been removed without an event.
_JUDGE_EVERY = 30.0


class VerifiedToken(NamedTuple):
    """A token that was verified. Its text is not kept."""

    named: UnverifiedToken
    key: Key
    verified: Verified


class WatchedToken:
    """
    A watched token. Any thread may call the methods.

    Args:
        token: the token.
        issuers: see verification.verify().
        read_at: a time just before it was verified, by the clock of the process.
    """

    __slots__ = (
        *("_ask_again_at", "_issuers", "_read_at", "_refusal", "due_at", "expires_at"),
        *("has_single_rows", "has_watcher", "rows_due_at", "stale_at", "token", "uses_view"),
    )

    def __init__(self, token: VerifiedToken, issuers: str, read_at: float) -> None:
        self._issuers = issuers
        self.has_single_rows = False  # whether its rows can't be read together with those of other tokens
        self.has_watcher = False  # whether a watcher reads its rows in time
        self.replace(token, read_at)

    def replace(self, token: VerifiedToken, read_at: float) -> None:
        """Replace the present token by `token`."""
        # Set before the token itself: another thread may be judging.
        self._read_at, self._ask_again_at = read_at, LONG_AGO
        # A refusal is final for its token, but not for the next token.
        self._refusal: tuple[VerifiedToken, TokenError] | None = None
        # When to judge again, by the clock of the process and by the wall clock.
        self.due_at = self.expires_at = LONG_AGO
        # When to read the rows, and when the last answer is too old.
        self.rows_due_at = self.stale_at = FAR_FUTURE
        self.uses_view = False
        self.token = token

    @property
    def recheck(self) -> Recheck | None:
        """The way to judge the token again."""
        return self._issuer().recheck

    def check(self, now: datetime) -> None:
        """
        Judge the token, and read the rows if they are due; see Watch.check().

        On a loop with a watcher, the rows are left to the watcher until the last answer is too old: otherwise each
        holder that passes something on would read them in the one thread that it shares with the project.
        """
        self.judge(now)
        is_left = self.has_watcher and not may_block()
        if (self.stale_at if is_left else self.rows_due_at) <= seconds():
            self.ask_rows(now)
            self._raise_if_stale()

    def judge(self, now: datetime) -> None:
        """
        Judge the token by the data in memory.

        Raises:
            TokenError: if it is refused, now or before.
            UnavailableError: if the data is too old.
        """
        token = self.token
        self._raise_refusal(token)
        try:
            issuer = self._issuer()
            recheck = issuer.recheck
            if recheck is not None and recheck.knows_keys:
                self._check_key_at_hand(token, issuer)
            check_claims(token.verified.claims, issuer.policy, now)
            is_known = self._check_state(token, recheck, now)
        except TokenError as error:
            self._refuse(token, error)
            raise
        self.uses_view = recheck is not None and recheck.uses_view
        self.has_single_rows = recheck is None or recheck.read_states is None
        bound = self._bound(recheck, is_known)
        self.stale_at = self._read_at + bound
        self.rows_due_at = max(self._read_at + _ASK_AFTER * bound, self._ask_again_at)
        self.expires_at = token.verified.claims.exp + issuer.policy.leeway.total_seconds()
        self.due_at = seconds() + (tick() if recheck is not None and recheck.is_polled else _JUDGE_EVERY)
        self._raise_if_stale()

    def ask_rows(self, now: datetime) -> None:
        """
        Judge the token by its rows and its key, as for a request.

        If the database fails, the token is not refused: `judge` decides when the last answer is too old.

        Raises:
            TokenError: if it is refused.
        """
        about_to_block()
        token, began_at = self.token, seconds()
        try:
            issuer = self._issuer()
            _check_key(token, issuer)
            with outage_is_unavailable():
                state, found = issuer.look_ups.database(token.verified.claims, now)
            verdict(found.claims, state, now)
        except UnavailableError:
            self.ask_later()
        except TokenError as error:
            self._refuse(token, error)
            raise
        else:
            self._was_read(token, began_at)

    def judge_by(self, token: VerifiedToken, state: State | None, now: datetime, began_at: float) -> None:
        """Judge the token by the state that was read for it at `began_at`; raise TokenError if it is refused."""
        try:
            verdict(token.verified.claims, state, now)
        except TokenError as error:
            self._refuse(token, error)
            raise
        self._was_read(token, began_at)

    def ask_later(self) -> None:
        """Read no rows for a moment, because the database does not answer."""
        self._ask_again_at = self.rows_due_at = seconds() + _PAUSE
        self.due_at = LONG_AGO

    def _issuer(self) -> Issuer:
        return DIRECTORIES[self._issuers](self.token.named)

    def _check_key_at_hand(self, token: VerifiedToken, issuer: Issuer) -> None:
        try:
            _check_key(token, issuer)
        except UnavailableError:
            if not is_held_in_outage():
                raise

    def _check_state(self, token: VerifiedToken, recheck: Recheck | None, now: datetime) -> bool:
        """Raise an error if the memory shows that the token is revoked; return whether it has the token's state."""
        if recheck is None:
            return False
        try:
            state = recheck.known_state(token.verified, now, last=False)
        except RevocationUnavailableError:
            if not is_held_in_outage():
                raise
            state = _last_known(recheck, token.verified, now)
        if state is not None:
            verdict(token.verified.claims, state, now)
        return state is not None

    def _raise_if_stale(self) -> None:
        # Only after a failure, until the next try: without one, the holder may just not have checked for a long time.
        now = seconds()
        if self._ask_again_at > now >= self.stale_at and not is_held_in_outage():
            raise RevocationUnavailableError("the last answer of the database is too old")

    def _bound(self, recheck: Recheck | None, is_known: bool) -> float:
        """Return the age at which the last answer of the rows is too old."""
        if not is_known:
            return get_settings().REVOCATION_MAX_STALENESS.total_seconds()
        return ROWS_EVERY if recheck is not None and recheck.has_rows else FAR_FUTURE

    def _was_read(self, token: VerifiedToken, began_at: float) -> None:
        if self.token is token:
            self._read_at, self._ask_again_at = began_at, LONG_AGO
            self.due_at, self.rows_due_at = LONG_AGO, FAR_FUTURE

    def _refuse(self, token: VerifiedToken, error: TokenError) -> None:
        self._refusal, self.due_at = (token, error), LONG_AGO

    def _raise_refusal(self, token: VerifiedToken) -> None:
        refusal = self._refusal
        if refusal is not None and refusal[0] is token:
            # Without its earlier traceback: each raise would make that longer.
            raise refusal[1].with_traceback(None)


def is_held_in_outage() -> bool:
    """Return whether REVOCATION_ON_STALE lets watches go on while the known revocations are too old."""
    return get_settings().REVOCATION_ON_STALE == "allow_safe_methods"


def tick() -> float:
    """
    Return the seconds between two checks of the watcher.

    The view asks the database after 3/4 of REVOCATION_MAX_STALENESS. The rest must suffice for the answer, and for two
    checks: one that starts the query, and one that finds its result.
    """
    settings = get_settings()
    if settings.REVOCATION_PUSH is not None:
        return _SHORTEST_TICK
    return min(max(settings.REVOCATION_MAX_STALENESS.total_seconds() / 20, _SHORTEST_TICK), _LONGEST_TICK)


def _check_key(token: VerifiedToken, issuer: Issuer) -> None:
    """Raise an error if the issuer no longer has the key that signed the token."""
    key = issuer.keys.find(token.named.kid)
    if key is not token.key and key != token.key:
        raise InvalidSignatureError("the issuer now has another key under this name")


def _last_known(recheck: Recheck, verified: Verified, now: datetime) -> State | None:
    try:
        return recheck.known_state(verified, now, last=True)
    except RevocationUnavailableError:  # no list was ever read; the token was good when it was verified
        return None
