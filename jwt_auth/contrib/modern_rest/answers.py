"""
Error responses in the form of django-modern-rest, with the codes and headers of this app.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from dmr import APIError
from dmr.errors import global_error_handler
from dmr.exceptions import NotAuthenticatedError
from rest_framework.exceptions import APIException

from jwt_auth.authentication.classes import refusal_of
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.responses import api_exception_of


@contextmanager
def answered(controller: Any) -> Iterator[None]:
    """Convert refusals in the block to errors of the controller."""
    try:
        yield
    except APIException as error:
        raise APIError(**_answer(controller, error)) from error


def handle_error(endpoint: Any, controller: Any, error: Exception) -> HttpResponse:
    """
    Answer errors of this app with code and headers; for DMR_SETTINGS["global_error_handler"].

    For example, `SignedInWithin(minutes=5).check(claims_of(self.request))` raises such an error, and so does reading a
    user whose row can't be loaded. The package's own handler answers all other errors.
    """
    found = _as_drf(error, controller.request)
    if found is None:
        return global_error_handler(endpoint, controller, error)
    answer = _answer(controller, found)
    response: HttpResponse = controller.to_error(answer.pop("raw_data"), **answer)
    return response


def _as_drf(error: Exception, request: HttpRequest) -> APIException | None:
    if isinstance(error, NotAuthenticatedError):
        # The package knows only that there is no user. The code of the refusal tells the client that it can refresh.
        refusal = refusal_of(request)
        return None if refusal is None else as_api_exception(refusal)
    return api_exception_of(error, request) if isinstance(error, APIException | JWTAuthError) else None


def _answer(controller: Any, error: APIException) -> dict[str, Any]:
    return {
        "raw_data": controller.format_error(str(error.detail), error_type=error.get_codes()),
        "status_code": HTTPStatus(error.status_code),
        "headers": _headers(error),
    }


def _headers(error: APIException) -> Mapping[str, str]:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return headers
