"""
The views of dj-rest-auth's registration that issue tokens. They need django-allauth, as those of the package do.
"""

from collections.abc import Mapping
from typing import Any

from allauth.account import app_settings as allauth
from allauth.account.utils import complete_signup
from dj_rest_auth.registration import views as package
from dj_rest_auth.registration.serializers import SocialLoginSerializer
from django.contrib.auth import get_user, logout
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request

from jwt_auth import sessions
from jwt_auth.contrib.dj_rest_auth.answers import sign_in_body
from jwt_auth.contrib.dj_rest_auth.sign_in import SerializerSignIn
from jwt_auth.contrib.project_views import answer_to
from jwt_auth.http.plain import plain
from jwt_auth.views import SignInView

__all__ = ["RegisterView", "SocialLoginView"]


class RegisterView(package.RegisterView):  # type: ignore[misc]  # a package without types
    """
    Register a user; sign the new user in, unless the address must be verified first.

    The answer always has the tokens in the body, also in a project whose sign-ins set cookies.
    """

    @sensitive_variables()
    def perform_create(self, serializer: Any) -> Any:
        request = plain(self.request)
        user = serializer.save(self.request)
        complete_signup(request, user, allauth.EMAIL_VERIFICATION, None)
        if get_user(request) == user:
            logout(request)  # of Django's session, which allauth has begun
        return user

    @sensitive_variables()
    def get_response_data(self, user: Any) -> Any:
        if allauth.EMAIL_VERIFICATION == allauth.EmailVerificationMethod.MANDATORY:
            return super().get_response_data(user)
        try:
            pair = sessions.start(user, amr=["pwd"], peer=sessions.peer_of(plain(self.request)))
        except sessions.CredentialsChangedError:
            return None  # for example, an administrator must activate the user first
        return sign_in_body(self, self.request, user, pair, in_body=True)

    def handle_exception(self, exc: Exception) -> Any:
        return super().handle_exception(answer_to(exc, self.request) or exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class SocialLoginView(SerializerSignIn, SignInView):
    """
    Sign in with another provider, by a serializer that asks `adapter_class` who the user is.

    dj-rest-auth's own view also gives tokens to users whose sign-in allauth has stopped, such as inactive ones, or
    those with an address that is not verified; this one does not.
    """

    serializer_class = SocialLoginSerializer
    adapter_class: Any = None
    client_class: Any = None
    callback_url: str | None = None
    budget = "social"

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        asked = plain(request)
        user = self.checked_user(request, request.data)
        if get_user(asked) != user:
            return None
        logout(asked)  # of Django's session, which allauth has begun
        return user
