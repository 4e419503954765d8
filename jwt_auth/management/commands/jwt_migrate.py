"""
`manage.py jwt_migrate`: moves a project from another package here. See `jwt_auth.contrib.simplejwt.moving`.
"""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from jwt_auth.contrib.simplejwt.moving import closing, project, report
from jwt_auth.contrib.simplejwt.moving.changes import Change
from jwt_auth.http.text import printable
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import MISUSED, NOTHING_DONE, add_yes, confirm


class Command(DatabaseCommand):
    help = (
        "Reads a project of djangorestframework-simplejwt, and reports what its settings and code become here. "
        "--write makes these changes; --check says whether simplejwt can be removed."
    )
    requires_system_checks = []  # it also has to run in a project whose settings are not changed yet

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("package", choices=["simplejwt"], help="The package that the project comes from.")
        does = parser.add_mutually_exclusive_group()
        does.add_argument("--write", action="store_true", help="Show the changes, ask, and write them.")
        does.add_argument(
            "--check", action="store_true", help="Say whether former tokens, or code, still need simplejwt."
        )
        parser.add_argument(
            "--root", type=Path, default=Path(), help="The directory of the project; by default this one."
        )
        add_yes(parser)

    def handle(self, *args: Any, root: Path, write: bool, check: bool, yes: bool, **options: Any) -> None:
        if not root.is_dir():
            raise CommandError(f"{root} is no directory.", returncode=MISUSED)
        try:
            reading = project.read(root.resolve(), timezone.now().date())
        except (TypeError, OverflowError) as error:
            raise CommandError(f"SIMPLE_JWT has a value that can't be carried over: {error}") from error
        if check:
            self._check(reading)
        elif write:
            self._write(reading, yes=yes)
        else:
            for line in report.lines(reading):
                self.stdout.write(printable(line))

    def _write(self, reading: project.Reading, *, yes: bool) -> None:
        changes = reading.changes()
        for change in changes:
            for line in change.diff(reading.root):
                self.stdout.write(self._coloured(printable(line)))
        self.stdout.write("" if changes else "There is nothing to change.")
        if changes:
            confirm(self, yes=yes, otherwise="Nothing was written")
            self._write_files(changes)
        for line in report.left(reading):
            self.stdout.write(printable(line))

    def _write_files(self, changes: list[Change]) -> None:
        written = 0
        try:
            for change in changes:
                change.write()
                written += 1
        except OSError as error:
            raise CommandError(f"{written} files were written, and then this failed: {error}") from error
        lines = sum(change.count() for change in changes)
        self.stdout.write(self.style.SUCCESS(f"{len(changes)} files written, {lines} lines changed."))

    def _coloured(self, line: str) -> str:
        if line.startswith("+"):
            return str(self.style.SUCCESS(line))
        return str(self.style.ERROR(line)) if line.startswith("-") else line

    def _check(self, reading: project.Reading) -> None:
        reasons = closing.reasons_to_wait(reading, timezone.now())
        for reason in reasons:
            self.stdout.write(printable(reason))
        if reasons:
            raise CommandError("simplejwt can't be removed yet.", returncode=NOTHING_DONE)
        self.stdout.write(self.style.SUCCESS("Nothing needs simplejwt any more."))
        for step in closing.last_steps(reading):
            self.stdout.write(printable(f"- {step}"))
