"""
Shared functions of the commands: read arguments, find a user, ask for confirmation, and print sessions.
"""

import argparse
import getpass
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jwt_auth._django.slices import Counted
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import ExpiredTokenError
from jwt_auth.http.text import printable
from jwt_auth.lines import is_line
from jwt_auth.models import ClientKey, RegisteredClient, UserSession
from jwt_auth.registrars import OPERATOR
from jwt_auth.revocation import cutoff, remaining, user_rows
from jwt_auth.revocation.database import refusal_of
from jwt_auth.sessions import devices
from jwt_auth.sessions.accounts import users_by_name
from jwt_auth.user_model import as_made, read_key

PK_PREFIX = "pk:"

# Exit codes; 1 is Django's own for any CommandError.
NOTHING_DONE = 1
MISUSED = 2  # as in argparse
INTERRUPTED = 130  # as shells report a process that Ctrl-C ended

_NOTHING_GIVEN = "No token was given. Nothing was done."

# One word confirms all operations: in an emergency nobody has the time to look up another one.
ANSWER = "yes"


class ActionParser(CommandParser):
    """The parser of one action of a command; like the command itself, it accepts Django's own options."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Options before the action stay in force, and the command's help lists these options.
        given: Any = {"default": argparse.SUPPRESS, "help": argparse.SUPPRESS}
        self.add_argument("-v", "--verbosity", type=int, choices=range(4), **given)
        for name in ("--settings", "--pythonpath"):
            self.add_argument(name, **given)
        for name in ("--traceback", "--no-color", "--force-color", "--skip-checks"):
            self.add_argument(name, action="store_true", **given)


def prepare_streams() -> None:
    """
    Let the streams of the process accept all characters, and let standard input be empty if it is closed.

    A name in the database may have characters that the encoding of the terminal lacks, and a file that is piped in as
    a token may not be text.
    """
    if sys.stdin is None:
        sys.stdin = Path(os.devnull).open(encoding="ascii")  # noqa: SIM115  # for the rest of the process
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace")):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=errors)


def number(low: int, high: int) -> Callable[[str], int]:
    """Return the argparse type of a whole number from `low` to `high`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise argparse.ArgumentTypeError(f"must be a whole number between {low:,} and {high:,}")
        return int(text)

    return read


def add_reason(parser: CommandParser) -> None:
    """Add the option `--reason`; see `record`."""
    parser.add_argument("--reason", default="", help="For the record; at most 255 characters.")


def record(reason: str) -> dict[str, Any]:
    """Return the `reason` and the `actor` of a command's operation; raise CommandError."""
    if len(reason) > 255 or not is_line(reason):
        raise CommandError("The reason must be one line of at most 255 characters.", returncode=MISUSED)
    return {"reason": reason or "by command", "actor": describe_operator()}


def add_yes(parser: CommandParser) -> None:
    """Add the option `--yes`; see `confirm`."""
    parser.add_argument("--yes", "--no-input", "--noinput", action="store_true", help="Don't ask.")


def confirm(command: BaseCommand, *, yes: bool, otherwise: str = "Nothing was revoked") -> None:
    """
    Return if `yes` is true, or if the person at the terminal types ANSWER.

    Raises:
        CommandError: otherwise; its text begins with `otherwise`. Its exit code tells Ctrl-C from another answer.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(f"{otherwise}: there is no terminal to ask at. Repeat the command with --yes.")
    with uninterrupted(command, otherwise):
        if not _ask(command, f'Type "{ANSWER}" to go on:'):
            raise CommandError(f"{otherwise}.", returncode=NOTHING_DONE)


@contextmanager
def uninterrupted(command: BaseCommand, otherwise: str) -> Iterator[None]:
    """Turn Ctrl-C at a question into a sentence and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        command.stdout.write("")  # the prompt and "^C" stand on a line of their own
        raise CommandError(f"Interrupted. {otherwise}.", returncode=INTERRUPTED) from None


def find_user(text: str) -> Any:
    """
    Return the user with this primary key or this login name; raise CommandError.

    "pk:42" is always a primary key.
    """
    by_key = _by_key(text.removeprefix(PK_PREFIX))
    by_name = [] if text.startswith(PK_PREFIX) else [user.pk for user in users_by_name(text)]
    found = {pk for pk in (by_key, *by_name) if pk is not None}
    if not found:
        field = get_user_model().USERNAME_FIELD
        raise CommandError(f"There is no user whose primary key or {field} is {printable(text)!r}.{_users_like(text)}")
    if len(found) > 1:
        what = "one user's primary key and another's name" if by_key in found else "the name of two users"
        choice = " or ".join(f'"{PK_PREFIX}{printable(pk)}"' for pk in dict.fromkeys((by_key, *by_name)) if pk in found)
        raise CommandError(f"{printable(text)!r} is {what}: write {choice}.")
    row = cutoff.users_with_cutoff().get(pk=found.pop())
    return as_made(row) or row


def _users_like(text: str) -> str:
    """Return a hint if `text` is an email address, and users sign in with something else."""
    email, field = get_user_model().get_email_field_name(), get_user_model().USERNAME_FIELD
    return f" It looks like an email address; give the {field}." if "@" in text and field != email else ""


def _by_key(text: str) -> Any:
    pk = read_key(get_user_model()._meta.pk, text)
    if pk is None:
        return None
    return user_rows.users().filter(pk=pk).values_list("pk", flat=True).first()


