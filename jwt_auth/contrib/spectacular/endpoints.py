"""
The endpoints, with their requests and responses.
"""

from dataclasses import dataclass
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework.permissions import AllowAny
from rest_framework.renderers import JSONRenderer

from jwt_auth.contrib.spectacular import bodies
from jwt_auth.contrib.spectacular.names import name_components
from jwt_auth.models import UserSession
from jwt_auth.revocation.feed.pieces import FEED_TYPE
from jwt_auth.transports import sends_access_cookie
from jwt_auth.views import client_serializers as clients, serializers
from jwt_auth.views.introspection import RESPONSE_MEDIA_TYPE

name_components(serializers, clients, bodies)


@dataclass(frozen=True, slots=True)
class Operation:
    """
    The description of one method of an endpoint.

    Args:
        name: the operationId without its prefix.
        text: the description; its first sentence is the summary.
        takes: the serializer of the request body, or None for an empty body.
        answers: serializers by status, or by status and media type.
        refusals: the statuses of errors besides 503, which any endpoint may return.
        parameters: the headers and the parameters in the URL that the endpoint reads, besides those of authentication.
    """

    name: str
    text: str
    takes: Any
    answers: dict[Any, Any]
    refusals: tuple[int, ...] = ()
    parameters: tuple[OpenApiParameter, ...] = ()

    def declare(self, prefix: str) -> Any:
        """Return the decorator that declares the operation to drf-spectacular."""
        errors = dict.fromkeys((*self.refusals, 503), bodies.ErrorSerializer)
        answers = {status: _as_sent(answer) for status, answer in self.answers.items()}
        return extend_schema(
            operation_id=prefix + self.name,
            summary=self.text.partition(".")[0],
            description=self.text,
            request=self.takes,
            parameters=list(self.parameters),
            responses={**errors, **answers},
        )


def _as_sent(answer: Any) -> Any:
    """Return the serializer of an answer; for that of browsers with tokens it depends on BROWSER_ACCESS_TOKEN."""
    in_body = answer is bodies.CookieAnswerSerializer and not sends_access_cookie()
    return bodies.AccessAnswerSerializer if in_body else answer


def declare(view: str, **operations: Operation) -> None:
    """Declare the operations of `view`, a dotted path within `jwt_auth.views`, by method."""

    def view_replacement(self: OpenApiViewExtension) -> Any:
        facts: dict[str, Any] = {"renderer_classes": [JSONRenderer]}
        if not self.target.permission_classes:
            facts["permission_classes"] = [AllowAny]
        prefix = "jwt_browser_" if view.startswith("browser.") else "jwt_"
        declared = {method: operation.declare(prefix) for method, operation in operations.items()}
        return extend_schema_view(**declared)(type(self.target.__name__, (self.target,), facts))

    type(
        view, (OpenApiViewExtension,), {"target_class": f"jwt_auth.views.{view}", "view_replacement": view_replacement}
    )


class SignIns(OpenApiViewExtension):
    """Describes the sign-ins of a project: the subclasses of SignInView that have no description of their own."""

    target_class = "jwt_auth.views.SignInView"
    match_subclasses = True
    priority = -1

    def view_replacement(self) -> Any:
        view = self.target
        by_cookie = view.transport == UserSession.Transport.COOKIE
        tokens = _as_sent(bodies.CookieAnswerSerializer) if by_cookie else bodies.BearerAnswerSerializer
        errors = dict.fromkeys((400, 401, *((403,) if by_cookie else ()), 429, 503), bodies.ErrorSerializer)
        described = extend_schema(
            request=_body_of(view), responses={200: tokens, 202: bodies.PendingSerializer, **errors}
        )
        facts: dict[str, Any] = {"renderer_classes": [JSONRenderer]}
        if not view.permission_classes:
            facts["permission_classes"] = [AllowAny]
        return extend_schema_view(post=described)(type(view.__name__, (view,), facts))


def _body_of(view: Any) -> Any:
    """Return the serializer of a sign-in's body, with the ticket if it is not the first step."""
    serializer_class: Any = view.serializer_class
    if view.step or issubclass(serializer_class, serializers.LoginSerializer):  # then the view decides on the fields
        bases = ((serializers.TicketSerializer,) if view.step else ()) + (serializer_class,)
        name = view.__name__.removesuffix("View")
        serializer_class = extend_schema_serializer(component_name=name)(type(f"{name}Serializer", bases, {}))
    return serializer_class(context={"view": view()})


_DONE: dict[Any, Any] = {204: None}
_OWN = (401, 403, 429)
_OWN_PAGE = _OF_STAFF = (401, 403, 404, 429)

