"""
The base class of the commands that tell a story.
"""

import sys

from django.core.management import BaseCommand, CommandError, CommandParser

from example_project.demo.narrator import Narrator

INTERRUPTED = 130  # as shells report a process that Ctrl-C ended


class StoryCommand(BaseCommand):
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="Tell the story without waiting for Enter between the steps. Without a terminal it never waits.",
        )

    def narrator(self, address: str, *, interactive: bool) -> Narrator:
        """Return a narrator for the server at `address`; at a terminal it waits for Enter between the steps."""
        pause = self.wait_for_enter if waits(interactive) else None
        return Narrator(address, write=self.write, style=self.style, pause=pause)

    def wait_for_enter(self) -> None:
        self.stdout.write("\n   Press Enter ", ending="")
        self.stdout.flush()
        try:
            input()
        except EOFError:
            self.write("")

    def interrupted(self, text: str) -> CommandError:
        """Return the error that ends the command after Ctrl-C."""
        self.write("")  # behind the ^C
        return CommandError(text, returncode=INTERRUPTED)

    def write(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # for readers of a pipe


def waits(interactive: bool) -> bool:
    """Return whether a story waits for Enter: not with --no-input, and not without a terminal."""
    return interactive and sys.stdin is not None and sys.stdin.isatty()
