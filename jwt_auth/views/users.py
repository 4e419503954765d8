"""
The endpoints for users: sign-in, refresh, logout, sessions, revocation and verification.
"""

from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.db import DatabaseError
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import service_tokens, sessions, throttling, transports
from jwt_auth.authentication import UserOrClientJWTAuthentication, client_of
from jwt_auth.exceptions import InvalidCredentialsError, MalformedTokenError
from jwt_auth.models import UserSession, user_id_of
from jwt_auth.principals import user_field, visible_users
from jwt_auth.revocation import revoke_session, revoke_sessions, revoke_user
from jwt_auth.revocation.database import live_sessions
from jwt_auth.sessions import Account, peer_of
from jwt_auth.sessions.credentials import authenticate
from jwt_auth.verification import verify
from jwt_auth.views.base import CredentialView, IsInScope, IsUser, UserView, authenticated_claims, user_of
from jwt_auth.views.parsers import StrictFormParser, StrictJSONParser
from jwt_auth.views.serializers import (
    LoginSerializer,
    LogoutSerializer,
    RefreshSerializer,
    RevokeUserSerializer,
    SessionSerializer,
    TokenSerializer,
    describe,
)


class BearerAnswer:
    """Send tokens in the body; clients send them back in the Authorization header."""

    transport = UserSession.Transport.BEARER

    def answer(self, request: Request, pair: sessions.TokenPair) -> Response:
        return Response(transports.bearer_body(pair))


