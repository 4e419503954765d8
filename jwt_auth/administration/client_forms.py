"""
The admin forms to register a client, to add a key, and to replace a key.

The rules are those of `jwt_auth.clients`; the forms show violations as errors beside the fields.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin.widgets import (
    AdminTextareaWidget,
    AdminTextInputWidget,
    AutocompleteSelect,
    ForeignKeyRawIdWidget,
)
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from jwt_auth import clients, registrars
from jwt_auth._django.admin_sites import admin_of
from jwt_auth.administration.questions import UNSTORABLE
from jwt_auth.exceptions import RegistrationError
from jwt_auth.http.peer import Peer
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.models import RegisteredClient
from jwt_auth.revocation import Actor

SECRET, PUBLIC_KEY = "secret", "public_key"

_PASTE = _("PEM or JWK. Paste the public key only: the private key never leaves the client.")


def _help_of(name: str) -> Any:
    """Return the help text of a field of the model, so that all forms have the same one."""
    field: Any = RegisteredClient._meta.get_field(name)
    return field.help_text


class _PublicKeyInput(AdminTextareaWidget):
    """Drop a value that may be a private key pasted by mistake, so that the page with the error does not repeat it."""

    def format_value(self, value: Any) -> str | None:
        text = str(value or "").strip()
        is_public = text.startswith("-----BEGIN PUBLIC KEY-----") and "PRIVATE" not in text
        return super().format_value(text) if is_public else None


class _UserSelect(AutocompleteSelect):
    """Django's widget, without the values that can't be a user's key: it would look them up, and crash."""

    def optgroups(self, name: str, value: Any, attrs: Any = None) -> Any:
        return super().optgroups(name, [each for each in value if self._is_user(each)], attrs)

    def _is_user(self, value: Any) -> bool:
        try:
            return self.choices.field.to_python(value) is not None
        except ValidationError:
            return False


class _PublicKeyField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        widget = _PublicKeyInput(attrs={"rows": 6, "spellcheck": "false", "autocomplete": "off"})
        super().__init__(label=_("Public key"), max_length=10_000, widget=widget, help_text=_PASTE, **kwargs)


class DescriptionForm(forms.Form):
    """The name and scopes of a client, by the rules of `clients`. `actor` is the user who submits the form."""

    actor: Actor
    # Set if the database could not store the texts of this form.
    is_unstorable = False

    def clean(self) -> Any:
        if self.is_unstorable:
            self.add_error(None, UNSTORABLE)
        return super().clean()

    def clean_name(self) -> str:
        return _by_rule(clients.clean_name, self.cleaned_data["name"])

    def clean_scopes(self) -> str:
        scopes = _by_rule(clients.clean_scopes, self.cleaned_data["scopes"])
        if not registrars.may_grant(self.actor, scopes):
            raise ValidationError(_("You may not give a client a permission that you do not have."), code="forbidden")
        return scopes


class ChangeForm(DescriptionForm, forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """The changeable fields of a client; `clients.change` writes them."""


class KeyForm(forms.Form):
    """The public key of the client's key pair, or a secret made by the server."""

    required_css_class = "required"

    kind = forms.ChoiceField(
        label=_("Kind of key"),
        choices=[
            (PUBLIC_KEY, _("Key pair of the client (recommended): the public key stored here can't sign")),
            (SECRET, _("Secret, made here and shown once")),
        ],
        initial=PUBLIC_KEY,
        widget=forms.RadioSelect,
    )
    public_key = _PublicKeyField(required=False)
    algorithm = forms.ChoiceField(
        label=_("Algorithm"),
        choices=[("", _("The usual one for the key")), *((name, name) for name in ALGORITHMS)],
        required=False,
        help_text=_("The algorithm of a key can't be changed later."),
    )
    expires_at = forms.DateTimeField(
        label=_("Expires at"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text=_("Optional. From this time on the key is refused."),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("kind") == PUBLIC_KEY and not cleaned.get("public_key") and not self.has_error("public_key"):
            self.add_error("public_key", ValidationError(_("Paste the public key."), code="required"))
        return cleaned

    def add_to(self, client: RegisteredClient, actor: Actor, peer: Peer) -> clients.NewKey:
        """Add the key to `client`; raise RegistrationError."""
        given = self.cleaned_data
        options = {"expires_at": given["expires_at"], "actor": actor, "peer": peer}
        if given["kind"] == SECRET:
            return clients.add_secret(client, given["algorithm"] or "HS256", **options)
        return clients.add_public_key(client, given["public_key"], given["algorithm"] or None, **options)


class ClientForm(DescriptionForm, KeyForm):
    """A client and its first key."""

    name = forms.CharField(label=_("Name"), max_length=100, widget=AdminTextInputWidget)
    user: Any = forms.ModelChoiceField(label=_("User"), queryset=None, help_text=_help_of("user"))
    scopes = forms.CharField(
        label=_("Scopes"),
        max_length=1000,
        required=False,
        widget=AdminTextInputWidget,
        help_text=_help_of("scopes"),
    )
    requires_binding = forms.BooleanField(
        label=_("Requires binding"),
        required=False,
        help_text=_help_of("requires_binding"),
    )

    field_order = ["name", "user", "scopes", "requires_binding"]

    def __init__(self, *args: Any, actor: Actor, site: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        foreign_key: Any = RegisteredClient._meta.get_field("user")
        field: Any = self.fields["user"]
        field.widget = _user_widget(foreign_key, site, request)
        field.queryset = foreign_key.remote_field.model._default_manager.all()

    def clean_user(self) -> Any:
        user = self.cleaned_data["user"]
        if not registrars.may_hand_out(self.actor, user):
            raise ValidationError(_("You may not create keys for a client that acts as this user."), code="forbidden")
        return user

    def register(self, peer: Peer) -> tuple[RegisteredClient, clients.NewKey]:
        """Return the new client and its key; raise RegistrationError."""
        given = self.cleaned_data
        client = clients.register(
            given["name"],
            given["user"],
            given["scopes"],
            requires_binding=given["requires_binding"],
            actor=self.actor,
            peer=peer,
        )
        return client, self.add_to(client, self.actor, peer)


class RotationForm(forms.Form):
    """The successor of a key, and the overlap during which both keys are accepted."""

    required_css_class = "required"

    overlap = forms.IntegerField(
        label=_("Overlap in days"),
        initial=clients.OVERLAP.days,
        min_value=0,
        max_value=clients.MAX_OVERLAP.days,
        help_text=_("The old key is accepted for this long beside the new one. 0 ends it now."),
    )

    def __init__(self, *args: Any, pasted: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if pasted:
            self.fields["public_key"] = _PublicKeyField()

    def rotate(self, key: Any, actor: Actor, peer: Peer) -> clients.NewKey:
        """Replace `key` by a new key of the same client; raise RegistrationError."""
        overlap = timedelta(days=self.cleaned_data["overlap"])
        return clients.rotate(key, self.cleaned_data.get("public_key"), overlap=overlap, actor=actor, peer=peer)


def _user_widget(foreign_key: Any, site: Any, request: HttpRequest) -> forms.Widget:
    """Return a field that finds users by name and shows the name; a list of all users may be too long."""
    users = admin_of(site, foreign_key.remote_field.model)
    if users is not None and users.get_search_fields(request) and users.has_view_permission(request):
        return _UserSelect(foreign_key, site)
    return ForeignKeyRawIdWidget(foreign_key.remote_field, site)


def _by_rule(rule: Callable[[str], str], value: str) -> str:
    try:
        return rule(value)
    except RegistrationError as error:
        raise ValidationError(str(error), code="invalid") from error
