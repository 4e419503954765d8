"""
Bounds of the body of a request, for views that parse it with the project's parsers, which have none.
"""

from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.views.parsers import MAX_BODY


class BoundedBody(APIView):
    """Refuse a body that is too long before it is parsed, and one that is nested too deeply, which would be a 500."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if _length_of(request) > MAX_BODY:
            raise ParseError(f"The body has more than {MAX_BODY} bytes.")

    def handle_exception(self, exc: Exception) -> Response:
        # DRF's parser does not limit the depth.
        is_nested = isinstance(exc, RecursionError)
        return super().handle_exception(ParseError("The body is nested too deeply.") if is_nested else exc)


def _length_of(request: Request) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # Django reads no body then
