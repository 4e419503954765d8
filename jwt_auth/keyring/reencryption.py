"""
Putting what is encrypted in the database under the first of ENCRYPTION_KEYS, while everything goes on.

Each row is written only if it still holds what was read, so that a key which is rotated or revoked meanwhile
stays so. What a process with former settings writes meanwhile is left for the next time.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Model, QuerySet

from jwt_auth.exceptions import DecryptionError
from jwt_auth.keyring.encryption import reencrypt
from jwt_auth.models import ClientKey, SigningKey

# All that is encrypted in the database; an empty text is nothing.
COLUMNS: tuple[tuple[type[Model], str], ...] = (
    (ClientKey, "encrypted_secret"),
    (SigningKey, "encrypted_private_jwk"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows that were looked at: how many, how many of them changed, and the primary keys that no key opens."""

    rows: int
    changed: int
    unreadable: tuple[object, ...]


def encrypted_rows(model: type[Model], column: str) -> QuerySet[Model]:
    """The rows of `model` that have something in `column`."""
    return model._default_manager.exclude(**{column: ""})


def reencrypt_rows(model: type[Model], column: str, batch_size: int, *, dry_run: bool = False) -> Iterator[Batch]:
    """Put `column` of all rows under the first key; with `dry_run` only count those that aren't there yet."""
    rows, last = encrypted_rows(model, column).order_by("pk"), 0
    while found := list(rows.filter(pk__gt=last).values_list("pk", column)[:batch_size]):
        last = found[-1][0]
        new = {pk: _under_first_key(text) for pk, text in found}
        stale = [(pk, text) for pk, text in found if new[pk] not in (None, text)]
        if not dry_run:
            stale = [item for item in stale if _write(rows, column, *item, new[item[0]])]
        unreadable = tuple(pk for pk, text in new.items() if text is None)
        yield Batch(rows=len(found), changed=len(stale), unreadable=unreadable)


def _under_first_key(text: str) -> str | None:
    try:
        return reencrypt(text)
    except DecryptionError:
        return None


def _write(rows: QuerySet[Model], column: str, pk: object, old: str, new: str | None) -> bool:
    return rows.filter(pk=pk, **{column: old}).update(**{column: new}) > 0
