"""Many users' open WebSockets, and when their servers close them."""

import asyncio
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.deployment import PATIENCE, Cluster, Server, manage

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

AT_ONCE = 50  # handshakes


@dataclass
class OpenSocket:
    """A client's socket, of a user who is named by their key."""

    user: str
    connection: "ClientConnection"
    closed_at: float | None = None
    reader: "asyncio.Task[None] | None" = field(default=None, repr=False)

    async def read(self) -> None:
        """Read until the server closes the socket, and note when that was."""
        await self.connection.wait_closed()
        self.closed_at = time.monotonic()

    @property
    def ended(self) -> tuple[int | None, str | None] | None:
        """The code and the reason of its end; None if it is open."""
        return self.closed_at and (self.connection.close_code, self.connection.close_reason)

    async def echoes(self) -> bool:
        """Return whether the server still answers."""
        await self.connection.send("still there?")
        return await asyncio.wait_for(self.connection.recv(), PATIENCE) == "still there?"


def tokens_of(cluster: Cluster, number: int) -> dict[str, str]:
    """Return the access tokens of so many new users, by the users' keys."""
    found: dict[str, str] = json.loads(manage(cluster, "shell", "-v0", "-c", _SIGN_IN.format(number=number)))
    return found


_SIGN_IN = """
import json
from uuid import uuid4
from django.contrib.auth.models import User
from jwt_auth import sessions
users = User.objects.bulk_create(User(username=str(uuid4())) for _ in range({number}))
print(json.dumps({{user.pk: sessions.start(user).access_token for user in users}}))
"""


async def open_sockets(servers: Sequence[Server], tokens: Mapping[str, str], path: str = "/") -> list[OpenSocket]:
    """Open a socket of each user at each server."""
    from websockets.asyncio.client import connect  # is not installed where these tests are skipped

    allowed = asyncio.Semaphore(AT_ONCE)

    async def one(server: Server, user: str) -> OpenSocket:
        async with allowed:
            headers = {"Authorization": f"Bearer {tokens[user]}"}
            url = f"ws://127.0.0.1:{server.port}{path}"
            connection = await connect(
                url, additional_headers=headers, compression=None, ping_interval=None, open_timeout=PATIENCE
            )
        opened = OpenSocket(user, connection)
        opened.reader = asyncio.create_task(opened.read())
        return opened

    return await asyncio.gather(*(one(server, user) for user in tokens for server in servers))


async def close(sockets: Collection[OpenSocket]) -> None:
    await asyncio.gather(*(item.connection.close() for item in sockets))


async def revoke_meanwhile(
    server: Server, sockets: Collection[OpenSocket], users: Collection[str], within: float
) -> list[float]:
    """
    Revoke the users at a server, one after the other, and return the seconds after which each socket was closed.

    Exactly these users' sockets are closed, with the reason; all others still answer.
    """
    _, body, _ = await asyncio.to_thread(server.send, "POST", "/revoke/", body=sorted(users))
    revoked_at = json.loads(body)
    theirs = [item for item in sockets if item.user in revoked_at]
    deadline = time.monotonic() + within
    while any(item.closed_at is None for item in theirs) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    others = [item for item in sockets if item.user not in revoked_at]
    assert {item.ended for item in theirs} == {(4401, "token_revoked")}
    assert {item.ended for item in others} == {None}
    assert all(await asyncio.gather(*(item.echoes() for item in others)))
    return sorted(item.closed_at - revoked_at[item.user] for item in theirs if item.closed_at)
