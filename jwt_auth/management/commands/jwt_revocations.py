"""
`manage.py jwt_revocations`: exports revocations, and replays them after a backup was restored. See `management.replay`.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone as dt_timezone
from typing import IO, Any

from django.core.management.base import CommandError, CommandParser

from jwt_auth.http.text import printable
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.replay import APPLY, DONE, KINDS, MISSING, Report, export, replay
from jwt_auth.management.terminal import MISUSED, NOTHING_DONE, ActionParser, add_yes, confirm, number, table

SHOWN = 20  # faulty lines that are named; of more there is only the number


class Command(DatabaseCommand):
    help = (
        "Exports revocations as lines of JSON, and replays them, or the log in its JSON form, after an older backup "
        "was restored: the restored database lacks later revocations, so revoked keys and sessions are valid again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=ActionParser)
        each = actions.add_parser("export", help="Print the revocations in the database, the oldest first.")
        each.add_argument(
            "--since", metavar="TIME", help="Leave out older ones; ISO 8601. A time without an offset is in UTC."
        )
        each = actions.add_parser("replay", help="Repeat the revocations in a file that the database lacks.")
        each.add_argument("file", help='An export, or a log in JSON; "-" is standard input.')
        each.add_argument("--dry-run", action="store_true", help="Only show what would be revoked.")
        each.add_argument(
            "--batch-size",
            type=number(1, 10_000),
            default=500,
            metavar="LINES",
            help="The number of revocations in one transaction; 500 by default.",
        )
        add_yes(each)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        do: Mapping[str, Callable[..., None]] = {"export": self.export, "replay": self.replay}
        do[action](**options)

    def export(self, *, since: str | None, **options: Any) -> None:
        for line in export(_parse(since)):
            self.stdout.write(json.dumps(line))

    def replay(self, *, file: str, dry_run: bool, batch_size: int, yes: bool, **options: Any) -> None:
        with _opened(file) as lines:
            report = replay(lines, batch_size=batch_size, dry_run=True)
            self.show(report)
            if dry_run:
                self.stdout.write("Nothing was revoked (--dry-run).")
            elif _total(report, APPLY):
                confirm(self, yes=yes)
                lines.seek(0)
                report = replay(lines, batch_size=batch_size, dry_run=False)
                self.stdout.write(self.style.SUCCESS(f"Applied {_counted(_total(report, APPLY))}."))
            elif report.counts:
                self.stdout.write("The database has all of them; there was nothing to do.")
            else:
                self.stdout.write(
                    self.style.WARNING("There is no revocation in the file. Is it an export, or the log in JSON?")
                )
        self.complain(report, dry_run=dry_run)

    def show(self, report: Report) -> None:
        known = sum(report.counts.values())
        lines = "1 line" if report.lines == 1 else f"{report.lines:,} lines"
        self.stdout.write(f"{lines}: {_counted(known)}, {report.others:,} other records.")
        if report.counts:
            rows = [[kind, *(f"{report.counts[kind, name]:,}" for name in (APPLY, DONE, MISSING))] for kind in KINDS]
            head = ("", "TO APPLY", "DONE BEFORE", "NOT IN THIS DATABASE")
            found = [row for row in rows if row[1:] != ["0", "0", "0"]]
            self.stdout.write("\n".join(["", *table([head, *found]), ""]))
        for cause, users in report.users.items():
            names = "".join(f"\n  {name}" for name in users.values())
            self.stdout.write(self.style.WARNING(f"{_ADVICE[cause]}{names}"))

    def complain(self, report: Report, *, dry_run: bool) -> None:
        """Raise CommandError if there were faulty lines."""
        for line, problem in report.errors[:SHOWN]:
            self.stderr.write(f"Line {line:,}: {printable(problem)}.")
        if report.errors:
            rest = "" if dry_run else "; all others were applied"
            lines = "1 line" if len(report.errors) == 1 else f"{len(report.errors):,} lines"
            raise CommandError(f"{lines} could not be used{rest}.", returncode=NOTHING_DONE)


# By the reason of the revocation: the state that the user's restored row has again, and its remedy.
_ADVICE = {
    "user deleted": "These users had been deleted, and exist again. Delete them:",
    "user deactivated": "These users had been deactivated, and are active again. Deactivate them:",
    "password changed": "These users had changed their password, and have the former one again. Have them change it:",
    "session hash changed": "These users have a former session hash again. Change what get_session_auth_hash() reads:",
}


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Open the file, or a copy of standard input, because it is read twice."""
    try:
        if path != "-":
            with open(path, "rb") as file:  # noqa: PTH123  # a path as the operator writes it
                yield file
            return
        with tempfile.TemporaryFile() as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
            copy.seek(0)
            yield copy
    except OSError as error:
        raise CommandError(f"{printable(path)} can't be read: {error.strerror}.") from None


def _parse(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=dt_timezone.utc)).astimezone(dt_timezone.utc)
    except (ValueError, OverflowError):
        raise CommandError("--since must be a time such as 2026-11-24T18:00:00.", returncode=MISUSED) from None


def _total(report: Report, outcome: str) -> int:
    return sum(number for (_, found), number in report.counts.items() if found == outcome)


def _counted(number: int) -> str:
    return "1 revocation" if number == 1 else f"{number:,} revocations"
