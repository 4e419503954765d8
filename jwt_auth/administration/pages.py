"""
Shared parts of the admin pages: the read-only lists, permissions, addresses, and Django's admin log.
"""

from collections.abc import Collection
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminToField
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.auth import get_permission_codename, get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import CharField, TextField
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext

from jwt_auth import registrars
from jwt_auth._django.admin_sites import admin_of
from jwt_auth._django.slices import Counted
from jwt_auth.administration.columns import maker_of, url_of
from jwt_auth.administration.forged import ForgedRequestMixin
from jwt_auth.administration.lists import NewestRows, words_of
from jwt_auth.administration.saving import SavingMixin
from jwt_auth.claims import Claims
from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import RegisteredClient
from jwt_auth.revocation import remaining
from jwt_auth.user_model import has_permission

REVOKE_ALL = "jwt_auth_revocationevent_revoke_all"

MAX_SEARCH = 200  # characters


class ReadOnlyAdmin(ForgedRequestMixin, SavingMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows can't be added, changed or deleted by hand, so that a revocation can't be undone."""

    show_full_result_count = False  # the total without the filter is not worth counting all rows
    show_facets = admin.ShowFacets.NEVER  # for the same reason
    list_per_page = 50
    actions: Any = ()
    # Columns that the list shows under another name.
    shown_otherwise: tuple[str, ...] = ()
    # A column that grows from row to row, and has an index; see `lists`.
    newest_by = "pk"
    # Return the keys of the rows that have each of some words.
    find_by_words: Any
    object_history_template = "admin/jwt_auth/object_history.html"
    # True adds the button that revokes everything to the list.
    offers_revoke_all = False

    class Media:
        css = {"all": ["jwt_auth/admin.css"]}

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return NewestRows

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> Any:
        """Search as the list does. The list itself does not call this with a term."""
        return (queryset.filter(pk__in=self.find(request, search_term).keys) if search_term else queryset), False

    def find(self, request: HttpRequest, term: str) -> Any:
        """Return the keys of the rows that a search finds."""
        # Each word is a condition for each column.
        return self.find_by_words(request, words_of(term[:MAX_SEARCH]))

    def narrowed(self, request: HttpRequest) -> Any:
        """Return the rows that the list is about: all, or those of the user that its address names."""
        return self.model._default_manager.all()

    def note_on_list(self) -> Any:
        """Return a text for the page of the list, or None."""
        return None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return not is_limited(request) and super().has_module_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not is_limited(request) and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow lookups of shown fields only, so that hidden values can't be guessed letter by letter via the URL."""
        filters = (getattr(each, "parameter_name", each) for each in self.list_filter)
        shown = {"id", *self.shown_otherwise, *(self.fields or ()), *filters}
        return lookup.partition("__")[0] in shown and super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        url = revoke_all_url(self.admin_site, request) if self.offers_revoke_all else None
        context = {"revoke_all_url": url, "note": self.note_on_list(), **(extra_context or {})}
        return super().changelist_view(request, context)


def describe(number: int | Counted) -> str:
    """Return a number as text for people."""
    if isinstance(number, int) or number.is_all:
        return number_format(number if isinstance(number, int) else number.number)
    return gettext("at least %(number)s") % {"number": number_format(number.number)}


def sees_clients(site: Any, request: HttpRequest) -> bool:
    """Return whether the request may view API clients."""
    registered = admin_of(site, RegisteredClient)
    if registered is not None:
        return bool(registered.has_view_permission(request))
    return allows(request, "jwt_auth.view_registeredclient")


def left_of(site: Any, request: HttpRequest, page: remaining.Page) -> dict[str, Any]:
    """Return API clients that outlive a revocation, for the template `left_clients.html`; rows only if visible."""
    shown = page.rows if sees_clients(site, request) else ()
    makers = registrars.find(row.created_by for each in shown for row in (each.client, *each.keys))

    def maker(row: Any) -> str:
        return maker_of(site, row, makers)

    rows = [
        (url_of(site, each.client), each.client, maker(each.client), [(key, maker(key)) for key in each.keys])
        for each in shown
    ]
    return {"total": page.total, "rows": rows, "more": page.total - len(rows)}


def revoke_all_url(site: Any, request: HttpRequest) -> str | None:
    """Return the URL of the page that revokes everything, or None if the user has no permission for it."""
    if not allows(request, "jwt_auth.revoke_all"):
        return None
    try:
        return reverse(f"{site.name}:{REVOKE_ALL}")
    except NoReverseMatch:
        return None


def name_fields_of_users(request: HttpRequest) -> list[str]:
    """Return the user fields to search in: the name, and the e-mail address if the request may view users."""
    model = get_user_model()
    names = {model.USERNAME_FIELD: None}
    # A search in fields that are not shown would allow guessing their values letter by letter.
    if any(may(request, operation, model._meta) for operation in ("view", "change")):
        names[model.get_email_field_name()] = None
    columns = {field.name: field for field in model._meta.concrete_fields}
    return [name for name in names if isinstance(columns.get(name), (CharField, TextField))]


def is_limited(request: HttpRequest) -> bool:
    """
    Return whether a token that is limited to scopes signed the user in.

    A project may accept such tokens in its admin (see JWTUserMiddleware.accepts); the pages of this app refuse them.
    """
    claims = getattr(request, "auth", None)
    return isinstance(claims, Claims) and claims.is_limited


def allows(request: HttpRequest, permission: str) -> bool:
    """Return whether the user has `permission`, and is not signed in by a token that is limited to scopes."""
    return not is_limited(request) and has_permission(request.user, permission)


def may(request: HttpRequest, operation: str, meta: Any) -> bool:
    """Return whether the user has Django's permission for `operation` (such as "view") on all rows of a model."""
    return allows(request, f"{meta.app_label}.{get_permission_codename(operation, meta)}")


def staff_of(request: HttpRequest) -> AbstractBaseUser:
    """Return the user that the admin admitted, whatever the user model is."""
    return cast("AbstractBaseUser", request.user)


def changelist_url(model_admin: Any) -> str:
    """Return the URL of the list of `model_admin`."""
    meta = model_admin.opts
    return reverse(f"{model_admin.admin_site.name}:{meta.app_label}_{meta.model_name}_changelist")


def is_popup(request: HttpRequest) -> bool:
    """Return whether the page is a popup of the admin, opened to pick or add a related object."""
    return IS_POPUP_VAR in request.GET or IS_POPUP_VAR in request.POST


def popup_of(model_admin: Any, request: HttpRequest) -> dict[str, Any]:
    """
    Return what the template of a popup's form needs.

    Raises:
        DisallowedModelAdminToField: when the opener asks for a field that no foreign key refers to.
    """
    # The field that the opener stores, if it isn't the primary key.
    field = request.POST.get(TO_FIELD_VAR, request.GET.get(TO_FIELD_VAR))
    if field and not model_admin.to_field_allowed(request, field):
        raise DisallowedModelAdminToField
    names = {"is_popup_var": IS_POPUP_VAR, "to_field_var": TO_FIELD_VAR}
    return {**names, "is_popup": is_popup(request), "to_field": field}


def is_cascading(request: HttpRequest, model_admin: Any) -> bool:
    """Return whether the request is to a page of another model, whose deletion cascades to rows of `model_admin`."""
    # Not documented; without it no permission follows from the page.
    here = getattr(getattr(request.resolver_match, "func", None), "model_admin", None)
    return here is not None and not isinstance(here, type(model_admin))


def log(request: Any, rows: Collection[Any], message: str) -> None:
    """Write an entry to the admin's history for each of `rows`."""
    LogEntry.objects.log_actions(
        user_id=key_of(request.user),
        queryset=rows,
        action_flag=CHANGE,
        change_message=message,
    )
