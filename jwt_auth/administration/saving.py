"""
Pages of Django's admin that save or delete, on SQLite.

Django reads the row, the user and the permissions in the same transaction before it writes; see
`_django.transactions`.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import router
from django.http import HttpRequest, HttpResponse

from jwt_auth._django.transactions import atomic_on_sqlite

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object


class SavingMixin(_Base):
    """For a `ModelAdmin`: on SQLite, forms and deletions take the write lock before they read."""

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _in_turn(self, request, super().changeform_view, *args, **kwargs)

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return _in_turn(self, request, super().delete_view, *args, **kwargs)


def _in_turn(model_admin: Any, request: HttpRequest, view: Any, *args: Any, **kwargs: Any) -> HttpResponse:
    if request.method != "POST":
        return view(request, *args, **kwargs)  # type: ignore[no-any-return]  # a view of Django's
    with atomic_on_sqlite(router.db_for_write(model_admin.model)):
        return view(request, *args, **kwargs)  # type: ignore[no-any-return]  # as above
