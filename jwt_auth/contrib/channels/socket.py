"""
One WebSocket that a token has opened: it passes messages between the server and the application.

    state        event                                            then
    ----------   ----------------------------------------------   ---------------------------------------------------
    connecting   the application accepts                          open
    connecting   the token is no longer good                      ended: the handshake is refused
    connecting   the application closes or answers, or the        closed
                 client leaves
    open         a message, in either direction                   open: it is passed on after a check of the token
    open         a renewal                                        open: it is answered, and not passed on
    open         the third refused renewal, too many renewals,    ended: 4401
                 or a ticket that was used before
    open         the token is revoked, or has expired             ended: 4401; its code is the reason
    open         the revocations can't be read, and               ended: 4503
                 REVOCATION_ON_STALE is "deny"
    open         the application closes, or the client leaves     closed
    closed       the token is no longer good                      ended: nothing is sent
    ended        the application reads                            ended: it gets `websocket.disconnect`
    ended        either side sends                                ended: nothing is passed on
    ended        the application still runs after PATIENCE        over: it is cancelled
    any          the application returns or raises                over: all tasks of the socket end; its error is raised
    any          the server cancels                               over: the application is cancelled

The watcher of the event loop wakes the socket when its token is no longer good. Each message also checks the token, in
memory: if the loop was blocked, a message may be handled before the watcher runs.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from jwt_auth.claims import Claims
from jwt_auth.contrib.channels.messages import (
    Application,
    Message,
    Receive,
    Send,
    closing,
    disconnecting,
    log_end,
    refuse,
    text,
)
from jwt_auth.contrib.channels.renewal import Attempts, credential_in, renewal_in
from jwt_auth.exceptions import InsufficientScopeError, InvalidTokenError, JWTAuthError, TokenError, UnavailableError
from jwt_auth.watching import Watch

# Seconds that the application may still run after its socket has ended.
PATIENCE = 5.0


class SocketState(Enum):
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSED = "closed"
    ENDED = "ended"


class Socket:
    """
    One socket, from its handshake on.

    Args:
        watch: the watch of the token.
        request: the handshake, for the log.
        check_limits: raises InsufficientScopeError if a token with these claims may not open the socket.
    """

    def __init__(
        self,
        inner: Application,
        scope: dict[str, Any],
        receive: Receive,
        send: Send,
        *,
        watch: Watch,
        request: HttpRequest,
        check_limits: Callable[[Claims], None],
    ) -> None:
        self._inner, self._scope, self._receive, self._send = inner, scope, receive, send
        self._watch, self._request, self._check_limits = watch, request, check_limits
        self._state = SocketState.CONNECTING
        self._accepting, self._is_accepted = asyncio.Lock(), False
        self._attempts = Attempts()
        # One message: the server keeps the rest, and slows down a client that sends faster than the application reads.
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(1)
        self._disconnect: Message | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._farewell: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run the application until it returns, or until PATIENCE has passed since the socket ended."""
        application = asyncio.ensure_future(self._inner(self._scope, self._read, self._write))
        pump, ending = asyncio.ensure_future(self._pump()), self._watch.ending()
        tasks: list[asyncio.Future[None]] = [application, pump]
        try:
            await _until_one_ends_it(application, pump, ending, self._ended)
            if ending.done():
                self._end(ending.result())
            if self._farewell is not None:
                tasks.append(self._farewell)
                await asyncio.wait([application, self._farewell], timeout=PATIENCE)
        finally:
            await _cancel([*tasks, ending])
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _pump(self) -> None:
        """Read from the server, also while the application does not read: a renewal must not wait for it."""
        while self._disconnect is None:
            message = await self._receive()
            has_left = message["type"] == "websocket.disconnect"
            if has_left and self._state is not SocketState.ENDED:
                self._state = SocketState.CLOSED
            renewal = renewal_in(message.get("text")) if self._state is SocketState.OPEN else None
            if renewal is None:
                await self._inbox.put(message)
            else:
                await self._renew(renewal)
            if has_left:
                return

    async def _read(self) -> Message:
        """Serve as `receive` for the application."""
        if self._disconnect is None:
            message = await self._inbox.get()
            if message["type"] == "websocket.receive":
                await self._check()
            elif message["type"] == "websocket.disconnect":
                self._disconnect = message
            if self._disconnect is None:
                return message
        return self._disconnect

    async def _write(self, message: Message) -> None:
        """Serve as `send` for the application."""
        kind = message["type"]
        if kind in ("websocket.accept", "websocket.send"):
            await self._check()
        if self._state is SocketState.ENDED:
            return
        if kind == "websocket.accept":
            await self._accept(message)
            return
        if kind in ("websocket.close", "websocket.http.response.start"):
            self._state = SocketState.CLOSED
        await self._send(message)

    async def _accept(self, message: Message) -> None:
        async with self._accepting:
            await self._send(message)
            self._is_accepted = True
        if self._state is SocketState.CONNECTING:
            self._state = SocketState.OPEN

    async def _check(self) -> None:
        """End the socket if the token is no longer good, by the revocations that the process knows now."""
        try:
            await self._watch.acheck()
        except (TokenError, UnavailableError) as error:
            self._end(error)

    def _end(self, error: JWTAuthError) -> None:
        """End the socket: at once for the application. A task tells the client, because sending may take long."""
        if self._state is SocketState.ENDED:
            return
        was, self._state = self._state, SocketState.ENDED
        self._disconnect = disconnecting(error)
        if self._inbox.empty():
            self._inbox.put_nowait(self._disconnect)  # wakes the application up
        self._ended.set_result(None)
        self._farewell = asyncio.ensure_future(self._tell(error, is_open=was is not SocketState.CLOSED))

    async def _tell(self, error: JWTAuthError, *, is_open: bool) -> None:
        if not is_open:
            return
        async with self._accepting:
            with suppress(OSError):  # servers raise it if the client has left
                if self._is_accepted:
                    log_end(error, self._request)
                    await self._send(closing(error))
                else:
                    await refuse(self._scope, self._send, self._request, error)

    async def _renew(self, renewal: Message) -> None:
        if self._attempts.are_too_many(asyncio.get_running_loop().time()):
            self._end(InvalidTokenError("too many renewals"))
            return
        try:
            credential = credential_in(renewal)
            await self._watch.arenew(credential.access_token)
        except (TokenError, UnavailableError) as error:
            # A failure of the database does not count as a refusal.
            if isinstance(error, TokenError) and self._attempts.refused():
                self._end(error)
            await self._answer(type="jwt_auth.refused", code=error.code)
            return
        verified = self._watch.verified
        try:
            self._check_limits(verified.claims)
            await credential.use_up(verified)
        except (InsufficientScopeError, TokenError, UnavailableError) as error:
            # The watch already uses the new token. If the ticket was used before, another client may have had it.
            self._end(error)
            return
        self._scope["claims"] = verified.claims
        left = verified.claims.exp - timezone.now().timestamp()
        await self._answer(type="jwt_auth.renewed", expires_in=max(0, int(left)))

    async def _answer(self, **values: Any) -> None:
        if self._state is SocketState.OPEN:
            with suppress(OSError):
                await self._send(text(**values))


async def _until_one_ends_it(
    application: "asyncio.Future[None]", pump: "asyncio.Future[None]", *endings: "asyncio.Future[Any]"
) -> None:
    """Wait until the application is done, the pump has failed, or the socket ends. The pump ends with the client."""
    done, waiting = await asyncio.wait({application, pump, *endings}, return_when=asyncio.FIRST_COMPLETED)
    if done == {pump} and pump.exception() is None:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)


async def _cancel(tasks: "list[asyncio.Future[Any]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
