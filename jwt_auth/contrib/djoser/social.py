"""
djoser's sign-in through another provider, as a sign-in of this app: throttled, and refused if the user is revoked
meanwhile.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.views.decorators.debug import sensitive_variables
from djoser.social.views import ProviderAuthView as ViewOfDjoser
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from social_core.backends.utils import get_backend
from social_core.exceptions import SocialAuthBaseException

from jwt_auth.contrib.project_views import ProjectSettingsMixin, context_of
from jwt_auth.sessions import TokenPair
from jwt_auth.views import SignInView

__all__ = ["ProviderAuthView"]


class ProviderSerializer(Serializer[Any]):
    """Any object; its fields depend on the provider."""


class ProviderAuthView(ProjectSettingsMixin, SignInView):
    """
    GET returns the address of the provider's page, as in djoser. POST signs in with the `state` and the `code` that the
    provider has sent to the page; the answer is 201 with `access`, `refresh` and `user`, or in the form for browsers
    with cookies and `user`.
    """

    serializer_class = ProviderSerializer
    budget = "social"

    @classmethod
    def described(cls) -> tuple[Any, int, Any]:
        return None, 201, ViewOfDjoser.serializer_class

    def get_throttles(self) -> list[Any]:
        # GET only returns the address of a page.
        return self.throttles_of_project() if self.request.method == "GET" else super().get_throttles()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        name = self.kwargs["provider"]
        try:
            get_backend(settings.AUTHENTICATION_BACKENDS, name)  # type: ignore[no-untyped-call]  # of the package
        except SocialAuthBaseException as error:  # djoser answers a GET so, and fails at a POST
            raise drf.NotFound(f"Provider '{name}' not supported") from error

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        answer: Response = ViewOfDjoser.get(self, request, *args, **kwargs)
        return answer

    @sensitive_variables()
    def authenticate(self, request: Request, data: Mapping[str, Any]) -> Any:
        serializer = ViewOfDjoser.serializer_class(data=request.data, context=context_of(self, request))
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data["user"]

    @sensitive_variables()
    def answer(self, request: Request, pair: TokenPair) -> Response:
        response = super().answer(request, pair)
        tokens = {"access": pair.access_token, "refresh": pair.refresh_token} if "access_token" in response.data else {}
        response.status_code, response.data = 201, {**tokens, "user": str(request.user)}
        return response
