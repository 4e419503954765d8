"""
The bases of the views with the names of simplejwt.
"""

from typing import Any

from django.db import connections, transaction
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables
from rest_framework import exceptions as drf
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth._django.driver_errors import is_of_text
from jwt_auth._django.outages import is_outage
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.authentication.note import note_on
from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.simplejwt.exceptions import InvalidToken, TokenError
from jwt_auth.exceptions import UnavailableError, UnstorableTextError
from jwt_auth.http.logs import log_outage, log_throttled
from jwt_auth.views.parsers import refuse_large_body


class SimpleJWTMixin(APIView):
    """
    For views of this app: the serializer, the header and the errors are those that they have in simplejwt.

    A body that is too long is refused before anything parses it, such as a throttle, with the project's parsers, which
    have no bounds.

    Attributes:
        serializer_class: the serializer.
        _serializer_class: its dotted path, or the option of SIMPLEJWT that has the path, if there is no
            `serializer_class`.
        www_authenticate_realm: the realm in WWW-Authenticate; REALM if it is empty.
    """

    serializer_class: Any = None
    _serializer_class: str = ""
    www_authenticate_realm = ""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_large_body(request)
        super().initial(request, *args, **kwargs)

    def get_serializer_class(self) -> Any:
        if self.serializer_class:
            return self.serializer_class
        return import_string(getattr(simplejwt_or_default(), self._serializer_class, self._serializer_class))

    def get_authenticate_header(self, request: Request) -> str:
        scheme = simplejwt_or_default().AUTH_HEADER_TYPES[0]
        return f'{scheme} realm="{self.www_authenticate_realm or get_settings().REALM}"'

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(self.as_api_exception(exc))

    def as_api_exception(self, exc: Exception) -> Exception:
        """Return an exception that the project's handler answers, after it was logged; errors of the server as is."""
        asked = self.request._request
        if isinstance(exc, drf.Throttled):
            log_throttled(asked, note_on(asked).limit)
        elif isinstance(exc, UnavailableError) or is_outage(exc):
            log_outage(exc, asked)
            return as_api_exception(exc if isinstance(exc, UnavailableError) else UnavailableError(str(exc)))
        elif isinstance(exc, UnstorableTextError) or is_of_text(exc):
            # An old database may have a narrower encoding than the text of a client.
            return drf.ParseError("The request contains characters that the database can't store.")
        elif isinstance(exc, RecursionError):  # DRF's parser does not limit the depth
            return drf.ParseError("The body is nested too deeply.")
        return exc


class TokenViewBase(SimpleJWTMixin, GenericAPIView[Any]):
    """
    Base of the views: the work is done by the serializer, which a project may replace.

    Parsers, renderers and the exception handler are the project's own. The throttles of this app come before those of
    the project, and stay if a subclass sets `throttle_classes`. ATOMIC_REQUESTS does not apply, because an error would
    roll back the revocation that it reports.

    Attributes:
        own_throttle_classes: the throttles of this app.
    """

    permission_classes: Any = ()
    authentication_classes: Any = ()
    own_throttle_classes: tuple[Any, ...] = ()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        view = super().as_view(**initkwargs)
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def get_throttles(self) -> list[Any]:
        return [*(throttle() for throttle in self.own_throttle_classes), *super().get_throttles()]

    @sensitive_variables()
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        serializer = self.get_serializer(data=request.data)
        try:
            serializer.is_valid(raise_exception=True)
        except TokenError as error:
            raise InvalidToken(*error.args[:1]) from error
        return Response(serializer.validated_data)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
