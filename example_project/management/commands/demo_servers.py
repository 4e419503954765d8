"""
`manage.py demo_servers`: the second story of `demo`, in which a user of one server uses another server.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from example_project.demo import server
from example_project.demo.command import StoryCommand
from example_project.demo.handover import tell
from example_project.demo.narrator import StepFailedError
from example_project.demo.users import make_users
from jwt_auth import signing_keys


class Command(StoryCommand):
    help = (
        "Starts two servers, the second without a database, and shows how a user of the first one uses the second. "
        "Run it with --settings example_project.settings_server1."
    )

    def handle(self, *args: Any, interactive: bool, **options: Any) -> None:
        servers = [getattr(settings, name, "") for name in ("SERVER1", "SERVER2")]
        if not all(servers):
            raise CommandError("Run it with --settings example_project.settings_server1.")
        try:
            steps = self.tell(servers, interactive)
        except (server.ServerError, StepFailedError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise self.interrupted("Interrupted. The two servers have been stopped.") from None
        self.write(self.style.SUCCESS(f"\nAll {steps} steps had the expected results."))

    def tell(self, servers: list[str], interactive: bool) -> int:
        """Start the servers, tell the story, and return its number of steps."""
        # Each run starts with an empty database and new keys.
        Path(connection.settings_dict["NAME"]).unlink(missing_ok=True)
        call_command("migrate", verbosity=0, interactive=False)
        passwords = make_users()
        signing_keys.create(activate=True)
        standby = signing_keys.create()
        first, second = (urlsplit(url).netloc for url in servers)
        narrator = self.narrator(first, interactive=interactive)
        with ExitStack() as stack:
            self.start(stack, servers[0], settings.SETTINGS_MODULE)
            self.start(stack, servers[1], "example_project.server2.settings")
            tell(narrator, passwords, other=second, standby=standby.kid)
        return narrator.steps

    def start(self, stack: ExitStack, url: str, module: str) -> None:
        port = server.free_port(urlsplit(url).port or 80)
        log = settings.DATA_DIR / f"demo_{module.split('.')[1]}.log"
        stack.enter_context(server.running(port, log, settings_module=module))
        self.write(f"A server: {url}/  (settings: {module})")
