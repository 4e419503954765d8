"""
`manage.py demo`: the example project's story, in requests to a server that really runs.
"""

import secrets
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from example_project.demo import server
from example_project.demo.narrator import Narrator, StepFailedError
from example_project.demo.story import tell

INTERRUPTED = 130  # what a shell says of a process that Ctrl-C ended


class Command(BaseCommand):
    help = (
        "Shows what jwt_auth does, request by request: migrates, makes the users alice, bob and admin with new "
        "passwords, starts the server, and tells a story of sign-ins and revocations in lines of curl."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--serve", action="store_true", help="Leave the server running until Ctrl-C.")
        parser.add_argument("--port", type=int, default=0, help="The server's port; any free one when left out.")
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Don't wait for Enter between the steps.",
        )

    def handle(self, *args: Any, port: int, serve: bool, interactive: bool, **options: Any) -> None:
        log = settings.DATA_DIR / "demo_server.log"
        try:
            port = server.free_port(port)
            call_command("migrate", verbosity=0, interactive=False)
            passwords = make_users()
            address = f"{server.HOST}:{port}"
            with server.running(port, log) as process:
                self.introduce(address, passwords)
                self.tell(address, passwords, interactive)
                if serve:
                    self.serve(process, address, passwords)
        except server.ServerError as error:
            raise CommandError(str(error)) from error
        except StepFailedError as error:
            raise CommandError(f"{error}\nThe server's log: {log}") from error
        except KeyboardInterrupt:
            raise CommandError("Interrupted. The server has been stopped.", returncode=INTERRUPTED) from None

    def introduce(self, address: str, passwords: Mapping[str, str]) -> None:
        self.write(f"The server: http://{address}/  (settings: {settings.SETTINGS_MODULE})")
        self.write("The users, with passwords made for this run:")
        for name, password in passwords.items():
            self.write(f"   {name:<6} {password}")

    def tell(self, address: str, passwords: Mapping[str, str], interactive: bool) -> None:
        pauses = interactive and sys.stdin.isatty()
        pause = self.wait_for_enter if pauses else None
        narrator = Narrator(address, write=self.write, style=self.style, pause=pause)
        tell(narrator, passwords)
        self.write(self.style.SUCCESS(f"\nAll {narrator.steps} steps were answered as they should be."))

    def serve(self, process: subprocess.Popen[bytes], address: str, passwords: Mapping[str, str]) -> None:
        try:
            self.write("")
            self.introduce(address, passwords)
            self.write(f"admin also signs in at http://{address}/admin/. Ctrl-C stops the server.")
            process.wait()
        except KeyboardInterrupt:
            self.write("Stopped.")
        else:
            raise server.ServerError("The server has stopped by itself.")

    def wait_for_enter(self) -> None:
        self.stdout.write("\n   Press Enter ", ending="")
        self.stdout.flush()
        try:
            input()
        except EOFError:
            self.write("")

    def write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # for whoever reads it through a pipe


def make_users() -> dict[str, str]:
    """Make alice, bob and admin, or give them new passwords, which ends their sessions; the passwords."""
    make = partial(_make_user, is_active=True)
    return {
        "alice": make("alice", is_staff=False, is_superuser=False),
        "bob": make("bob", is_staff=False, is_superuser=False),
        "admin": make("admin", is_staff=True, is_superuser=True),
    }


def _make_user(name: str, **fields: Any) -> str:
    model = get_user_model()
    user = model._default_manager.filter(username=name).first() or model(username=name)
    for field, value in fields.items():
        setattr(user, field, value)
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    return password
