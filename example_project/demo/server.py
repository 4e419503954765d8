"""
Development servers of the example project, as processes beside this one.
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
from pathlib import Path

from django.conf import settings

HOST = "127.0.0.1"
SECONDS_TO_START = 60


class ServerError(Exception):
    """Raised when the server can't be started."""


def free_port(wanted: int = 0) -> int:
    """
    `wanted`, or any port when it is 0.

    Raises:
        ServerError: when the port is taken, so that nobody else's server is mistaken for ours.
    """
    with closing(socket.socket()) as probe:
        if os.name == "posix":  # as runserver does; elsewhere the option means another thing
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except (OSError, OverflowError) as error:
            raise ServerError(f"Port {wanted} of {HOST} can't be used: {error}") from error
        return int(probe.getsockname()[1])


@contextmanager
def running(port: int, log: Path, *, settings_module: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """
    A server that answers, and is stopped in the end, however this process ends (but for SIGKILL).

    Args:
        settings_module: of another project than this one.

    Raises:
        ServerError: when it does not answer in time.
    """
    # It inherits the environment, and so the settings module and the data directory.
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "runserver", "--noreload", f"{HOST}:{port}"]
    if settings_module is not None:
        command += ["--settings", settings_module]
    with _sigterm_interrupts(), log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for_answer(process, port, log)
            yield process
        finally:
            _stop(process)


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM raise KeyboardInterrupt; by default it ends Python without a `finally`."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"The server does not answer. Its last words:\n{log.read_text()[-2000:]}")
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
