"""The public names as a project uses them. Only type-checked, never run."""

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import httpx
import requests
from django.contrib.auth.models import AbstractUser, User
from django.http import HttpRequest, HttpResponse
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import revocation, service_tokens, sessions
from jwt_auth.authentication import (
    ClientJWTAuthentication,
    JWTAuthentication,
    JWTCookieAuthentication,
    UserOrClientJWTAuthentication,
    claims_of,
    client_of,
)
from jwt_auth.base_models import TokensValidAfterMixin
from jwt_auth.claims import Claims
from jwt_auth.client import Signer
from jwt_auth.client.httpx import JWTAuth as HttpxAuth
from jwt_auth.client.requests import JWTAuth
from jwt_auth.exceptions import RefreshTokenReusedError, RevokedTokenError, TokenError
from jwt_auth.middleware import JWTUserMiddleware
from jwt_auth.permissions import HasACR, HasAMR, HasScope, SignedInWithin
from jwt_auth.throttling import ClientThrottle
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


class Payment(APIView):
    authentication_classes = [
        JWTAuthentication.with_revocation("database"),
        JWTCookieAuthentication.with_revocation("database"),
    ]


class Transfer(Payment):
    permission_classes = [IsAuthenticated & SignedInWithin(minutes=1), HasAMR("otp") | HasACR("gold"), HasScope("pay")]


class Report(APIView):
    authentication_classes = [ClientJWTAuthentication.with_binding()]
    permission_classes = [HasScope("read") | HasScope("write"), IsAuthenticated & HasScope("read"), ~HasScope("x")]


class ForAnybody(APIView):
    authentication_classes = [UserOrClientJWTAuthentication]
    throttle_classes = [ClientThrottle]

    def get(self, request: Request) -> Response:
        claims, client = claims_of(request), client_of(request)
        scopes: frozenset[str] = frozenset() if claims is None else claims.scopes
        name: str | None = None if client is None else client.name
        return Response({"scopes": sorted(scopes), "client": name})


class HeaderAlone(JWTUserMiddleware):
    authentication_classes = (JWTAuthentication,)


def plain_view(request: HttpRequest) -> HttpResponse:
    raw: str | None = bearer_token(request)
    verified: Verified = verify(raw or "")
    SignedInWithin(timedelta(minutes=5)).check(verified.claims)
    return HttpResponse(verified.claims.sub)


async def async_view(request: HttpRequest) -> HttpResponse:
    try:
        verified: Verified = await averify(bearer_token(request) or "")
    except RevokedTokenError as error:
        return HttpResponse(error.code, status=401)
    except TokenError as error:
        return HttpResponse(error.reason, status=401)
    return HttpResponse(verified.claims.sub)


def revoke(user: User, staff: User) -> tuple[datetime, int]:
    pair: sessions.TokenPair = sessions.start(user, label="laptop")
    sid: UUID = pair.session_id
    ended: bool = revocation.revoke_session(sid, reason="lost", actor=staff)
    several: int = revocation.revoke_sessions([sid])
    done: revocation.UserRevocation = revocation.revoke_user(user, reason="lost", actor=staff)
    actor: revocation.Actor = staff if staff.is_active else "a program"
    everybody: datetime = revocation.revoke_all(actor=actor)
    return max(done.tokens_valid_after, everybody), done.sessions_revoked + several + ended


def sign_out_everywhere(request: HttpRequest, drf_request: Request) -> None:
    if request.user.is_authenticated and drf_request.user.is_authenticated:
        revocation.revoke_user(request.user, actor=drf_request.user)


def hand_over(user: User) -> int:
    issued: service_tokens.ServiceToken = service_tokens.issue(user, "https://two.example.com", "read", one_time=True)
    return issued.expires_in


def go_on(raw: str) -> str | None:
    try:
        pair = sessions.refresh(raw)
    except RefreshTokenReusedError:
        return None
    ended: UUID | None = sessions.end(pair.refresh_token)
    return pair.access_token if ended is None else None


def stay(user: User, claims: Claims) -> tuple[str, str | None]:
    sid: UUID | None = claims.session_id
    assert sid is not None
    access: sessions.AccessToken = sessions.update(sid, data={"org": 7})
    with sessions.kept(sid, amr=["pwd"]) as kept:
        user.save()
    newest: sessions.AccessToken | None = kept.access_token
    return access.raw, None if newest is None else newest.raw


def call(path: Path) -> int:
    signer = Signer(
        client_id="client_x",
        key=path,
        kid="x",
        audience="https://api.example.com",
        algorithm="EdDSA",
        lifetime=timedelta(seconds=30),
        reuse="never",
        bind=True,
    )
    token: str = signer.token("POST", "https://api.example.com/notes/", b"{}")
    with httpx.Client(auth=HttpxAuth(signer, "https://api.example.com")) as client:
        client.post("/notes/")
    answer = requests.get("https://api.example.com/notes/", auth=JWTAuth(signer, "https://api.example.com"), timeout=5)
    return answer.status_code + len(token)
