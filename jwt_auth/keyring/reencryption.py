"""
Re-encrypt the secrets in the database with the first of ENCRYPTION_KEYS, while the server is running.

Each row is written only if it still holds the value that was read, so that a rotation or a revocation of the key
in the meantime is not undone. A row that a process with older settings writes in the meantime is left to the
next run.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Model, QuerySet

from jwt_auth._django.slices import ranges_of_keys
from jwt_auth.exceptions import DecryptionError
from jwt_auth.keyring.encryption import reencrypt
from jwt_auth.models import ClientKey, SigningKey

# All encrypted columns in the database.
COLUMNS: tuple[tuple[type[Model], str], ...] = (
    (ClientKey, "encrypted_secret"),
    (SigningKey, "encrypted_private_jwk"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of rows: their number, how many of them changed, and the primary keys of those that no key decrypts."""

    rows: int
    changed: int
    unreadable: tuple[object, ...]


def reencrypt_rows(model: type[Model], column: str, batch_size: int, *, dry_run: bool = False) -> Iterator[Batch]:
    """
    Re-encrypt `column` of all rows with the first key; with `dry_run` only count the rows that need it.

    Yields:
        Each batch that has a secret; an empty text is none.
    """
    rows = model._default_manager.all()
    for part in ranges_of_keys(rows, batch_size):
        found = list(part.exclude(**{column: ""}).values_list("pk", column))
        if not found:
            continue
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
