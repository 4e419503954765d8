"""
Errors in the form that clients of simplejwt know: `detail` and `code` in the body, and `messages` for a refused token.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf

__all__ = ["AuthenticationFailed", "ExpiredTokenError", "InvalidToken", "TokenError"]


class TokenError(Exception):
    """Raised when a token of `tokens` is malformed, expired, revoked or of another type."""


class ExpiredTokenError(TokenError):
    """Raised when a token has expired."""


class AuthenticationFailed(drf.AuthenticationFailed):
    """401. The body has `detail` and `code`; if `detail` is a dict, the body also has its other members."""

    def __init__(self, detail: Any = None, code: str | None = None) -> None:
        body = {"detail": self.default_detail, "code": self.default_code}
        if isinstance(detail, dict):
            body.update(detail)
        elif detail is not None:
            body["detail"] = detail
        if code is not None:
            body["code"] = code
        super().__init__(body)


class InvalidToken(AuthenticationFailed):
    """401 for a token that is refused."""

    default_detail = _("Token is invalid or expired")
    default_code = "token_not_valid"
