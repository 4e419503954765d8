"""Random events at one socket, compared with the state table in `contrib.channels.socket`."""

import asyncio
from dataclasses import replace
from unittest import mock

from hypothesis import given, settings, strategies as st

from jwt_auth._django.handshakes import request_of
from jwt_auth.claims import Claims
from jwt_auth.contrib.channels import socket
from jwt_auth.contrib.channels.renewal import MAX_ATTEMPTS, MAX_REFUSALS
from jwt_auth.contrib.channels.socket import Socket
from jwt_auth.exceptions import (
    InsufficientScopeError,
    InvalidTokenError,
    ReplayedTokenError,
    RevokedTokenError,
    UnavailableError,
)
from jwt_auth.issuers.base import Verified
from tests.support.websockets import ServedSocket, scope_of

CLAIMS = Claims(iss="jwt_auth", aud=("jwt_auth",), sub="1", iat=0, exp=10**9, sid="0" * 32)
REVOKED = RevokedTokenError("revoked")

# The errors of what comes last in a renewal: the check of the scopes, and the use of the ticket.
LAST = {
    "renew in an outage": UnavailableError("not recorded"),
    "renew by a used ticket": ReplayedTokenError("used before"),
    "renew without the scopes": InsufficientScopeError(()),
}
RENEWALS = ["renew", "renew badly", *LAST]
EVENTS = ["accept", "say", "send", *RENEWALS, "revoke", "revoke, and block", "close", "leave"]


class StubWatch:
    """The answers of a watch, as a test decides them. The real one is in test_sockets.py."""

    def __init__(self):
        self.verified = Verified(claims=CLAIMS, user=None)
        self.is_good, self._ending = True, asyncio.get_running_loop().create_future()

    def ending(self):
        return self._ending

    async def acheck(self):
        if not self.is_good:
            raise REVOKED

    async def arenew(self, raw, *, confirm):
        event = raw.removesuffix(".")
        if event == "renew badly":
            raise InvalidTokenError("bad")
        later = Verified(claims=replace(CLAIMS, jti=event), user=None)
        await confirm(later)
        self.verified = later

    def revoke(self, *, is_told):
        self.is_good = False
        if is_told and not self._ending.done():
            self._ending.set_result(REVOKED)


class Table:
    """The state table: what each event leads to, and what the two sides get."""

    def __init__(self):
        self.state, self.refusals, self.attempts, self.is_good = "connecting", 0, 0, True
        self.token = None
        self.client, self.application = [], []

    def happens(self, event):
        getattr(self, event.replace(", ", "_").replace(" ", "_"))()

    def end(self, code="token_revoked"):
        told = {"open": [("close", 4401, code)], "connecting": [("refused", 401)]}
        self.client += told.get(self.state, [])
        self.disconnected(4401)
        self.state = "ended"

    def disconnected(self, code):
        """The application reads this once, and then no longer reads."""
        if ("disconnect" not in {kind for kind, _ in self.application}) and self.state != "ended":
            self.application.append(("disconnect", code))

    def passes(self, state):
        """Return whether a message passes in this state, if the token is good; else the socket ends."""
        if self.state != state:
            return False
        if not self.is_good:
            self.end()
        return self.is_good

    def accept(self):
        if self.passes("connecting"):
            self.client.append(("accept",))
            self.state = "open"

    def say(self):
        if self.passes("open"):
            self.client.append(("send", "from the application"))

    def send(self):
        if self.passes("open"):
            self.application.append(("receive", "from the client"))

    def is_renewal(self, refusals=0):
        """Return whether a renewal is judged; else it is dropped, or ends the socket."""
        if self.state != "open":
            return False
        self.attempts += 1
        if self.attempts <= MAX_ATTEMPTS:
            self.refusals += refusals
        if self.refusals == MAX_REFUSALS or self.attempts > MAX_ATTEMPTS:
            self.end("invalid_token")
        return self.state == "open"

    def renew(self):
        if self.is_renewal():
            self.client.append(("send", "jwt_auth.renewed"))
            self.token = "renew"

    def renew_badly(self):
        if self.is_renewal(refusals=1):
            self.client.append(("send", "jwt_auth.refused"))

    def renew_in_an_outage(self):
        if self.is_renewal():
            self.client.append(("send", "jwt_auth.refused"))

    def renew_by_a_used_ticket(self):
        if self.is_renewal():
            self.end("token_replayed")

    def renew_without_the_scopes(self):
        if self.is_renewal():
            self.end("insufficient_scope")

    def revoke(self):
        self.is_good = False
        self.end()

    def revoke_and_block(self):
        self.is_good = False

    def close(self):
        if self.state in ("connecting", "open"):
            self.client.append(("close", 1000, ""))
            self.state = "closed"

    def leave(self):
        self.disconnected(1001)
        if self.state != "ended":
            self.state = "closed"


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


