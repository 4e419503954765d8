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

from django.contrib import messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth import signing_keys
from jwt_auth._django.admin_sites import redirect_from_missing
from jwt_auth._django.slices import Counted
from jwt_auth._django.transactions import write_atomic
from jwt_auth.administration import states as shown
from jwt_auth.administration.columns import NOTHING, Text, column, moment_column, url_of
from jwt_auth.administration.lists import keys_of
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import ReadOnlyAdmin, allows, changelist_url, describe, log, staff_of
from jwt_auth.administration.questions import EverythingForm, ReasonForm, attempt, confirm, read
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
    """A change of a key's state, and the texts of its page. `urgent` is the warning in an emergency."""

    title: Text
    warning: Text
    urgent: Text
    button: Text
    done: Text
    check: Callable[[SigningKey, bool, datetime], None]
    do: Callable[..., Any]
    danger: bool = False


def _check_activation(key: SigningKey, emergency: bool, now: datetime) -> None:
    active = SigningKey.objects.filter(state=State.ACTIVE).first()
    states.check_activation(key, active, emergency=emergency, now=now)


def _check_retirement(key: SigningKey, emergency: bool, now: datetime) -> None:
    """Check as far as possible before the keys are locked; only then is it decided which key takes over."""
    states.check_is_active(key)
    if emergency:
        return
    standby = list(SigningKey.objects.filter(state=State.STANDBY).order_by("created_at"))
    refusals = [_refusal_by(partial(states.check_activation, each, key, emergency=False, now=now)) for each in standby]
    if all(refusals):
        raise next(filter(None, refusals), None) or states.no_successor(now)


def _check_revocation(key: SigningKey, emergency: bool, now: datetime) -> None:
    states.check_revocation(key, emergency=emergency, now=now)


