"""
The base of views that replace those of another package: they use the project's DRF settings.
"""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from jwt_auth.exceptions import InvalidCredentialsError
from jwt_auth.http.logs import log_refusal
from jwt_auth.http.plain import plain
from jwt_auth.responses import api_exception_of
from jwt_auth.views.parsers import refuse_large_body

# The text of DRF, dj-rest-auth and djoser, for their translations.
_WRONG = _("Unable to log in with provided credentials.")


class ProjectSettingsMixin:
    """
    Mixin for views of this app, as the first base class: parsers, renderers, throttles and the exception handler are
    those of the project. The throttles of this app come before them.
    """

    def get_parsers(self) -> list[Any]:
        return [parser() for parser in _classes("DEFAULT_PARSER_CLASSES")]

    def get_throttles(self) -> list[Any]:
        own: list[Any] = super().get_throttles()  # type: ignore[misc]  # of the view beside it, as all others here
        return [*own, *self.throttles_of_project()]

    def throttles_of_project(self) -> list[Any]:
        return [throttle() for throttle in _classes("DEFAULT_THROTTLE_CLASSES")]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return APIView.perform_content_negotiation(self, request, force)  # type: ignore[arg-type]  # a view of DRF

    def get_exception_handler(self) -> Any:
        return api_settings.EXCEPTION_HANDLER

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_large_body(request)
        super().initial(request, *args, **kwargs)  # type: ignore[misc]  # of the view

    @classmethod
    def described(cls) -> tuple[Any, int, Any]:
        """Return the serializers of the body and of the answer, with the status between; None is any object."""
        return None, 200, None

    def handle_exception(self, exc: Exception) -> Any:
        known = self.as_api_exception(exc, self.request)  # type: ignore[attr-defined]  # of the view
        return super().handle_exception(known or exc)  # type: ignore[misc]  # of the view

    def as_api_exception(self, exc: Exception, request: Request) -> drf.APIException | None:
        """Return the DRF exception to answer with in place of `exc`; None for a server error."""
        if isinstance(exc, InvalidCredentialsError):
            log_refusal(exc, plain(request))
            return drf.ValidationError({api_settings.NON_FIELD_ERRORS_KEY: [_WRONG]})
        return answer_to(exc, request)


def answer_to(exc: Exception, request: Request) -> drf.APIException | None:
    """Return the exception of DRF that is answered in place of `exc`, in a view with the parsers of the project."""
    if isinstance(exc, RecursionError):  # DRF's parser does not limit the depth of a body
        return drf.ParseError("The body is nested too deeply.")
    return api_exception_of(exc, request)


def _classes(name: str) -> list[Any]:
    """Return the classes in a DRF setting, read now; DRF's own views read it at import."""
    return list(getattr(api_settings, name))


def context_of(view: Any, request: Request) -> dict[str, Any]:
    """Return the context that DRF's generic views give their serializers."""
    return {"request": request, "format": getattr(view, "format_kwarg", None), "view": view}
