"""
"Revoke all tokens" on the project's own admin of users.

The project may register Django's `UserAdmin`, its own class or none; on `admin.site` or on another site;
in an `admin.py` that is imported before or after this app, or in `urls.py`; once, or again after
`unregister()`. In all these cases an admin site is asked for its URLs (`AdminSite.get_urls`) when the URLconf
is loaded, and only the models registered by then have pages. So `connect()` has each site extend its admins
of users at that moment.

To extend a `ModelAdmin`, it is given a class that has `TokenRevocationMixin` before its own class. The mixin
calls `super()` and only adds to the result: overridden `get_actions`, `get_urls` or templates stay in force.
If a project needs another order, or changes a method, it derives from the mixin itself, and its class is not
extended again.
"""

from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy as _, ngettext

from jwt_auth._django.admin_sites import admins, before_urls, list_at_most, put_before, redirect_from_missing
from jwt_auth._django.slices import Counted, count_some
from jwt_auth.administration import user_panel
from jwt_auth.administration.columns import Text, link_to, url_of
from jwt_auth.administration.forged import ForgedRequestMixin
from jwt_auth.administration.outages import answered, answering_outages
from jwt_auth.administration.pages import (
    allows,
    changelist_url,
    describe,
    is_limited,
    is_popup,
    left_of,
    log,
    sees_clients,
    staff_of,
)
from jwt_auth.administration.questions import (
    SHOWN,
    ReasonForm,
    UserForm,
    attempt,
    confirm,
    fate_of_logins,
    read,
    selection,
)
from jwt_auth.administration.saving import SavingMixin
from jwt_auth.conf.user_keys import key_of
from jwt_auth.models import RegisteredClient, UserSession
from jwt_auth.revocation import (
    BulkRevocation,
    UserRevocation,
    counting,
    remaining,
    revoke_user,
    revoke_users,
    user_rows,
)

if TYPE_CHECKING:
    _Base = admin.ModelAdmin[Any]
else:
    _Base = object

# The most deleted users whose API clients are looked for.
MOST_NAMED = remaining.USERS

# The number of sessions that the page for deleting users lists; it counts the rest.
SESSIONS_LISTED = 100

WARNING = _(
    "Every access and refresh token issued until now will be refused, and this can't be undone. "
    "Anyone who knows the password can sign in again. %(logins)s API clients continue, too, unless you end them here."
)


