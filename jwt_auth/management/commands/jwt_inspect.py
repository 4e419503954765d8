"""
`manage.py jwt_inspect`: shows why a token is valid or not. See `jwt_auth.management.inspection`.
"""

import sys
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from jwt_auth.claims import moment
from jwt_auth.exceptions import UnavailableError
from jwt_auth.http.text import printable
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.inspection import Inspection, inspect
from jwt_auth.management.terminal import (
    NOTHING_DONE,
    describe_moment,
    describe_state,
    describe_user,
    read_token,
    session_lines,
)


class Command(DatabaseCommand):
    help = (
        "Shows which checks an access or a refresh token passes, which it fails, and why. It changes nothing, does not "
        "use up a refresh token, and does not print the token."
    )

    is_refused = False

    def run_from_argv(self, argv: list[str]) -> None:
        """Exit with 1 for a refused token, as `grep` does without a match; a refusal is no error of the command."""
        super().run_from_argv(argv)
        if self.is_refused:
            sys.exit(NOTHING_DONE)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "token",
            nargs="?",
            default="-",
            help='The token. If it is left out or "-", the command asks for it, or reads it from standard input, which '
            "keeps it out of the shell's history.",
        )

    def handle(self, *args: Any, token: str, **options: Any) -> None:
        now = timezone.now()
        raw = read_token(self, token)
        try:
            found = inspect(raw, now)
        except UnavailableError as error:
            raise CommandError(f"The token can't be checked now: {printable(error)}.") from error
        self.stdout.write(f"Looked at as {found.kind}, at {describe_moment(now)} UTC:\n\n")
        for check in found.checks:
            if check.refusal is None:
                self.stdout.write(f"  {self.style.SUCCESS('pass')}  {check.name}")
            else:
                self.stdout.write(f"  {self.style.ERROR('FAIL')}  {check.name}: {printable(check.refusal.reason)}")
        for line in _facts(found, now):
            self.stdout.write(line)
        self.stdout.write("")
        self.is_refused = found.refusal is not None
        if found.refusal is None:
            self.stdout.write(self.style.SUCCESS("It is valid."))
        else:
            self.stdout.write(self.style.WARNING(f"It is refused: {found.refusal.code}."))


def _facts(found: Inspection, now: datetime) -> list[str]:
    lines = []
    if (claims := found.claims) is not None:
        issued, expires = describe_moment(moment(claims.iat)), describe_moment(claims.expires_at)
        lines += ["", f"jti {printable(claims.jti or '-')}, issued {issued}, expires {expires} UTC"]
    if (key := found.client_key) is not None:
        lines += ["", f"Its client: {printable(key.client)}, which acts as {describe_user(key.client.user)}."]
    if (session := found.session) is not None:
        state = describe_state(session, now)
        state += f" until {describe_moment(session.ends_at)}" if state == "live" else ""
        lines += ["", f"Its session, of {describe_user(session.user)}:", *session_lines([(session, state)])]
    return lines
