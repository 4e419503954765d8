"""
A watch: whether a token that was verified once is still good.

    a watch is     since                                      its holder
    -----------    ---------------------------------------    --------------------------------------------------------
    watching       the token was verified                     goes on; `check()` returns
    renewed        `renew()` with a later token of the same   the same, with the times of the later token
                   session
    expired        `exp` has passed, by more than LEEWAY; or  stops: `check()` raises ExpiredTokenError, `ended()`
                   the session is over                        returns it
    revoked        something that the token depends on was    stops: RevokedTokenError, or InvalidTokenError if the key
                   revoked, deactivated or deleted            or the issuer is gone
    unavailable    nothing recent enough is known, and        stops: RevocationUnavailableError; `check()` returns again
                   REVOCATION_ON_STALE is "deny"              as soon as there is an answer
    held           the same, and REVOCATION_ON_STALE is       goes on by the last known revocations; a revocation that
                   "allow_safe_methods"                       is read later ends it, and so does the token's time
    closed         the holder has let it go                   nothing: a watch needs no end of its own

`expired` and `revoked` are final for a token. Only `renew()` leads on, to another token that is good. From
`unavailable` and `held` each answer leads on.

Two bounds count from the moment of a change:

- REVOCATION_MAX_STALENESS for all that this app revokes, in both modes: the events of all processes are read into
  memory, in database mode too.
- 30 seconds for changes that write no event, such as `QuerySet.update()` and raw SQL, where requests notice them:
  REVOCATION "database", API clients, and users of other issuers. For that the rows are read again.

Where each tenant has tables of its own, a process keeps no revocations in memory. There `check()` asks the rows within
REVOCATION_MAX_STALENESS, and nothing can be waited for.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.exceptions import InvalidClaimError, InvalidTokenError, JWTAuthError
from jwt_auth.issuers.base import Verified
from jwt_auth.issuers.directory import DIRECTORIES
from jwt_auth.issuers.tenants import has_tenants
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken, peek_unverified
from jwt_auth.process.blocking import WouldBlockError, call_on_loop, on_loop
from jwt_auth.process.clock import seconds
from jwt_auth.verification import Issuers, averify, verify
from jwt_auth.watching.held import Held, HeldToken
from jwt_auth.watching.watcher import watcher

if TYPE_CHECKING:
    from typing_extensions import Self


class Watch:
    """
    Watches an access token for code that goes on for longer than a request: a stream, a socket, a task.

    Making one verifies the token, and raises what `verify()` raises. In asynchronous code use `await
    Watch.averify(raw)`.

    Args:
        raw: the token as it was received; it is not kept.
        issuers: see verify().
        now: aware; the current time if omitted.
    """

    __slots__ = ("__weakref__", "_held", "_issuers")

    @sensitive_variables("raw")
    def __init__(self, raw: str, *, issuers: Issuers = "users", now: datetime | None = None) -> None:
        began_at = seconds()
        token = _verify(raw, issuers, now)
        self._issuers: Issuers = issuers
        self._held = Held(token, issuers, began_at)

    @classmethod
    @sensitive_variables("raw")
    async def averify(
        cls, raw: str, *, issuers: Issuers = "users", now: datetime | None = None, load_user: bool = True
    ) -> "Self":
        """Verify a token and watch it; see verification.averify()."""
        began_at = seconds()
        token = await _averify(raw, issuers, now, load_user)
        watch = cls.__new__(cls)
        watch._issuers, watch._held = issuers, Held(token, issuers, began_at)
        return watch

    @property
    def verified(self) -> Verified:
        """The claims and the user of the current token, as they were when it was verified."""
        return self._held.token.verified

    def check(self, now: datetime | None = None) -> None:
        """
        Check that the token is still good: a few microseconds, and at times one query; see the bounds above.

        Args:
            now: aware; the current time if omitted.

        Raises:
            TokenError: if the token is refused: it has expired, or was revoked.
            UnavailableError: if nothing recent enough is known, and REVOCATION_ON_STALE is "deny".
        """
        self._held.check(now or timezone.now())

    async def acheck(self, now: datetime | None = None) -> None:
        """See check(). It uses a thread only if something has to be read now."""
        await on_loop(partial(self.check, now))

    @sensitive_variables("raw")
    def renew(self, raw: str, now: datetime | None = None) -> None:
        """
        Go on with another token, as a client gets it by a refresh: of the same issuer, user and session.

        Args:
            raw: a token that was not issued before the current one.
            now: aware; the current time if omitted.

        Raises:
            InvalidTokenError: if it is another session's or user's token, or an older one. Nothing changes then.
            JWTAuthError: see verify(). Nothing changes then.
        """
        began_at = seconds()
        self._take(_verify(raw, self._issuers, now), began_at, now)

    @sensitive_variables("raw")
    async def arenew(self, raw: str, now: datetime | None = None) -> None:
        """See renew()."""
        began_at = seconds()
        token = await _averify(raw, self._issuers, now, load_user=False)
        await on_loop(partial(self._take, token, began_at, now))

    async def ended(self) -> JWTAuthError:
        """Wait until the token is no longer good, and return the reason, which check() would raise."""
        return await self.ending()

    def ending(self) -> asyncio.Future[JWTAuthError]:
        """Return what ended() waits for, as a future of the running loop. Cancel it to wait no longer."""
        if has_tenants():
            raise RuntimeError(
                "The watcher would read the tables of one tenant only. Call check() or acheck() instead."
            )
        return watcher().add(self._held)

    async def until_ended(self, source: AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
        """
        Yield the items of `source`, until it or the watch ends; then close it.

        The token is checked before each item, so that nothing is passed on after a delay of the loop. Afterwards,
        `check()` tells whether the watch has ended.
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

    def _take(self, token: HeldToken, began_at: float, now: datetime | None) -> None:
        claims, current = token.verified.claims, self.verified.claims
        if (claims.iss, claims.sub, claims.sid) != (current.iss, current.sub, current.sid):
            raise InvalidTokenError("the token is not of the session that is watched")
        # Not `exp`: lifetimes differ by chance, so that clients don't all refresh at the same moment.
        if claims.iat < current.iat:
            raise InvalidClaimError("iat", "is earlier than that of the token in use")
        self._held.take(token, began_at)
        # What was revoked after `token` was verified may be on the list already, which the watcher then has judged.
        self.check(now)


