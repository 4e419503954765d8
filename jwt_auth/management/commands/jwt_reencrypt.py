"""
`manage.py jwt_reencrypt`: re-encrypts the secrets in the database with the first of ENCRYPTION_KEYS.
"""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Model

from jwt_auth.keyring.encryption import derived_keys
from jwt_auth.keyring.reencryption import COLUMNS, reencrypt_rows
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import number


class Command(DatabaseCommand):
    help = (
        "Re-encrypts all secrets in the database with the first of ENCRYPTION_KEYS, so that the other keys can be "
        "removed. It can run at any time, during normal operation, and repeatedly: secrets that are already encrypted "
        "with the first key stay as they are."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument(
            "--dry-run", action="store_true", help="Only count the secrets that are not encrypted with the first key."
        )
        parser.add_argument(
            "--batch-size",
            type=number(1, 100_000),
            default=500,
            metavar="ROWS",
            help="The number of rows read at once; 500 by default.",
        )

        instead.add_argument(
            "--print-derived-keys",
            action="store_true",
            help="Only print the keys that are used while ENCRYPTION_KEYS is None, one per line. They are secrets. Put "
            "them behind the first key of your own, and leave them there until this command has run.",
        )

    def handle(self, *args: Any, dry_run: bool, batch_size: int, verbosity: int, **options: Any) -> None:
        self.verbosity = verbosity
        if options["print_derived_keys"]:
            self.stdout.write("\n".join(derived_keys()))
            return
        lost = [text for column in COLUMNS for text in self.go_over(*column, batch_size, dry_run)]
        if lost:
            raise CommandError(
                f"No key decrypts {', '.join(lost)}. Add the missing key to ENCRYPTION_KEYS, or the former SECRET_KEY "
                "to SECRET_KEY_FALLBACKS; without it these secrets are lost, and have to be replaced."
            )

    def go_over(self, model: type[Model], column: str, batch_size: int, dry_run: bool) -> list[str]:
        """Re-encrypt one column; return the names of the rows that no key decrypts."""
        name, seen, changed, unreadable = model._meta.verbose_name_plural, 0, 0, list[object]()
        for batch in reencrypt_rows(model, column, batch_size, dry_run=dry_run):
            if self.verbosity and seen:
                self.stdout.write(f"{seen:,} {name} checked so far")
            seen, changed = seen + batch.rows, changed + batch.changed
            unreadable += batch.unreadable
        would = "would be re-encrypted" if dry_run else "re-encrypted"
        self.stdout.write(f"{changed:,} of {seen:,} secrets of {name} {would}.")
        return [f"{model._meta.verbose_name} {pk}" for pk in unreadable]
