"""
Serializers for API clients and their keys, for the endpoints for staff. None of them contains a secret.
"""

from datetime import timedelta
from typing import Any

from rest_framework import serializers

from jwt_auth.clients import MAX_OVERLAP, OVERLAP
from jwt_auth.conf.user_keys import key_of
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.revocation import remaining
from jwt_auth.views.serializers import ExactField, KeyField, MomentField, NameField, TextField, written_key


class ClientSerializer(serializers.ModelSerializer[RegisteredClient]):
    """An API client. If RFC 7591 section 2 has a name for a member, it is used."""

    client_name = serializers.CharField(source="name")
    scope = serializers.CharField(source="scopes")
    created_at = MomentField(read_only=True)
    tokens_valid_after = MomentField(read_only=True, allow_null=True)
    last_used_at = MomentField(read_only=True, allow_null=True)

    class Meta:
        model = RegisteredClient
        fields = [
            *("client_id", "client_name", "user", "scope", "requires_binding", "is_active"),
            *("created_at", "created_by", "ip_address", "tokens_valid_after", "last_used_at"),
        ]

    def to_representation(self, instance: RegisteredClient) -> dict[str, Any]:
        return {**super().to_representation(instance), "user": written_key(instance.user_id)}


class OwnClientSerializer(serializers.ModelSerializer[RegisteredClient]):
    """An API client, for the user that it acts as or that made it; the context has the user as `user`."""

    client_name = serializers.CharField(source="name")
    scope = serializers.CharField(source="scopes")
    acts_as_you = serializers.SerializerMethodField()
    registered_by_you = serializers.SerializerMethodField()
    created_at = MomentField(read_only=True)
    last_used_at = MomentField(read_only=True, allow_null=True)

    class Meta:
        model = RegisteredClient
        fields = [
            *("client_id", "client_name", "scope", "acts_as_you", "registered_by_you"),
            *("created_at", "last_used_at"),
        ]

    def get_acts_as_you(self, client: RegisteredClient) -> bool:
        return bool(client.user_id == key_of(self.context["user"]))

    def get_registered_by_you(self, client: RegisteredClient) -> bool:
        return client.created_by == str(key_of(self.context["user"]))


class ClientKeySerializer(serializers.ModelSerializer[ClientKey]):
    """A key, with its public part."""

    alg = serializers.CharField(source="algorithm")
    jwk = serializers.SerializerMethodField()
    created_at = MomentField(read_only=True)
    expires_at = MomentField(read_only=True, allow_null=True)
    rotated_at = MomentField(read_only=True, allow_null=True)
    revoked_at = MomentField(read_only=True, allow_null=True)
    last_used_at = MomentField(read_only=True, allow_null=True)

    class Meta:
        model = ClientKey
        fields = [
            *("kid", "alg", "jwk", "created_at", "created_by", "ip_address"),
            *("expires_at", "rotated_at", "revoked_at", "last_used_at"),
        ]

    def get_jwk(self, key: ClientKey) -> dict[str, str] | None:
        """Return the public key, or None if the key is a secret."""
        return dict(key.parsed_jwk) if key.public_jwk else None


class KeyInUseSerializer(serializers.ModelSerializer[ClientKey]):
    """A usable key: who added it, when, and from which address."""

    created_at = MomentField(read_only=True)

    class Meta:
        model = ClientKey
        fields = ["kid", "created_at", "created_by", "ip_address"]


def describe_left(page: remaining.Page) -> list[dict[str, Any]]:
    """Return the API clients that a revocation leaves, each with its usable keys."""
    return [
        {**ClientSerializer(row.client).data, "keys": KeyInUseSerializer(row.keys, many=True).data} for row in page.rows
    ]


class NewKeySerializer(serializers.Serializer[Any]):
    """A public key as `jwk` or `pem`; without either a secret is made. `source` is the given one, or None."""

    alg = serializers.ChoiceField(choices=ALGORITHMS, required=False)
    jwk = serializers.DictField(required=False, allow_empty=False)
    pem = ExactField(max_length=20_000, required=False)
    expires_at = MomentField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "jwk" in attrs and "pem" in attrs:
            raise serializers.ValidationError('Give "jwk" or "pem", or neither.')
        return {**attrs, "source": attrs.get("jwk", attrs.get("pem"))}


class RotateKeySerializer(NewKeySerializer):
    """`overlap` is in seconds."""

    overlap = serializers.IntegerField(
        min_value=0, max_value=int(MAX_OVERLAP.total_seconds()), default=int(OVERLAP.total_seconds())
    )

    def validate_overlap(self, seconds: int) -> timedelta:
        return timedelta(seconds=seconds)


class RegisterClientSerializer(serializers.Serializer[Any]):
    """The client acts as `user` (primary key) or `username`, of which one must be given. `key` is its first key."""

    client_name = TextField(max_length=100)
    user = KeyField(max_length=255, required=False)
    username = NameField(required=False)
    scope = TextField(max_length=1000, required=False, allow_blank=True, default="")
    requires_binding = serializers.BooleanField(required=False, default=False)
    key = NewKeySerializer(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("user" in attrs) == ("username" in attrs):
            raise serializers.ValidationError('Give either "user" or "username".')
        return attrs


class ChangeClientSerializer(serializers.Serializer[Any]):
    client_name = TextField(max_length=100, required=False)
    scope = TextField(max_length=1000, required=False, allow_blank=True)
    requires_binding = serializers.BooleanField(required=False)


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")
