"""
The endpoints for users: sign-in, refresh, logout, sessions, revocation and verification.
"""

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.db.models import Case, When
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from jwt_auth import service_tokens, sessions, throttling, transports
from jwt_auth.authentication import UserOrClientJWTAuthentication, client_of
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import MalformedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import remaining, revoke_session, revoke_user
from jwt_auth.revocation.bulk import end_others
from jwt_auth.revocation.database import live_sessions
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.revocation.user_sessions import is_unfinished
from jwt_auth.sessions import accounts, peer_of
from jwt_auth.sessions.accounts import read_name
from jwt_auth.sessions.credentials import authenticate
from jwt_auth.user_model import has_permission, read_key, user_field, visible_users
from jwt_auth.verification import verify
from jwt_auth.views.base import (
    CredentialView,
    HasAdminSignIn,
    IsInScope,
    IsUser,
    Pages,
    UserView,
    authenticated_claims,
    demand_scope,
    has_scope,
    lacking,
    own_sid,
    page_of,
    user_of,
)
from jwt_auth.views.client_serializers import OwnClientSerializer, describe_left
from jwt_auth.views.parsers import StrictFormParser, StrictJSONParser
from jwt_auth.views.serializers import (
    LabelSerializer,
    LoginSerializer,
    LogoutSerializer,
    RefreshSerializer,
    RevokeUserSerializer,
    SessionSerializer,
    TokenSerializer,
    describe,
    written_key,
)
from jwt_auth.views.sign_in import SignInView
from jwt_auth.views.transport import BearerAnswer

# The errors for a body that can't be read: not JSON, of another type, too large, or with a value of another type.
UNREADABLE = (drf.ParseError, drf.ValidationError, drf.UnsupportedMediaType)


# How often a sign-in checks the credentials if the user is revoked each time before its session has begun.
ATTEMPTS = 5


class LoginView(SignInView):
    """
    Sign in with a name and a password.

    `name_field` is the name's field in the body.
    """

    serializer_class: type[Serializer[Any]] = LoginSerializer
    name_field: str | None = ""
    amr = ("pwd",)
    _attempts = ATTEMPTS
    _compares_by_name = False  # a backend that looks at the account checks its password, and so notes it

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        """Return what Django's `authenticate()` returns for the login name and the password in `data`."""
        name = read_name(self.get_login_name(request))
        return None if name is None else authenticate(request._request, name, data["password"])

    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        return self.authenticate(request, data)  # compares another password, which takes the same time


class RefreshView(BearerAnswer, CredentialView):
    throttle_classes = [throttling.RefreshThrottle]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        peer, retry_key = peer_of(request._request), request.headers.get("Idempotency-Key")
        return self.answer(request, sessions.refresh(self.presented(request), peer=peer, retry_key=retry_key))

    def presented(self, request: Request) -> str:
        return self.valid(RefreshSerializer, request).validated_data["refresh_token"]  # type: ignore[no-any-return]


class LogoutView(CredentialView):
    """
    End the session of the presented tokens. The answer is always 204, so that the request can be repeated.

    A body that can't be read does not prevent the sign-out by the token in the header: its session ends, and the
    answer is 204. If the header named no session, nothing was ended, and the answer says what is wrong with the body.
    """

    throttle_classes = [throttling.RevokeThrottle]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        in_header = self.in_header(request)
        ended = in_header is not None and sessions.end(in_header) is not None
        with suppress(*UNREADABLE) if ended else nullcontext():
            in_body = self.in_body(request)
            if in_header is None and in_body is None:
                raise drf.ParseError('Send the access token as a bearer token, or "refresh_token" in the body.')
            if in_body is not None:
                sessions.end(in_body)
        return Response(status=204)

    def in_header(self, request: Request) -> str | None:
        try:
            return transports.bearer_token(request._request)
        except MalformedTokenError:
            return ""  # a token was presented, but belongs to no session

    def in_body(self, request: Request) -> str | None:
        return self.valid(LogoutSerializer, request).validated_data.get("refresh_token")  # type: ignore[no-any-return]


class LogoutAllView(UserView):
    throttle_classes = [throttling.RevokeThrottle, throttling.UserThrottle]

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        revoke_user(user_of(request), reason="logout everywhere", actor=user_of(request))
        return Response(status=204)


