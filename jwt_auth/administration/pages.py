"""
What the admin pages have in common: a page that says who is hit and asks, a reason, and Django's log.

Everything irreversible is done by POST alone, after this page. It has no script and no style of its own,
so that it works under a strict Content-Security-Policy.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin import helpers
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import AdminTextInputWidget
from django.contrib.auth import get_permission_codename, get_user_model
from django.db.models import CharField, TextField
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth.administration.forged import ForgedRequestMixin

Text = str | Promise

# As many are named on a confirmation page; the rest is counted.
SHOWN = 20

REVOKE_ALL = "jwt_auth_revocationevent_revoke_all"

_CONFIRMED = "confirmed"


class ReasonForm(forms.Form):
    """Why it is done, if whoever does it wants to say."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=255,
        required=False,
        widget=AdminTextInputWidget,
        help_text=_("Optional. It is kept in the record, where others will read it."),
    )


class EverythingForm(ReasonForm):
    """Asks for a phrase, because a click is too little."""

    phrase = forms.CharField(widget=AdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phrase"].label = gettext("Type “%(phrase)s”") % {"phrase": self.wanted}

    @property
    def wanted(self) -> str:
        return gettext("revoke everything")

    def clean_phrase(self) -> str:
        phrase: str = self.cleaned_data["phrase"]
        if phrase.casefold() != self.wanted.casefold():
            raise forms.ValidationError(gettext("Type “%(phrase)s” to go on.") % {"phrase": self.wanted})
        return phrase


class ReadOnlyAdmin(ForgedRequestMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """No row is added, changed or deleted by hand: what was revoked stays revoked."""

    show_full_result_count = False  # counting all rows, to say how many the filter hides, is a price without use
    show_facets = admin.ShowFacets.NEVER  # for the same reason
    list_per_page = 50
    actions: Any = ()
    # Columns that are shown under another name than their own.
    shown_otherwise: tuple[str, ...] = ()

    class Media:
        css = {"all": ["jwt_auth/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.fields or ()

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """What is not shown can't be guessed letter by letter through the address either."""
        shown = {"id", *self.shown_otherwise, *(self.fields or ()), *self.list_filter}
        return lookup.partition("__")[0] in shown and super().lookup_allowed(lookup, value, request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        context = {"revoke_all_url": revoke_all_url(self.admin_site, request), **(extra_context or {})}
        return super().changelist_view(request, context)


def selection(request: HttpRequest, action: str) -> list[tuple[str, Any]]:
    """The fields by which a list names an action and the rows that it is for; to be sent along by the answer."""
    rows = [(helpers.ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)]
    return [("action", action), ("select_across", request.POST.get("select_across", "0")), *rows]


def read(request: HttpRequest, form_class: type[ReasonForm] = ReasonForm) -> ReasonForm:
    """The form of a confirmation page, bound if it was sent from there."""
    return form_class(request.POST if request.POST.get(_CONFIRMED) else None)


def confirm(
    model_admin: Any,
    request: HttpRequest,
    form: ReasonForm,
    *,
    title: Text,
    warning: Text,
    summary: Mapping[Text, int],
    button: Text,
    back: str,
    objects: Collection[Any] = (),
    name: Callable[[Any], str] = str,
    count: int | None = None,
    hidden: Iterable[tuple[str, Any]] = (),
) -> TemplateResponse:
    """
    The page that asks before something irreversible is done.

    Args:
        warning: what will happen.
        summary: numbers that say how many are hit, by what they count.
        button: what the button says.
        back: where "No" leads.
        objects: some of what is hit.
        name: what each of them is called here.
        count: of all that is hit, if `objects` are not all.
        hidden: fields that the answer shall have besides the form's.
    """
    request.current_app = model_admin.admin_site.name
    shown = [(url_of(model_admin.admin_site, each), name(each)) for each in objects]
    context = {
        **model_admin.admin_site.each_context(request),
        "title": title,
        "opts": model_admin.opts,
        "media": model_admin.media,
        "form": form,
        "warning": warning,
        "summary": summary.items(),
        "objects": shown,
        "more": (len(shown) if count is None else count) - len(shown),
        "button": button,
        "back": back,
        "hidden": [(_CONFIRMED, "yes"), *hidden],
    }
    return TemplateResponse(request, "admin/jwt_auth/revoke_confirmation.html", context)


def url_of(site: Any, row: Any) -> str | None:
    """The page of `row` on an admin site, if it has one."""
    meta = row._meta
    try:
        return reverse(f"{site.name}:{meta.app_label}_{meta.model_name}_change", args=(quote(row.pk),))
    except NoReverseMatch:
        return None


def link_to(site: Any, row: Any) -> str:
    """The name of `row`, with a link to its page if it has one."""
    url = url_of(site, row)
    return format_html('<a href="{}">{}</a>', url, row) if url else str(row)


def badge(text: str, *, live: bool) -> str:
    """A state as it stands in lists: one that is in force, or that is over."""
    return format_html('<span class="{}">{}</span>', "jwt-auth-live" if live else "jwt-auth-ended", text)


def revoke_all_url(site: Any, request: HttpRequest) -> str | None:
    """The page that revokes everything, for those who may."""
    if not request.user.has_perm("jwt_auth.revoke_all"):
        return None
    try:
        return reverse(f"{site.name}:{REVOKE_ALL}")
    except NoReverseMatch:
        return None


def name_fields_of_users(request: HttpRequest) -> list[str]:
    """The fields by which people know a user, to search in; only the name for those who may not look at users."""
    model = get_user_model()
    names = {model.USERNAME_FIELD: None}
    # What the lists don't show could be guessed letter by letter.
    if any(may(request, deed, model._meta) for deed in ("view", "change")):
        names[model.get_email_field_name()] = None
    columns = {field.name: field for field in model._meta.concrete_fields}
    return [name for name in names if isinstance(columns.get(name), (CharField, TextField))]


def may(request: HttpRequest, deed: str, meta: Any) -> bool:
    """Whether who asks has Django's permission for `deed` ("view", say) on all rows of a model."""
    return request.user.has_perm(f"{meta.app_label}.{get_permission_codename(deed, meta)}")


def changelist_url(model_admin: Any) -> str:
    """The list of `model_admin`."""
    meta = model_admin.opts
    return reverse(f"{model_admin.admin_site.name}:{meta.app_label}_{meta.model_name}_changelist")


def gone(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """What the admin answers when a row is not there."""
    response: HttpResponse = model_admin._get_obj_does_not_exist_redirect(request, model_admin.opts, object_id)
    return response


def is_popup(request: HttpRequest) -> bool:
    """Whether a page is open only for something to be picked or added."""
    return IS_POPUP_VAR in request.GET or IS_POPUP_VAR in request.POST


def is_cascading(request: HttpRequest, model_admin: Any) -> bool:
    """Whether rows of `model_admin` are about to go with others, which a page of another model deletes."""
    here = getattr(request.resolver_match, "func", None)
    return not isinstance(getattr(here, "model_admin", None), type(model_admin))


def log(request: Any, rows: Collection[Any], message: str) -> None:
    """Put what a member of staff did to each of `rows` into the history of the admin."""
    LogEntry.objects.log_actions(
        user_id=request.user.pk,
        queryset=rows,
        action_flag=CHANGE,
        change_message=message,
    )
