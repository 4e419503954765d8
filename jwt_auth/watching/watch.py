"""
A watch of one token, and its states.

    state          begins when                                its holder
    -----------    ---------------------------------------    --------------------------------------------------------
    watching       the token is verified                      goes on; `check()` returns
    renewed        `renew()` gets a later token of the same   goes on, with the times of the later token
                   session
    expired        LEEWAY has passed after `exp`, or the      stops: `check()` raises ExpiredTokenError, `ended()`
                   session has expired                        returns it
    revoked        a thing that the token depends on is       stops: RevokedTokenError, or InvalidTokenError if the key
                   revoked, deactivated or deleted            or the issuer was removed
    unavailable    the known revocations are too old, and     stops: RevocationUnavailableError; `check()` returns again
                   REVOCATION_ON_STALE is "deny"              as soon as the database answers
    held           the same, and REVOCATION_ON_STALE is       goes on by the last known revocations, until a revocation
                   "allow_safe_methods"                       of the token is read, or the token expires
    unused         the holder drops the watch                 is gone: a watch needs no `close()`

`expired` and `revoked` are final for a token; only `renew()` with a good token leads back to `watching`. From
`unavailable` and `held`, each answer of the database leads on.

Two bounds count from the moment of a change:

- REVOCATION_MAX_STALENESS for each revocation by this app, in both modes: in database mode too, the events of all
  processes are read into memory.
- 30 seconds for changes that write no event, such as `QuerySet.update()` and raw SQL, if requests notice them: with
  REVOCATION "database", for API clients, and for local users of other issuers. For these the rows are read again.

If each tenant has tables of its own, a process keeps no revocations in memory. Then `check()` reads the rows within
REVOCATION_MAX_STALENESS, and `ended()`, `ending()` and `until_ended()` raise an error.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.claims import Claims
from jwt_auth.exceptions import InvalidClaimError, InvalidTokenError, JWTAuthError
from jwt_auth.issuers.base import Verified
from jwt_auth.issuers.directory import DIRECTORIES
from jwt_auth.issuers.tenants import has_tenants
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken, peek_unverified
from jwt_auth.process.blocking import WouldBlockError, call_on_loop, on_loop
from jwt_auth.process.clock import seconds
from jwt_auth.verification import Issuers, averify, verify
from jwt_auth.watching.watched_token import VerifiedToken, WatchedToken
from jwt_auth.watching.watcher import watcher

if TYPE_CHECKING:
    from typing_extensions import Self


class Watch:
    """
    Watches an access token for code that runs for longer than a request: a stream, a socket, a task.

    The constructor verifies the token, and raises the errors of `verify()`. In asynchronous code call `await
    Watch.averify(raw)`.

    Args:
        raw: the token as it was received; it is not kept.
        issuers: see verify().
        now: aware; the current time if omitted.
    """

    __slots__ = ("__weakref__", "_issuers", "_watched")

    @sensitive_variables("raw")
    def __init__(self, raw: str, *, issuers: Issuers = "users", now: datetime | None = None) -> None:
        began_at = seconds()
        token = _verify(raw, issuers, now)
        self._issuers: Issuers = issuers
        self._watched = WatchedToken(token, issuers, began_at)

    @classmethod
    @sensitive_variables("raw")
    async def averify(
        cls, raw: str, *, issuers: Issuers = "users", now: datetime | None = None, load_user: bool = True
    ) -> "Self":
        """Verify a token and watch it; see verification.averify()."""
        began_at = seconds()
        token = await _averify(raw, issuers, now, load_user)
        watch = cls.__new__(cls)
        watch._issuers, watch._watched = issuers, WatchedToken(token, issuers, began_at)
        return watch

    @property
    def verified(self) -> Verified:
        """The claims and the user of the current token, as they were when it was verified."""
        return self._watched.token.verified

    def check(self, now: datetime | None = None) -> None:
        """
        Check that the token is still good. This takes a few microseconds, and sometimes one query.

        Args:
            now: aware; the current time if omitted.

        Raises:
            TokenError: if the token has expired, was revoked, or is refused for another reason.
            UnavailableError: if the known revocations are too old, and REVOCATION_ON_STALE is "deny".
        """
        self._watched.check(now or timezone.now())

    async def acheck(self, now: datetime | None = None) -> None:
        """See check(). It uses a thread only if something has to be read now."""
        await on_loop(partial(self.check, now))

    @sensitive_variables("raw")
    def renew(self, raw: str, now: datetime | None = None) -> None:
        """
        Replace the token by a later one of the same issuer, user and session, such as the client gets by a refresh.

        Args:
            raw: a token that was not issued before the current one.
            now: aware; the current time if omitted.

        Raises:
            InvalidTokenError: if the token has another issuer, user or session, or is older. The current token stays.
            JWTAuthError: see verify(). The current token stays.
        """
        began_at = seconds()
        self._take(_verify(raw, self._issuers, now), began_at, now)

    @sensitive_variables("raw")
    async def arenew(
        self, raw: str, now: datetime | None = None, *, confirm: Callable[[Verified], Awaitable[None]] | None = None
    ) -> None:
        """
        See renew().

        Args:
            confirm: is awaited after the other checks, with the claims and the user of the later token, for example to
                use up a single-use token. If it raises an error, the current token stays.
        """
        began_at = seconds()
        token = await _averify(raw, self._issuers, now, load_user=False)
        if confirm is not None:
            self._check_successor(token.verified.claims)
            await confirm(token.verified)
        await on_loop(partial(self._take, token, began_at, now))

    async def ended(self) -> JWTAuthError:
        """Wait until the token is no longer good, and return the error that check() would raise."""
        return await self.ending()

    def ending(self) -> asyncio.Future[JWTAuthError]:
        """Return a future of the running loop with the result of ended(). Cancel it to stop waiting."""
        if has_tenants():
            raise RuntimeError(
                "The watcher would read the tables of one tenant only. Call check() or acheck() instead."
            )
        return watcher().add(self._watched)

    async def until_ended(self, source: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
        """
        Yield the items of `source` until `source` or the watch ends; then close `source`.

        The token is checked before each item, so that no item passes after a delay of the loop. If the watch has
        ended, `check()` raises the reason afterwards.
        """
        items, ending = aiter(source), self.ending()
        try:
            while (item := await _next(items, ending)) and await self._is_good(ending):
                try:
                    value = item.result()
                except StopAsyncIteration:
                    return
                yield value
        finally:
            ending.cancel()
            if isinstance(items, AsyncGenerator):
                await items.aclose()

    async def _is_good(self, ending: asyncio.Future[JWTAuthError]) -> bool:
        """Check the token; a check that has to wait is given up when `ending` is done."""
        try:
            call_on_loop(self.check)
        except (WouldBlockError, SynchronousOnlyOperation):
            return await _is_good(asyncio.ensure_future(self.acheck()), ending)
        except JWTAuthError:
            return False
        return True

    def _take(self, token: VerifiedToken, began_at: float, now: datetime | None) -> None:
        self._check_successor(token.verified.claims)
        # A revocation may have been read since `token` was verified, when the watcher still judged the former token.
        now = now or timezone.now()
        WatchedToken(token, self._issuers, began_at).check(now)
        self._watched.replace(token, began_at)
        self._watched.check(now)

    def _check_successor(self, claims: Claims) -> None:
        """Raise InvalidTokenError unless a token with these claims may replace the current one."""
        current = self.verified.claims
        if (claims.iss, claims.sub, claims.sid) != (current.iss, current.sub, current.sid):
            raise InvalidTokenError("the token is not of the same issuer, user and session as the watched token")
        # Not `exp`: lifetimes are randomized, so that clients don't all refresh at the same moment.
        if claims.iat < current.iat:
            raise InvalidClaimError("iat", "is earlier than that of the token in use")


async def _next(items: AsyncIterator[Any], ending: asyncio.Future[JWTAuthError]) -> "asyncio.Future[Any] | None":
    """Wait for the next item, and return it as a future that is done; None if `ending` is done first."""
    item = asyncio.ensure_future(anext(items))
    try:
        await asyncio.wait((item, ending), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not item.done():
            item.cancel()
            await asyncio.wait((item,))
    if not ending.done():
        return item
    if not item.cancelled():
        item.exception()  # retrieved, so that asyncio logs no warning
    ending.result()  # raises an error of the watcher itself
    return None


async def _is_good(check: "asyncio.Future[None]", ending: asyncio.Future[JWTAuthError]) -> bool:
    try:
        done, _ = await asyncio.wait((check, ending), return_when=asyncio.FIRST_COMPLETED)
        if check in done:
            check.result()
        else:
            ending.result()  # raises an error of the watcher itself
    except JWTAuthError:
        return False
    finally:
        check.cancel()  # does nothing if it is done
    return check in done


@sensitive_variables("raw")
def _verify(raw: str, issuers: Issuers, now: datetime | None) -> VerifiedToken:
    named, key = _key_of(raw, issuers)
    return _token(named, key, verify(raw, issuers=issuers, now=now))


@sensitive_variables("raw")
async def _averify(raw: str, issuers: Issuers, now: datetime | None, load_user: bool) -> VerifiedToken:
    def find_key() -> tuple[UnverifiedToken, Key]:
        return _key_of(raw, issuers)

    named, key = await on_loop(find_key)
    return _token(named, key, await averify(raw, issuers=issuers, now=now, load_user=load_user))


def _token(named: UnverifiedToken, key: Key, verified: Verified) -> VerifiedToken:
    # One copy of the claims is enough: a process may watch many thousands of tokens.
    claims = verified.claims.all if verified.claims.all == named.claims else named.claims
    return VerifiedToken(replace(named, raw="", signature=b"", claims=claims), key, verified)


@sensitive_variables("raw")
def _key_of(raw: str, issuers: Issuers) -> tuple[UnverifiedToken, Key]:
    """
    Return a token that is not verified yet, and the key that it names.

    The key is found before the token is verified. If the key is replaced in between, the watch then refuses the token,
    and does not take the new key for the one that signed it.
    """
    if issuers not in DIRECTORIES:
        raise ValueError(f"issuers is one of {', '.join(DIRECTORIES)}")
    token = peek_unverified(raw)
    return token, DIRECTORIES[issuers](token).keys.find(token.kid)
