"""
The exchange of a token of DRF's authtoken, and the sign-out with one.
"""

from typing import Any

from jwt_auth.contrib.authtoken.authentication import FormerTokenAuthentication
from jwt_auth.contrib.former_exchange import FormerTokenExchange
from jwt_auth.contrib.former_tokens import FormerLogoutMixin
from jwt_auth.views.users import LogoutView

__all__ = ["AuthTokenExchangeView", "AuthTokenLogoutView"]


class AuthTokenExchangeView(FormerTokenExchange):
    """
    Exchange the token in the header for tokens of this app.

    The token stays valid, because a user has one token for all devices, and the others have not exchanged it yet.
    """

    former_class = FormerTokenAuthentication


class AuthTokenLogoutView(FormerLogoutMixin, LogoutView):
    """
    `logout/` that also accepts a former token, and deletes it: all devices that still use it are signed out.

    A token that stays valid after the sign-out would be worse; a user has only one token for all devices.
    """

    former_class = FormerTokenAuthentication

    def keyword(self) -> str:
        return self.former_class.keyword

    def rows_of(self, raw: str) -> Any:
        model: Any = self.former_class().get_model()
        return model.objects.filter(key=raw)
