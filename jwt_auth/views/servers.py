"""
The endpoints for other servers: keys, metadata, the revocation feed, token exchange, introspection and revocation.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, ClassVar, cast

from django.http import HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from django.utils.cache import get_conditional_response
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import service_tokens, throttling, transports
from jwt_auth.authentication import UserOrClientJWTAuthentication, claims_of, client_of
from jwt_auth.authentication.assertions import ClientAssertionAuthentication, assertion_in
from jwt_auth.claims import Claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import GrantError, TokenError
from jwt_auth.keyring.stored import JWKS_MAX_AGE, own_keys
from jwt_auth.models import RegisteredClient
from jwt_auth.revocation import revoke_user
from jwt_auth.revocation.feed import cursors, pieces
from jwt_auth.user_model import has_permission
from jwt_auth.views import introspection
from jwt_auth.views.base import (
    CredentialView,
    HasAdminSignIn,
    IsInScope,
    IsUser,
    TokenView,
    authenticated_claims,
    lacking,
    user_of,
)
from jwt_auth.views.metadata import describe, find_endpoints, has_address
from jwt_auth.views.parsers import StrictFormParser, StrictJSONParser
from jwt_auth.views.serializers import (
    ACCESS_TOKEN_URN,
    ExchangeSerializer,
    GlobalRevocationSerializer,
    TokenSerializer,
)
from jwt_auth.views.users import check_may_withdraw, find_user

MAX_CONDITION = 4096  # characters of If-None-Match


class JWKSView(CredentialView):
    """Our public keys, without revoked ones, as a JWK Set (RFC 7517 section 5); empty if the algorithm is symmetric."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _published(request, {"keys": own_keys().public_jwks()})


class MetadataView(CredentialView):
    """Authorization server metadata (RFC 8414). Readers find and check it by ISSUER, which must be an https URL."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not has_address(get_settings().ISSUER):
            raise drf.NotFound("ISSUER is not an https URL, so there is no metadata.")
        paths = find_endpoints(cast("ResolverMatch", request._request.resolver_match))
        if paths is None:
            raise drf.NotFound("jwt_auth.urls is not included in the URLconf, so there is no metadata.")
        return _published(request, describe(paths))


def _published(request: Request, document: Mapping[str, Any]) -> HttpResponseBase:
    """Return `document` as a public response that caches may keep for minutes."""
    response = JsonResponse(document)
    response["Cache-Control"] = f"public, max-age={JWKS_MAX_AGE.seconds}"
    response["ETag"] = f'"{sha256(response.content).hexdigest()}"'
    answer = _unless_known(request, response)
    answer["Access-Control-Allow-Origin"] = "*"
    return answer


def _unless_known(request: Request, response: HttpResponse) -> HttpResponseBase:
    """Return `response`, or a 304 if the request names its ETag. A header that names hundreds of them is not read."""
    if len(request.headers.get("If-None-Match", "")) > MAX_CONDITION:
        return response
    found = get_conditional_response(request._request, etag=response["ETag"], response=response)
    return cast("HttpResponseBase", found)


_CURSOR = re.compile(rf"[0-9a-f._-]{{1,{cursors.MAX_LENGTH}}}")


class RevocationsView(CredentialView):
    """
    The signed revocation feed, in pieces; each names the address of the next one.

    It is public: anyone who can verify our tokens may know which are revoked.
    """

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if own_keys().signing.is_secret:
            raise drf.NotFound("There is no revocation feed: this server's tokens are only for itself.")
        after = request.query_params.get("after")
        if after is not None and not _CURSOR.fullmatch(after):
            raise drf.ParseError("`after` is not the `next` of a piece of this feed.")
        published = pieces.publish(after)
        response = HttpResponse(published.document, content_type=f"application/{pieces.FEED_TYPE}")
        response["ETag"] = f'"{published.etag}"'
        # Caches may keep it, but must revalidate it each time, because readers can't know how long a cache kept it.
        response["Cache-Control"] = "public, no-cache"
        return _unless_known(request, response)


class ExchangeView(CredentialView):
    """Token exchange (RFC 8693). Cookies are ignored, so pages of other sites can't make requests."""

    parser_classes = [StrictFormParser, StrictJSONParser]
    authentication_classes = [ClientAssertionAuthentication]
    throttle_classes = [throttling.ExchangeThrottle]

    def perform_authentication(self, request: Request) -> None:
        """Authenticate a request within the budget. DRF counts afterwards, but here the body has the credentials."""
        super().check_throttles(request)
        super().perform_authentication(request)

    def check_throttles(self, request: Request) -> None:
        """Do nothing: see perform_authentication()."""

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        asked = self.valid(ExchangeSerializer, request).validated_data
        client = self.client(request, asked)
        actor: dict[str, Any] = {}
        if client is not None:
            actor = {"client_id": client.client_id, "client_scopes": cast("Claims", claims_of(request)).scopes}
        token = service_tokens.exchange(asked["subject_token"], asked["audience"], asked.get("scope"), **actor)
        return Response(
            {
                "access_token": token.access_token,
                "issued_token_type": ACCESS_TOKEN_URN,
                "token_type": transports.SCHEME,
                "expires_in": token.expires_in,
                "scope": token.scope,
            }
        )

    def client(self, request: Request, asked: Mapping[str, Any]) -> RegisteredClient | None:
        """Return the client that asks on behalf of the user; None if the user asks."""
        client = client_of(request)
        if transports.is_bearer(request._request) and assertion_in(request) is not None:
            raise drf.ParseError("A client must use only one way to authenticate.")  # RFC 6749 section 2.3
        # RFC 7521 section 4.2: client_id is optional, and must be that of the authenticated client.
        if client is not None and asked.get("client_id", client.client_id) != client.client_id:
            raise drf.ParseError("client_id is not the id of the authenticated client.")
        return client

    def get_exception_handler(self) -> Any:
        answer = super().get_exception_handler()
        return lambda exc, context: _as_oauth(exc, answer(exc, context))


