"""
The base of the sign-ins of dj-rest-auth: one of its serializers checks the credentials.
"""

from collections.abc import Mapping
from typing import Any

from dj_rest_auth.app_settings import api_settings as package
from django.contrib.auth import get_user_model
from django.utils.crypto import get_random_string
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from jwt_auth.contrib.dj_rest_auth.answers import DjRestAuthMixin, answer_class, sign_in_body
from jwt_auth.contrib.project_views import context_of
from jwt_auth.sessions import TokenPair
from jwt_auth.views.transport import BearerAnswer

# The fields of a body that may name the user, in the order of dj-rest-auth.
_NAMES = ("email", "username")


class SerializerSignIn(DjRestAuthMixin):
    """
    Mixin for a SignInView: `serializer_class` authenticates the user, as in dj-rest-auth. It runs within the check of
    the credentials, so that each refusal is counted, and a revocation meanwhile is noticed.
    """

    serializer_class: Any = None
    name_field: str | None = None

    @classmethod
    def described(cls) -> tuple[Any, int, Any]:
        return cls().get_serializer_class(), 200, answer_class()

    @sensitive_variables()
    def valid(self, serializer_class: Any, request: Request) -> Any:
        """Only check that the body is an object; `checked_user()` reads the fields."""
        is_own = serializer_class is self.serializer_class
        return super().valid(serializers.Serializer if is_own else serializer_class, request)  # type: ignore[misc]  # of the view

    @sensitive_variables()
    def checked_user(self, request: Request, data: Any) -> Any:
        """
        Return the user that `get_serializer_class()` finds for a body.

        Raises:
            ValidationError: if it finds none.
        """
        serializer = self.get_serializer_class()(data=data, context=context_of(self, request))
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data["user"]

    def get_serializer_class(self) -> Any:
        return self.serializer_class

    def get_login_name(self, request: Request) -> object:
        """Return the address or the name in the body; override it if the serializer has other fields."""
        data: Any = request.data
        if not isinstance(data, Mapping):
            return None
        return next((data[name] for name in (*_NAMES, get_user_model().USERNAME_FIELD) if data.get(name)), None)

    @sensitive_variables()
    def answer(self, request: Request, pair: TokenPair) -> Response:
        """Return the tokens and the user; in the form for browsers the tokens are in cookies only."""
        response: Response = super().answer(request, pair)  # type: ignore[misc]  # of the view
        in_body = self.transport == BearerAnswer.transport  # type: ignore[attr-defined]  # of the view
        response.data = sign_in_body(self, request, request.user, pair, in_body=in_body)
        return response


class PasswordSignIn(SerializerSignIn):
    """The same with LOGIN_SERIALIZER, unless the view has a `serializer_class`."""

    def get_serializer_class(self) -> Any:
        return self.serializer_class or package.LOGIN_SERIALIZER

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        return self.checked_user(request, request.data)

    @sensitive_variables()
    def refuse_closed(self, request: Request, data: Mapping[str, Any]) -> Any:
        """Check a random password, which takes the same time: the one in the body is not compared for this account."""
        sent: Any = request.data.copy()
        sent["password"] = get_random_string(32)
        self.checked_user(request, sent)
