"""A Redis that only the tests use, so that it can be emptied or stopped."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.sockets import wait_for


@contextmanager
def redis_server() -> Iterator[str]:
    """Run a server on a socket of its own; the value is its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        if os.environ.get("REQUIRE_REDIS"):
            pytest.fail("redis-server is not installed")
        pytest.skip("redis-server is not installed")
    # A socket's path has at most 107 bytes: the directories of pytest can be longer.
    with tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp") as directory:
        socket = Path(directory) / "redis.sock"
        arguments = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", directory]
        process = subprocess.Popen([binary, *arguments], stdout=subprocess.DEVNULL)
        try:
            wait_for(socket, process)
            yield f"unix://{socket}"
        finally:
            process.kill()
            process.wait()
