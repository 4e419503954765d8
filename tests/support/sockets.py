"""Servers of the tests that listen on a Unix socket."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Any

PATIENCE = 20  # seconds


def wait_for(path: Path, process: "subprocess.Popen[Any]") -> None:
    """Wait until the server accepts connections: its socket's file is there a moment earlier."""
    deadline = time.monotonic() + PATIENCE
    while not _accepts(path):
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0
