"""Running commands as a person or a script does."""

import sys
from io import StringIO

from django.core.management import CommandError, call_command


class Terminal(StringIO):
    """Text that somebody types, or sees, at a terminal."""

    def isatty(self):
        return True


def run(*arguments):
    """What the command prints."""
    out = StringIO()
    call_command(*arguments, stdout=out, no_color=True)
    return out.getvalue()


def type_in(monkeypatch, text, *, terminal=True):
    """Have `text` come from standard input."""
    monkeypatch.setattr(sys, "stdin", (Terminal if terminal else StringIO)(text))


def look(token):
    """What it prints, and whether the token is good."""
    out = StringIO()
    try:
        call_command("jwt_inspect", token, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), "good"
