"""
`manage.py demo`: tells the example project's stories with requests to running servers.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser, call_command
from django.urls import NoReverseMatch, reverse

from example_project.demo import server
from example_project.demo.command import INTERRUPTED, StoryCommand, waits
from example_project.demo.narrator import StepFailedError
from example_project.demo.story import tell
from example_project.demo.users import make_users


class Command(StoryCommand):
    help = (
        "Shows what jwt_auth does, request by request: migrates, creates the users alice, bob and admin with new "
        "passwords, starts the server, and tells a story of sign-ins and revocations as curl commands. Then a second "
        "story shows how a user of one server uses another server. With --serve it only starts the server, for you to "
        "try in a browser. If uvicorn and Channels are installed, uvicorn is this server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--serve",
            action="store_true",
            help="Start the server at once, without the story, and leave it running until Ctrl-C. With --no-input the "
            "story comes first.",
        )
        parser.add_argument("--one-server", action="store_true", help="Tell only the first story.")
        parser.add_argument("--port", type=int, default=0, help="The server's port; by default any free port.")

    def handle(self, *args: Any, port: int, serve: bool, one_server: bool, interactive: bool, **options: Any) -> None:
        log = settings.DATA_DIR / "demo_server.log"
        has_story = not serve or not interactive
        if has_story and not _has_login():
            raise CommandError(
                "The story needs login/, which these settings leave out. Run it with --serve, and without --no-input."
            )
        try:
            port = server.free_port(port)
            call_command("migrate", verbosity=0, interactive=False)
            passwords = make_users()
            address = f"{server.HOST}:{port}"
            with server.running(port, log, by_asgi=serve and server.has_asgi()) as process:
                if has_story:
                    self.tell(address, passwords, interactive)
                    if not one_server:
                        self.tell_of_two_servers(interactive)
                if serve:
                    # Passkeys do not work at an IP address.
                    self.serve(process, f"localhost:{port}", passwords, log)
        except server.ServerError as error:
            raise CommandError(str(error)) from error
        except StepFailedError as error:
            raise CommandError(f"{error}\nThe server's log: {log}") from error
        except KeyboardInterrupt:
            raise self.interrupted("Interrupted. The server has been stopped.") from None

    def tell(self, address: str, passwords: Mapping[str, str], interactive: bool) -> None:
        self.write(f"The server: http://{address}/  (settings: {settings.SETTINGS_MODULE})")
        self.introduce(passwords)
        self.write("Tokens are shortened here. To send a command yourself, set its variables to whole tokens first.")
        if waits(interactive):
            self.write("It waits after each step: Enter goes on, Ctrl-C stops. With --no-input it does not wait.")
        narrator = self.narrator(address, interactive=interactive)
        tell(narrator, passwords)
        self.write(self.style.SUCCESS(f"\nAll {narrator.steps} steps got the expected answers."))

    def tell_of_two_servers(self, interactive: bool) -> None:
        """Tell the second story, in a process with the settings of its first server."""
        urls = {name: f"http://localhost:{server.free_port()}" for name in ("SERVER1", "SERVER2")}
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo_servers"]
        command += ["--settings", "example_project.settings_server1", *([] if interactive else ["--no-input"])]
        with subprocess.Popen(command, env={**os.environ, **urls}) as process:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                process.terminate()  # which stops its servers; after Ctrl-C in a terminal it is doing so already
                raise
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        if code:
            raise CommandError("The story of the two servers failed.", returncode=code)

    def introduce(self, passwords: Mapping[str, str]) -> None:
        self.write("The users, with passwords created for this run:")
        for name, password in passwords.items():
            self.write(f"   {name:<6} {password}")

    def serve(self, process: subprocess.Popen[bytes], address: str, passwords: Mapping[str, str], log: Path) -> None:
        try:
            self.write(self.style.SUCCESS("\nThe server is running. Open one of these pages in your browser:"))
            self.write(f"   http://{address}/        for every user: notes and devices; no script can read the tokens")
            self.write(f"   http://{address}/live/   a WebSocket and an event stream, which end with the session")
            self.write(f"   http://{address}/admin/  for admin: sessions, users, and the buttons that revoke")
            self.introduce(passwords)
            self.write(f"The server's log: {log}")
            self.write("Ctrl-C stops the server.")
            process.wait()
        except KeyboardInterrupt:
            self.write("\nStopped.")
        else:
            raise server.ServerError("The server stopped unexpectedly.")


def _has_login() -> bool:
    with suppress(NoReverseMatch):
        return bool(reverse("jwt_auth:login"))
    return False