class IsClientOrMay(BasePermission):
    """Require the view's permission from users; clients only need its scope, whatever permissions their user has."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = view.permission  # type: ignore[attr-defined]  # each view that names this class has one
        self.message = lacking(needed)
        return client_of(request) is not None or has_permission(request.user, needed)


class ServerView(TokenView):
    """Base of endpoints for users with a permission and clients with a scope."""

    authentication_classes = [UserOrClientJWTAuthentication]
    permission_classes = [IsUser, IsInScope, IsClientOrMay]
    scope: ClassVar[str]
    permission: ClassVar[str]


class IntrospectView(ServerView):
    """Introspection (RFC 7662). The token is in the body, because a GET would leave it in logs."""

    parser_classes = [StrictFormParser, StrictJSONParser]
    throttle_classes = [throttling.IntrospectThrottle]
    scope, permission = "introspect", "jwt_auth.introspect"

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        found = introspection.introspect(self.valid(TokenSerializer, request).validated_data["token"])
        # In this order, because a plain answer needs no key, and there may be no key that can sign.
        if not _accepts(request, introspection.RESPONSE_MEDIA_TYPE) or own_keys().signing.is_secret:
            return Response(found)
        signed = introspection.sign(found, _name_of_caller(request))
        return HttpResponse(signed, content_type=introspection.RESPONSE_MEDIA_TYPE)


def _name_of_caller(request: Request) -> str:
    """Return the id of the client, or the `sub` of the user's tokens."""
    if (client := client_of(request)) is not None:
        return client.client_id
    claims = authenticated_claims(request)
    return user_id_of(user_of(request)) if claims is None else claims.sub


def _accepts(request: Request, media_type: str) -> bool:
    """Return whether the Accept header names this media type; wildcards get JSON."""
    accepted = request.headers.get("Accept", "").split(",")
    return any(item.partition(";")[0].strip().lower() == media_type for item in accepted)


class RevokerAuthentication(UserOrClientJWTAuthentication):
    """Authenticates requests that only revoke, even if the cache of used tokens fails."""

    only_revokes = True


class RevokeGlobalView(ServerView):
    """Global Token Revocation (draft-parecki-oauth-global-token-revocation) of a user, named by the tokens' `sub`."""

    authentication_classes = [RevokerAuthentication]
    permission_classes = [*ServerView.permission_classes, HasAdminSignIn]
    throttle_classes = [throttling.RevokeThrottle]
    scope, permission = "revoke_user", "jwt_auth.revoke_user"

    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.valid(GlobalRevocationSerializer, request).validated_data
        subject, with_clients = data["sub_id"], data["with_clients"]
        if with_clients:
            check_may_withdraw(request)
        settings = get_settings()
        if subject.get("iss", settings.ISSUER) != settings.ISSUER:
            raise drf.NotFound("Only subjects of this issuer are known here.")
        user = find_user(subject.get("sub") or subject["id"], settings.USER_ID_FIELD)
        client = client_of(request)
        actor = user_of(request) if client is None else client.client_id
        revoke_user(user, with_clients=with_clients, reason="global token revocation", actor=actor)
        return Response(status=204)


def _as_oauth(exc: Exception, response: Response | None) -> Response | None:
    """Return an error in the form of RFC 6749 section 5.2, in addition to our own form."""
    if response is None:
        return None
    if isinstance(exc, TokenError):
        # RFC 8693 section 2.2.2: the subject token is a parameter, not the client's authentication, so this is a 400.
        response.status_code = 400
        del response["WWW-Authenticate"]
    body = response.data
    response.data = {**body, "error": _oauth_error(exc, response), "error_description": str(body["detail"])}
    return response


def _oauth_error(exc: Exception, response: Response) -> str:
    if isinstance(exc, GrantError):
        return exc.code
    if response.status_code in (429, 503):
        return "temporarily_unavailable"
    return "invalid_client" if response.status_code == 401 else "invalid_request"