_SIGN_IN, _SIGN_OUT = "Sign in. The label is the user's name for the device.", "Sign out. The session ends."
_EXCHANGE_SESSION = "Exchange your Django session for tokens."
_REFRESH = "Exchange the refresh token for new tokens. If it is used a second time, its session ends."

_RETRY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 22, "maxLength": 130},
    OpenApiParameter.HEADER,
    description="Random, new with each exchange, and sent again if its answer was lost.",
)

_REAUTHENTICATE = "Sign in again. A new session replaces the current one, with a new `auth_time`."

_LOGOUT_ALL = Operation("logout_all", "Sign out everywhere.", None, _DONE, _OWN)
_LIST = Operation("sessions", "List your sessions.", None, {200: serializers.SessionSerializer(many=True)}, _OWN_PAGE)
_END_OTHERS = Operation("end_other_sessions", "End all your sessions except this one.", None, _DONE, _OWN)
_RENAME = Operation(
    "rename_session",
    "Rename one of your sessions. The label is the user's name for the device.",
    serializers.LabelSerializer,
    {200: serializers.SessionSerializer},
    (400, *_OWN_PAGE),
)
_END_ONE = Operation("end_session", "End one of your sessions.", None, _DONE, _OWN_PAGE)
_OWN_CLIENTS = Operation(
    "my_clients",
    "List the API clients that act as you, that you made, or that have a key which you added.",
    None,
    {200: clients.OwnClientSerializer(many=True)},
    _OWN_PAGE,
)
_TICKET = Operation(
    "ticket",
    "Get a WebSocket ticket, which opens or renews one WebSocket.",
    None,
    {200: bodies.HandshakeTicketSerializer},
    (400, 401, 403, 404, 429),
)
_ME = Operation("me", "Return the authenticated user or client.", None, {200: bodies.PrincipalSerializer}, (401,))

declare(
    "users.LoginView",
    post=Operation(
        "login", _SIGN_IN, serializers.LoginSerializer, {200: bodies.BearerAnswerSerializer}, (400, 401, 429)
    ),
)
declare(
    "reauthentication.ReauthenticateView",
    post=Operation(
        "reauthenticate",
        _REAUTHENTICATE,
        serializers.ReauthenticateSerializer,
        {200: bodies.BearerAnswerSerializer},
        (400, *_OWN),
    ),
)
declare(
    "users.RefreshView",
    post=Operation(
        "refresh",
        _REFRESH,
        serializers.RefreshSerializer,
        {200: bodies.BearerAnswerSerializer},
        (400, 401, 429),
        (_RETRY_KEY,),
    ),
)
declare(
    "session_exchange.SessionExchangeView",
    post=Operation(
        "exchange_session",
        _EXCHANGE_SESSION,
        serializers.SignInSerializer,
        {200: bodies.BearerAnswerSerializer},
        (400, 401, 403, 404, 429),
    ),
)
declare("users.LogoutView", post=Operation("logout", _SIGN_OUT, serializers.LogoutSerializer, _DONE, (400, 429)))
declare("users.LogoutAllView", post=_LOGOUT_ALL)
declare("users.SessionsView", get=_LIST, delete=_END_OTHERS)
declare("users.SessionView", patch=_RENAME, delete=_END_ONE)
declare("users.MeView", get=_ME)
declare("users.OwnClientsView", get=_OWN_CLIENTS)
declare("handshake_tickets.HandshakeTicketView", post=_TICKET)

declare(
    "browser.BrowserLoginView",
    post=Operation(
        "login", _SIGN_IN, serializers.LoginSerializer, {200: bodies.CookieAnswerSerializer}, (400, 401, 403, 429)
    ),
)
declare(
    "browser.BrowserSessionExchangeView",
    post=Operation(
        "exchange_session",
        _EXCHANGE_SESSION,
        serializers.SignInSerializer,
        {200: bodies.CookieAnswerSerializer},
        (400, 401, 403, 404, 429),
    ),
)
declare(
    "browser.BrowserReauthenticateView",
    post=Operation(
        "reauthenticate",
        _REAUTHENTICATE,
        serializers.ReauthenticateSerializer,
        {200: bodies.CookieAnswerSerializer},
        (400, *_OWN),
    ),
)
declare(
    "browser.BrowserRefreshView",
    post=Operation(
        "refresh", _REFRESH, None, {200: bodies.CookieAnswerSerializer}, (400, 401, 403, 429), (_RETRY_KEY,)
    ),
)
declare(
    "browser.BrowserLogoutView",
    post=Operation("logout", _SIGN_OUT, serializers.LogoutSerializer, _DONE, (403, 429)),
)
declare("browser.BrowserLogoutAllView", post=_LOGOUT_ALL)
declare("browser.BrowserSessionsView", get=_LIST, delete=_END_OTHERS)
declare("browser.BrowserSessionView", patch=_RENAME, delete=_END_ONE)
declare("browser.BrowserMeView", get=_ME)
declare("browser.BrowserOwnClientsView", get=_OWN_CLIENTS)
declare("browser.BrowserHandshakeTicketView", post=_TICKET)

