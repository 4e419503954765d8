"""
Signed tokens: encode claims, and decode them. The only module that imports PyJWT.

Decoding has two steps, because the claims name the issuer, and the issuer determines the key that must have
signed them: `peek_unverified` parses the text, `verify_signature` checks the signature.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jwt.algorithms import Algorithm, OKPAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import InvalidKeyError

from jwt_auth.claims import Claims, Policy, parse_claims
from jwt_auth.exceptions import (
    ConfigurationError,
    InvalidSignatureError,
    InvalidTokenError,
    MalformedTokenError,
    UnknownKeyError,
)
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.jose.encoding import base64url_decode, json_object
from jwt_auth.jose.keys import Key
from jwt_auth.jose.mistakes import mistake_in

MAX_LENGTH = 8192  # bytes; more than any server accepts in a header line

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_KID = re.compile(r"[!-~]{1,255}")

_jws = PyJWS(algorithms=[name for name in ALGORITHMS if name != "Ed25519"])
# RFC 9864 gave EdDSA over Ed25519 a name of its own, which PyJWT does not know yet.
_jws.register_algorithm("Ed25519", OKPAlgorithm())


@dataclass(frozen=True, slots=True, kw_only=True)
class UnverifiedToken:
    """
    A well-formed token that anyone may have written. Use it to choose a key, and for nothing else.

    `issuer` is the `iss` claim, if it is a string.
    """

    raw: str = field(repr=False)
    issuer: str | None
    algorithm: str
    kid: str | None
    typ: str | None
    claims: Mapping[str, Any] = field(repr=False)
    signature: bytes = field(repr=False)


def peek_unverified(raw: str, *, max_length: int = MAX_LENGTH) -> UnverifiedToken:
    """
    Parse a compact JWS, without verifying anything.

    Raises:
        MalformedTokenError: when it isn't three segments of canonical base64url over two JSON objects,
            or its header has parameters of the wrong type, or critical ones.
        TypeError: when it isn't a str at all: that is a mistake of the caller.
    """
    if not isinstance(raw, str):
        raise TypeError(f"a token is a str, not {type(raw).__name__}")
    if len(raw) > max_length:
        raise MalformedTokenError(f"longer than {max_length} characters")
    if not _COMPACT.fullmatch(raw):
        raise MalformedTokenError(f"not a compact JWS{mistake_in(raw)}")
    header, claims, signature = _decode_segments(raw)
    # RFC 7515 section 4.1.11: a critical parameter that is not understood makes a JWS invalid. We support none.
    if "crit" in header or "b64" in header:
        raise MalformedTokenError("the header has critical parameters")
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ")
    if not isinstance(algorithm, str):
        raise MalformedTokenError("alg is not a string")
    # A parameter with the value null counts as present: the rules for absent ones don't apply.
    if "kid" in header and not (isinstance(kid, str) and _KID.fullmatch(kid)):
        raise MalformedTokenError("kid is not a short string")
    if "typ" in header and not isinstance(typ, str):
        raise MalformedTokenError("typ is not a string")
    iss = claims.get("iss")
    return UnverifiedToken(
        raw=raw,
        issuer=iss if isinstance(iss, str) else None,
        algorithm=algorithm,
        kid=kid,
        typ=typ,
        claims=claims,
        signature=signature,
    )


def _decode_segments(raw: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    header, claims, signature = raw.split(".")
    try:
        return json_object(base64url_decode(header)), json_object(base64url_decode(claims)), base64url_decode(signature)
    except ValueError as error:
        raise MalformedTokenError(f"{error}; it was cut off or changed, or it is a refresh token") from error


def verify_signature(token: UnverifiedToken, key: Key, policy: Policy) -> Claims:
    """
    Return the claims of a token that `key` signed, and that is of a type which `policy` accepts.

    Raises:
        InvalidTokenError: when the token is of another type (RFC 8725 section 3.11).
        InvalidSignatureError: when the algorithm is not the key's, or the signature is wrong.
        InvalidClaimError: when a claim is missing or of the wrong type.
    """
    _check_signature(token, key, policy.types)
    return parse_claims(
        token.claims,
        policy.names,
        default_scope=policy.default_scope,
        undated=policy.max_lifetime if policy.undated else None,
        kid=key.kid,
    )


def verify_document(
    raw: str, find_key: Callable[[str | None], Key], typ: str, *, max_length: int
) -> tuple[Key, Mapping[str, Any]]:
    """
    Return the key that signed a document of the type `typ`, which is not an access token, and its claims.

    Raises:
        InvalidTokenError: when it is of another type, or was not signed by that key.
    """
    token = peek_unverified(raw, max_length=max_length)
    key = find_key(token.kid)
    _check_signature(token, key, {typ})
    return key, token.claims


def _check_signature(token: UnverifiedToken, key: Key, types: Collection[str | None]) -> None:
    if media_type(token.typ) not in types:
        accepted = ", ".join(sorted(map(str, types)))
        raise InvalidTokenError(f"typ is {token.typ and token.typ[:80]!r}, and accepted is {accepted}")
    if token.algorithm != key.algorithm:
        raise InvalidSignatureError("alg is not the key's")
    if not _is_signed_by(token, key):
        raise InvalidSignatureError("the signature is not by the key")


def _is_signed_by(token: UnverifiedToken, key: Key) -> bool:
    # PyJWT's algorithm, without PyJWT's parser: the text was parsed before, and more strictly.
    prepare = _prepare_secret if isinstance(key.verifying, bytes) else _prepare
    try:
        algorithm, prepared = prepare(key.algorithm, key.verifying)
    except InvalidKeyError as error:
        raise InvalidSignatureError(str(error)) from error
    return algorithm.verify(token.raw.rpartition(".")[0].encode(), prepared, token.signature)


def _prepare(name: str, key: Any) -> tuple[Algorithm, Any]:
    """Return an algorithm, and the key in the form that it requires; raise InvalidKeyError for an unsuitable key."""
    algorithm = _jws.get_algorithm_by_name(name)
    prepared = algorithm.prepare_key(key)
    if problem := algorithm.check_key_length(prepared):
        raise InvalidKeyError(problem)
    return algorithm, prepared


# Cached, because checking that a secret is not a public key takes longer than checking a signature.
_prepare_secret = lru_cache(maxsize=1024)(_prepare)


def encode(claims: Mapping[str, Any], key: Key, typ: str, *, max_length: int = MAX_LENGTH) -> str:
    """
    Sign `claims` as a compact JWS.

    Args:
        max_length: more than MAX_LENGTH only for a document that is sent in a body.

    Raises:
        ConfigurationError: when the claims are not JSON, or the token would be longer than `max_length`.
        UnknownKeyError: when the key can only verify.
    """
    if key.signing is None:
        raise UnknownKeyError("the key can only verify")
    try:
        document = json.dumps(claims, separators=(",", ":"), allow_nan=False).encode()
        json_object(document)  # a token that we could not parse ourselves must not be issued
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(
            "E017", f"The claims are not JSON: {error}.", "Have CLAIMS_CALLABLE return strings, numbers and lists."
        ) from error
    raw = _jws.encode(document, key.signing, key.algorithm, headers={"kid": key.kid, "typ": typ})
    if len(raw) > max_length:
        raise ConfigurationError(
            "E018",
            f"The access token has {len(raw)} bytes, which every request would carry.",
            f"Have CLAIMS_CALLABLE return less: the limit is {max_length} bytes.",
        )
    return raw


def media_type(typ: str | None) -> str | None:
    """Return `typ` in its short, lower-case form (RFC 7515 section 4.1.9)."""
    return None if typ is None else typ.lower().removeprefix("application/")
