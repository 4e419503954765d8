"""
The base class of the commands that tell a story.
"""

import sys

from django.core.management import BaseCommand, CommandParser

from example_project.demo.narrator import Narrator


class StoryCommand(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Don't wait for Enter between the steps.",
        )

    def narrator(self, address: str, *, interactive: bool) -> Narrator:
        """Return a narrator for the server at `address`; at a terminal it waits for Enter between the steps."""
        pauses = interactive and sys.stdin.isatty()
        pause = self.wait_for_enter if pauses else None
        return Narrator(address, write=self.write, style=self.style, pause=pause)

    def wait_for_enter(self) -> None:
        self.stdout.write("\n   Press Enter ", ending="")
        self.stdout.flush()
        try:
            input()
        except EOFError:
            self.write("")

    def write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # for readers of a pipe
