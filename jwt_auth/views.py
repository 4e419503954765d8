"""
The endpoints. Thin: a serializer reads, `sessions` or `revocation` acts, a transport writes.
"""

from contextlib import suppress
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, transaction
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_safe
from rest_framework import exceptions as drf
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import sessions, throttling, transports
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.claims import Claims
from jwt_auth.credentials import Account, authenticate
from jwt_auth.exceptions import InvalidCredentialsError, MalformedTokenError
from jwt_auth.keys import own_keys
from jwt_auth.models import UserSession
from jwt_auth.parsers import StrictFormParser, StrictJSONParser
from jwt_auth.peer import peer_of
from jwt_auth.responses import error_response
from jwt_auth.revocation import revoke_session, revoke_sessions, revoke_user
from jwt_auth.revocation.database import live_sessions
from jwt_auth.serializers import (
    LoginSerializer,
    LogoutSerializer,
    RefreshSerializer,
    RevokeUserSerializer,
    SessionSerializer,
    TokenSerializer,
    describe,
)
from jwt_auth.verification import verify


class TokenView(APIView):
    """
    Base of all endpoints: JSON in and out, nothing cached, transactions of its own.

    With ATOMIC_REQUESTS an error would roll back the revocation that it reports, so these views are
    excepted from it.
    """

    parser_classes = [StrictJSONParser]
    throttle_classes: list[Any] = []

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_exception_handler(self) -> Any:
        return lambda exc, context: error_response(exc, context["request"])

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[JSONRenderer, str]:
        """JSON, whatever Accept says: a sign-out must not fail over it."""
        return JSONRenderer(), JSONRenderer.media_type

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "no-store"
        return response

    @sensitive_variables()
    def valid(self, serializer_class: Any, request: Request) -> Any:
        """The serializer for the body of `request`, found valid."""
        serializer = serializer_class(data=request.data)
        serializer.is_valid(raise_exception=True)
        return serializer


class CredentialView(TokenView):
    """Looks at no credential but the one it is about: a stale token never stands in its way."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []


class UserView(TokenView):
    """For whoever is signed in with an access token."""

    authentication_classes = [JWTAuthentication]
    permission_classes: list[Any] = [IsAuthenticated]


class LoginView(CredentialView):
    throttle_classes = [throttling.LoginThrottle, throttling.FailedLoginThrottle, throttling.FailedNameThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        serializer = self.valid(LoginSerializer, request)
        with suppress(sessions.CredentialsChangedError):
            return self.sign_in(request, serializer, throttling.account_of(request))
        # The password was changed, or the user revoked, in this very moment: check once more.
        return self.sign_in(request, serializer, None)

    @sensitive_variables()
    def sign_in(self, request: Request, serializer: LoginSerializer, account: Account | None) -> Response:
        credentials = serializer.credentials()
        user = credentials and authenticate(request._request, credentials)
        if not user or not user.is_active:
            self.count_failure(request)
            raise InvalidCredentialsError("no backend accepted the credentials")
        pair = sessions.start(
            user, account=account, peer=peer_of(request._request), label=serializer.validated_data["label"]
        )
        self.announce(request, user, pair)
        return Response(transports.bearer_body(pair))

    def announce(self, request: Request, user: Any, pair: sessions.TokenPair) -> None:
        """Tell Django's receivers, as its `login()` does; one that fails has refused the sign-in."""
        request._request.user = user
        try:
            user_logged_in.send(sender=user.__class__, request=request._request, user=user)
        except Exception as error:  # whatever it is; it goes on below
            revoke_session(pair.session_id, reason="sign-in refused")
            # Django's own receiver writes `last_login`, and can't when the user was just deleted.
            gone = not get_user_model()._base_manager.filter(pk=user.pk).exists()
            if isinstance(error, DatabaseError) and gone:
                raise InvalidCredentialsError("the user was deleted while signing in") from error
            raise

    def count_failure(self, request: Request) -> None:
        for throttle in (throttling.FailedLoginThrottle(), throttling.FailedNameThrottle()):
            throttle.failed(request, self)


