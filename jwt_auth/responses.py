"""
Responses to errors, with a `code` in each body.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from jwt_auth._django.outages import is_outage
from jwt_auth.authentication.classes import refusal_of
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.exceptions import ReasonedError, RegistrationError, UnavailableError, UnstorableTextError
from jwt_auth.http.logs import log_outage, log_refusal, log_throttled
from jwt_auth.http.plain import plain

__all__ = ["exception_handler"]

# DRF's codes for errors that have the code `invalid_request` here.
_CODES = {"invalid": "invalid_request", "parse_error": "invalid_request"}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """
    For REST_FRAMEWORK["EXCEPTION_HANDLER"]: give errors of the project's own views the form of this app's errors.

    Like DRF's handler it rolls back the request's transaction.
    """
    response = error_response(exc, context.get("request"))
    if response is not None:
        set_rollback()
    return response


def error_response(exc: Exception, request: HttpRequest | Request | None = None) -> Response | None:
    """Return the response to `exc`, or None if it is an unexpected error of the server (500)."""
    error = api_exception_of(exc, request)
    if error is None:
        return None
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(int(wait))
    return Response(_body(error), status=error.status_code, headers=headers)


def api_exception_of(exc: Exception, request: HttpRequest | Request | None) -> drf.APIException | None:
    """Return the exception of DRF that is answered in place of `exc`; None for an unexpected error of the server."""
    asked = request and plain(request)
    if isinstance(exc, drf.Throttled):
        log_throttled(asked, note_on(asked).limit if asked else None)
    if isinstance(exc, drf.APIException):
        return _with_reason(exc, request)
    if isinstance(exc, ReasonedError):
        log_refusal(exc, asked)
        return as_api_exception(exc)
    if isinstance(exc, UnavailableError) or is_outage(exc):
        log_outage(exc, asked)
        return as_api_exception(exc if isinstance(exc, UnavailableError) else UnavailableError(str(exc)))
    return _of_others(exc)


def _of_others(exc: Exception) -> drf.APIException | None:
    """Convert errors that don't depend on HTTP."""
    if isinstance(exc, RegistrationError | UnstorableTextError):
        return drf.ParseError(str(exc))
    if isinstance(exc, Http404):
        return drf.NotFound()
    if isinstance(exc, PermissionDenied):
        return drf.PermissionDenied()
    return None


def _with_reason(exc: drf.APIException, request: HttpRequest | Request | None) -> drf.APIException:
    """If the request had an invalid cookie, replace "no credentials" by the reason why the cookie was refused."""
    refusal = request and refusal_of(request)
    if refusal and isinstance(exc, drf.NotAuthenticated):
        exc.detail = drf.ErrorDetail(str(refusal.detail), refusal.code)
    return exc


def _body(error: drf.APIException) -> Any:
    detail = error.detail
    if isinstance(error, drf.ValidationError):
        return {**error_body("The request is invalid.", "invalid_request"), "errors": detail}
    if isinstance(detail, dict | list):
        return detail
    code = str(getattr(detail, "code", error.default_code))
    return error_body(detail, _CODES.get(code, code))


def error_body(detail: Any, code: str) -> dict[str, Any]:
    """Return the body of an error response: a text for people, and a stable code for machines."""
    return {"detail": detail, "code": code}
