"""
Development servers of the example project in separate processes.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from django.conf import settings

HOST = "127.0.0.1"
SECONDS_TO_START = 60


class ServerError(Exception):
    """Raised if the server can't be started."""


def free_port(wanted: int = 0) -> int:
    """
    Return `wanted`, or any free port if it is 0.

    Raises:
        ServerError: if the port is in use, so that another server is not mistaken for ours.
    """
    with closing(socket.socket()) as probe:
        if os.name == "posix":  # as in runserver; on other systems the option has another meaning
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except (OSError, OverflowError) as error:
            raise ServerError(f"Port {wanted} of {HOST} can't be used: {error}") from error
        return int(probe.getsockname()[1])


def has_asgi() -> bool:
    """Return whether the packages for WebSockets are installed: an ASGI server, its WebSocket library, and Channels."""
    return all(find_spec(name) for name in ("uvicorn", "channels")) and any(map(find_spec, ("websockets", "wsproto")))


@contextmanager
def running(
    port: int, log: Path, *, settings_module: str | None = None, by_asgi: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Start a server, wait until it answers, and stop it at the end, however this process ends (except by SIGKILL).

    Args:
        settings_module: the settings module, if it is another one than this process has.
        by_asgi: start uvicorn instead of `runserver`. It always has the settings module of this process.

    Raises:
        ServerError: if the server does not answer in time.
    """
    # The server inherits the environment, including the settings module and the data directory.
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "runserver", "--noreload", f"{HOST}:{port}"]
    if settings_module is not None:
        command += ["--settings", settings_module]
    if by_asgi:
        command = [sys.executable, "-m", "uvicorn", "example_project.asgi:application"]
        command += ["--app-dir", str(settings.BASE_DIR), "--host", HOST, "--port", str(port)]
        command += ["--timeout-graceful-shutdown", "2"]  # seconds; without it, the server would wait for open streams
    with _sigterm_interrupts(), log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for_answer(process, port, log)
            yield process
        finally:
            _stop(process)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt; by default it ends Python without running `finally` blocks."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"The server does not answer. The end of its log:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with closing(http.client.HTTPConnection(HOST, port, timeout=SECONDS_TO_START)) as connection:
        try:
            connection.request("GET", "/")
            return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
        except (OSError, http.client.HTTPException):
            return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