MOVES: Mapping[str, Move] = {
    "activate": Move(
        title=_("Activate the key %(kid)s"),
        warning=_(
            "Tokens will be signed with this key from now on. The currently active key retires: its tokens stay valid, "
            "and its private key is deleted. Nobody has to sign in again. A key can't be made active twice."
        ),
        urgent=_(
            "Tokens will be signed with this key from now on, although not all servers know it yet. Those that have "
            "not fetched the key set since this key was published refuse its tokens until they do, for up to 5 minutes "
            "if they respect the max-age. The currently active key retires: its tokens stay valid, and its private key "
            "is deleted. A key can't be made active twice."
        ),
        button=_("Activate"),
        done=_("Tokens are signed with the key %(kid)s from now on."),
        check=_check_activation,
        do=lambda kid, emergency, **record: signing_keys.activate(kid, emergency=emergency),
    ),
    "retire": Move(
        title=_("Retire the key %(kid)s"),
        warning=_(
            "Another key, which has been published for long enough, will sign from now on. The tokens of this key stay "
            "valid, and its private key is deleted. Nobody has to sign in again."
        ),
        urgent=_(
            "Another key will sign from now on, and is created if there is none. Servers that have not fetched the key "
            "set since that key was published refuse its tokens until they do, for up to 5 minutes if they respect the "
            "max-age. The tokens of this key stay valid, and its private key is deleted."
        ),
        button=_("Retire"),
        done=_("The key %(kid)s was retired."),
        check=_check_retirement,
        do=lambda kid, emergency, **record: signing_keys.retire(kid, emergency=emergency),
    ),
    "revoke": Move(
        title=_("Revoke the key %(kid)s"),
        warning=_(
            "Everything that this key has signed, or will sign, is refused, and this can't be undone. Refresh tokens "
            "have other keys and stay valid: nobody has to sign in again. If this is the active key, another one "
            "takes over."
        ),
        urgent=_(
            "Everything that this key has signed, or will sign, is refused, and this can't be undone. That includes "
            "tokens that are still valid: the programs that use them have to refresh, possibly many at once. Refresh "
            "tokens have other keys and stay valid: nobody has to sign in again. If this is the active key, another "
            "one takes over."
        ),
        button=_("Revoke"),
        done=_("The key %(kid)s was revoked."),
        check=_check_revocation,
        do=lambda kid, emergency, **record: signing_keys.revoke(kid, emergency=emergency, **record),
        danger=True,
    ),
}
_MOVES_OF: Mapping[str, tuple[str, ...]] = {
    State.STANDBY: ("activate", "revoke"),
    State.ACTIVE: ("retire", "revoke"),
    State.RETIRING: ("revoke",),
    State.REVOKED: (),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A move on a key's page: a button or, if it comes too early, the reason and a link to the move in an emergency."""

    text: Text
    url: str
    danger: bool
    refusal: str
    urgent_url: str | None


class SigningKeyAdmin(ReadOnlyAdmin):
    """One row for each key. Revoked keys stay in the table, so that they can't be added again."""

    list_display = ["key", "status", "next_step", "number", "seen"]
    list_filter = ["state"]
    ordering = ["-created_at", "-pk"]
    search_fields = ["kid"]
    search_help_text = _("By the key's id (“kid”), or its beginning.")
    fields = [
        *("kid", "algorithm", "status", "next_step", "created_at", "activated_at", "retired_at", "revoked_at"),
        *("verified", "last_used_at", "public_jwk"),
    ]

    def find_by_words(self, request: HttpRequest, words: list[str]) -> Any:
        return keys_of(SigningKey.objects.filter(kid__startswith=" ".join(words).rstrip("…")).order_by("-pk"))

    def note_on_list(self) -> str | Promise | None:
        if get_settings().KEYS == "database":
            return None
        return _(
            "This server signs with the keys in its settings (SIGNING_KEY and SIGNING_KEY_FALLBACKS), and not with "
            "keys of this list. To change those, change the settings and deploy. To manage keys here instead, run "
            "“manage.py jwt_keys import”, and set KEYS to “database”."
        )

    # Permissions

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        """Return whether the request may create keys and change their state."""
        return allows(request, "jwt_auth.rotate_signingkey") and self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return get_settings().KEYS == "database" and self.has_rotate_permission(request)

    # Lists and pages

    seen = moment_column("last_used_at", _("last used"))

    @column(_("key"), ordering="kid")
    def key(self, key: SigningKey) -> str:
        return key.short_kid

    @column(_("state"), ordering="state")
    def status(self, key: SigningKey) -> str:
        return shown.of_signing_key(key)

    @column(_("signatures verified"), ordering="verified")
    def number(self, key: SigningKey) -> str:
        return describe(key.verified)

    @column(_("next step"))
    def next_step(self, key: SigningKey) -> str | Promise:
        now = timezone.now()
        if key.state == State.STANDBY:
            return _when(_("Can be activated"), states.ready_at(key), now)
        if key.state == State.RETIRING:
            return _when(_("Can be revoked"), states.dead_at(key.retired_at or now), now)
        return _("Signs until another key is activated") if key.state == State.ACTIVE else NOTHING

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["offers"] = self._offers(context["original"]) if self.has_add_permission(request) else []
        return super().render_change_form(request, context, *args, **kwargs)

    def _offers(self, key: SigningKey) -> list[Offer]:
        return [self._offer(key, name, MOVES[name]) for name in _MOVES_OF[key.state]]

    def _offer(self, key: SigningKey, name: str, move: Move) -> Offer:
        refusal = _refusal_of(move, key, emergency=False)
        is_urgent = refusal is not None and _refusal_of(move, key, emergency=True) is None
        return Offer(
            text=move.button,
            url=self._url(key, name),
            danger=move.danger,
            refusal=str(refusal or ""),
            urgent_url=self._url(key, name, "emergency") if is_urgent else None,
        )

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
        key = attempt(form, lambda: self._create(request, form.cleaned_data["reason"]))
        if key is None:
            return confirm(
                self,
                request,
                form,
                title=_("Create a signing key"),
                warning=gettext(
                    "A key for %(algorithm)s will be created and published. It signs nothing until it is activated."
                )
                % {"algorithm": get_settings().ALGORITHM},
                button=_("Create"),
                back=back,
                danger=False,
            )
        self.message_user(request, gettext("The key %(kid)s was created.") % {"kid": key.kid}, messages.SUCCESS)
        return HttpResponseRedirect(url_of(self.admin_site, key) or back)

    def _create(self, request: HttpRequest, reason: str) -> SigningKey:
        with write_atomic(router.db_for_write(SigningKey)):  # no key without its entry in the history
            key = signing_keys.create()
            self.log_addition(request, key, _with_reason(gettext("Created."), reason))
        return key

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
            try:
                text = attempt(
                    form, lambda: self._do(request, key, MOVES[name], emergency, form.cleaned_data["reason"])
                )
                if text is None:
                    return self._ask(request, form, key, MOVES[name], emergency=emergency)
                self.message_user(request, text, messages.SUCCESS)
            except KeyStateError as error:  # another process was faster
                refusal = error
        if refusal is not None:
            self.message_user(request, str(refusal), messages.ERROR)
        return HttpResponseRedirect(back)

    def _ask(
        self, request: HttpRequest, form: ReasonForm, key: SigningKey, move: Move, *, emergency: bool
    ) -> HttpResponse:
        title = move.title % {"kid": key.short_kid}
        return confirm(
            self,
            request,
            form,
            title=gettext("%(operation)s in an emergency") % {"operation": title} if emergency else title,
            warning=move.urgent if emergency else move.warning,
            summary=_radius_of(key) if emergency and move.danger else None,
            button=move.button,
            back=url_of(self.admin_site, key) or changelist_url(self),
            danger=move.danger,
            objects=[key],
            name=lambda key: f"{key.kid} ({key.get_state_display()})",
        )

    def _do(self, request: HttpRequest, key: SigningKey, move: Move, emergency: bool, reason: str) -> str:
        """Do the confirmed change, and return a text that says so; raise KeyStateError."""
        text = str(move.done) % {"kid": key.kid}
        with write_atomic(router.db_for_write(SigningKey)):  # no change without its entry in the history
            move.do(key.kid, emergency, reason=reason, actor=staff_of(request))
            log(request, [key], _with_reason(text, reason))
        return text


def _radius_of(key: SigningKey) -> dict[Text, int | Counted]:
    radius = signing_keys.blast_radius(key, timezone.now())
    return {
        _("live sessions that may have to refresh"): radius.sessions,
        _("seconds until this deployment refuses its tokens"): int(radius.own_bound.total_seconds()),
        _("seconds until servers that respect our max-age know it"): int(radius.others_bound.total_seconds()),
    }


def _refusal_of(move: Move, key: SigningKey, *, emergency: bool) -> KeyStateError | None:
    return _refusal_by(partial(move.check, key, emergency, timezone.now()))


def _refusal_by(check: Callable[[], None]) -> KeyStateError | None:
    try:
        check()
    except KeyStateError as refusal:
        return refusal
    return None


def _with_reason(text: str, reason: str) -> str:
    return f"{text} {reason}".strip()


def _when(what: str | Promise, moment: datetime, now: datetime) -> str:
    return f"{what} {gettext('now') if moment <= now else describe_wait(moment - now)}"
