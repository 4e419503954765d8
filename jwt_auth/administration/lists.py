"""
Lists of tables that may have any number of rows.

A page of such a list must not look at all of them: not for its number of rows, its last page, a filter that hardly any
row meets, another order, or a search. So a list shows only the newest LISTED rows, found by an index; filters and
sorting apply to these rows. A search finds the keys of FOUND rows: first by columns that have an index,
such as the user, then in the texts of the newest rows. The page says if there may be more.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import number_format
from django.utils.text import smart_split, unescape_string_literal

from jwt_auth._django.slices import boundary
from jwt_auth.revocation import user_rows
from jwt_auth.user_model import adopt

LISTED = 10_000
FOUND = 1_000

# How many of the newest rows a text search reads if the primary key follows time, so that these rows are stored
# together. Otherwise LISTED rows are read, because each may be elsewhere on the disk.
SEARCHED = 50_000

# If a search matches more users than this, it finds the rows of this many.
USERS = 200


@dataclass(frozen=True, slots=True)
class Matches:
    """The primary keys that a search found, and whether there may be more rows."""

    keys: Sequence[Any]
    are_all: bool


class NewestRows(ChangeList):
    """
    A list of the newest rows, or of those that a search found.

    `is_cut` is true if the table has more rows, or more that match. The `model_admin` has a method `find`, an attribute
    `newest_by`, and a method `narrowed`, which returns the rows that the list is about.
    """

    model_admin: Any
    is_cut = False

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query and not self.get_filters_params():
            # Otherwise Django writes "10,000 results (Show all)", although the note above says that there are more.
            self.full_result_count = self.result_count

    @property
    def listed(self) -> str:
        """The maximum number of rows in a list, formatted."""
        return number_format(LISTED, force_grouping=True)

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        term, self.query = self.query, ""
        rows = super().get_queryset(request, *args, **kwargs)
        self.query = term
        if term.strip():
            found = self.model_admin.find(request, term)
            self.is_cut = not found.are_all
            return rows.filter(pk__in=found.keys)
        column = self.model_admin.newest_by
        last = boundary(self.model_admin.narrowed(request), column, LISTED)
        self.is_cut = last is not None
        return rows if last is None else rows.filter(**{f"{column}__gte": last})


class RowsOfUsers(NewestRows):
    """A list of sessions or clients; the project's manager is asked once for all their users."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        adopt(self.result_list)


def newest(rows: QuerySet[Any], column: str) -> tuple[QuerySet[Any], bool]:
    """Return the newest of `rows`, and whether these are all of them."""
    last = boundary(rows, column, SEARCHED if column == "pk" else LISTED)
    return (rows, True) if last is None else (rows.filter(**{f"{column}__gte": last}), False)


def keys_of(*parts: QuerySet[Any], complete: bool = True) -> Matches:
    """
    Return the keys of the first FOUND rows of each of `parts`.

    Args:
        complete: whether `parts` have all rows that match.
    """
    found: dict[Any, None] = {}
    for rows in parts:
        keys = list(rows.values_list("pk", flat=True)[: FOUND + 1])
        complete = complete and len(keys) <= FOUND
        found.update(dict.fromkeys(keys[:FOUND]))
    return Matches(list(found), complete)


def words_of(term: str) -> list[str]:
    """Return the words of a search term, as the admin's own searches read it."""
    words = (bit for bit in smart_split(term) if bit)
    return [unescape_string_literal(bit) if bit[0] == bit[-1] in "\"'" and len(bit) > 1 else bit for bit in words]


def each_word(words: Iterable[str], condition: Callable[[str], Q]) -> Q:
    """Return the condition that each of `words` meets `condition`."""
    together = Q()
    for word in words:
        together &= condition(word)
    return together


def find_users(words: Sequence[str], names: Sequence[str]) -> tuple[list[Any], bool]:
    """
    Return the users with each of `words` in one of the fields `names`, and whether these are all of them.

    The user with exactly this login name is the first.
    """
    if not names or not words:
        return [], True

    def is_called(word: str) -> Q:
        called = Q()
        for name in names:
            called |= Q(**{f"{name}__icontains": word})
        return called

    rows = user_rows.users()
    login = get_user_model().USERNAME_FIELD
    exact = list(rows.filter(**{login: " ".join(words)})[:1]) if login in names else []
    found = list(rows.filter(each_word(words, is_called)).exclude(pk__in=[user.pk for user in exact])[: USERS + 1])
    return [*exact, *found][:USERS], len(found) + len(exact) <= USERS