async def _next(items: AsyncIterator[Any], ending: asyncio.Future[JWTAuthError]) -> "asyncio.Future[Any] | None":
    """Wait for the next item, and return it as a future that is done; None if `ending` is done before."""
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
        item.exception()  # nobody else asks for it
    ending.result()  # if it is no reason, but a fault, that is raised
    return None


async def _is_good(check: "asyncio.Future[None]", ending: asyncio.Future[JWTAuthError]) -> bool:
    try:
        done, _ = await asyncio.wait((check, ending), return_when=asyncio.FIRST_COMPLETED)
        if check in done:
            check.result()
        else:
            ending.result()  # if it is no reason, but a fault, that is raised
    except JWTAuthError:
        return False
    finally:
        check.cancel()  # does nothing if it is done
    return check in done


@sensitive_variables("raw")
def _verify(raw: str, issuers: Issuers, now: datetime | None) -> HeldToken:
    named, key = _key_of(raw, issuers)
    return _token(named, key, verify(raw, issuers=issuers, now=now))


@sensitive_variables("raw")
async def _averify(raw: str, issuers: Issuers, now: datetime | None, load_user: bool) -> HeldToken:
    def find_key() -> tuple[UnverifiedToken, Key]:
        return _key_of(raw, issuers)

    named, key = await on_loop(find_key)
    return _token(named, key, await averify(raw, issuers=issuers, now=now, load_user=load_user))


def _token(named: UnverifiedToken, key: Key, verified: Verified) -> HeldToken:
    # Of two equal copies of the claims one is enough: a process may watch many thousands of tokens.
    claims = verified.claims.all if verified.claims.all == named.claims else named.claims
    return HeldToken(replace(named, raw="", signature=b"", claims=claims), key, verified)


@sensitive_variables("raw")
def _key_of(raw: str, issuers: Issuers) -> tuple[UnverifiedToken, Key]:
    """
    Return a token that is not verified yet, and the key that it names.

    The key is found before the token is verified: if another one takes its place in between, the watch refuses the
    token, and does not believe that the other one has signed it.
    """
    if issuers not in DIRECTORIES:
        raise ValueError(f"issuers is one of {', '.join(DIRECTORIES)}")
    token = peek_unverified(raw)
    return token, DIRECTORIES[issuers](token).keys.find(token.kid)