class TokenRevocationMixin(ForgedRequestMixin, SavingMixin, _Base):
    """
    Add an action, and a panel with the newest live sessions and a button, to a `ModelAdmin` of users.

    Every admin of users gets this mixin automatically. Derive from it, before `UserAdmin`, only to override
    something:

        class MemberAdmin(TokenRevocationMixin, UserAdmin):
            def has_revoke_tokens_permission(self, request, obj=None):
                allowed = super().has_revoke_tokens_permission(request, obj)
                return allowed and not (obj and obj.is_superuser)
    """

    class Media:
        css = {"all": ["jwt_auth/admin.css"]}  # also for Django's page that lists what is deleted with a user

    def has_revoke_tokens_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return whether the request may revoke the tokens of the user `obj`, or of users in general."""
        return allows(request, "jwt_auth.revoke_user")

    def _get_base_actions(self, *args: Any, **kwargs: Any) -> Any:
        # This runs before get_actions(), which the project may have overridden, and which checks the permission.
        actions = super()._get_base_actions(*args, **kwargs)  # type: ignore[misc]  # private: the stubs lack it
        ours = self.get_action(jwt_auth_revoke_tokens, *args, **kwargs)
        return [*actions, ours] if ours else actions

    def get_urls(self) -> Any:
        view = self.admin_site.admin_view(self.revoke_tokens_view)
        own = path("<path:object_id>/revoke-tokens/", view, name=_url_name(self.opts))
        return [*answering_outages([own]), *super().get_urls()]

    def revoke_tokens_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for confirmation, and revoke the tokens of one user on POST."""
        if not self.has_revoke_tokens_permission(request):
            raise PermissionDenied
        user = self.get_object(request, unquote(object_id))
        if user is None:
            return redirect_from_missing(self, request, object_id)
        if not _allowed(self, request, user):
            raise PermissionDenied
        back = url_of(self.admin_site, user) or changelist_url(self)
        form = read(request, _form_for(request))
        done = attempt(form, lambda: revoke_user(user, **form.cleaned_data, actor=staff_of(request)))
        if done is None:
            return _ask(self, request, form, [user], user_rows.users().filter(pk=key_of(user)), back=back)
        _tell(self, request, [user], done, {key_of(user): done.clients_left})
        return HttpResponseRedirect(back)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete a user, and name the API clients that the user made for others."""
        left = _made_for_others([key_of(obj)])
        super().delete_model(request, obj)
        _tell_of_orphans(self, request, left)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Delete users, and name the API clients that they made for others."""
        left = _made_for_others(list(queryset.values_list("pk", flat=True)[:MOST_NAMED]))
        super().delete_queryset(request, queryset)
        _tell_of_orphans(self, request, left)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        listed, numbers, *others = super().get_deleted_objects(objs, request)
        name: Any = UserSession._meta.verbose_name_plural
        if numbers.get(name, 0) >= SESSIONS_LISTED:
            sessions = UserSession.objects.filter(user__in=objs)
            numbers[name] = describe(count_some(sessions))  # type: ignore[assignment]  # it is only shown
        return listed, numbers, *others

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().render_change_form(request, context, *args, **kwargs)
        user = context.get("original")
        if user is None or is_popup(request) or not isinstance(response, TemplateResponse):
            return response
        may_revoke, may_look = self.has_revoke_tokens_permission(request, user), user_panel.sees_sessions(self, request)
        if may_revoke or may_look:
            # Our template extends the original one, so that the project's own templates stay in use.
            extended = response.resolve_template(response.template_name)
            tokens = user_panel.describe_tokens(self, request, user, may_look=may_look)
            tokens["revoke_url"] = self._revoke_url(user) if may_revoke else None
            response.context_data = {**(response.context_data or {}), "jwt_auth_base": extended, "tokens": tokens}
            response.template_name = "admin/jwt_auth/user_change_form.html"
        return response

    def _revoke_url(self, user: Any) -> str:
        return reverse(f"{self.admin_site.name}:{_url_name(self.opts)}", args=(quote(user.pk),))


def connect() -> None:
    """Have each admin site extend its admins of users when it builds its URLs."""
    _connect_once()


@cache
def _connect_once() -> None:
    before_urls(extend)
    list_at_most(SESSIONS_LISTED, UserSession)


def extend(site: admin.AdminSite) -> None:
    """Put the mixin before the class of each admin of users, including proxy and child models."""
    for model, model_admin in admins(site):
        if issubclass(model, get_user_model()) and not isinstance(model_admin, TokenRevocationMixin):
            put_before(model_admin, TokenRevocationMixin)


