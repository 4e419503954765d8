"""An application at uvicorn, in the loop of the test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    async def serve(self, sockets: Any = None) -> None:
        """Serve without handlers for signals, which belong to the tests."""
        await self._serve(sockets)


@asynccontextmanager
async def at_uvicorn(application: Any, **options: Any) -> AsyncIterator[str]:
    """Serve an application; the value is the address, with the port."""
    server = _Server(uvicorn.Config(application, port=0, log_level="error", lifespan="off", **options))
    task = asyncio.ensure_future(server.serve())
    while not server.started:
        assert not task.done(), task.result()
        await asyncio.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        await task
