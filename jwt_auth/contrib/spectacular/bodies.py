"""
Serializers for request and response bodies that the endpoints have no serializer for. Only the schema uses them.
"""

from typing import Any

from rest_framework import serializers as drf

from jwt_auth.authentication.assertions import JWT_BEARER
from jwt_auth.views.client_serializers import ClientKeySerializer, ClientSerializer, KeyInUseSerializer
from jwt_auth.views.metadata import TOKEN_EXCHANGE
from jwt_auth.views.serializers import ACCESS_TOKEN_URN


class ErrorSerializer(drf.Serializer[Any]):
    detail = drf.CharField(help_text="A text for people.")
    code = drf.CharField(help_text="A stable code for programs.")
    errors = drf.DictField(  # type: ignore[assignment]  # the metaclass removes it, and the property stays
        required=False, help_text="With `invalid_request`: the errors by field name."
    )


class OAuthErrorSerializer(ErrorSerializer):
    error = drf.CharField(help_text="As in RFC 6749 section 5.2.")
    error_description = drf.CharField()


class CookieAnswerSerializer(drf.Serializer[Any]):
    expires_in = drf.IntegerField(help_text="In seconds.")
    refresh_expires_in = drf.IntegerField(help_text="In seconds.")
    session = drf.UUIDField()


class AccessAnswerSerializer(CookieAnswerSerializer):
    """The answer to a browser if BROWSER_ACCESS_TOKEN is "body"."""

    access_token = drf.CharField()
    token_type = drf.CharField(help_text="Bearer")


class BearerAnswerSerializer(AccessAnswerSerializer):
    refresh_token = drf.CharField()


class PendingSerializer(drf.Serializer[Any]):
    """A sign-in that requires another step."""

    step = drf.CharField(help_text="The name of the step that comes next.")
    ticket = drf.CharField(help_text="Send it with that step.")
    expires_in = drf.IntegerField(help_text="In seconds.")


class HandshakeTicketSerializer(drf.Serializer[Any]):
    ticket = drf.CharField(help_text="A WebSocket ticket: it opens or renews one WebSocket.")
    expires_in = drf.IntegerField(help_text="In seconds.")


class ExchangeRequestSerializer(drf.Serializer[Any]):
    """The request without parameters that are always refused, and with those that authenticate a client."""

    grant_type = drf.CharField(help_text=TOKEN_EXCHANGE)
    subject_token = drf.CharField()
    subject_token_type = drf.CharField(help_text=ACCESS_TOKEN_URN)
    requested_token_type = drf.CharField(required=False, help_text=ACCESS_TOKEN_URN)
    audience = drf.CharField()
    scope = drf.CharField(required=False)
    client_id = drf.CharField(required=False)
    client_assertion_type = drf.CharField(required=False, help_text=JWT_BEARER)
    client_assertion = drf.CharField(required=False)


class ExchangeAnswerSerializer(drf.Serializer[Any]):
    access_token = drf.CharField()
    issued_token_type = drf.CharField(help_text=ACCESS_TOKEN_URN)
    token_type = drf.CharField(help_text="Bearer")
    expires_in = drf.IntegerField(help_text="In seconds.")
    scope = drf.CharField(allow_blank=True)


class ClientLeftSerializer(ClientSerializer):
    keys = KeyInUseSerializer(many=True)

    class Meta(ClientSerializer.Meta):
        fields = [*ClientSerializer.Meta.fields, "keys"]


class UserRevocationSerializer(drf.Serializer[Any]):
    user = drf.JSONField(help_text="The primary key.")
    tokens_valid_after = drf.DateTimeField()
    sessions_revoked = drf.IntegerField()
    clients_left = drf.IntegerField(help_text="API clients that can go on.")
    clients_disabled = drf.IntegerField()
    keys_revoked = drf.IntegerField(help_text="Keys of other API clients.")
    clients = ClientLeftSerializer(many=True, help_text="The newest of them, for those who may view clients.")


class ClientRevocationSerializer(drf.Serializer[Any]):
    client_id = drf.CharField()
    tokens_valid_after = drf.DateTimeField()


class VerifiedSerializer(drf.Serializer[Any]):
    active = drf.BooleanField()


class IntrospectionSerializer(VerifiedSerializer):
    """Only `active` for a token that is not valid; the other members depend on the token."""

    token_type = drf.CharField(required=False)
    iss = drf.CharField(required=False)
    aud = drf.JSONField(required=False)
    sub = drf.CharField(required=False)
    client_id = drf.CharField(required=False)
    sid = drf.CharField(required=False)
    jti = drf.CharField(required=False)
    auth_time = drf.FloatField(required=False)
    amr = drf.ListField(child=drf.CharField(), required=False)
    acr = drf.CharField(required=False)
    iat = drf.FloatField(required=False)
    exp = drf.FloatField(required=False)
    nbf = drf.FloatField(required=False)
    scope = drf.CharField(required=False)


class PrincipalSerializer(drf.Serializer[Any]):
    user = drf.DictField(child=drf.CharField(), help_text="`id` and name; `iss` and `sub` for another issuer's user.")
    client_id = drf.CharField(allow_null=True)
    client = drf.CharField(allow_null=True)
    session = drf.CharField(allow_null=True)
    scope = drf.CharField(allow_blank=True)
    auth_time = drf.DateTimeField(allow_null=True)
    amr = drf.ListField(child=drf.CharField(), help_text="How the user was authenticated (RFC 8176).")
    acr = drf.CharField(allow_null=True)
    issued_at = drf.DateTimeField(allow_null=True, help_text="Null without a token, as with Django's session.")
    expires_at = drf.DateTimeField(allow_null=True)


class NewClientKeySerializer(ClientKeySerializer):
    client_secret = drf.CharField(required=False, help_text="Shown only once.")

    class Meta(ClientKeySerializer.Meta):
        fields = [*ClientKeySerializer.Meta.fields, "client_secret"]


class NewClientSerializer(ClientSerializer):
    key = NewClientKeySerializer(required=False)

    class Meta(ClientSerializer.Meta):
        fields = [*ClientSerializer.Meta.fields, "key"]


class KeySetSerializer(drf.Serializer[Any]):
    keys = drf.ListField(child=drf.DictField())
