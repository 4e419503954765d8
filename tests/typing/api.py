"""The public names as a project uses them. Only type-checked, never run."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import AbstractUser, User
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import revocation, sessions
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.base_models import TokensValidAfterMixin
from jwt_auth.claims import Claims
from jwt_auth.exceptions import RefreshTokenReusedError, RevokedTokenError, TokenError
from jwt_auth.transports import bearer_token
from jwt_auth.verification import Verified, averify, verify


class Customer(TokensValidAfterMixin, AbstractUser):
    class Meta:
        abstract = True


class Greeting(APIView):
    authentication_classes = [JWTAuthentication]

    def get(self, request: Request) -> Response:
        claims = request.auth
        assert isinstance(claims, Claims)
        scopes: frozenset[str] = claims.scopes
        expires_at: datetime = claims.expires_at
        return Response({"scopes": sorted(scopes), "expires_at": expires_at})


def plain_view(request: HttpRequest) -> HttpResponse:
    raw: str | None = bearer_token(request)
    verified: Verified = verify(raw or "")
    return HttpResponse(verified.claims.sub)


async def async_view(request: HttpRequest) -> HttpResponse:
    try:
        verified: Verified = await averify(bearer_token(request) or "")
    except RevokedTokenError as error:
        return HttpResponse(error.code, status=401)
    except TokenError as error:
        return HttpResponse(error.reason, status=401)
    return HttpResponse(verified.claims.sub)


def take_back(user: User, staff: User) -> tuple[datetime, int]:
    pair: sessions.TokenPair = sessions.start(user, label="laptop")
    sid: UUID = pair.session_id
    ended: bool = revocation.revoke_session(sid, reason="lost", actor=staff)
    several: int = revocation.revoke_sessions([sid])
    done: revocation.UserRevocation = revocation.revoke_user(user, reason="lost", actor=staff)
    everybody: datetime = revocation.revoke_all(actor=staff)
    return max(done.tokens_valid_after, everybody), done.sessions_revoked + several + ended


def go_on(raw: str) -> str | None:
    try:
        pair = sessions.refresh(raw)
    except RefreshTokenReusedError:
        return None
    ended: UUID | None = sessions.end(pair.refresh_token)
    return pair.access_token if ended is None else None
