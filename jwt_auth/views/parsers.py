"""
Strict parsers for request bodies.
"""

import re
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import parse_qsl

from django.http import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from jwt_auth.jose.encoding import json_object

MAX_BODY = 65536  # bytes; ten times the largest body that an endpoint here needs
MAX_FIELDS = 100
MAX_ESCAPES = 10_000

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def _read(stream: IO[Any]) -> bytes:
    try:
        body: bytes = stream.read(MAX_BODY + 1)
    except UnreadablePostError as error:
        raise ParseError("The request body ended early.") from error
    if len(body) > MAX_BODY:
        raise ParseError(f"The body has more than {MAX_BODY} bytes.")
    return body


def refuse_large_body(request: Request) -> None:
    """Raise ParseError for a body that is too large: for views whose parsers are the project's, and have no limit."""
    try:
        length = int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0  # Django reads no body then
    if length > MAX_BODY:
        raise ParseError(f"The body has more than {MAX_BODY} bytes.")


class StrictJSONParser(BaseParser):
    """
    A JSON object in UTF-8, of bounded size and depth.

    With DRF's own parser, a body with 100,000 levels of nesting is answered with a 500.
    """

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        try:
            return json_object(_read(stream))
        except ValueError as error:
            raise ParseError(f"The body is not a JSON object: {error}.") from error


class StrictFormParser(BaseParser):
    """Form parameters in UTF-8, each at most once (RFC 6749 section 3.2)."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, str]:
        body = _read(stream)
        # Decoding takes time for each escape. Without this, percent signs that are none would be decoded, too.
        if body.count(b"%") > MAX_ESCAPES or _BROKEN_ESCAPE.search(body):
            raise ParseError("The body is not a form: it has broken escapes, or too many.")
        try:
            pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS)
        except ValueError as error:
            raise ParseError(f"The body is not a form: {error}.") from error
        if len(dict(pairs)) != len(pairs):
            raise ParseError("A parameter occurs twice.")
        return dict(pairs)