@admin.action(permissions=["revoke_tokens"], description=_("Revoke all tokens of selected %(verbose_name_plural)s"))
def jwt_auth_revoke_tokens(model_admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
    """Ask for confirmation, then revoke. The function has a unique name, because Django finds actions by name."""
    # Here and not in the list's view, because the list belongs to the project.
    response: HttpResponse | None = answered(request, partial(_revoke_selected, model_admin, request, queryset))
    return response


def _revoke_selected(model_admin: Any, request: HttpRequest, queryset: Any) -> HttpResponse | None:
    users = list(queryset)
    refused = [user for user in users if not _allowed(model_admin, request, user)]
    if refused:
        names = ", ".join(str(user) for user in refused[:SHOWN])
        text = gettext("Nothing was revoked: you may not revoke the tokens of %(names)s.") % {"names": names}
        model_admin.message_user(request, text, messages.ERROR)
        return None
    form = read(request, _form_for(request))
    done = attempt(form, lambda: revoke_users(users, **form.cleaned_data, actor=staff_of(request)))
    if done is None:
        hidden = selection(request, "jwt_auth_revoke_tokens")
        return _ask(model_admin, request, form, users, queryset, back=request.get_full_path(), hidden=hidden)
    _tell(model_admin, request, users, done, done.clients_left)
    return None


def _form_for(request: HttpRequest) -> type[ReasonForm]:
    """Return the form of the confirmation page: only with the permission to revoke clients it asks about them."""
    return UserForm if allows(request, "jwt_auth.revoke_client") else ReasonForm


def _allowed(model_admin: Any, request: HttpRequest, user: Any) -> bool:
    """Return whether the request may view and revoke this user; the project may define object permissions."""
    sees = not is_limited(request) and model_admin.has_view_or_change_permission(request, user)
    return bool(sees and model_admin.has_revoke_tokens_permission(request, user))


def _ask(
    model_admin: Any, request: HttpRequest, form: Any, users: list[Any], queryset: Any, **options: Any
) -> TemplateResponse:
    hit = queryset.using(router.db_for_write(UserSession)).order_by().values("pk")
    live = counting.live_sessions_of(hit, timezone.now())
    page = remaining.summary([key_of(user) for user in users], timezone.now())
    numbers: dict[Text, int | Counted] = {_("live sessions"): live}
    if len(users) != 1:
        numbers = {model_admin.opts.verbose_name_plural: len(users), **numbers}
    return confirm(
        model_admin,
        request,
        form,
        title=_title(users),
        warning=WARNING % {"logins": fate_of_logins()},
        summary=numbers,
        button=_("Revoke all tokens"),
        objects=users[:SHOWN],
        count=len(users),
        left=left_of(model_admin.admin_site, request, page),
        **options,
    )


def _title(users: list[Any]) -> str:
    if len(users) == 1:
        return gettext("Sign out everywhere: revoke all tokens of %(user)s") % {"user": users[0]}
    return gettext("Revoke all tokens of %(count)d users") % {"count": len(users)}


def _tell(
    model_admin: Any,
    request: HttpRequest,
    users: list[Any],
    done: UserRevocation | BulkRevocation,
    left: Mapping[Any, int],
) -> None:
    """Report what was revoked, and which API clients stay: `left` is their number, by the user's primary key."""
    sessions = done.sessions_revoked
    log(request, users, gettext("Revoked all tokens."))
    of_users = ngettext(
        "All tokens of %(count)d user were revoked.", "All tokens of %(count)d users were revoked.", len(users)
    )
    of_sessions = ngettext("%(count)d live session ended.", "%(count)d live sessions ended.", sessions)
    text = f"{of_users % {'count': len(users)}} {of_sessions % {'count': sessions}}"
    if done.clients_disabled or done.keys_revoked:
        numbers = {"clients": done.clients_disabled, "keys": done.keys_revoked}
        ended = gettext("API clients disabled: %(clients)d; keys of other clients revoked: %(keys)d.") % numbers
        text = f"{text} {ended}"
    model_admin.message_user(request, text, messages.SUCCESS)
    if staying := [user for user in users if left.get(key_of(user))]:
        numbered = ((link_to(model_admin.admin_site, user), left[key_of(user)]) for user in staying[:SHOWN])
        text = format_html(
            "{} {}{}",
            gettext("API clients stay, and can sign new tokens:"),
            format_html_join(", ", "{} ({})", numbered),
            ", …" if len(staying) > SHOWN else "",
        )
        model_admin.message_user(request, text, messages.WARNING)


def _made_for_others(user_pks: list[Any]) -> list[RegisteredClient]:
    """Return the API clients that these users made, or gave a key, and that don't act as one of them."""
    rows = remaining.clients_of(user_pks, timezone.now()).exclude(user__in=user_pks)
    return list(rows.order_by("-pk")[: SHOWN + 1])


def _tell_of_orphans(model_admin: Any, request: HttpRequest, left: list[RegisteredClient]) -> None:
    if not left:
        return
    text = gettext("API clients that were made by a deleted user stay, and can sign new tokens.")
    if sees_clients(model_admin.admin_site, request):
        names = format_html_join(", ", "{}", ((link_to(model_admin.admin_site, each),) for each in left[:SHOWN]))
        text = format_html("{} {}{}", text, names, ", …" if len(left) > SHOWN else "")
    model_admin.message_user(request, text, messages.WARNING)


def _url_name(opts: Any) -> str:
    return f"{opts.app_label}_{opts.model_name}_revoke_tokens"
