"""
Copy users' cutoffs from one place to the other, for a project that adds the field to its user model, or removes it.

A cutoff in the target only moves forward, by one UPDATE per batch that compares both values in the database: a
concurrent revocation is neither overwritten nor lost.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from jwt_auth._django.slices import ranges_of_keys
from jwt_auth.models import UserTokenCutoff
from jwt_auth.revocation import user_rows

TABLE = "table"

_FIELD = "tokens_valid_after"


def count_in_batches(source: str, target: str, batch_size: int) -> Iterator[int]:
    """Yield the number of cutoffs of each batch of `copy_in_batches`."""
    for users in ranges_of_keys(user_rows.users(), batch_size):
        yield _pending(users, source, target).count()


def copy_in_batches(source: str, target: str, batch_size: int) -> Iterator[int]:
    """
    Copy the cutoffs that are later in `source` than in `target`; each is a field's name or TABLE.

    Yields:
        The number of cutoffs that each batch of users moved forward.
    """
    for users in ranges_of_keys(user_rows.users(), batch_size):
        if keys := list(_pending(users, source, target).values_list("pk", flat=True)):
            yield _copy_to_table(source, keys) if target == TABLE else _copy_to_field(source, target, keys)


def _pending(users: QuerySet[Any], source: str, target: str) -> QuerySet[Any]:
    """Return those of `users` whose cutoff in `source` is later than in `target`."""
    rows: QuerySet[Any] = users.annotate(jwt_source=_cutoff_in(source), jwt_target=_cutoff_in(target))
    return rows.filter(Q(jwt_target=None) | Q(jwt_target__lt=F("jwt_source")), jwt_source__isnull=False)


def _copy_to_field(source: str, target: str, keys: list[Any]) -> int:
    value = _cutoff_in(source)
    rows = user_rows.users().filter(pk__in=keys)
    return rows.filter(Q(**{target: None}) | Q(**{f"{target}__lt": value})).update(**{target: value})


def _copy_to_table(source: str, keys: list[Any]) -> int:
    # First insert empty rows, so that the UPDATE finds a row for each user; users deleted in the meantime get none.
    present = user_rows.users().filter(pk__in=keys, jwt_token_cutoff=None).values_list("pk", flat=True)
    UserTokenCutoff.objects.bulk_create([UserTokenCutoff(user_id=key) for key in present], ignore_conflicts=True)
    value = Subquery(user_rows.users().filter(pk=OuterRef("user_id")).values(source)[:1])
    rows = UserTokenCutoff.objects.filter(user_id__in=keys)
    return rows.filter(Q(**{_FIELD: None}) | Q(**{f"{_FIELD}__lt": value})).update(**{_FIELD: value})


def _cutoff_in(place: str) -> Any:
    if place != TABLE:
        return F(place)
    return Subquery(UserTokenCutoff.objects.filter(user_id=OuterRef("pk")).values(_FIELD)[:1])
