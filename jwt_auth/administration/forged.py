"""
What no page of the admin would send: filters and selections with values that the database can't look for.

Django's own admin refuses some of it, and answers the rest with an error of the server: it asks the database
late, and each database has its own limits. Here all of it is refused in Django's way.
"""

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils.translation import gettext

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object

# What fields, drivers and databases say of a value that is none; SQLite and MariaDB, of a regular expression, the
# same as when they are down.
_REFUSALS = (ValueError, OverflowError, ValidationError, DatabaseError)


class ForgedRequestMixin(_Base):
    """
    For a `ModelAdmin`: a forged filter leads to the list without it, and a forged selection selects nothing.

    Either way the list is read again, without what was forged: a database that is down says so then.
    """

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            # With a savepoint: PostgreSQL answers nothing more in a transaction in which it was asked wrongly.
            with transaction.atomic(using=self.get_queryset(request).db):
                return super().get_changelist_instance(request)
        except _REFUSALS as error:
            if not request.GET.keys() - {ERROR_FLAG}:
                raise  # nothing was asked for that could be wrong
            raise IncorrectLookupParameters(error) from error

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        selected = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        try:
            with transaction.atomic(using=queryset.db):
                queryset.filter(pk__in=selected).exists()
        except _REFUSALS:
            self.message_user(request, gettext("Nothing was done: the selection can't be read."), messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **kwargs)
