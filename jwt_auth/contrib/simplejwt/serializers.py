"""
The serializers under simplejwt's names. A project may derive its own, and extend what `validate()` returns.
"""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers

from jwt_auth.contrib.simplejwt import presented
from jwt_auth.contrib.simplejwt.sign_in import PasswordField, TokenObtainPairSerializer, TokenObtainSerializer
from jwt_auth.contrib.simplejwt.tokens import RefreshToken
from jwt_auth.http.plain import plain

__all__ = [
    "PasswordField",
    "TokenBlacklistSerializer",
    "TokenObtainPairSerializer",
    "TokenObtainSerializer",
    "TokenRefreshSerializer",
    "TokenVerifySerializer",
]


class TokenRefreshSerializer(serializers.Serializer[Any]):
    """
    Exchange a refresh token for new tokens.

    A subclass may set `attrs["refresh"]`, for example from a cookie, before it calls `super().validate(attrs)`.
    """

    refresh = serializers.CharField()
    access = serializers.CharField(read_only=True)

    token_class = RefreshToken
    default_error_messages = {"no_active_account": _("No active account found for the given token.")}

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        no_account = self.error_messages["no_active_account"]
        pair = presented.exchange(attrs.get("refresh"), _request_of(self), no_account)
        return {"access": pair.access_token, "refresh": pair.refresh_token}


class TokenVerifySerializer(serializers.Serializer[Any]):
    """Accept a valid refresh token or access token."""

    token = serializers.CharField(write_only=True)

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        presented.refuse_invalid(attrs.get("token"), _request_of(self))
        return {}


class TokenBlacklistSerializer(serializers.Serializer[Any]):
    """End the session of a refresh token."""

    refresh = serializers.CharField(write_only=True)

    token_class = RefreshToken

    @sensitive_variables()
    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        presented.end(attrs.get("refresh"), _request_of(self))
        return {}


def _request_of(serializer: serializers.Serializer[Any]) -> HttpRequest | None:
    request = serializer.context.get("request")
    return None if request is None else plain(request)
