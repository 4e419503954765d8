"""
Signing keys in Django's admin: create them and change their state, under the checks of `signing_keys`.

If a step comes too early, it is refused with the time from which it is possible, and offered as an emergency. The
emergency page shows the consequences and asks for a typed word. No private key material is shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth import signing_keys
from jwt_auth._django.admin_sites import redirect_from_missing
from jwt_auth._django.slices import Counted
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import (
    EverythingForm,
    ReadOnlyAdmin,
    ReasonForm,
    Text,
    allows,
    badge,
    changelist_url,
    confirm,
    log,
    read,
    staff_of,
    url_of,
)
from jwt_auth.conf import get_settings
from jwt_auth.keyring import states
from jwt_auth.keyring.states import KeyStateError, describe_wait
from jwt_auth.models import SigningKey

State = SigningKey.State


class PhraseForm(EverythingForm):
    """Ask for a typed word, because an emergency step skips the waiting times."""

    @property
    def wanted(self) -> str:
        return gettext("emergency")


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of a key's state, and the texts of its page."""

    title: Text
    warning: Text
    button: Text
    done: Text
    check: Callable[[SigningKey, bool, datetime], None]
    do: Callable[..., Any]


def _check_activation(key: SigningKey, emergency: bool, now: datetime) -> None:
    active = SigningKey.objects.filter(state=State.ACTIVE).first()
    states.check_activation(key, active, emergency=emergency, now=now)


def _check_revocation(key: SigningKey, emergency: bool, now: datetime) -> None:
    states.check_revocation(key, emergency=emergency, now=now)


def _leave_it_to_the_operation(key: SigningKey, emergency: bool, now: datetime) -> None:
    """Check nothing: the key that takes over is only known under the lock."""


MOVES: Mapping[str, Move] = {
    "activate": Move(
        title=_("Activate a key"),
        warning=_(
            "Tokens will be signed with this key from now on. The currently active key retires: its tokens stay valid, "
            "and its private key is deleted. Nobody has to sign in again. A key can't be made active twice."
        ),
        button=_("Activate"),
        done=_("Tokens are signed with the key %(kid)s from now on."),
        check=_check_activation,
        do=lambda kid, emergency, **record: signing_keys.activate(kid, emergency=emergency),
    ),
    "retire": Move(
        title=_("Retire a key"),
        warning=_(
            "Another key, which has been published for long enough, will sign from now on. The tokens of this key stay "
            "valid, and its private key is deleted. Nobody has to sign in again."
        ),
        button=_("Retire"),
        done=_("The key %(kid)s was retired."),
        check=_leave_it_to_the_operation,
        do=lambda kid, emergency, **record: signing_keys.retire(kid, emergency=emergency),
    ),
    "revoke": Move(
        title=_("Revoke a key"),
        warning=_(
            "Everything that this key has signed, or will sign, is refused, and this can't be undone. Refresh tokens "
            "have other keys and stay valid: nobody has to sign in again. If this is the active key, another one "
            "takes over."
        ),
        button=_("Revoke"),
        done=_("The key %(kid)s was revoked."),
        check=_check_revocation,
        do=lambda kid, emergency, **record: signing_keys.revoke(kid, emergency=emergency, **record),
    ),
}
_MOVES_OF: Mapping[str, tuple[str, ...]] = {
    State.STANDBY: ("activate", "revoke"),
    State.ACTIVE: ("retire", "revoke"),
    State.RETIRING: ("revoke",),
    State.REVOKED: (),
}