class LoginView(BearerAnswer, CredentialView):
    throttle_classes = [throttling.LoginThrottle, throttling.FailedLoginThrottle, throttling.FailedNameThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        serializer = self.valid(LoginSerializer, request)
        with suppress(sessions.CredentialsChangedError):
            return self._sign_in(request, serializer, throttling.account_of(request))
        # The password was changed, or the user was revoked, during the sign-in: check the credentials again.
        return self._sign_in(request, serializer, None)

    @sensitive_variables()
    def _sign_in(self, request: Request, serializer: LoginSerializer, account: Account | None) -> Response:
        credentials = serializer.credentials()
        user = credentials and authenticate(request._request, credentials)
        if not user or not user.is_active:
            self.count_failure(request)
            raise InvalidCredentialsError("no backend accepted the credentials")
        pair = sessions.start(
            user,
            account=account,
            peer=peer_of(request._request),
            label=serializer.validated_data["label"],
            transport=self.transport,
        )
        self.announce(request, user, pair)
        return self.answer(request, pair)

    def announce(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Send Django's signal `user_logged_in`, as `login()` does; a receiver that raises refuses the sign-in."""
        request._request.user = user
        try:
            user_logged_in.send(sender=user.__class__, request=request._request, user=user)
        except Exception as error:  # any error; it is raised again below
            revoke_session(pair.session_id, reason="sign-in refused")
            # Django's own receiver writes `last_login`, which fails if the user was just deleted.
            gone = not get_user_model()._base_manager.filter(pk=user.pk).exists()
            if isinstance(error, DatabaseError) and gone:
                raise InvalidCredentialsError("the user was deleted while signing in") from error
            raise

    def count_failure(self, request: Request) -> None:
        for throttle in (throttling.FailedLoginThrottle(), throttling.FailedNameThrottle()):
            throttle.failed(request, self)


class RefreshView(BearerAnswer, CredentialView):
    throttle_classes = [throttling.RefreshThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        return self.answer(request, sessions.refresh(self.presented(request)))

    def presented(self, request: Request) -> str:
        return self.valid(RefreshSerializer, request).validated_data["refresh_token"]  # type: ignore[no-any-return]


class LogoutView(CredentialView):
    """End the session of the presented tokens. The answer is always 204, so that the request can be repeated."""

    throttle_classes = [throttling.RevokeThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        presented = self.presented(request)
        if not presented:
            raise drf.ParseError('Send the access token as a bearer token, or "refresh_token" in the body.')
        for raw in presented:
            sessions.end(raw)
        return Response(status=204)

    def presented(self, request: Request) -> list[str]:
        return [raw for raw in (self.in_header(request), self.in_body(request)) if raw is not None]

    def in_header(self, request: Request) -> str | None:
        try:
            return transports.bearer_token(request._request)
        except MalformedTokenError:
            return ""  # a token was presented, but belongs to no session

    def in_body(self, request: Request) -> str | None:
        return self.valid(LogoutSerializer, request).validated_data.get("refresh_token")  # type: ignore[no-any-return]


class LogoutAllView(UserView):
    throttle_classes = [throttling.RevokeThrottle]

    def post(self, request: Request) -> Response:
        revoke_user(user_of(request), reason="logout everywhere", actor=user_of(request))
        return Response(status=204)


class SessionsView(UserView):
    def get(self, request: Request) -> Response:
        rows = live_sessions(user_of(request), timezone.now())
        context = {"sid": authenticated_claims(request).sid}
        return Response(SessionSerializer(rows, many=True, context=context).data)

    def delete(self, request: Request) -> Response:
        live = live_sessions(user_of(request), timezone.now())
        others = [session.pk for session in live if session.sid != authenticated_claims(request).sid]
        user = user_of(request)
        revoke_sessions(others, sub=user_id_of(user), reason="ended by the user", actor=user)
        return Response(status=204)


class SessionView(UserView):
    def delete(self, request: Request, session_id: UUID) -> Response:
        user = user_of(request)
        session = get_object_or_404(UserSession.objects.filter(user=user), pk=session_id)
        revoke_session(session.pk, sub=user_id_of(user), reason="ended by the user", actor=user)
        return Response(status=204)


class RevokeView(CredentialView):
    """
    Revoke a token (RFC 7009). Anyone who holds a token may revoke it; an invalid token counts as revoked.
    """

    parser_classes = [StrictFormParser, StrictJSONParser]
    throttle_classes = [throttling.RevokeThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        raw, reason = self.valid(TokenSerializer, request).validated_data["token"], "revoked by its holder"
        if sessions.end(raw, reason=reason) is None:
            service_tokens.revoke(raw, reason=reason)
        return Response({})


class MayRevokeUsers(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("jwt_auth.revoke_user")


class RevokeUserView(UserView):
    permission_classes = [IsUser, IsInScope, MayRevokeUsers]
    scope = "revoke_user"
    throttle_classes = [throttling.RevokeThrottle]

    def post(self, request: Request) -> Response:
        data = self.valid(RevokeUserSerializer, request).validated_data
        user = find_user(data["user"]) if "user" in data else find_user_by_name(data["username"])
        done = revoke_user(user, reason=data["reason"], actor=user_of(request))
        return Response(
            {
                "user": user.pk,
                "tokens_valid_after": done.tokens_valid_after,
                "sessions_revoked": done.sessions_revoked,
            }
        )


class VerifyView(CredentialView):
    """Verify an access token, with the same result as a request with it."""

    throttle_classes = [throttling.VerifyThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        verify(self.valid(TokenSerializer, request).validated_data["token"])
        return Response({"active": True})


class MeView(UserView):
    """Describe the principal of the request; any principal may ask."""

    authentication_classes = [UserOrClientJWTAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        return Response(describe(request.user, authenticated_claims(request), client_of(request)))


def find_user(key: str, name: str = "pk") -> Any:
    """Return the user whose unique field `name` has the text form `key`; raise NotFound."""
    try:
        user = visible_users().filter(**{name: user_field(name).to_python(key)}).first()
    except (ValidationError, OverflowError):  # too large for SQLite; Django only checks keys that aren't inherited
        user = None
    if user is None or str(getattr(user, name)) != key:  # an exact comparison: "01" is no user's key
        raise drf.NotFound("There is no such user.")
    return user


def find_user_by_name(username: str) -> Any:
    """Return the user with the login name `username`; raise NotFound."""
    model = get_user_model()
    try:
        # On the primary database, as in find_user(), so that a user can be revoked before a replica has the row.
        return model._default_manager.db_manager(visible_users().db).get_by_natural_key(username)
    except (model.DoesNotExist, model.MultipleObjectsReturned, ValidationError, ValueError):
        raise drf.NotFound("There is no such user.") from None