class RefreshView(CredentialView):
    throttle_classes = [throttling.RefreshThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        raw = self.valid(RefreshSerializer, request).validated_data["refresh_token"]
        return Response(transports.bearer_body(sessions.refresh(raw)))


class LogoutView(CredentialView):
    """Ends the session of whichever token comes. 204 whatever the token, so that it can be repeated."""

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
        body = self.valid(LogoutSerializer, request).validated_data
        try:
            header = transports.bearer_token(request._request)
        except MalformedTokenError:
            header = ""  # presented, and nobody's
        return [raw for raw in (header, body.get("refresh_token")) if raw is not None]


class LogoutAllView(UserView):
    throttle_classes = [throttling.RevokeThrottle]

    def post(self, request: Request) -> Response:
        revoke_user(request.user, reason="logout everywhere", actor=request.user)
        return Response(status=204)


class SessionsView(UserView):
    def get(self, request: Request) -> Response:
        rows = live_sessions(user_of(request), timezone.now())
        context = {"sid": claims_of(request).sid}
        return Response(SessionSerializer(rows, many=True, context=context).data)

    def delete(self, request: Request) -> Response:
        live = live_sessions(user_of(request), timezone.now())
        others = [session.pk for session in live if session.sid != claims_of(request).sid]
        revoke_sessions(others, reason="ended by the user", actor=request.user)
        return Response(status=204)


class SessionView(UserView):
    def delete(self, request: Request, session_id: UUID) -> Response:
        session = get_object_or_404(UserSession.objects.filter(user=user_of(request)), pk=session_id)
        revoke_session(session.pk, reason="ended by the user", actor=request.user)
        return Response(status=204)


class RevokeView(CredentialView):
    """
    RFC 7009. Whoever holds a token may take it back; a token that is none is already gone.
    """

    parser_classes = [StrictFormParser, StrictJSONParser]
    throttle_classes = [throttling.RevokeThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        sessions.end(self.valid(TokenSerializer, request).validated_data["token"], reason="revoked by its holder")
        return Response({})


class MayRevokeUsers(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("jwt_auth.revoke_user")


class RevokeUserView(UserView):
    permission_classes = [IsAuthenticated, MayRevokeUsers]
    throttle_classes = [throttling.RevokeThrottle]

    def post(self, request: Request) -> Response:
        data = self.valid(RevokeUserSerializer, request).validated_data
        user = find_user(data["user"]) if "user" in data else find_user_by_name(data["username"])
        done = revoke_user(user, reason=data["reason"], actor=request.user)
        return Response(
            {
                "user": user.pk,
                "tokens_valid_after": done.tokens_valid_after,
                "sessions_revoked": done.sessions_revoked,
            }
        )


class VerifyView(CredentialView):
    """Says of an access token what a request with it would be told."""

    throttle_classes = [throttling.VerifyThrottle]

    @sensitive_variables()
    def post(self, request: Request) -> Response:
        verify(self.valid(TokenSerializer, request).validated_data["token"])
        return Response({"active": True})


class MeView(UserView):
    def get(self, request: Request) -> Response:
        return Response(describe(request.user, claims_of(request)))


def user_of(request: Request) -> Any:
    """The user, of whatever model, whom IsAuthenticated has let in."""
    return request.user


def claims_of(request: Request) -> Claims:
    """What JWTAuthentication, the only authenticator of these views, made of the token."""
    return cast("Claims", request.auth)


def find_user(pk: str) -> Any:
    """The user whose primary key is written `pk`, to the letter; raise NotFound."""
    model = get_user_model()
    try:
        user = model._default_manager.filter(pk=model._meta.pk.to_python(pk)).first()
    except ValidationError:
        user = None
    if user is None or str(user.pk) != pk:
        raise drf.NotFound("There is no such user.")
    return user


def find_user_by_name(username: str) -> Any:
    """The user who signs in as `username`; raise NotFound."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(username)
    except (model.DoesNotExist, model.MultipleObjectsReturned, ValidationError, ValueError):
        raise drf.NotFound("There is no such user.") from None


@login_not_required
@require_safe
def jwks(request: HttpRequest) -> HttpResponseBase:
    """Our public keys as a JWK Set (RFC 7517 section 5): empty while the algorithm is symmetric."""
    response = JsonResponse({"keys": own_keys().public_jwks()})
    response["Cache-Control"] = "public, max-age=300"
    response["ETag"] = f'"{sha256(response.content).hexdigest()}"'
    answer = cast("HttpResponseBase", get_conditional_response(request, etag=response["ETag"], response=response))
    answer["Access-Control-Allow-Origin"] = "*"
    return answer