declare(
    "users.RevokeView",
    post=Operation(
        "revoke",
        "Revoke a token and its session (RFC 7009).",
        serializers.TokenSerializer,
        {200: OpenApiTypes.OBJECT},
        (400, 429),
    ),
)
declare(
    "users.RevokeUserView",
    post=Operation(
        "revoke_user",
        "Revoke all tokens of a user.",
        serializers.RevokeUserSerializer,
        {200: bodies.UserRevocationSerializer},
        (400, *_OF_STAFF),
    ),
)
declare(
    "users.VerifyView",
    post=Operation(
        "verify",
        "Check whether an access token is valid.",
        serializers.TokenSerializer,
        {200: bodies.VerifiedSerializer},
        (400, 401, 429),
    ),
)

declare(
    "servers.RevokeGlobalView",
    post=Operation(
        "revoke_global",
        "Revoke all tokens of a subject (Global Token Revocation).",
        serializers.GlobalRevocationSerializer,
        _DONE,
        (400, *_OF_STAFF),
    ),
)
declare(
    "servers.IntrospectView",
    post=Operation(
        "introspect",
        "Introspect a token (RFC 7662).",
        serializers.TokenSerializer,
        {200: bodies.IntrospectionSerializer, (200, RESPONSE_MEDIA_TYPE): OpenApiTypes.STR},
        (400, 401, 403, 429),
    ),
)
declare(
    "servers.ExchangeView",
    post=Operation(
        "exchange",
        "Exchange an access token for a token for another server (RFC 8693).",
        bodies.ExchangeRequestSerializer,
        {
            200: bodies.ExchangeAnswerSerializer,
            **dict.fromkeys((400, 401, 429, 503), bodies.OAuthErrorSerializer),
        },
    ),
)
declare(
    "servers.JWKSView",
    get=Operation("jwks", "Read the public keys (RFC 7517).", None, {200: bodies.KeySetSerializer, 304: None}),
)
declare(
    "servers.MetadataView",
    get=Operation("metadata", "Read the metadata (RFC 8414).", None, {200: OpenApiTypes.OBJECT, 304: None}, (404,)),
)
declare(
    "servers.RevocationsView",
    get=Operation(
        "revocations",
        "Read a piece of the signed revocation feed.",
        None,
        {(200, f"application/{FEED_TYPE}"): OpenApiTypes.STR, 304: None},
        (400, 404),
        (OpenApiParameter("after", description="The `next` of the piece that was read last; without it, the first."),),
    ),
)

declare(
    "clients.ClientsView",
    get=Operation("clients", "List the API clients.", None, {200: clients.ClientSerializer(many=True)}, _OF_STAFF),
    post=Operation(
        "register_client",
        "Register an API client. If its key is a secret, only this response contains it.",
        clients.RegisterClientSerializer,
        {201: bodies.NewClientSerializer},
        (400, *_OF_STAFF),
    ),
)
declare(
    "clients.ClientView",
    get=Operation("client", "Read an API client.", None, {200: clients.ClientSerializer}, _OF_STAFF),
    patch=Operation(
        "change_client",
        "Change an API client.",
        clients.ChangeClientSerializer,
        {200: clients.ClientSerializer},
        (400, *_OF_STAFF),
    ),
    delete=Operation("disable_client", "Disable an API client permanently.", None, _DONE, _OF_STAFF),
)
declare(
    "clients.RevokeClientView",
    post=Operation(
        "revoke_client",
        "Revoke the tokens that an API client has signed. Its keys stay valid.",
        clients.ReasonSerializer,
        {200: bodies.ClientRevocationSerializer},
        (400, *_OF_STAFF),
    ),
)
declare(
    "clients.ClientKeysView",
    get=Operation(
        "client_keys", "List a client's keys.", None, {200: clients.ClientKeySerializer(many=True)}, _OF_STAFF
    ),
    post=Operation(
        "add_client_key",
        "Add a key to a client. If the key is a secret, only this response contains it.",
        clients.NewKeySerializer,
        {201: bodies.NewClientKeySerializer},
        (400, *_OF_STAFF),
    ),
)
declare(
    "clients.ClientKeyView",
    delete=Operation("revoke_client_key", "Revoke a client's key permanently.", None, _DONE, _OF_STAFF),
)
declare(
    "clients.RotateClientKeyView",
    post=Operation(
        "rotate_client_key",
        "Replace a client's key. Both keys are accepted during the overlap.",
        clients.RotateKeySerializer,
        {201: bodies.NewClientKeySerializer},
        (400, *_OF_STAFF),
    ),
)
