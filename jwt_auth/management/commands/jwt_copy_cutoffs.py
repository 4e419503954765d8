"""
`manage.py jwt_copy_cutoffs`: copies users' cutoffs to another place. See `jwt_auth.management.cutoff_copy`.
"""

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from jwt_auth.base_models import TokenCutoffField
from jwt_auth.conf import get_settings
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.cutoff_copy import TABLE, copy_in_batches, count_in_batches
from jwt_auth.management.terminal import MISUSED, number as whole_number


class Command(DatabaseCommand):
    help = (
        "Copies users' cutoffs between the app's own table and a field of the user model. No cutoff moves back, and "
        "nothing is deleted, so it can run before and after USER_CUTOFF_FIELD is changed, and more than once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        places = 'the name of a TokenCutoffField of the user model, or "table"'
        parser.add_argument("--from", dest="source", metavar="PLACE", help=f"Where to read: {places}.")
        parser.add_argument(
            "--to", dest="target", metavar="PLACE", help="Where to write, likewise; by default the place in use."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count the cutoffs that would be copied.")
        parser.add_argument(
            "--batch-size", type=whole_number(1, 1_000_000), default=1000, metavar="USERS", help="1,000 by default."
        )

    def handle(
        self, *args: Any, source: str | None, target: str | None, dry_run: bool, batch_size: int, **options: Any
    ) -> None:
        target = target or get_settings().USER_CUTOFF_FIELD or TABLE
        source = source or _other_place(target)
        for place in (source, target):
            _check(place)
        if source == target:
            raise CommandError("--from and --to must differ.", returncode=MISUSED)
        where = f"from {_describe(source)} to {_describe(target)}"
        done = 0
        for number in (count_in_batches if dry_run else copy_in_batches)(source, target, batch_size):
            done += number
            if options["verbosity"] > 1:
                self.stdout.write(f"{done:,} so far")
        text = f"{done:,} cutoffs would be copied {where}." if dry_run else f"{done:,} cutoffs copied {where}."
        self.stdout.write(text if dry_run else self.style.SUCCESS(text))


_NO_FIELD = (
    "The user model has no TokenCutoffField, so there is nothing to copy: all cutoffs are in the app's table. "
    "jwt_auth.base_models.TokensValidAfterMixin adds such a field."
)


def _other_place(target: str) -> str:
    names = _fields()
    if target != TABLE:
        return TABLE
    if len(names) != 1:
        text = f"Name a field with --from; there are: {', '.join(names)}."
        raise CommandError(text if names else _NO_FIELD, returncode=MISUSED)
    return names[0]


def _check(place: str) -> None:
    if place not in (TABLE, *_fields()):
        choices = ", ".join([TABLE, *_fields()])
        raise CommandError(f"{place!r} does not hold cutoffs; there are: {choices}.", returncode=MISUSED)


def _fields() -> list[str]:
    return [field.name for field in get_user_model()._meta.concrete_fields if isinstance(field, TokenCutoffField)]


def _describe(place: str) -> str:
    return "the app's table" if place == TABLE else f"{get_user_model().__name__}.{place}"