class SessionsView(UserView):
    pagination_class = Pages
    throttle_classes = [throttling.SessionsThrottle, throttling.UserThrottle]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        sid = own_sid(request)
        current_first = Case(When(pk=parse_sid(sid), then=0), default=1)
        # Not by last use: the order would change with a use, and tell when it was.
        rows = live_sessions(user_of(request), timezone.now()).order_by(current_first, "-started_at", "-pk")
        return page_of(self, request, rows, SessionSerializer, sid=sid)

    def delete(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        user, current = user_of(request), parse_sid(own_sid(request))
        end_others(user, current, reason="ended by the user", actor=user)
        return Response(status=204)


class SessionView(UserView):
    throttle_classes = SessionsView.throttle_classes

    def patch(self, request: Request, session_id: UUID, **kwargs: Any) -> Response:
        label, now = self.valid(LabelSerializer, request).validated_data["label"], timezone.now()
        session = get_object_or_404(live_sessions(user_of(request), now), pk=session_id)
        # The session may have ended since it was read; then it keeps its name.
        if not UserSession.objects.filter(is_unfinished(now), pk=session.pk).update(label=label):
            raise Http404
        session.label = label
        return Response(SessionSerializer(session, context={"sid": own_sid(request)}).data)

    def delete(self, request: Request, session_id: UUID, **kwargs: Any) -> Response:
        user = user_of(request)
        session = get_object_or_404(UserSession.objects.filter(user=user), pk=session_id)
        revoke_session(session.pk, reason="ended by the user", actor=user)
        return Response(status=204)


class RevokeView(CredentialView):
    """
    Revoke a token (RFC 7009). Anyone who holds a token may revoke it; an invalid token counts as revoked.
    """

    parser_classes = [StrictFormParser, StrictJSONParser]
    throttle_classes = [throttling.RevokeThrottle]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raw, reason = self.valid(TokenSerializer, request).validated_data["token"], "revoked by its holder"
        if sessions.end(raw, reason=reason) is None:
            service_tokens.revoke(raw, reason=reason)
        return Response({})


class MayRevokeUsers(BasePermission):
    message = lacking("jwt_auth.revoke_user")

    def has_permission(self, request: Request, view: APIView) -> bool:
        return has_permission(request.user, "jwt_auth.revoke_user")


def check_may_withdraw(request: Request) -> None:
    """
    Raise an error if the request may not revoke API clients together with a user.

    Users need the permission to revoke clients, and clients the scope of that name.
    """
    demand_scope(request, "revoke_client")
    if client_of(request) is None and not has_permission(request.user, "jwt_auth.revoke_client"):
        raise drf.PermissionDenied(lacking("jwt_auth.revoke_client"))


class RevokeUserView(UserView):
    permission_classes = [IsUser, IsInScope, MayRevokeUsers, HasAdminSignIn]
    scope = "revoke_user"
    throttle_classes = [throttling.RevokeThrottle]

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.valid(RevokeUserSerializer, request).validated_data
        if data["with_clients"]:
            check_may_withdraw(request)
        user = find_user(data["user"]) if "user" in data else find_user_by_name(data["username"])
        facts = {"reason": data["reason"], "actor": user_of(request)}
        done = revoke_user(user, with_clients=data["with_clients"], **facts)
        may_look = has_scope(request, "clients") and has_permission(request.user, "jwt_auth.view_registeredclient")
        left = remaining.page([key_of(user)], timezone.now()) if may_look else remaining.Page()
        return Response({"user": written_key(key_of(user)), **asdict(done), "clients": describe_left(left)})


class OwnClientsView(UserView):
    """List the API clients that stay when the user signs out everywhere."""

    pagination_class = Pages
    throttle_classes = [throttling.SessionsThrottle]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        user = user_of(request)
        rows = remaining.clients_of([key_of(user)], timezone.now()).order_by("-pk")
        return page_of(self, request, rows, OwnClientSerializer, user=user)


class VerifyView(CredentialView):
    """Verify an access token, with the same result as a request with it."""

    throttle_classes = [throttling.VerifyThrottle]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        verify(self.valid(TokenSerializer, request).validated_data["token"])
        return Response({"active": True})


class MeView(UserView):
    """Describe the principal of the request; any principal may ask."""

    authentication_classes = [UserOrClientJWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(describe(request.user, authenticated_claims(request), client_of(request)))


def find_user(key: str, name: str = "pk") -> Any:
    """Return the user whose unique field `name` has the text form `key`; raise NotFound."""
    field = user_field(name)
    value = read_key(field, key)
    user = None if value is None else visible_users().filter(**{name: value}).first()
    if user is None or str(field.value_from_object(user)) != key:  # an exact comparison: "01" is no user's key
        raise drf.NotFound("There is no such user.")
    return user


def find_user_by_name(username: str) -> Any:
    """Return the only user with the login name `username`; raise NotFound."""
    found = accounts.users_by_name(username)
    if len(found) > 1:
        raise drf.NotFound("Two users have this name, in two spellings: name the user by the primary key.")
    if not found:
        raise drf.NotFound("There is no such user.")
    return found[0]
