"""
The endpoints for staff that manage API clients. A secret is only in the response to the request that makes it.

A key gives its holder all permissions of the client. So a caller needs, besides the permission for the endpoint, all
permissions of the client's user: see `registrars.may_hand_out`.
"""

import re
from typing import Any, ClassVar

from django.db import router
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth import clients, registrars
from jwt_auth._django.transactions import write_atomic
from jwt_auth.models import CLIENT_ID, ClientKey, RegisteredClient
from jwt_auth.revocation import disable_client, revoke_client, revoke_client_key
from jwt_auth.sessions import peer_of
from jwt_auth.throttling import ClientsThrottle, RevokeClientThrottle
from jwt_auth.user_model import has_permission
from jwt_auth.views.base import HasAdminSignIn, IsInScope, IsUser, Pages, UserView, lacking, page_of, user_of
from jwt_auth.views.client_serializers import (
    ChangeClientSerializer,
    ClientKeySerializer,
    ClientSerializer,
    NewKeySerializer,
    ReasonSerializer,
    RegisterClientSerializer,
    RotateKeySerializer,
)
from jwt_auth.views.users import find_user, find_user_by_name

VIEW, ADD = "jwt_auth.view_registeredclient", "jwt_auth.add_registeredclient"
CHANGE, REVOKE = "jwt_auth.change_registeredclient", "jwt_auth.revoke_client"

# The format of the app's key ids. Other values are not looked up, as with CLIENT_ID.
_KID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class MayManageClients(BasePermission):
    """Require the view's permission for the method. Methods without one are not implemented and get 405."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        needed = view.needed.get("GET" if request.method == "HEAD" else request.method)  # type: ignore[attr-defined]
        self.message = lacking(needed)
        return needed is None or has_permission(request.user, needed)


class ManagementView(UserView):
    permission_classes = [IsUser, IsInScope, MayManageClients, HasAdminSignIn]
    scope = "clients"
    throttle_classes = [ClientsThrottle]
    pagination_class = Pages
    needed: ClassVar[dict[str, str]]

    def check_may_hand_out(self, request: Request, user: Any, *scopes: str) -> None:
        if not registrars.may_hand_out(request.user, user, " ".join(scopes)):
            raise drf.PermissionDenied("The client or its user has permissions that you don't have.")


class ClientsView(ManagementView):
    needed = {"GET": VIEW, "POST": ADD}

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return page_of(self, request, RegisteredClient.objects.order_by("pk"), ClientSerializer)

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = self.valid(RegisterClientSerializer, request).validated_data
        user = find_user(data["user"]) if "user" in data else find_user_by_name(data["username"])
        self.check_may_hand_out(request, user, data["scope"])
        with write_atomic(router.db_for_write(RegisteredClient)):
            client = clients.register(
                data["client_name"],
                user,
                data["scope"],
                requires_binding=data["requires_binding"],
                **origin_of(request),
            )
            key = {"key": describe_new(add_key(client, data["key"], request))} if "key" in data else {}
        return Response({**ClientSerializer(client).data, **key}, status=201)


class ClientView(ManagementView):
    needed = {"GET": VIEW, "PATCH": CHANGE, "DELETE": REVOKE}

    def get(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        return Response(ClientSerializer(find_client(client_id)).data)

    def patch(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        client = find_client(client_id)
        data = self.valid(ChangeClientSerializer, request).validated_data
        self.check_may_hand_out(request, client.user, client.scopes, data.get("scope", ""))
        changed = clients.change(
            client,
            name=data.get("client_name"),
            scopes=data.get("scope"),
            requires_binding=data.get("requires_binding"),
            actor=user_of(request),
        )
        return Response(ClientSerializer(changed).data)

    def delete(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        disable_client(find_client(client_id), reason="disabled by staff", actor=user_of(request))
        return Response(status=204)


class RevokeClientView(ManagementView):
    throttle_classes = [RevokeClientThrottle]
    needed = {"POST": REVOKE}

    def post(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        client = find_client(client_id)
        reason = self.valid(ReasonSerializer, request).validated_data["reason"]
        cutoff = revoke_client(client, reason=reason, actor=user_of(request))
        return Response({"client_id": client.client_id, "tokens_valid_after": cutoff})


class ClientKeysView(ManagementView):
    needed = {"GET": VIEW, "POST": CHANGE}

    def get(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        return page_of(self, request, find_client(client_id).keys.order_by("pk"), ClientKeySerializer)

    @sensitive_variables()
    def post(self, request: Request, client_id: str, **kwargs: Any) -> Response:
        client = find_client(client_id)
        data = self.valid(NewKeySerializer, request).validated_data
        self.check_may_hand_out(request, client.user, client.scopes)
        return Response(describe_new(add_key(client, data, request)), status=201)


class ClientKeyView(ManagementView):
    needed = {"DELETE": REVOKE}

    def delete(self, request: Request, client_id: str, kid: str, **kwargs: Any) -> Response:
        revoke_client_key(find_key(client_id, kid), reason="revoked by staff", actor=user_of(request))
        return Response(status=204)


class RotateClientKeyView(ManagementView):
    needed = {"POST": CHANGE}

    @sensitive_variables()
    def post(self, request: Request, client_id: str, kid: str, **kwargs: Any) -> Response:
        key = find_key(client_id, kid)
        data = self.valid(RotateKeySerializer, request).validated_data
        self.check_may_hand_out(request, key.client.user, key.client.scopes)
        new = clients.rotate(
            key,
            data["source"],
            data.get("alg"),
            overlap=data["overlap"],
            expires_at=data.get("expires_at"),
            **origin_of(request),
        )
        return Response(describe_new(new), status=201)


def origin_of(request: Request) -> dict[str, Any]:
    """Return the user and the address of a request, for the record."""
    return {"actor": user_of(request), "peer": peer_of(request._request)}


@sensitive_variables()
def add_key(client: RegisteredClient, data: dict[str, Any], request: Request) -> clients.NewKey:
    """Add the key that NewKeySerializer has read: a public key, or, if there is none, a new secret."""
    facts = {"expires_at": data.get("expires_at"), **origin_of(request)}
    if data["source"] is None:
        return clients.add_secret(client, data.get("alg", "HS256"), **facts)
    return clients.add_public_key(client, data["source"], data.get("alg"), **facts)


@sensitive_variables()
def describe_new(new: clients.NewKey) -> dict[str, Any]:
    """Return the description of a new key, including its secret if it has one (RFC 7591 section 3.2.1)."""
    described = dict(ClientKeySerializer(new.key).data)
    return described if new.secret is None else {**described, "client_secret": new.secret}


def find_client(client_id: str) -> RegisteredClient:
    """Return the client with this id; raise NotFound."""
    rows = RegisteredClient.objects.select_related("user").filter(client_id=client_id)
    client = rows.first() if CLIENT_ID.fullmatch(client_id) else None
    if client is None:
        raise drf.NotFound("There is no such client.")
    return client


def find_key(client_id: str, kid: str) -> ClientKey:
    """Return the key with this id of this client; raise NotFound."""
    rows = find_client(client_id).keys.select_related("client__user")
    found = rows.filter(kid=kid) if _KID.fullmatch(kid) else ()
    for key in found:
        if key.kid == kid:  # an exact comparison, because MariaDB ignores case
            return key
    raise drf.NotFound("The client has no such key.")
