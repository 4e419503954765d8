"""
Questions before an operation: the page that asks, its forms, and the answer.

Every irreversible operation is done by POST only, after such a page. It has no script and no inline style, so it works
under a strict Content-Security-Policy.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from django import forms
from django.conf import settings as django_settings
from django.contrib.admin import helpers
from django.contrib.admin.widgets import AdminTextInputWidget
from django.db import DatabaseError, router
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth._django.connections import in_transaction
from jwt_auth._django.driver_errors import is_of_text
from jwt_auth._django.slices import Counted
from jwt_auth._django.transactions import write_atomic
from jwt_auth.administration.columns import Text, url_of
from jwt_auth.administration.pages import describe
from jwt_auth.conf import get_settings
from jwt_auth.models import RevocationEvent

# The number of objects that a confirmation page names; the rest are only counted.
SHOWN = 20

UNSTORABLE = _("The database can't store one of the characters in this text. Nothing was done.")

_CONFIRMED = "confirmed"

Result = TypeVar("Result")


class ReasonForm(forms.Form):
    """An optional reason for the operation."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=255,
        required=False,
        widget=AdminTextInputWidget,
        help_text=_("Optional. It is kept in the record, where others can read it."),
    )


class UserForm(ReasonForm):
    """Ask whether to end API clients, too."""

    with_clients = forms.BooleanField(
        label=_("Also end API clients"),
        required=False,
        help_text=_(
            "Permanently disable the API clients that act as the user or that the user registered, and revoke the keys "
            "that the user added to other clients."
        ),
    )


class EverythingForm(ReasonForm):
    """Ask for a typed phrase, because one click is too easy for this operation."""

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


def selection(request: HttpRequest, action: str) -> list[tuple[str, Any]]:
    """Return the hidden fields that name an admin action and its selected rows, for the confirmation form to resend."""
    rows = [(helpers.ACTION_CHECKBOX_NAME, pk) for pk in request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)]
    return [("action", action), ("select_across", request.POST.get("select_across", "0")), *rows]


def read(request: HttpRequest, form_class: type[ReasonForm] = ReasonForm) -> ReasonForm:
    """Return the form of a confirmation page, bound if the request was sent from that page."""
    return form_class(request.POST if request.POST.get(_CONFIRMED) else None)


def fate_of_logins() -> str:
    """Return a sentence that says which logins with Django's own sessions end with the tokens."""
    # A session is tied to tokens by an exchange, or by a sign-in with allauth whose tokens are this app's.
    if get_settings().SESSION_EXCHANGE == "tie" or getattr(django_settings, "HEADLESS_TOKEN_STRATEGY", None):
        return gettext("Logins with Django's own sessions that are tied to these tokens end, too; all others continue.")
    return gettext("Logins with Django's own sessions, as in this admin, continue.")


def confirm(
    model_admin: Any,
    request: HttpRequest,
    form: ReasonForm,
    *,
    title: Text,
    warning: Text,
    summary: Mapping[Text, int | Counted] | None = None,
    button: Text,
    back: str,
    danger: bool = True,
    objects: Collection[Any] = (),
    name: Callable[[Any], str] = str,
    count: int | None = None,
    hidden: Iterable[tuple[str, Any]] = (),
    left: Mapping[str, Any] | None = None,
) -> TemplateResponse:
    """
    Return the page that asks for confirmation before an operation.

    Args:
        title: the operation, and the object or the number of objects that it is about.
        warning: the consequences of the operation.
        summary: the number of affected things, by the name of the kind.
        button: the text of the button.
        back: the URL that "Cancel" leads to.
        danger: whether the operation takes something away, so that its button is red.
        objects: affected objects to list, possibly not all.
        name: returns the text for an object.
        count: the number of all affected objects, if `objects` has not all of them.
        hidden: hidden fields to add to the form.
        left: the API clients that stay, from `left_of`.
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
        "summary": [(name, describe(number)) for name, number in (summary or {}).items()],
        "objects": shown,
        "more": (len(shown) if count is None else count) - len(shown),
        "button": button,
        "back": back,
        "danger": danger,
        "hidden": [(_CONFIRMED, "yes"), *hidden],
        "left": left,
    }
    return TemplateResponse(request, "admin/jwt_auth/revoke_confirmation.html", context)


def attempt(form: forms.BaseForm, operation: Callable[[], Result]) -> Result | None:
    """
    Return the result of `operation`, which is not None; if the form is invalid, return None.

    A text that the database can't store makes the form invalid.
    """
    if not form.is_valid():
        return None
    alias = router.db_for_write(RevocationEvent)
    try:
        if not in_transaction(alias):
            return operation()
        with write_atomic(alias):  # a savepoint, because the page that shows the error has queries
            return operation()
    except DatabaseError as error:
        if not is_of_text(error):
            raise
    form.add_error("reason" if "reason" in form.fields else None, UNSTORABLE)
    return None
