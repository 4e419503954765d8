"""
Tokens that our own encoder would never write, with our own signature.

Values are given as JSON text, because `json.dumps` can't write much of what is sent here (NaN, 5,000 digits, a name
twice). The signature is made here and not by the library under test, so that any bytes can be signed.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from jwt_auth.keyring.stored import own_keys


def b64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def header_of(raw: str) -> dict[str, Any]:
    return json.loads(unb64(raw.split(".", 1)[0]))


def claims_of(raw: str) -> dict[str, Any]:
    return json.loads(unb64(raw.split(".")[1]))


def sign(header: bytes, payload: bytes, secret: bytes | None = None) -> str:
    """Sign any header over any payload, with our own HMAC key or another one."""
    body = f"{b64(header)}.{b64(payload)}"
    key = own_keys().signing.signing if secret is None else secret
    assert isinstance(key, bytes)
    return f"{body}.{b64(hmac.digest(key, body.encode(), 'sha256'))}"


def document(members: Mapping[str, Any], **json_texts: str | None) -> bytes:
    """Return a JSON object of `members`, changed by members given as JSON text; None leaves a member out."""
    texts: dict[str, str | None] = {name: json.dumps(value) for name, value in members.items()}
    texts.update(json_texts)
    return ("{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text is not None) + "}").encode()


def with_claims(raw: str, **json_texts: str | None) -> str:
    """Return the token `raw` with other claims, and a right signature."""
    return sign(unb64(raw.split(".", 1)[0]), document(claims_of(raw), **json_texts))


def with_header(raw: str, **json_texts: str | None) -> str:
    """Return the token `raw` with other header parameters, and a right signature."""
    return sign(document(header_of(raw), **json_texts), unb64(raw.split(".")[1]))


def with_payload(raw: str, payload: bytes) -> str:
    """Return the token `raw` over other bytes, with a right signature."""
    return sign(unb64(raw.split(".", 1)[0]), payload)


def with_header_bytes(raw: str, header: bytes) -> str:
    """Return the token `raw` under another header, with a right signature."""
    return sign(header, unb64(raw.split(".")[1]))


LONG = "9" * 5_000

NOT_TEXTS = {
    "null": "null",
    "int": "1",
    "zero": "0",
    "float": "1.0",
    "fraction": "1.5",
    "exponent": "1e0",
    "true": "true",
    "false": "false",
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "5,000 digits": LONG,
    "list": "[1]",
    "list of text": '["1"]',
    "dict": '{"a":1}',
    "empty": '""',
    "NUL": '"1\\u0000"',
    "newline": '"1\\n"',
    "half a surrogate pair": '"\\ud800"',
    "256 characters": json.dumps("9" * 256),
    "5,000 characters": json.dumps(LONG),
}


NOT_NUMBERS = {
    "null": "null",
    "true": "true",
    "false": "false",
    "list": "[1]",
    "dict": '{"a":1}',
    "empty": '""',
    "word": '"soon"',
    "NaN": "NaN",
    "Infinity": "Infinity",
    "minus Infinity": "-Infinity",
    "infinite by its exponent": "1e400",
    "1e18": "1e18",
    "1e30": "1e30",
    "the year 10000": "253402300800",
    "400 digits": "9" * 400,
    "4,000 digits": "9" * 4_000,
    "5,000 digits": LONG,
    "negative": "-1",
}
