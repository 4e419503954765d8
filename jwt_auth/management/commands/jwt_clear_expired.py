"""
`manage.py jwt_clear_expired`: deletes expired rows. `jwt_auth.management.cleaning` defines which these are.
"""

from datetime import timedelta
from time import monotonic
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.cleaning import (
    count_in_batches,
    delete_in_batches,
    expired_events,
    expired_sessions,
    expired_used_tokens,
    present,
)
from jwt_auth.management.terminal import INTERRUPTED, number

WIDTH = 72  # lines are padded to this width, to overwrite the previous line

REPORT_EVERY = 5.0  # seconds, if the output is not a terminal


class Command(DatabaseCommand):
    help = (
        "Deletes sessions, revocation events and used tokens that nothing depends on any more, in batches. It can "
        "run at any time, during normal operation, and never makes a refused token valid again. Run it every night."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Only count the rows that would be deleted.")
        parser.add_argument(
            "--batch-size",
            type=number(1, 1_000_000),
            default=10_000,
            metavar="ROWS",
            help="The maximum number of rows per transaction. Batches are smaller on a slow machine. Default: 10,000.",
        )
        parser.add_argument(
            "--keep-sessions-days",
            type=number(0, 36_500),
            default=0,
            metavar="DAYS",
            help="Keep sessions for this long after their end, for lists and for recognising devices; 0 by default.",
        )
        parser.add_argument(
            "--keep-events-days",
            type=number(0, 36_500),
            default=365,
            metavar="DAYS",
            help="Keep revocation events for this long after they have no token to refuse; 365 by default.",
        )

    def handle(
        self,
        *args: Any,
        dry_run: bool,
        batch_size: int,
        keep_sessions_days: int,
        keep_events_days: int,
        verbosity: int,
        **options: Any,
    ) -> None:
        now = present()
        piles = {
            "sessions": expired_sessions(now, timedelta(days=keep_sessions_days)),
            "events": expired_events(now, timedelta(days=keep_events_days)),
            "used tokens": expired_used_tokens(now),
        }
        self.verbosity = verbosity
        for name, rows in piles.items():
            if dry_run:
                self.count(name, rows, batch_size)
            else:
                self.clear(name, rows, batch_size)

    def count(self, name: str, rows: QuerySet[Any], batch_size: int) -> None:
        found, self.reported_at = 0, monotonic()
        for counted in count_in_batches(rows, batch_size):
            found += counted
            self.report(f"{found:,} expired {name} counted so far")
        self.finish(f"{found:,} expired {name} would be deleted.")

    def clear(self, name: str, rows: QuerySet[Any], batch_size: int) -> None:
        done, began = 0, monotonic()
        self.reported_at = began
        try:
            # Not counted first: that would take longer than any batch, and a timeout could end it.
            for deleted in delete_in_batches(rows, batch_size):
                done += deleted
                self.report(f"{done:,} expired {name} deleted so far")
        except KeyboardInterrupt:
            text = f"Interrupted after {done:,} {name}, which stay deleted. Run the command again for the rest."
            raise CommandError(text, returncode=INTERRUPTED) from None
        if self.verbosity:
            self.finish(self.style.SUCCESS(f"{done:,} expired {name} deleted in {monotonic() - began:.1f} s."))

    def finish(self, text: str) -> None:
        self.stdout.write(text.ljust(WIDTH if self.stdout.isatty() else 0))

    def report(self, line: str) -> None:
        """Report the progress: in one line that is overwritten at a terminal, else with a line now and then."""
        terminal, now = self.stdout.isatty(), monotonic()
        if not self.verbosity or not (terminal or now - self.reported_at >= REPORT_EVERY):
            return
        self.reported_at = now
        self.stdout.write(line.ljust(WIDTH) if terminal else line, ending="\r" if terminal else "\n")
        self.stdout.flush()
