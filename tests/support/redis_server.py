"""A Redis that only the tests use, so that it can be emptied or stopped."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 20  # seconds


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
            deadline = time.monotonic() + PATIENCE
            while not socket.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield f"unix://{socket}"
        finally:
            process.kill()
            process.wait()
