"""
`manage.py demo`: tells the example project's stories with requests to running servers.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management import CommandError, CommandParser, call_command

from example_project.demo import server
from example_project.demo.command import StoryCommand
from example_project.demo.narrator import StepFailedError
from example_project.demo.story import tell
from example_project.demo.users import make_users

INTERRUPTED = 130  # as shells report a process that Ctrl-C ended


class Command(StoryCommand):
    help = (
        "Shows what jwt_auth does, request by request: migrates, creates the users alice, bob and admin with new "
        "passwords, starts the server, and tells a story of sign-ins and revocations as curl commands. Then a second "
        "story shows how a user of one server uses another server."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--serve", action="store_true", help="Leave the server running until Ctrl-C.")
        parser.add_argument("--one-server", action="store_true", help="Tell only the first story.")
        parser.add_argument("--port", type=int, default=0, help="The server's port; by default any free port.")

    def handle(self, *args: Any, port: int, serve: bool, one_server: bool, interactive: bool, **options: Any) -> None:
        log = settings.DATA_DIR / "demo_server.log"
        try:
            port = server.free_port(port)
            call_command("migrate", verbosity=0, interactive=False)
            passwords = make_users()
            address = f"{server.HOST}:{port}"
            with server.running(port, log) as process:
                self.introduce(address, passwords)
                self.tell(address, passwords, interactive)
                if not one_server:
                    self.tell_of_two_servers(interactive)
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
        self.write("The users, with passwords created for this run:")
        for name, password in passwords.items():
            self.write(f"   {name:<6} {password}")

    def tell(self, address: str, passwords: Mapping[str, str], interactive: bool) -> None:
        narrator = self.narrator(address, interactive=interactive)
        tell(narrator, passwords)
        self.write(self.style.SUCCESS(f"\nAll {narrator.steps} steps got the expected answers."))

    def tell_of_two_servers(self, interactive: bool) -> None:
        """Tell the second story, in a process with the settings of its first server."""
        urls = {name: f"http://localhost:{server.free_port()}" for name in ("SERVER1", "SERVER2")}
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "demo_servers"]
        command += ["--settings", "example_project.settings_server1", *([] if interactive else ["--no-input"])]
        told = subprocess.run(command, env={**os.environ, **urls}, check=False)
        if told.returncode:
            raise CommandError("The story of the two servers failed.", returncode=told.returncode)

    def serve(self, process: subprocess.Popen[bytes], address: str, passwords: Mapping[str, str]) -> None:
        try:
            self.write("")
            self.introduce(address, passwords)
            self.write(
                f"In a browser: http://{address}/ is a page whose tokens no script can read; sign in as any user."
            )
            self.write(f"admin also signs in at http://{address}/admin/. Ctrl-C stops the server.")
            process.wait()
        except KeyboardInterrupt:
            self.write("Stopped.")
        else:
            raise server.ServerError("The server stopped unexpectedly.")
