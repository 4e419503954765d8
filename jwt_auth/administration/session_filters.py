"""
The filters of the list of sessions. They filter the rows of the list only: the newest ones, or those of a search.
"""

from typing import Any

from django.contrib import admin
from django.db.models import Value
from django.db.models.functions import Concat
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from jwt_auth.administration import states
from jwt_auth.revocation import database


class LiveFilter(admin.SimpleListFilter):
    """Filter by live or ended, whatever the reason for the end."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("live", states.LIVE), ("ended", states.ENDED)]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        live = database.is_live(timezone.now())
        return {"live": queryset.filter(live), "ended": queryset.filter(~live)}.get(self.value() or "", queryset)


class SharedFilter(admin.SimpleListFilter):
    """Filter by whether another peer used a refresh token of the session within the grace period."""

    title = _("shared")
    parameter_name = "shared"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("yes", _("Used by another address or agent"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(shared_at__isnull=False) if self.value() == "yes" else queryset


class MethodFilter(admin.SimpleListFilter):
    """
    Filter by a method of the sign-in: a value of `amr`.

    There are links for the methods that this app and its `contrib` record, because finding the methods in use would
    mean reading all rows. The address may name any other method.
    """

    title = _("sign-in method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("pwd", _("Password (pwd)")),
            ("otp", _("One-time code (otp)")),
            ("sms", _("SMS code (sms)")),
            ("pop", _("Passkey or security key (pop)")),
            ("mfa", _("Multiple factors (mfa)")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not (method := self.value()):
            return queryset
        # Spaces around each method, because one name may be part of another.
        spaced = queryset.alias(jwt_auth_methods=Concat(Value(" "), "amr", Value(" ")))
        return spaced.filter(jwt_auth_methods__contains=f" {method} ")