def describe_number(found: Counted, one: str, several: str, *, bound: str = "") -> str:
    """
    Return a number with the word for the things that were counted.

    Args:
        bound: the word before the number if all were counted.
    """
    before = bound if found.is_all else "at least"
    return f"{before} {found.number:,} {one if found.is_all and found.number == 1 else several}".strip()


def describe_user(user: Any) -> str:
    """Return the login name and the primary key of a user."""
    return f"{printable(user.get_username())} (primary key {printable(key_of(user))})"


def describe_moment(moment: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return "-" if moment is None else f"{moment.astimezone(timezone.utc):%Y-%m-%d %H:%M:%S}"


def describe_operator() -> str:
    """Return the actor of a command for the record: the account on this machine, not a user of the project."""
    try:
        name = getpass.getuser()
    except (ImportError, KeyError, OSError):  # a container's user may have no name
        name = f"user id {os.getuid()}"
    return f"{OPERATOR}{name}"[:255]


def describe_state(session: UserSession, now: datetime) -> str:
    """Return the state of a session that was read `with_state`: "live", or the reason for its end."""
    refusal = refusal_of(session, now)
    if refusal is None:
        return "live"
    if session.revoked_at is not None:
        return f"revoked: {session.revoked_reason}" if session.revoked_reason else "revoked"
    return "expired" if isinstance(refusal, ExpiredTokenError) else f"refused: {refusal.reason}"


def session_lines(sessions: Iterable[tuple[UserSession, str]]) -> list[str]:
    """Return the lines of a table of sessions and their states."""
    head = ("SESSION", "DEVICE", "LABEL", "ADDRESS", "STARTED (UTC)", "LAST USED (UTC)", "STATE")
    return table([head, *(_row(session, state) for session, state in sessions)])


def _row(session: UserSession, state: str) -> tuple[str, ...]:
    return (
        str(session.pk),
        shorten(printable(devices.name_of(session.user_agent)), 32) or "-",
        shorten(printable(session.label), 24) or "-",
        session.ip_address or "-",
        describe_moment(session.started_at)[:-3],
        describe_moment(session.last_issued_at)[:-3],
        state + _sharing(session),
    )


def _sharing(session: UserSession) -> str:
    """Return a note for the state of a session whose refresh token was used by another peer too."""
    if session.shared_at is None:
        return ""
    return f"; shared with {session.shared_ip_address or 'another agent'} at {describe_moment(session.shared_at)[:-3]}"


def client_lines(page: remaining.Page, one: str = "stays", several: str = "stay") -> list[str]:
    """
    Return the lines about API clients that outlive a revocation, and about their keys.

    Args:
        one: the verb for one client.
        several: the verb for several clients.
    """
    count = f"1 API client {one}" if page.total == 1 else f"{page.total:,} API clients {several}"
    head = ("CLIENT, KEY", "NAME", "ACTS AS", "MADE (UTC)", "BY", "ADDRESS", "LAST USED (UTC)")
    rows = [cells for row in page.rows for cells in (_client_row(row.client), *map(_key_row, row.keys))]
    lines = [f"{count}:", "", *table([head, *rows])]
    return [*lines, f"and {page.hidden:,} more: jwt_client list --user"] if page.hidden else lines


def _client_row(client: RegisteredClient) -> tuple[str, ...]:
    names = (shorten(printable(text), 24) for text in (client.name, client.user.get_username()))
    return (client.client_id, *names, *describe_origin(client), describe_moment(client.last_used_at)[:16])


def _key_row(key: ClientKey) -> tuple[str, ...]:
    return (f"  {key.kid}", "", "", *describe_origin(key), describe_moment(key.last_used_at)[:16])


def describe_origin(row: RegisteredClient | ClientKey) -> tuple[str, str, str]:
    """Return when a client or a key was made, by whom, and from which address, as cells of a table."""
    made = describe_moment(row.created_at)[:16]
    return made, shorten(printable(row.created_by), 40) or "-", row.ip_address or "-"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines, with each column as wide as its widest cell, and all text printable."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(_pad, row, widths)).rstrip() for row in rows]


def shorten(text: str, length: int) -> str:
    """Return `text`, cut to `length` characters."""
    return text if len(text) <= length else text[: length - 1] + "…"


def _pad(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Return the number of terminal columns that `text` occupies."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    marks = sum(unicodedata.combining(character) > 0 for character in text)
    return len(text) + wide - marks


def read_token(command: BaseCommand, text: str) -> str:
    """Return the token: `text` itself, or, if it is "-", a hidden input at the terminal or standard input."""
    if text == "-":
        with uninterrupted(command, "Nothing was done"):
            text = _ask_for_token() if sys.stdin.isatty() else sys.stdin.read()
    if not text.strip():
        raise CommandError(_NOTHING_GIVEN, returncode=MISUSED)
    return text.strip()


def _ask_for_token() -> str:
    try:
        return getpass.getpass("Token: ")
    except EOFError:
        raise CommandError(_NOTHING_GIVEN, returncode=NOTHING_DONE) from None


def _ask(command: BaseCommand, question: str) -> bool:
    command.stdout.write(question, ending=" ")
    command.stdout.flush()
    try:
        return input().strip().lower() == ANSWER
    except EOFError:
        command.stdout.write("")
        return False
