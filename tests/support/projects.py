"""A project as `startproject` makes it, in a directory of its own; its commands and its server are processes."""

import copy
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from example_project.demo.server import free_port
from tests.support import ROOT, forks

# Passwords are hashed quickly.
_FAST = 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'


class Project:
    """A project of the given name in the directory `root`."""

    def __init__(self, root: Path, name: str = "mysite") -> None:
        self.root, self.name = root, name
        root.mkdir(exist_ok=True)
        self.run(sys.executable, "-m", "django", "startproject", name, ".", DJANGO_SETTINGS_MODULE="")
        self.append(f"{name}/settings.py", _FAST)

    def copy(self, root: Path) -> "Project":
        """Return a copy in the directory `root`, with the database in its directory."""
        made = copy.copy(self)
        made.root = Path(shutil.copytree(self.root, root))
        return made

    def append(self, file: str, code: str) -> None:
        path = self.root / file
        path.parent.mkdir(exist_ok=True)
        with path.open("a") as opened:
            opened.write(f"\n{code}")

    def manage(self, *arguments: str) -> str:
        return self.run(sys.executable, "manage.py", *arguments)

    def script(self, code: str) -> str:
        return self.run(sys.executable, "-c", f"import django; django.setup()\n{code}")

    def bash(self, script: str, **environment: str) -> str:
        return self.run("bash", "-c", script, **environment)

    def run(self, *command: str, given: str | None = None, **environment: str) -> str:
        """Run `command`, which must succeed, with `given` as its input, and return its output."""
        variables = {**self.environment(), **environment}
        if command[0] == sys.executable:
            done = forks.run(*command[1:], cwd=self.root, environment=variables, given=given)
        else:
            done = subprocess.run(
                command,
                cwd=self.root,
                env=variables,
                input=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        assert done.returncode == 0, f"{command[:3]}\n{done.stdout}"
        return done.stdout

    def environment(self) -> dict[str, str]:
        """Return the environment of the processes: that of the tests, without their settings and their coverage."""
        own = {
            "DJANGO_SETTINGS_MODULE": f"{self.name}.settings",
            "PYTHONPATH": f"{self.root}{os.pathsep}{ROOT}",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            # A module that is edited in the second in which it was compiled would not be compiled again.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**{name: value for name, value in os.environ.items() if not name.startswith(("COV", "TEST_"))}, **own}

    @property
    def console(self) -> Path:
        """The file with all that the project's servers have written."""
        return self.root / "console.log"

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Run a development server in the block; the value is its host and port."""
        port = free_port()
        command = ("manage.py", "runserver", "--noreload", f"localhost:{port}")
        server = forks.Fork(command, cwd=self.root, environment=self.environment(), output=self.console)
        try:
            while not _answers(port):
                assert server.poll() is None, self.console.read_text()
                time.sleep(0.1)
            yield f"localhost:{port}"
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
