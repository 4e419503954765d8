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
                 a ticket that was used before, or a token
                 that lacks the scopes
    open         a renewal that can't be judged or recorded       open: it is answered; the present token stays, and
                 now, as in an outage                             the renewal does not count as refused
    open         the token is revoked, or has expired             ended: 4401; its code is the reason
    open         the revocations can't be read, and               ended: 4503
                 REVOCATION_ON_STALE is "deny"
    open         the application closes, or the client leaves     closed
    closed       the token is no longer good                      ended: nothing is sent
    closed       a renewal                                        closed: it is dropped
    closed       the application reads on after the client left   closed: the server answers, or doesn't
    ended        the application reads                            ended: it gets `websocket.disconnect`
    ended        either side sends                                ended: nothing is passed on
    ended        a message still waits in the server's `send`,    ended: it is dropped, and not sent later
                 because the client reads slowly
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
from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils import timezone

from jwt_auth._django.connections import aclose_old
from jwt_auth.claims import Claims
from jwt_auth.contrib.channels.credentials import Credential
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
from jwt_auth.exceptions import (
    InsufficientScopeError,
    InvalidTokenError,
    JWTAuthError,
    ReplayedTokenError,
    TokenError,
    UnavailableError,
)
from jwt_auth.issuers.base import Verified
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
        self._sending: set[asyncio.Future[None]] = set()
        # One message: the server keeps the rest, and slows down a client that sends faster than the application reads.
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(1)
        self._reading = asyncio.Lock()
        self._unread: Message | None = None
        self._disconnect: Message | None = None
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._farewell: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run the application until it returns, or until PATIENCE has passed since the socket ended."""
        ending = self._watch.ending()  # first: if this raises an error, no application may go on without a watch
        application = asyncio.ensure_future(self._inner(self._scope, self._read, self._write))
        pump = asyncio.ensure_future(self._pump())
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
            renewal = renewal_in(message.get("text"))
            if renewal is None:
                await self._inbox.put(message)
            else:
                async with self._accepting:  # a fast client sends before the server says that it has accepted
                    pass
                if self._state is SocketState.OPEN:
                    await self._renew(renewal)
            if has_left:
                return

    async def _read(self) -> Message:
        """Serve as `receive` for the application. If it cancels a call, the next call returns the message."""
        async with self._reading:
            if self._state is SocketState.ENDED:
                await asyncio.sleep(0)  # an application that goes on reading must not block the loop
            elif self._disconnect is not None:
                return await self._receive()  # the pump has ended, and the server knows what comes then
            if self._disconnect is None:
                self._unread = message = self._unread or await self._inbox.get()
                if message["type"] == "websocket.receive":
                    await self._check()
                elif message["type"] == "websocket.disconnect":
                    self._disconnect = message
                self._unread = None
            return self._disconnect or message

    async def _write(self, message: Message) -> None:
        """Serve as `send` for the application."""
        kind = message["type"]
        if kind in ("websocket.accept", "websocket.send"):
            await self._check()
        if self._state is SocketState.ENDED:
            await asyncio.sleep(0)  # an application that only sends must not block the loop
            return
        if kind == "websocket.accept":
            await self._accept(message)
            return
        if kind == "websocket.send":
            await self._hand_over(message)
            return
        if kind in ("websocket.close", "websocket.http.response.start"):
            self._state = SocketState.CLOSED
        await asyncio.ensure_future(self._send(message))  # tasks begin in order: this overtakes no message

    async def _hand_over(self, message: Message) -> None:
        """Send a message. If the client reads slowly, the server's `send` waits; `_end` cancels it."""
        sending = asyncio.ensure_future(self._send(message))
        self._sending.add(sending)
        try:
            await asyncio.wait((sending,))
        except asyncio.CancelledError:
            await _cancel([sending])
            raise
        finally:
            self._sending.discard(sending)
        if not (sending.cancelled() and self._state is SocketState.ENDED):
            sending.result()

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
        for sending in self._sending:
            sending.cancel()
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
            await self._watch.arenew(credential.access_token, confirm=partial(self._confirm, credential))
        except (InsufficientScopeError, ReplayedTokenError) as error:
            self._end(error)  # a ticket that was used before may have been copied by another client
            return
        except (TokenError, UnavailableError) as error:
            if isinstance(error, UnavailableError):  # does not count as a refusal
                await aclose_old()
            elif self._attempts.refused():
                self._end(error)
            await self._answer(type="jwt_auth.refused", code=error.code)
            return
        claims = self._scope["claims"] = self._watch.verified.claims
        left = claims.exp - timezone.now().timestamp()
        await self._answer(type="jwt_auth.renewed", expires_in=max(0, int(left)))

    async def _confirm(self, credential: Credential, verified: Verified) -> None:
        """Check that a later token may renew the socket, and use up its ticket. After an error the old token stays."""
        self._check_limits(verified.claims)
        await credential.use_up(verified)

    async def _answer(self, **values: Any) -> None:
        if self._state is SocketState.OPEN:
            with suppress(OSError):
                await self._hand_over(text(**values))


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