class SigningKeyAdmin(ReadOnlyAdmin):
    """One row for each key. Revoked keys stay in the table, so that they can't be added again."""

    list_display = ["key", "algorithm", "status", "next_step", "verified", "last_used_at"]
    list_filter = ["state"]
    ordering = ["-created_at", "-pk"]
    fields = [
        *("kid", "algorithm", "status", "next_step", "created_at", "activated_at", "retired_at", "revoked_at"),
        *("verified", "last_used_at", "public_jwk"),
    ]

    # Permissions

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Return whether the request may create keys and change their state."""
        return allows(request, "jwt_auth.rotate_signingkey") and self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return get_settings().KEYS == "database" and self.has_rotate_permission(request)

    # Lists and pages

    @admin.display(description=_("key"), ordering="kid")
    def key(self, key: SigningKey) -> str:
        return key.short_kid

    @admin.display(description=_("state"), ordering="state")
    def status(self, key: SigningKey) -> str:
        return badge(key.get_state_display(), live=key.state == State.ACTIVE)

    @admin.display(description=_("next step"))
    def next_step(self, key: SigningKey) -> str | Promise:
        now = timezone.now()
        if key.state == State.STANDBY:
            return _when(_("can be activated"), states.ready_at(key), now)
        if key.state == State.RETIRING:
            return _when(_("can be revoked"), states.dead_at(key.retired_at or now), now)
        return _("signs") if key.state == State.ACTIVE else "-"

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["moves"] = self._moves(context["original"]) if self.has_add_permission(request) else []
        return super().render_change_form(request, context, *args, **kwargs)

    def _moves(self, key: SigningKey) -> list[tuple[Text, str]]:
        """Return the text and the URL of each button on a key's page."""
        found: list[tuple[Text, str]] = []
        for name in _MOVES_OF[key.state]:
            found.append((MOVES[name].button, self._url(key, name)))
            if _refusal_of(MOVES[name], key, emergency=False):
                text = gettext("%(move)s in an emergency") % {"move": MOVES[name].button}
                found.append((text, self._url(key, name, "emergency")))
        return found

    # Operations

    def get_urls(self) -> Any:
        own = [
            *(self._path(name, name, emergency=False) for name in MOVES),
            *(self._path(f"{name}/emergency", f"{name}_emergency", name=name, emergency=True) for name in MOVES),
        ]
        return answering_outages([*own, *super().get_urls()])

    def _path(self, route: str, url_name: str, *, name: str = "", emergency: bool) -> Any:
        page = partial(self.move_view, name=name or url_name, emergency=emergency)
        view = self.admin_site.admin_view(page)
        return path(f"<path:object_id>/{route}/", view, name=f"jwt_auth_signingkey_{url_name}")

    def _url(self, key: SigningKey, *names: str) -> str:
        return reverse(f"{self.admin_site.name}:jwt_auth_signingkey_{'_'.join(names)}", args=[quote(key.pk)])

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Ask for confirmation, and create a key on POST."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        back = changelist_url(self)
        form = read(request)
        if not form.is_valid():
            return confirm(
                self,
                request,
                form,
                title=_("Create a key"),
                warning=gettext(
                    "A key for %(algorithm)s will be created and published. It signs nothing until it is activated."
                )
                % {"algorithm": get_settings().ALGORITHM},
                summary={},
                button=_("Create"),
                back=back,
            )
        key = signing_keys.create()
        self.log_addition(request, key, _with_reason(gettext("Created."), form.cleaned_data["reason"]))
        self.message_user(request, gettext("The key %(kid)s was created.") % {"kid": key.kid}, messages.SUCCESS)
        return HttpResponseRedirect(url_of(self.admin_site, key) or back)

    def move_view(self, request: HttpRequest, object_id: str, *, name: str, emergency: bool) -> HttpResponse:
        """Ask for confirmation, and change a key's state on POST; if that is refused, show the reason."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        key = self.get_object(request, unquote(object_id))
        if key is None:
            return redirect_from_missing(self, request, object_id)
        back = url_of(self.admin_site, key) or changelist_url(self)
        refusal = _refusal_of(MOVES[name], key, emergency=emergency)
        if refusal is None:
            form = read(request, PhraseForm if emergency else ReasonForm)
            if not form.is_valid():
                return self._ask(request, form, key, MOVES[name], emergency=emergency)
            refusal = self._do(request, key, MOVES[name], emergency, form.cleaned_data["reason"])
        if refusal is not None:
            self.message_user(request, str(refusal), messages.ERROR)
        return HttpResponseRedirect(back)

    def _ask(
        self, request: HttpRequest, form: ReasonForm, key: SigningKey, move: Move, *, emergency: bool
    ) -> HttpResponse:
        summary: dict[Text, int | Counted] = {}
        if emergency:
            radius = signing_keys.blast_radius(key, timezone.now())
            summary = {
                _("live sessions that may have to refresh"): radius.sessions,
                _("seconds until this deployment refuses its tokens"): int(radius.own_bound.total_seconds()),
                _("seconds until servers that respect our max-age know it"): int(radius.others_bound.total_seconds()),
            }
        return confirm(
            self,
            request,
            form,
            title=move.title,
            warning=move.warning,
            summary=summary,
            button=move.button,
            back=url_of(self.admin_site, key) or changelist_url(self),
            objects=[key],
        )

    def _do(
        self, request: HttpRequest, key: SigningKey, move: Move, emergency: bool, reason: str
    ) -> KeyStateError | None:
        """Do the confirmed change; return the refusal if another process was faster."""
        try:
            move.do(key.kid, emergency, reason=reason, actor=staff_of(request))
        except KeyStateError as refusal:
            return refusal
        text = str(move.done) % {"kid": key.kid}
        log(request, [key], _with_reason(text, reason))
        self.message_user(request, text, messages.SUCCESS)
        return None


def _refusal_of(move: Move, key: SigningKey, *, emergency: bool) -> KeyStateError | None:
    try:
        move.check(key, emergency, timezone.now())
    except KeyStateError as refusal:
        return refusal
    return None


def _with_reason(text: str, reason: str) -> str:
    return f"{text} {reason}".strip()


def _when(what: str | Promise, moment: datetime, now: datetime) -> str:
    return f"{what} {gettext('now') if moment <= now else describe_wait(moment - now)}"
