"""
Revocation events in Django's admin, and the page that revokes everything.

An event records the actor, the subject, the reason and the time. It names users and clients by keys only, so that it
outlives them. A page of events needs at most three queries to turn the keys into names, regardless of their number.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _

from jwt_auth.administration.columns import column, link_to, moment, moment_column
from jwt_auth.administration.lists import FOUND, NewestRows, each_word, find_users, keys_of, newest
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import (
    REVOKE_ALL,
    ReadOnlyAdmin,
    allows,
    changelist_url,
    log,
    name_fields_of_users,
    staff_of,
)
from jwt_auth.administration.questions import EverythingForm, attempt, confirm, fate_of_logins, read
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import counting, revoke_all, subjects as subjects_, user_rows
from jwt_auth.revocation.subjects import key_subject, token_subject
from jwt_auth.user_model import user_field

Scope = RevocationEvent.Scope


class EventList(NewestRows):
    """A page of events, each with its users and client; see `find_people`."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = find_people(self.result_list)


class RevocationEventAdmin(ReadOnlyAdmin):
    """An audit trail: one row for each revocation, newest first."""

    list_display = ["created", "kind", "whom", "who", "why"]
    list_filter = ["scope", "created_at"]
    ordering = ["-id"]
    search_fields = ["reason"]
    search_help_text = _(
        "By the name or e-mail of the affected or the acting user, the id of a session (“sid”), a token (“jti”), a key "
        "(“kid”) or a client, or the reason."
    )
    fields = ["created_at", "scope", "whom", "who", "reason", "subject", "cutoff", "kept_until"]
    shown_otherwise = ("actor", "expires_at")
    offers_revoke_all = True

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return EventList

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        event = super().get_object(request, *args, **kwargs)
        return event and find_people([event])[0]

    def find_by_words(self, request: HttpRequest, words: list[str]) -> Any:
        users, are_all_users = find_users(words, name_fields_of_users(request))
        rows, are_all_rows = newest(RevocationEvent.objects.all(), "pk")
        term = " ".join(words)
        has_reason = each_word(words, lambda word: Q(reason__icontains=word))
        acting = Q(actor__in=[str(user.pk) for user in users])
        # The ids of tokens and keys are unique only within an issuer, so each event names the issuer, too.
        named = Q(scope__in=[Scope.TOKEN, Scope.KEY], subject__endswith=f" {term}")
        return keys_of(
            # Not in the order of the key: a database might look for the events along its whole index.
            RevocationEvent.objects.filter(_is_about(term, users)).order_by("-created_at"),
            RevocationEvent.objects.filter(_is_of_sessions(users)).order_by("-expires_at"),
            rows.filter(has_reason | acting | named).order_by("-pk"),
            complete=are_all_users and are_all_rows,
        )

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.revoke_all_view)
        return answering_outages([path("revoke-everything/", view, name=REVOKE_ALL), *super().get_urls()])

    created = moment_column("created_at", _("time"))

    @column(_("scope"), ordering="scope")
    def kind(self, event: RevocationEvent) -> str:
        return event.get_scope_display()

    @column(_("reason"), ordering="reason")
    def why(self, event: RevocationEvent) -> str:
        return event.reason

    @column(_("affected"))
    def whom(self, event: RevocationEvent) -> str:
        user, client = event.hit_user, event.hit_client  # type: ignore[attr-defined]  # see find_people
        if user is not None:
            return link_to(self.admin_site, user)
        if client is None:
            return gettext("everybody") if event.scope == Scope.ALL else event.subject
        linked = link_to(self.admin_site, client, client.name)
        return linked if event.scope == Scope.CLIENT else format_html("{}, {}", linked, event.subject.partition(" ")[2])

    @column(_("actor"))
    def who(self, event: RevocationEvent) -> str:
        user = event.acting_user  # type: ignore[attr-defined]
        return link_to(self.admin_site, user) if user is not None else event.actor or gettext("the app")

    @admin.display(description=_("kept until"))
    def kept_until(self, event: RevocationEvent) -> str:
        if event.expires_at is None:
            return gettext("Permanently. The revocation never ends.")
        return gettext(
            "%(moment)s. All tokens that it refuses have expired by then: the revocation does not end before them."
        ) % {"moment": moment(event.expires_at)}

    def revoke_all_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a typed phrase, and revoke everybody's tokens on POST."""
        if not allows(request, "jwt_auth.revoke_all"):
            raise PermissionDenied
        back = changelist_url(self) if self.has_view_permission(request) else reverse(f"{self.admin_site.name}:index")
        form = read(request, EverythingForm)
        new = attempt(form, lambda: revoke_all(reason=form.cleaned_data["reason"], actor=staff_of(request)))
        if new is None:
            return self._ask(request, form, back)
        log(request, RevocationEvent.objects.filter(scope=Scope.ALL, cutoff=new), gettext("Revoked everything."))
        self.message_user(request, gettext("The tokens of everybody were revoked."), messages.SUCCESS)
        return HttpResponseRedirect(back)

    def _ask(self, request: HttpRequest, form: Any, back: str) -> HttpResponse:
        sessions, users = counting.everybody(timezone.now())
        return confirm(
            self,
            request,
            form,
            title=_("Revoke everything"),
            warning=_(
                "Every access and refresh token of every user will be refused, and this can't be undone. All users "
                "have to sign in again, possibly more at once than your site is used to. %(logins)s "
                "API clients continue, too: with their keys they sign new tokens."
            )
            % {"logins": fate_of_logins()},
            summary={
                _("users with live sessions"): users,
                _("live sessions"): sessions,
                _("API clients that stay"): counting.active_clients(),
            },
            button=_("Revoke everything"),
            back=back,
        )


