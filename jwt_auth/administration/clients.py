"""
API clients in Django's admin: register them, manage their keys, and revoke them.

A secret is in the response to the POST that made it, and nowhere else: not in a session, a message or the log.
After leaving that page, the only way to get a secret is to make another key.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, router
from django.db.models import Q
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth import clients, registrars
from jwt_auth._django.admin_sites import redirect_from_missing
from jwt_auth._django.driver_errors import is_of_text
from jwt_auth._django.transactions import write_atomic
from jwt_auth.administration import states
from jwt_auth.administration.client_forms import ChangeForm, ClientForm, KeyForm, RotationForm
from jwt_auth.administration.columns import Text, column, link_to, maker_of, making_of, moment, moment_column, url_of
from jwt_auth.administration.lists import RowsOfUsers, each_word, find_users, keys_of, newest
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import (
    ReadOnlyAdmin,
    allows,
    changelist_url,
    is_cascading,
    is_popup,
    log,
    name_fields_of_users,
    popup_of,
    staff_of,
)
from jwt_auth.administration.questions import attempt, confirm, read
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import RegistrationError
from jwt_auth.http.peer import peer_of
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.revocation import disable_client, revoke_client, revoke_client_key

# The number of keys on a client's page, newest first.
KEYS_SHOWN = 50

# An attribute of the request: set if the database could not store its texts.
_UNSTORABLE = "jwt_auth_unstorable"


class ClientList(RowsOfUsers):
    """A page of clients with their registrars, which one query finds."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: Any = self.result_list
        makers = registrars.find(row.created_by for row in rows)
        for row in rows:
            row.makers = makers


