"""
Sessions in Django's admin: view, search and end them; they are never edited.
"""

import re
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from jwt_auth._django.admin_sites import redirect_from_missing
from jwt_auth.administration.lists import each_word, find_users, keys_of, newest
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import (
    SHOWN,
    ReadOnlyAdmin,
    allows,
    badge,
    changelist_url,
    confirm,
    is_cascading,
    link_to,
    log,
    name_fields_of_users,
    read,
    selection,
    staff_of,
    url_of,
)
from jwt_auth.exceptions import ExpiredTokenError, RefusedError
from jwt_auth.models import UserSession
from jwt_auth.revocation import database, revoke_sessions

# The number of sessions that one transaction ends.
BATCH = 500

# The beginning of an address, and not of a name.
_ADDRESS = re.compile(r"[0-9]{1,3}\.[0-9.]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")


# The reasons that `verdict` writes to the log, as texts for people.
ENDED = {
    "the session is revoked": _("Revoked"),
    "the session began before the cutoff": _("Before the cutoff"),
    "the user is inactive": _("User inactive"),
    "the password was changed since": _("Password changed"),
}


class LiveFilter(admin.SimpleListFilter):
    """Filter by live or ended, whatever the reason for the end."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("live", _("Live")), ("ended", _("Ended"))]

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


class UserSessionAdmin(ReadOnlyAdmin):
    """One row for each sign-in. The handle and the hashes that tokens depend on are not shown."""

    list_display = ["owner", "device", "state", "last_issued_at", "ip_address", "started_at", "transport"]
    list_display_links = ["device"]
    list_filter = [LiveFilter, SharedFilter, "transport", "started_at"]
    ordering = ["-started_at"]
    newest_by = "started_at"
    search_help_text = _("By the user's name or e-mail, or the IP address.")
    actions = ["revoke_selected"]
    fields = [
        *("state", "owner", "label", "transport", "ip_address", "user_agent", "started_at", "last_issued_at"),
        *("counter", "rotated_at", "last_ip_address", "last_user_agent", "shared"),
        *("idle_expires_at", "expires_at", "revoked_at", "revoked_reason", "id"),
    ]
    # `shared` has the columns of that name, `state` whether the session is live.
    shown_otherwise = ("user", "shared_at", "shared_ip_address", "shared_user_agent", "shared_rotations")

    def has_revoke_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request may end the session `obj`, or sessions in general."""
        return allows(request, "jwt_auth.revoke_user")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """
        Return whether the row is deleted together with its user; a session is not deleted by itself.

        The rows must not prevent staff who may delete users from doing so. A deletion would not make any token
        valid again: a session without a row is refused.
        """
        return obj is not None and is_cascading(request, self)

    def get_queryset(self, request: HttpRequest) -> Any:
        return database.with_state(super().get_queryset(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        return [*(f"user__{name}" for name in name_fields_of_users(request)), "ip_address__startswith"]

    def narrowed(self, request: HttpRequest) -> Any:
        """Return all sessions, or those of the user of a link to "all sessions"."""
        user: Any = request.GET.get("user__exact")
        return UserSession.objects.all() if user is None else UserSession.objects.filter(user=user)

    def find_by_words(self, request: HttpRequest, words: list[str]) -> Any:
        """Find sessions by addresses, by the names of users, or by both."""
        addresses = [word for word in words if _ADDRESS.fullmatch(word)]
        names = [word for word in words if word not in addresses]
        by_address = each_word(addresses, lambda word: Q(ip_address__startswith=word))
        if names:
            users, complete = find_users(names, name_fields_of_users(request))
            # In the order of the index on both columns, so that nothing else is read.
            rows = UserSession.objects.filter(user__in=users).order_by("-user_id", "-started_at")
        else:
            rows, complete = newest(UserSession.objects.all(), "started_at")
            rows = rows.order_by("-started_at")
        return keys_of(rows.filter(by_address), complete=complete)

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.revoke_view)
        own = path("<path:object_id>/revoke/", view, name="jwt_auth_usersession_revoke")
        return answering_outages([own, *super().get_urls()])

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> Any:
        context = {"may_revoke": self.has_revoke_permission(request), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    @admin.display(description=_("user"), ordering="user")
    def owner(self, session: UserSession) -> str:
        return link_to(self.admin_site, session.user)

    @admin.display(description=_("device"))
    def device(self, session: UserSession) -> str:
        return session.label or session.user_agent[:40] or gettext("unnamed")

    @admin.display(description=_("state"))
    def state(self, session: UserSession) -> str:
        refusal = database.refusal_of(session, timezone.now())
        own = badge(gettext("Live") if refusal is None else _why(refusal), live=refusal is None)
        return format_html("{} {}", own, badge(gettext("Shared"), live=False)) if session.is_shared else own

    @admin.display(description=_("shared"))
    def shared(self, session: UserSession) -> str:
        """Return the address and agent that used a refresh token within the grace period of another's rotation."""
        if session.shared_at is None:
            return gettext("No")
        return gettext("Also used by %(address)s, %(agent)s at %(moment)s (rotations in a row: %(rotations)d)") % {
            "address": session.shared_ip_address or gettext("an unknown address"),
            "agent": session.shared_user_agent or gettext("an unnamed agent"),
            "moment": date_format(localtime(session.shared_at), "DATETIME_FORMAT"),
            "rotations": session.shared_rotations,
        }

    @admin.action(permissions=["revoke"], description=_("Revoke selected sessions"))
    def revoke_selected(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        hidden = selection(request, "revoke_selected")
        return self._revoke(request, queryset, back=request.get_full_path(), hidden=hidden)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and end one session on POST."""
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        session = self.get_object(request, unquote(object_id))
        if session is None:
            return redirect_from_missing(self, request, object_id)
        back = url_of(self.admin_site, session) or changelist_url(self)
        rows = self.get_queryset(request).filter(pk=session.pk)
        return self._revoke(request, rows, back=back) or HttpResponseRedirect(back)

    def _revoke(self, request: HttpRequest, queryset: Any, *, back: str, hidden: Any = ()) -> HttpResponse | None:
        """Return the confirmation page, or end the sessions and return None if it was confirmed."""
        chosen, form = queryset.filter(revoked_at=None).order_by("pk"), read(request)
        if form.is_valid():
            self._demand(request, chosen.iterator(BATCH))
            self._end(request, chosen, form.cleaned_data["reason"])
            return None
        shown, count = list(chosen[:SHOWN]), chosen.count()
        self._demand(request, shown)
        live = chosen.filter(database.is_live(timezone.now())).count()
        return confirm(
            self,
            request,
            form,
            title=_("Revoke sessions"),
            warning=_(
                "The access and refresh tokens of these sessions will be refused, and this can't be undone. "
                "Their users have to sign in again there; their other sessions and API clients continue."
            ),
            summary={_("sessions not revoked yet"): count, _("of these, live"): live},
            button=_("Revoke"),
            back=back,
            objects=shown,
            name=lambda session: f"{session.user}: {session}",
            count=count,
            hidden=hidden,
        )

    def _demand(self, request: HttpRequest, sessions: Iterable[UserSession]) -> None:
        if not all(self._allows(request, session) for session in sessions):
            raise PermissionDenied

    def _allows(self, request: HttpRequest, session: UserSession) -> bool:
        return self.has_view_permission(request, session) and self.has_revoke_permission(request, session)

    def _end(self, request: HttpRequest, chosen: Any, reason: str) -> None:
        """End the `chosen` sessions, in the order of their keys and never all of them in memory."""
        ended, rest = 0, chosen
        while batch := list(rest[:BATCH]):
            # Sessions may have begun since `_demand` looked, maybe some that the request may not end.
            allowed = [session for session in batch if self._allows(request, session)]
            ended += revoke_sessions([session.pk for session in allowed], reason=reason, actor=staff_of(request))
            log(request, allowed, gettext("Revoked."))
            rest = chosen.filter(pk__gt=batch[-1].pk)
        text = ngettext("%(count)d session was revoked.", "%(count)d sessions were revoked.", ended)
        self.message_user(request, text % {"count": ended}, messages.SUCCESS)


def _why(refusal: RefusedError) -> Any:
    if isinstance(refusal, ExpiredTokenError):
        return _("Expired")
    return ENDED.get(refusal.reason, _("Ended"))
