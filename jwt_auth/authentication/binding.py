"""
Check that a token was made for this request: the token's claims about method, URI and body must match.

`htm` and `htu` are the claims of RFC 9449 section 4.2. `content_digest` has the value that the header Content-Digest
would have (RFC 9530 section 2).
"""

import hashlib
import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, RawPostDataException, UnreadablePostError
from django.utils.encoding import repercent_broken_unicode

from jwt_auth.exceptions import BodyTooLargeError, InvalidClaimError

CLAIMS = ("htm", "htu", "content_digest")

# RFC 9530 section 5: the algorithms that are not marked as insecure.
_HASHES = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}
_DIGEST = re.compile(r"[ \t]*(?P<name>[a-z][a-z0-9.-]*)=:(?P<value>[A-Za-z0-9+/=]*):[ \t]*")
_URI = re.compile(r"[!-~]+")
_PORTS = {"http": 80, "https": 443}


def check_binding(claims: Mapping[str, Any], request: HttpRequest, *, required: bool) -> None:
    """
    Compare the claims of a token about its request with the request that it came with.

    Claims that are present are always compared. `required` decides about claims that are missing.

    Raises:
        InvalidClaimError: when they differ, or when a required claim is missing.
        BodyTooLargeError: when the body is too large to be held in memory for the comparison.
    """
    if ("htm" in claims or required) and claims.get("htm") != request.method:
        raise InvalidClaimError("htm", "is not the request's method")
    if ("htu" in claims or required) and _parts_of(claims.get("htu")) != _uri_of(request):
        raise InvalidClaimError("htu", "is not the request's URI")
    if "content_digest" in claims or (required and _body_of(request)):
        _check_digest(claims.get("content_digest"), _body_of(request))


def _uri_of(request: HttpRequest) -> tuple[str, str | None, int | None, str]:
    scheme, host, port, _ = _parts_of(f"{request.scheme}://{request.get_host()}")
    return scheme, host, port, request.path


def _parts_of(uri: object) -> tuple[str, str | None, int | None, str]:
    """
    Return scheme, host, port and path, in the form in which they are compared. Query and fragment are not compared.

    The path is decoded, because Django finds views by the decoded path. So an octet and its %-encoding are equal.
    """
    try:
        if not isinstance(uri, str) or not _URI.fullmatch(uri):
            raise ValueError("not a URI")
        parts = urlsplit(uri)
        if parts.username is not None:
            raise ValueError("with credentials in it")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise InvalidClaimError("htu", f"is not a URI: {error}") from None
    path = repercent_broken_unicode(unquote_to_bytes(parts.path or "/")).decode()
    return parts.scheme, parts.hostname, port, path


def _body_of(request: HttpRequest) -> bytes:
    # Read before any parser reads it. Django keeps the bytes, and parsers then read those.
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise BodyTooLargeError(str(error)) from error
    except (RawPostDataException, UnreadablePostError) as error:
        raise InvalidClaimError("content_digest", f"can't be compared: {error}") from error
    # Under WSGI Django ignores a body without a length, but code that asks the server itself still gets it.
    if not body and "Transfer-Encoding" in request.headers:
        raise InvalidClaimError("content_digest", "can't be compared: the body came in chunks, without its length")
    return body


def _check_digest(value: object, body: bytes) -> None:
    if not isinstance(value, str):
        raise InvalidClaimError("content_digest", "is missing or not a string")
    known = [(name, digest) for name, digest in _digests(value) if name in _HASHES]
    if not known:
        raise InvalidClaimError("content_digest", f"has none of {', '.join(_HASHES)}")
    if any(_HASHES[name](body).digest() != digest for name, digest in known):
        raise InvalidClaimError("content_digest", "is not the body's")


def _digests(value: str) -> Iterator[tuple[str, bytes]]:
    """Return the members of a dictionary of byte sequences (RFC 8941 sections 3.2 and 3.3.5)."""
    for member in value.split(","):
        match = _DIGEST.fullmatch(member)
        try:
            if match is None:
                raise ValueError("not a byte sequence")
            yield match["name"], b64decode(match["value"], validate=True)
        except (ValueError, Base64Error) as error:
            raise InvalidClaimError("content_digest", f"is not a dictionary of digests: {error}") from None
