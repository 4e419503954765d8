"""
The views under simplejwt's names.
"""

from jwt_auth.contrib.simplejwt.base import TokenViewBase
from jwt_auth.contrib.simplejwt.sign_in import TokenObtainPairView
from jwt_auth.throttling import RefreshThrottle, RevokeThrottle, VerifyThrottle

__all__ = [
    "TokenBlacklistView",
    "TokenObtainPairView",
    "TokenRefreshView",
    "TokenVerifyView",
    "TokenViewBase",
]


class TokenRefreshView(TokenViewBase):
    """Exchange a refresh token for a new access token and a new refresh token."""

    _serializer_class = "TOKEN_REFRESH_SERIALIZER"
    own_throttle_classes = (RefreshThrottle,)


class TokenVerifyView(TokenViewBase):
    """Answer whether a token is valid now, but not for which operations."""

    _serializer_class = "TOKEN_VERIFY_SERIALIZER"
    own_throttle_classes = (VerifyThrottle,)


class TokenBlacklistView(TokenViewBase):
    """End the session of a refresh token: all its tokens are refused from now on."""

    _serializer_class = "TOKEN_BLACKLIST_SERIALIZER"
    own_throttle_classes = (RevokeThrottle,)


# The same as functions, as simplejwt has them.
token_obtain_pair = TokenObtainPairView.as_view()
token_refresh = TokenRefreshView.as_view()
token_verify = TokenVerifyView.as_view()
token_blacklist = TokenBlacklistView.as_view()
