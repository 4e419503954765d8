"""
Tokens for a user whom other code has authenticated.
"""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from jwt_auth import sessions
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.exceptions import InvalidCredentialsError, UnavailableError

__all__ = ["TokenStrategy"]


class TokenStrategy:
    """
    For DJOSER["SOCIAL_AUTH_TOKEN_STRATEGY"].

    djoser passes only the user. So a revocation while the provider is asked is not noticed, and the session has no
    address of the client. With `social.ProviderAuthView` both work.
    """

    @classmethod
    def obtain(cls, user: AbstractBaseUser) -> dict[str, Any]:
        """
        Start a session for `user`, and return the data of djoser's serializer: `access`, `refresh` and `user`.

        Raises:
            APIException: 401 if the user is inactive, or was changed or deleted meanwhile; 503 in an outage.
        """
        try:
            pair = sessions.start(user)
        except (InvalidCredentialsError, UnavailableError) as error:
            raise as_api_exception(error) from error
        return {"access": pair.access_token, "refresh": pair.refresh_token, "user": user}
