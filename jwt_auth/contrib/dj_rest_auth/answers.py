"""
Bodies and errors as clients of dj-rest-auth know them.
"""

from datetime import timedelta
from typing import Any

from dj_rest_auth.app_settings import api_settings as package
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf
from rest_framework.request import Request

from jwt_auth.contrib.project_views import ProjectSettingsMixin, context_of
from jwt_auth.contrib.simplejwt.causes import text_of
from jwt_auth.contrib.simplejwt.exceptions import InvalidToken
from jwt_auth.exceptions import NoTokenError, TokenError
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain
from jwt_auth.sessions import TokenPair


class DjRestAuthMixin(ProjectSettingsMixin):
    """Mixin for views of this app that replace those of dj-rest-auth, with its throttle scope and its errors."""

    throttle_scope = "dj_rest_auth"

    def as_api_exception(self, exc: Exception, request: Request) -> drf.APIException | None:
        if isinstance(exc, TokenError | NoTokenError):
            log_refusal(exc, plain(request))
            return InvalidToken(text_of(exc) if isinstance(exc, TokenError) else _("No valid refresh token found."))
        return super().as_api_exception(exc, request)


def answer_class() -> Any:
    """Return JWT_SERIALIZER, or JWT_SERIALIZER_WITH_EXPIRATION with JWT_AUTH_RETURN_EXPIRATION."""
    is_with_times = package.JWT_AUTH_RETURN_EXPIRATION
    return package.JWT_SERIALIZER_WITH_EXPIRATION if is_with_times else package.JWT_SERIALIZER


def sign_in_body(view: Any, request: Request, user: Any, pair: TokenPair, *, in_body: bool) -> Any:
    """
    Return the user and the tokens, serialized by `answer_class()`.

    Args:
        in_body: whether the body has the tokens; False if they are in cookies.
    """
    tokens = {
        "access": pair.access_token if in_body else "",
        "refresh": pair.refresh_token if in_body and not package.JWT_AUTH_HTTPONLY else "",
    }
    data = {"user": user, **tokens, **expirations(pair)}
    return answer_class()(instance=data, context=context_of(view, request)).data


def expirations(pair: TokenPair) -> dict[str, Any]:
    """Return when the tokens expire."""
    now = timezone.now()
    return {
        "access_expiration": now + timedelta(seconds=pair.expires_in),
        "refresh_expiration": now + timedelta(seconds=pair.refresh_expires_in),
    }