class RegisteredClientAdmin(ReadOnlyAdmin):
    """One row for each program that signs its own tokens. The content of its keys is not shown."""

    list_display = ["called", "owner", "state", "last_used", "made"]
    list_filter = ["is_active", "last_used_at"]
    list_select_related = ["user"]
    ordering = ["-id"]
    search_help_text = _("By the client's name or id, a key's id (“kid”), or the user's name or e-mail.")
    form = ChangeForm
    readonly_fields = [
        *("client_id", "audience", "owner", "state", "cutoff", "last_used_at"),
        *("created_at", "maker", "ip_address"),
    ]
    fields = ["name", "scopes", "requires_binding", *readonly_fields]
    shown_otherwise = ("user", "created_by", "tokens_valid_after")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return ClientList

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form: Any = super().get_form(request, *args, **kwargs)  # a class of this request's own
        form.actor = staff_of(request)
        form.is_unstorable = getattr(request, _UNSTORABLE, False)
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.readonly_fields

    # Permissions

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return allows(request, "jwt_auth.add_registeredclient")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request may rename a client, set its scopes and add keys; see `may_add_keys`."""
        if not allows(request, "jwt_auth.change_registeredclient"):
            return False
        return obj is None or (obj.is_active and registrars.may_add_keys(request.user, obj))

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request may revoke tokens and keys, and disable clients."""
        return allows(request, "jwt_auth.revoke_client") and self.has_view_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the row is deleted together with its user; any other deletion would forget revocations."""
        return obj is not None and is_cascading(request, self)

    # Lists

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return ["name", "client_id__startswith", *(f"user__{name}" for name in name_fields_of_users(request))]

    def find_by_words(self, request: HttpRequest, words: list[str]) -> Any:
        users, are_all_users = find_users(words, name_fields_of_users(request))
        rows, are_all_rows = newest(RegisteredClient.objects.all(), "pk")
        is_called = each_word(words, lambda word: Q(name__icontains=word) | Q(client_id__startswith=word))
        # Not in the order of the key: a database might look for the clients along its whole index.
        of_users = RegisteredClient.objects.filter(Q(user__in=users) | Q(client_id__in=words)).order_by("-created_at")
        called = rows.filter(is_called).order_by("-pk")
        keys, are_all_keys = newest(ClientKey.objects.all(), "pk")
        with_key = RegisteredClient.objects.filter(pk__in=keys.filter(kid__in=words).values("client"))
        complete = are_all_users and are_all_rows and are_all_keys
        return keys_of(of_users, called, with_key, complete=complete)

    last_used = moment_column("last_used_at", _("last used"))

    @column(_("name"), ordering="name")
    def called(self, client: RegisteredClient) -> str:
        return client.name

    @column(_("user"), ordering="user")
    def owner(self, client: RegisteredClient) -> str:
        return link_to(self.admin_site, client.user)

    @column(_("state"), ordering="is_active")
    def state(self, client: RegisteredClient) -> str:
        return states.of_client(client)

    @column(_("registered"), ordering="created_at")
    def made(self, client: RegisteredClient) -> str:
        return making_of(self.admin_site, client, client.makers)  # type: ignore[attr-defined]  # see ClientList

    @admin.display(description=_("tokens refused"))
    def cutoff(self, client: RegisteredClient) -> str:
        if client.tokens_valid_after is None:
            return gettext("None were revoked.")
        return gettext("All that were signed before %(moment)s.") % {"moment": moment(client.tokens_valid_after)}

    @admin.display(description=_("created by"))
    def maker(self, client: RegisteredClient) -> str:
        return maker_of(self.admin_site, client, registrars.find([client.created_by]))

    @admin.display(description=_("audience"))
    def audience(self, client: RegisteredClient) -> str:
        return get_settings().ISSUER

    # Pages

    def get_urls(self) -> Any:
        own = [
            self._path("keys/add", "add_key", self.add_key),
            self._path("keys/<int:key_id>/rotate", "rotate_key", self.rotate_key),
            self._path("keys/<int:key_id>/revoke", "revoke_key", self.revoke_key),
            self._path("revoke-tokens", "revoke_tokens", self.revoke_tokens),
            self._path("disable", "disable", self.disable),
        ]
        return answering_outages([*own, *super().get_urls()])

    def _path(self, route: str, name: str, page: Callable[..., HttpResponse]) -> Any:
        view = self.admin_site.admin_view(partial(self._open, page=page))
        return path(f"<path:object_id>/{route}/", view, name=f"jwt_auth_registeredclient_{name}")

    def _open(self, request: HttpRequest, object_id: str, *, page: Callable[..., HttpResponse], **key: int) -> Any:
        """Call the view `page` for one client, and for one of its keys if the URL names one."""
        self._demand(self.has_view_permission(request))
        popup_of(self, request)  # refuses a field that must not be read, before anything is written
        client = self.get_object(request, unquote(object_id))
        if client is None:
            return redirect_from_missing(self, request, object_id)
        try:
            return page(request, client, **key)
        except RegistrationError:  # deleted in the meantime
            return redirect_from_missing(self, request, object_id)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> Any:
        """Register a client and its first key on one page."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        popup_of(self, request)  # refuses a field that must not be read
        form = ClientForm(request.POST or None, actor=staff_of(request), site=self.admin_site, request=request)
        made = _save(form, lambda: form.register(peer_of(request)))
        if made is None:
            return self._ask(request, form, title=_("Register a client"), button=_("Register"))
        client, new = made
        self.log_addition(request, client, gettext("Registered."))
        if is_popup(request) and new.secret is None:
            return self.response_add(request, client)  # closes the popup, and picks the client
        return self._show(request, client, new)

    def add_key(self, request: HttpRequest, client: RegisteredClient) -> HttpResponse:
        self._demand(self.has_change_permission(request, client))
        form = KeyForm(request.POST or None)
        new = _save(form, lambda: form.add_to(client, staff_of(request), peer_of(request)))
        if new is None:
            return self._ask(
                request,
                form,
                client,
                title=gettext("Add a key to %(client)s") % {"client": client.name},
                button=_("Add the key"),
            )
        log(request, [client], gettext("Added the key %(kid)s.") % {"kid": new.key.kid})
        return self._show(request, client, new)

    def rotate_key(self, request: HttpRequest, client: RegisteredClient, key_id: int) -> HttpResponse:
        self._demand(self.has_change_permission(request, client))
        key = client.keys.filter(pk=key_id, revoked_at=None).first()
        if key is None:
            return self._no_key(request, client)
        form = RotationForm(request.POST or None, pasted=bool(key.public_jwk))
        new = _save(form, lambda: form.rotate(key, staff_of(request), peer_of(request)))
        if new is None:
            title = gettext("Replace the key %(kid)s of %(client)s") % {"kid": key.kid, "client": client.name}
            return self._ask(request, form, client, title=title, button=_("Replace"))
        names = {"old": key.kid, "new": new.key.kid}
        log(request, [client], gettext("Replaced the key %(old)s by %(new)s.") % names)
        return self._show(request, client, new)

    def revoke_key(self, request: HttpRequest, client: RegisteredClient, key_id: int) -> HttpResponse:
        key = client.keys.filter(pk=key_id, revoked_at=None).first()
        if key is None:
            return self._no_key(request, client)
        return self._end(
            request,
            client,
            lambda reason: revoke_client_key(key, reason=reason, actor=staff_of(request)),
            title=gettext("Revoke the key %(kid)s of %(client)s") % {"kid": key.kid, "client": client.name},
            warning=_(
                "All tokens signed with this key will be refused, and this can't be undone. Do this if a secret or a "
                "private key was stolen. A client without another key is locked out: to change keys without an "
                "interruption, replace the key instead. Tokens that the client was given for other servers continue: "
                "to end them, also revoke the client's tokens."
            ),
            button=_("Revoke the key"),
            done=gettext("The key %(kid)s was revoked.") % {"kid": key.kid},
        )

    def revoke_tokens(self, request: HttpRequest, client: RegisteredClient) -> HttpResponse:
        return self._end(
            request,
            client,
            lambda reason: revoke_client(client, reason=reason, actor=staff_of(request)),
            title=gettext("Revoke the tokens of %(client)s") % {"client": client.name},
            warning=_(
                "All tokens that this client has signed until now will be refused, and this can't be undone. Do this "
                "if a token was stolen. The client can sign new tokens, and so can anyone who has one of its keys: "
                "if a secret or a private key was stolen, revoke the key."
            ),
            button=_("Revoke the tokens"),
            done=gettext("The tokens of the client were revoked."),
        )

    def disable(self, request: HttpRequest, client: RegisteredClient) -> HttpResponse:
        return self._end(
            request,
            client,
            lambda reason: disable_client(client, reason=reason, actor=staff_of(request)),
            title=gettext("Disable %(client)s") % {"client": client.name},
            warning=_(
                "All tokens that this client signs, with any key, will be refused permanently. It can't be enabled "
                "again."
            ),
            button=_("Disable"),
            done=gettext("The client was disabled."),
        )

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        clients.change(obj, actor=staff_of(request), **{name: form.cleaned_data[name] for name in form.changed_data})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().change_view(request, object_id, *args, **kwargs)
        except RegistrationError:  # deleted in the meantime
            return redirect_from_missing(self, request, object_id)
        except DatabaseError as error:
            if not is_of_text(error):
                raise
            setattr(request, _UNSTORABLE, True)  # the form is shown once more, with an error
            return super().change_view(request, object_id, *args, **kwargs)

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        context.update(self._describe(request, context["original"]))
        return super().render_change_form(request, context, *args, **kwargs)

    # Rendering

    def _describe(self, request: HttpRequest, client: RegisteredClient) -> dict[str, Any]:
        keys = list(client.keys.order_by("-pk")[: KEYS_SHOWN + 1])
        shown = keys[:KEYS_SHOWN]
        makers = registrars.find(key.created_by for key in shown)
        now, made = timezone.now(), partial(making_of, self.admin_site, makers=makers)
        usable = [key for key in shown if client.is_active and key.is_usable(now)]
        doubts = registrars.doubts(usable)
        return {
            "show_save_and_add_another": False,
            "subtitle": client.name,  # the id is too long for some screens
            "client_keys": [
                (key, states.of_client_key(key, client, doubts.get(key.pk), now), made(key), doubts.get(key.pk))
                for key in shown
            ],
            "more_keys": len(keys) > KEYS_SHOWN,
            "may_change": self.has_change_permission(request, client),
            "may_revoke": client.is_active and self.has_revoke_permission(request, client),
        }

    def _ask(
        self, request: HttpRequest, form: Form, client: RegisteredClient | None = None, **texts: Text
    ) -> TemplateResponse:
        """Return a page with `form`. `texts` are `title`, `button` and optionally `lead`."""
        back = self._url(client) if client else changelist_url(self)
        context = {**texts, "form": form, "back": back, "media": self.media + form.media, "original": client}
        return self._render(request, "client_form", context)

    def _show(self, request: HttpRequest, client: RegisteredClient, new: clients.NewKey) -> HttpResponse:
        """Redirect to the client; if a secret was made, return the only page that shows it."""
        if new.secret is None:
            self.message_user(request, gettext("The key %(kid)s was added.") % {"kid": new.key.kid}, messages.SUCCESS)
            return HttpResponseRedirect(self._url(client))
        # Pass the object `new`, because an error report shows it without its secret.
        context = {"title": _("The secret"), "original": client, "new": new}
        context |= {"audience": get_settings().ISSUER, "client_url": self._url(client)}
        response = self._render(request, "client_secret", context)
        response.headers["Cache-Control"] = "no-store"
        return response

    def _render(self, request: HttpRequest, template: str, context: dict[str, Any]) -> TemplateResponse:
        request.current_app = self.admin_site.name
        common = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        common |= popup_of(self, request)
        return TemplateResponse(request, f"admin/jwt_auth/{template}.html", {**common, **context})

    def _end(
        self,
        request: HttpRequest,
        client: RegisteredClient,
        operation: Callable[[str], object],
        *,
        title: Text,
        warning: Text,
        button: Text,
        done: str,
    ) -> HttpResponse:
        """Ask for confirmation, and do an irreversible operation on POST."""
        self._demand(self.has_revoke_permission(request, client))
        form, back = read(request), self._url(client)
        with _whole():
            result = attempt(form, lambda: (operation(form.cleaned_data["reason"]),))
        if result is None:
            usable = sum(key.is_usable(timezone.now()) for key in client.keys.filter(revoked_at=None))
            numbers: dict[Text, int] = {_("keys of the client that can sign now"): usable}
            asked = {"title": title, "warning": warning, "button": button, "back": back}
            return confirm(self, request, form, summary=numbers, objects=[client], **asked)  # type: ignore[arg-type]
        log(request, [client], done)
        self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(back)

    def _no_key(self, request: HttpRequest, client: RegisteredClient) -> HttpResponse:
        self.message_user(request, gettext("The client has no such key, or it is revoked already."), messages.WARNING)
        return HttpResponseRedirect(self._url(client))

    def _url(self, client: RegisteredClient) -> str:
        return url_of(self.admin_site, client) or changelist_url(self)

    @staticmethod
    def _demand(allowed: bool) -> None:
        if not allowed:
            raise PermissionDenied


def _save(form: Form, operation: Callable[[], Any]) -> Any:
    """Return the result of `operation`; if it is refused, add the errors to the form and return None."""
    try:
        with _whole():  # so that no client is saved without its key
            return attempt(form, operation)
    except RegistrationError as error:
        form.add_error(None, str(error))
        return None


def _whole() -> Any:
    """Return a transaction or savepoint, so that a failure does not break the request's own transaction."""
    return write_atomic(router.db_for_write(RegisteredClient))
