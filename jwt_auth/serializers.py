"""
What the endpoints accept and show.
"""

from datetime import timezone
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from rest_framework import serializers

from jwt_auth.claims import Claims, moment
from jwt_auth.credentials import clean_name
from jwt_auth.models import UserSession, user_id_of


class TextField(serializers.CharField):
    """A text; DRF would make one of a number, which who looks at the body itself then doesn't see."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class ExactField(TextField):
    """A text, with the spaces around it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)


class KeyField(ExactField):
    """A primary key: a number, or a text to the letter."""

    def to_internal_value(self, data: Any) -> str:
        return super().to_internal_value(str(data) if type(data) is int else data)


class LoginSerializer(serializers.Serializer[Any]):
    """The user model's USERNAME_FIELD, `password`, and what the user calls the device."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        return {
            get_user_model().USERNAME_FIELD: TextField(max_length=1024),
            # Spaces around a password belong to it.
            "password": ExactField(max_length=4096),
            "label": serializers.CharField(max_length=100, required=False, allow_blank=True, default=""),
        }

    def credentials(self) -> dict[str, Any] | None:
        """
        What `authenticate()` takes; None when the name can't be anybody's.

        The name is called `username` whatever the field is, as in Django's own form: backends expect it so.
        """
        username = clean_name(self.validated_data[get_user_model().USERNAME_FIELD])
        return None if username is None else {"username": username, "password": self.validated_data["password"]}


class RefreshSerializer(serializers.Serializer[Any]):
    refresh_token = ExactField()


class LogoutSerializer(serializers.Serializer[Any]):
    refresh_token = ExactField(required=False)


class TokenSerializer(serializers.Serializer[Any]):
    """RFC 7009 section 2.1; `token_type_hint` is not needed, and any value of it is fine."""

    token = ExactField()


class RevokeUserSerializer(serializers.Serializer[Any]):
    """One of `user` (primary key) and `username`; the reason is for the record."""

    user = KeyField(max_length=255, required=False)
    username = TextField(max_length=1024, required=False)
    reason = serializers.CharField(max_length=255, required=False, allow_blank=True, default="")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("user" in attrs) == ("username" in attrs):
            raise serializers.ValidationError('Give either "user" or "username".')
        return attrs


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    # In UTC, whatever TIME_ZONE the server has.
    started_at = serializers.DateTimeField(default_timezone=timezone.utc)
    last_used_at = serializers.DateTimeField(source="last_issued_at", default_timezone=timezone.utc)
    expires_at = serializers.DateTimeField(source="ends_at", default_timezone=timezone.utc)
    current = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields = ["id", "label", "user_agent", "ip_address", "started_at", "last_used_at", "expires_at", "current"]

    def get_current(self, session: UserSession) -> bool:
        return bool(session.sid == self.context["sid"])


def describe(user: Any, claims: Claims) -> dict[str, Any]:
    """The principal of a request, for `me`."""
    return {
        "user": {"id": user_id_of(user), user.USERNAME_FIELD: str(user.get_username())},
        "client_id": claims.client_id,
        "session": str(UUID(hex=claims.sid)),
        "scope": claims.scope or "",
        "auth_time": claims.auth_time,
        "issued_at": moment(claims.iat),
        "expires_at": claims.expires_at,
    }
