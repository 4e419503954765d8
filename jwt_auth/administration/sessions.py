"""
Sessions in Django's admin: view, search and end them; they are never edited.
"""

import json
import re
import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from jwt_auth._django.admin_sites import redirect_from_missing
from jwt_auth.administration import states
from jwt_auth.administration.columns import (
    NOTHING,
    address_of,
    badge,
    column,
    device_of,
    duration,
    link_to,
    moment,
    moment_column,
    peers_of,
    sign_in_of,
    url_of,
)
from jwt_auth.administration.lists import Matches, RowsOfUsers, each_word, find_users, keys_of, newest
from jwt_auth.administration.outages import answering_outages
from jwt_auth.administration.pages import (
    ReadOnlyAdmin,
    allows,
    changelist_url,
    is_cascading,
    log,
    name_fields_of_users,
    staff_of,
)
from jwt_auth.administration.questions import SHOWN, attempt, confirm, read, selection
from jwt_auth.administration.session_filters import LiveFilter, MethodFilter, SharedFilter
from jwt_auth.models import UserSession
from jwt_auth.revocation import database, revoke_sessions
from jwt_auth.sessions.terms import idle_timeout_of

# The number of sessions that one transaction ends.
BATCH = 500

# The beginning of an address, and not of a name.
_ADDRESS = re.compile(r"[0-9]{1,3}\.[0-9.]*|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*")


# The query of a link to the question that comes from the user's page, and leads back there.
FROM_USER = "?from=user"


