"""
Forged admin requests: filters and selections with values that the database can't look up.

No page of the admin sends such values. Django's own admin refuses some of them, and answers the rest with a
server error, because it queries the database late, and each database has its own limits. This module refuses all
of them the way Django does.
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

from jwt_auth._django.outages import is_outage

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object

# The errors that fields, drivers and databases raise for an invalid value; some of these classes mean outages as well.
_REFUSALS = (ValueError, OverflowError, ValidationError, DatabaseError)


class ForgedRequestMixin(_Base):
    """
    For a `ModelAdmin`: a forged filter redirects to the list without it, and a forged selection selects nothing.

    In both cases the list is read again without the forged value. An outage is not taken for a forged value.
    """

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        try:
            # In a savepoint: after a failed query PostgreSQL refuses all other queries of the transaction.
            with transaction.atomic(using=self.get_queryset(request).db):
                return super().get_changelist_instance(request)
        except _REFUSALS as error:
            if is_outage(error):
                raise
            if not request.GET.keys() - {ERROR_FLAG}:
                raise  # the request has no filter that could be invalid
            raise IncorrectLookupParameters(error) from error

    def response_action(self, request: HttpRequest, queryset: Any, *args: Any, **kwargs: Any) -> Any:
        selected = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        try:
            with transaction.atomic(using=queryset.db):
                queryset.filter(pk__in=selected).exists()
        except _REFUSALS as error:
            if is_outage(error):
                raise
            self.message_user(request, gettext("Nothing was done: the selection can't be read."), messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **kwargs)