def find_people(events: Iterable[RevocationEvent]) -> list[RevocationEvent]:
    """Return the events with `hit_user`, `hit_client` and `acting_user` set; None if there is or was none."""
    rows = list(events)
    owners = _owners_of([event.subject for event in rows if event.scope == Scope.SESSION])
    subs = {_sub_of(event) for event in rows} - {""}
    users = _users_of({event.actor for event in rows if event.actor} | set(owners.values()), subs)
    clients = _clients_of({_client_id_of(event) for event in rows} - {""})
    by_key, by_sub = {str(user.pk): user for user in users}, {user_id_of(user): user for user in users}
    for event in rows:
        event.acting_user = by_key.get(event.actor)  # type: ignore[attr-defined]
        owner = by_key.get(owners.get(event.subject, ""))
        event.hit_user = owner or by_sub.get(_sub_of(event))  # type: ignore[attr-defined]
        event.hit_client = clients.get(_client_id_of(event))  # type: ignore[attr-defined]
    return rows


def _owners_of(subjects: Iterable[str]) -> dict[str, str]:
    """Return the primary keys of the sessions' users, by `sid`."""
    sids = [sid for sid in map(subjects_.parse_sid, subjects) if sid is not None]
    rows = UserSession.objects.filter(pk__in=sids).values_list("pk", "user_id") if sids else ()
    return {sid.hex: str(key) for sid, key in rows}


def _users_of(keys: Iterable[str], subs: Iterable[str]) -> list[Any]:
    """Return the users with one of these primary keys or `sub` values."""
    name = get_settings().USER_ID_FIELD
    rows = user_rows.users()
    keys, subs = _valid("pk", keys), _valid(name, subs)
    return list(rows.filter(Q(pk__in=keys) | Q(**{f"{name}__in": subs}))) if keys or subs else []


def _sub_of(event: RevocationEvent) -> str:
    """Return the `sub` of the user that an event is about; "" if it is about another issuer's user, or about none."""
    if event.scope == Scope.USER:
        return event.subject
    own = event.scope == Scope.SESSION or event.subject.startswith(f"{get_settings().ISSUER} ")
    return event.sub if own else ""


def _client_id_of(event: RevocationEvent) -> str:
    """Return the client that the event may name; for a key, its issuer, which is a client or this server; else ""."""
    return event.subject.partition(" ")[0] if event.scope in (Scope.CLIENT, Scope.KEY) else ""


def _clients_of(ids: Collection[str]) -> dict[str, RegisteredClient]:
    rows = RegisteredClient.objects.filter(client_id__in=ids) if ids else ()
    return {client.client_id: client for client in rows}


def _valid(name: str, values: Iterable[str]) -> list[Any]:
    """Return the `values` that are valid for a field; an actor may be of another user model or key type."""
    field = user_field(name)
    return [value for text in values if (value := _to_python(field, text)) is not None]


def _to_python(field: Any, text: str) -> Any:
    try:
        value = field.to_python(text)
        if isinstance(value, int):
            field.run_validators(value)  # SQLite raises an error for a number that is too large
    except ValidationError:
        return None
    return value


def _is_about(term: str, users: Iterable[Any]) -> Q:
    """
    Return the condition for events about one of `users`, or about the id `term`; an index finds all of them.

    `term` may be the id of a session, of a client, of a token or a key of this server, or the issuer of keys, which is
    a client or this server.
    """
    iss, subs = get_settings().ISSUER, [user_id_of(user) for user in users]
    kids: Iterable[str] = ClientKey.objects.filter(client__client_id=term).values_list("kid", flat=True)[:FOUND]
    if term == iss:
        kids = SigningKey.objects.values_list("kid", flat=True)[:FOUND]
    keys = [key_subject(term, kid) for kid in kids]
    return (
        Q(scope=Scope.USER, subject__in=subs)
        | Q(scope=Scope.KEY, subject__in=[*keys, key_subject(iss, term)])
        | Q(scope=Scope.TOKEN, subject__in=[token_subject(iss, term), term])
        | Q(scope=Scope.CLIENT, subject=term)
        | Q(scope=Scope.SESSION, subject=term.replace("-", ""))
    )


def _is_of_sessions(users: Iterable[Any]) -> Q:
    """Return the condition for events about single sessions and tokens of `users`; an index finds them."""
    own = Q(scope=Scope.SESSION) | Q(subject__startswith=f"{get_settings().ISSUER} ")
    return own & Q(sub__in=[user_id_of(user) for user in users])
