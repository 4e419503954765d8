"""
Python processes that begin with the libraries imported: they need a third of the time of others.

They are forked from one process, tests/support/fork_server.py, and nothing else differs from `python` on a command
line: each has the arguments, the environment, the directory, the modules of the app and the exit code of its own.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

# A process that needs longer hangs.
_PATIENCE = 300  # seconds

_SERVER = Path(__file__).with_name("fork_server.py")


class Fork:
    """
    A process that runs `python` with `arguments`.

    Args:
        output: the file that gets what it writes to its standard output, at the end of what is in it.
        error: the same for its standard error, if this is another file.
        given: the file that it reads as its standard input.
        seconds: when a process that hangs is ended; 0 is never.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: Path,
        environment: Mapping[str, str],
        output: Path,
        error: Path | None = None,
        given: str = os.devnull,
        seconds: int = 0,
    ) -> None:
        appended = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.pid: int = _ask(
            command=list(arguments),
            cwd=str(cwd),
            environment=dict(environment),
            files=[(given, os.O_RDONLY), (str(output), appended), (str(error or output), appended)],
            seconds=seconds,
        )
        self.code: int | None = None

    def wait(self) -> int:
        """Wait for its end, and return its exit code."""
        if self.code is None:
            self.code = _ask(pid=self.pid, options=0)
        assert self.code is not None
        return self.code

    def poll(self) -> int | None:
        """Return its exit code if it has ended."""
        if self.code is None:
            self.code = _ask(pid=self.pid, options=os.WNOHANG)
        return self.code

    def terminate(self) -> None:
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()


def run(
    *arguments: str, cwd: Path, environment: Mapping[str, str], given: str | None = None, apart: bool = False
) -> "subprocess.CompletedProcess[str]":
    """
    Run `python` with `arguments`, and return how it ended.

    Args:
        given: its standard input.
        apart: whether its standard error is kept apart from its output.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, error, typed = (Path(folder, name) for name in ("output", "error", "given"))
        typed.write_text(given or "")
        error.write_text("")
        fork = Fork(
            arguments,
            cwd=cwd,
            environment=environment,
            output=output,
            error=error if apart else None,
            given=str(typed),
            seconds=_PATIENCE,
        )
        return subprocess.CompletedProcess(arguments, fork.wait(), output.read_text(), error.read_text())


@cache
def _server() -> "subprocess.Popen[str]":
    """Start the process from which the others are forked, for the rest of this one."""
    settings = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH")
    started = subprocess.Popen(
        [sys.executable, str(_SERVER)],
        env={name: value for name, value in os.environ.items() if name not in settings and name[:3] != "COV"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    atexit.register(started.communicate)
    return started


def _ask(**request: Any) -> Any:
    server = _server()
    assert server.stdin
    assert server.stdout
    print(json.dumps(request), file=server.stdin, flush=True)
    return json.loads(server.stdout.readline())