class UserSessionAdmin(ReadOnlyAdmin):
    """One row for each sign-in. The handle and the hashes that tokens depend on are not shown."""

    list_display = ["owner", "device", "state", "last_used", "address", "started"]
    list_display_links = ["device"]
    list_filter = [LiveFilter, SharedFilter, "transport", MethodFilter, "started_at"]
    ordering = ["-started_at"]
    newest_by = "started_at"
    search_help_text = _(
        "By the session's id (“sid” in the log), the user's name or e-mail, the device's name or user agent, or the IP "
        "address."
    )
    offers_revoke_all = True
    actions = ["revoke_selected"]
    fields = [
        *("state", "owner", "label", "transport", "peers", "shared", "started_at", "last_issued_at"),
        *("amr", "acr", "own_data", "is_tied", "is_persistent", "counter", "rotated_at", "idle"),
        *("idle_expires_at", "expires_at", "revoked_at", "revoked_reason", "sid"),
    ]
    # `shared` and `peers` have the columns of these names, `state` whether the session is live. `is_tied` says whether
    # `tied_to` has an id, which is not shown; so that column is missing here.
    shown_otherwise = (
        *("user", "ip_address", "user_agent", "last_ip_address", "last_user_agent"),
        *("shared_at", "shared_ip_address", "shared_user_agent", "shared_rotations"),
        *("misused_ip_address", "misused_user_agent"),
    )

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

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> Any:
        return RowsOfUsers

    def get_queryset(self, request: HttpRequest) -> Any:
        return database.with_state(super().get_queryset(request))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        users = (f"user__{name}" for name in name_fields_of_users(request))
        return [*users, "label", "user_agent", "ip_address__startswith"]

    def narrowed(self, request: HttpRequest) -> Any:
        """Return all sessions, or those of the user of a link to "all sessions"."""
        user: Any = request.GET.get("user__exact")
        return UserSession.objects.all() if user is None else UserSession.objects.filter(user=user)

    def find_by_words(self, request: HttpRequest, words: list[str]) -> Any:
        """Find a session by its id; else by the user's name and the address, or by texts of the newest sessions."""
        if len(words) == 1 and (sid := _read_id(words[0])) is not None and UserSession.objects.filter(pk=sid).exists():
            return Matches((sid,), are_all=True)
        addresses = [word for word in words if _ADDRESS.fullmatch(word)]
        names = [word for word in words if word not in addresses]
        fields = name_fields_of_users(request)
        users, are_all_users = find_users(names, fields)
        by_address = each_word(addresses, _is_from)
        rows, are_all_rows = newest(UserSession.objects.all(), "started_at")
        return keys_of(
            # In the order of the index on both columns, so that nothing else is read.
            UserSession.objects.filter(by_address, user__in=users).order_by("-user_id", "-started_at"),
            rows.filter(each_word(words, lambda word: _mentions(word, fields))).order_by("-started_at"),
            # Words that name users are searched as names only, so no older session is missed.
            complete=are_all_users if users else are_all_rows,
        )

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.revoke_view)
        own = path("<path:object_id>/revoke/", view, name="jwt_auth_usersession_revoke")
        return answering_outages([own, *super().get_urls()])

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        session = context["original"]
        context |= {"may_revoke": self.may_end(request, session), "subtitle": device_of(session)}
        return super().render_change_form(request, context, *args, **kwargs)

    # Columns and facts

    last_used = moment_column("last_issued_at", _("last used"))

    @column(_("user"), ordering="user")
    def owner(self, session: UserSession) -> str:
        return link_to(self.admin_site, session.user)

    @column(_("device"))
    def device(self, session: UserSession) -> str:
        return device_of(session)

    @admin.display(description=_("id (“sid” in tokens and in the log)"))
    def sid(self, session: UserSession) -> str:
        return session.sid

    @column(_("address"), ordering="ip_address")
    def address(self, session: UserSession) -> str:
        return address_of(session)

    @column(_("signed in"), ordering="started_at")
    def started(self, session: UserSession) -> str:
        return sign_in_of(session)

    @column(_("state"))
    def state(self, session: UserSession) -> str:
        own = states.of_session(session, timezone.now())
        return format_html("{} {}", own, badge(gettext("Shared"), live=False)) if session.is_shared else own

    @admin.display(description=_("shared"))
    def shared(self, session: UserSession) -> str:
        """Return the address and agent that used a refresh token within the grace period of another's rotation."""
        if session.shared_at is None:
            return gettext("No")
        return gettext("Also used by %(address)s, %(agent)s at %(moment)s (refreshes in a row: %(rotations)d)") % {
            "address": session.shared_ip_address or gettext("an unknown address"),
            "agent": session.shared_user_agent or gettext("an unnamed agent"),
            "moment": moment(session.shared_at),
            "rotations": session.shared_rotations,
        }

    @admin.display(description=_("used by"))
    def peers(self, session: UserSession) -> str:
        return peers_of(session)

    @admin.display(description=_("tied to a Django session"))
    def is_tied(self, session: UserSession) -> str:
        """Return whether there is a tie, but not its id."""
        return gettext("Yes: each ends with the other") if session.tied_to else gettext("No")

    @admin.display(description=_("idle timeout"))
    def idle(self, session: UserSession) -> str:
        """Return the time after which the session ends if it is not used: its own, or that of the setting."""
        text = duration(idle_timeout_of(session))
        return text if session.idle_timeout else gettext("%(timeout)s, set by SESSION_IDLE_TIMEOUT") % {"timeout": text}

    @admin.display(description=_("data"))
    def own_data(self, session: UserSession) -> str:
        text = json.dumps(session.data, indent=2, ensure_ascii=False)
        return format_html('<pre class="jwt-auth-data">{}</pre>', text) if session.data else NOTHING

    @admin.action(permissions=["revoke"], description=_("End selected sessions"))
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
        rows = self.get_queryset(request).filter(pk=session.pk)
        back = self._back_from(request, session)
        return self._revoke(request, rows, back=back) or HttpResponseRedirect(back)

    def _back_from(self, request: HttpRequest, session: UserSession) -> str:
        """Return the page that led to the question: the user's, or the session's."""
        user_url = url_of(self.admin_site, session.user) if f"?{request.GET.urlencode()}" == FROM_USER else None
        return user_url or url_of(self.admin_site, session) or changelist_url(self)

    def _revoke(self, request: HttpRequest, queryset: Any, *, back: str, hidden: Any = ()) -> HttpResponse | None:
        """Return the confirmation page, or end the sessions and return None if it was confirmed."""
        chosen, form = queryset.filter(revoked_at=None).order_by("pk"), read(request)
        if form.is_valid():
            self._demand(request, chosen.iterator(BATCH))
        if attempt(form, lambda: self._end(request, chosen, form.cleaned_data["reason"])) is not None:
            return None
        shown, count = list(chosen[:SHOWN]), chosen.count()
        self._demand(request, shown)
        if not count:
            self.message_user(request, gettext("Nothing was done: the session had already ended."), messages.WARNING)
            return HttpResponseRedirect(back)
        return confirm(
            self,
            request,
            form,
            title=_title(shown, count),
            warning=ngettext(
                "The access and refresh tokens of this session will be refused, and this can't be undone. "
                "Its user has to sign in again there; other sessions and API clients of the user continue.",
                "The access and refresh tokens of these sessions will be refused, and this can't be undone. "
                "Their users have to sign in again there; their other sessions and API clients continue.",
                count,
            ),
            summary=self._summary(chosen, count),
            button=ngettext("End the session", "End the sessions", count),
            back=back,
            objects=shown,
            name=lambda session: f"{session.user}: {device_of(session)}; {address_of(session)}; {session.pk}",
            count=count,
            hidden=hidden,
        )

    def _summary(self, chosen: Any, count: int) -> Any:
        if count == 1:
            return {}
        return {_("sessions"): count, _("of these, live"): chosen.filter(database.is_live(timezone.now())).count()}

    def _demand(self, request: HttpRequest, sessions: Iterable[UserSession]) -> None:
        if not all(self.may_end(request, session) for session in sessions):
            raise PermissionDenied

    def may_end(self, request: HttpRequest, session: UserSession) -> bool:
        """Return whether the request may end this session."""
        return self.has_view_permission(request, session) and self.has_revoke_permission(request, session)

    def _end(self, request: HttpRequest, chosen: Any, reason: str) -> int:
        """End the `chosen` sessions in batches, in the order of their keys; return their number."""
        ended, rest = 0, chosen
        while batch := list(rest[:BATCH]):
            # Sessions may have begun since `_demand` looked, maybe some that the request may not end.
            allowed = [session for session in batch if self.may_end(request, session)]
            ended += revoke_sessions([session.pk for session in allowed], reason=reason, actor=staff_of(request))
            log(request, allowed, gettext("Revoked."))
            rest = chosen.filter(pk__gt=batch[-1].pk)
        text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", ended)
        self.message_user(request, text % {"count": ended}, messages.SUCCESS)
        return ended


def end_url(site: Any, session: UserSession) -> str:
    """Return the URL of the question that a user's page leads to."""
    return reverse(f"{site.name}:jwt_auth_usersession_revoke", args=(session.pk,)) + FROM_USER


def _title(sessions: list[UserSession], count: int) -> str:
    if count != 1:
        return gettext("End %(count)d sessions") % {"count": count}
    names = {"device": device_of(sessions[0]), "user": sessions[0].user}
    return gettext("End the session “%(device)s” of %(user)s") % names


def _mentions(word: str, fields: Iterable[str]) -> Q:
    """Return the condition for sessions that have `word` in a name of the user, the label, the agent or the address."""
    found = _is_from(word)
    for name in ("label", "user_agent", "last_user_agent", *(f"user__{field}" for field in fields)):
        found |= Q(**{f"{name}__icontains": word})
    return found


def _is_from(word: str) -> Q:
    """Return the condition for sessions that were begun, refreshed, shared or misused from such an address."""
    found = Q(ip_address__startswith=word)
    for name in ("last_ip_address", "shared_ip_address", "misused_ip_address"):
        found |= Q(**{f"{name}__startswith": word})
    return found


def _read_id(word: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(word)
    except ValueError:
        return None
