"""A provider of social-auth-app-django, which asks no other server."""

import secrets
from typing import Any

from social_core.backends.oauth import BaseOAuth2
from social_core.exceptions import AuthCanceled

# The persons who have signed in at the provider, by their codes.
_CODES: dict[str, dict[str, Any]] = {}


def approve(**person: Any) -> str:
    """Let a person sign in at the provider; return the code for the project."""
    code = secrets.token_urlsafe()
    _CODES[code] = person
    return code


class Provider(BaseOAuth2):
    name = "example"
    AUTHORIZATION_URL = "https://accounts.example.com/authorize"
    ACCESS_TOKEN_URL = "https://accounts.example.com/token"
    ACCESS_TOKEN_METHOD = "POST"
    REDIRECT_STATE = False

    def request_access_token(self, *args: Any, data: Any = None, **kwargs: Any) -> Any:
        if data["code"] not in _CODES:
            raise AuthCanceled(self)
        return {"access_token": data["code"]}

    def user_data(self, access_token: str, *args: Any, **kwargs: Any) -> Any:
        return _CODES.pop(access_token)  # a code is single-use

    def get_user_details(self, response: Any) -> Any:
        return {"username": response["id"], "email": f"{response['id']}@example.com"}
