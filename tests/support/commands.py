"""Commands, run as a person or a script runs them."""

import sys
from io import StringIO

from django.core.management import CommandError, call_command


class Terminal(StringIO):
    """A stream that counts as a terminal."""

    def isatty(self):
        return True


def run(*arguments):
    """Run the command and return its output."""
    out = StringIO()
    call_command(*arguments, stdout=out, no_color=True)
    return out.getvalue()


def type_in(monkeypatch, text, *, terminal=True):
    """Make `text` the standard input."""
    monkeypatch.setattr(sys, "stdin", (Terminal if terminal else StringIO)(text))


def look(token):
    """Inspect the token; return the output of `jwt_inspect`, and "good" or its last line or the error."""
    out = StringIO()
    try:
        call_command("jwt_inspect", token, stdout=out, no_color=True)
    except CommandError as error:
        return out.getvalue(), str(error)
    last = out.getvalue().splitlines()[-1]
    return out.getvalue(), "good" if last == "It is valid." else last