def short(message):
    kind = message["type"].removeprefix("websocket.")
    if kind == "close":
        return kind, message["code"], message.get("reason", "")
    if kind == "send":
        text = message["text"]
        return kind, next((name for name in ("jwt_auth.renewed", "jwt_auth.refused") if name in text), text)
    return ("refused", message["status"]) if kind.endswith("start") else (kind,)


async def play(events):
    """Return what client and application got, and the event that the newest token is from."""
    watch, wanted, application_got = StubWatch(), asyncio.Queue(), []

    async def application(scope, receive, send):
        await receive()

        async def listen():
            while True:
                message = await receive()
                application_got.append(
                    (message["type"].removeprefix("websocket."), message.get("text") or message["code"])
                )
                if message["type"] == "websocket.disconnect":
                    return

        listening = asyncio.ensure_future(listen())
        while (message := await wanted.get()) is not None:
            await send(message)
        await listening

    def limits(claims):
        if claims.jti in LAST:
            raise LAST[claims.jti]

    async def handle(scope, receive, send):
        await Socket(
            application, scope, receive, send, watch=watch, request=request_of(scope), check_limits=limits
        ).run()

    served = ServedSocket(handle, scope_of())
    for event in events:
        match event:
            case "accept":
                wanted.put_nowait({"type": "websocket.accept"})
            case "say":
                wanted.put_nowait({"type": "websocket.send", "text": "from the application"})
            case "close":
                wanted.put_nowait({"type": "websocket.close", "code": 1000})
            case "send":
                served.send("from the client")
            case _ if event in RENEWALS:
                served.send({"type": "jwt_auth.renew", "token": f"{event}."})
            case "leave":
                served.leave()
            case _:
                watch.revoke(is_told=event == "revoke")
        await settle()
    wanted.put_nowait(None)
    await served.returned()
    client_got = []
    while not served.nothing_more():
        message = await served.got()
        if not message["type"].endswith("response.body"):
            client_got.append(short(message))
    return client_got, application_got, watch.verified.claims.jti


def possible(events):
    """Leave out what the two sides never do: accept twice, or talk before the handshake or after the end."""
    state = "connecting"
    for event in events:
        is_possible = {
            "accept": state == "connecting",
            "say": state == "open",
            "close": state != "closed",
            "send": state == "open",
            **dict.fromkeys(RENEWALS, state == "open"),
            "leave": state == "open",
        }.get(event, True)
        if is_possible:
            state = {"accept": "open", "close": "closed", "leave": "closed"}.get(event, state)
            yield event


@given(st.lists(st.sampled_from(EVENTS), max_size=25), st.booleans())
@settings(max_examples=150)
def test_a_socket_does_what_its_table_says(events, is_accepted):
    events = [*possible([*(["accept"] if is_accepted else []), *events]), "leave"]
    table = Table()
    for event in events:
        table.happens(event)
    # It would use a thread, for which `settle` does not wait.
    with mock.patch.object(socket, "aclose_old", mock.AsyncMock()):
        got = asyncio.run(asyncio.wait_for(play(events), 20))
    assert got == (table.client, table.application, table.token)
