"""Counting queries."""

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

_CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "SET ")


class Queries(CaptureQueriesContext):
    """The queries of a block: `with Queries() as queries:`. Its length counts all of them."""

    def __init__(self) -> None:
        super().__init__(connection)

    @property
    def statements(self) -> list[str]:
        """The statements except those that only begin and end transactions."""
        return [query["sql"] for query in self if not query["sql"].startswith(_CONTROL)]

    def of(self, text: str) -> int:
        """Return how many statements contain `text`."""
        return sum(text in query["sql"] for query in self)


def count_queries(action: Callable[..., Any], *arguments: Any, **options: Any) -> tuple[int, Any]:
    """Call `action` and return the number of its statements, and its result.

    Django keeps content types for the life of a process, and forgets them after a transactional test. They are read
    first here, because the number must not depend on the order of the tests.
    """
    ContentType.objects.get_for_models(get_user_model(), *apps.get_app_config("jwt_auth").get_models())
    with Queries() as queries:
        result = action(*arguments, **options)
    return len(queries.statements), result
