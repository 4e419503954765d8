"""
Error responses of ninja's operations, in the form of this app's endpoints.
"""

from functools import partial

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError
from rest_framework.exceptions import APIException, NotAuthenticated

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.contrib.ninja.auth import RefusedOperationError
from jwt_auth.exceptions import JWTAuthError
from jwt_auth.responses import error_response


def handle_errors(api: NinjaAPI) -> None:
    """
    Have `api` answer errors with `detail`, `code`, and the headers `WWW-Authenticate` and `Retry-After`.

    This covers refusals by AccessTokenAuth and AccessCookieAuth, ninja's own 401 for requests without a token, and
    errors of this app that an operation raises, for example by `SignedInWithin(minutes=5).check(request.auth)`.
    """
    for kind in (RefusedOperationError, AuthenticationError, APIException, JWTAuthError):
        api.add_exception_handler(kind, partial(_answer, api))


def _answer(api: NinjaAPI, request: HttpRequest, error: Exception) -> HttpResponse:
    found = error_response(_as_drf(request, error), request)
    if found is None:  # an error that is not for the client
        raise error
    response = api.create_response(request, found.data, status=found.status_code)
    for name in ("WWW-Authenticate", "Retry-After"):
        if name in found:
            response[name] = found[name]
    return response


def _as_drf(request: HttpRequest, error: Exception) -> Exception:
    if isinstance(error, RefusedOperationError):
        return error.error
    if isinstance(error, AuthenticationError):
        found = NotAuthenticated()
        found.auth_header = JWTAuthentication().authenticate_header(request)  # type: ignore[attr-defined]  # as in DRF
        return found
    return error
