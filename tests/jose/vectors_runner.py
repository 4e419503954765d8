"""
Public JOSE and JSON test vectors, read and judged.

The data is not part of the project: the environment variable JOSE_VECTORS names its folder.
"""

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from jwt_auth.claims import Policy
from jwt_auth.exceptions import InvalidClaimError, InvalidTokenError
from jwt_auth.jose import jwk, tokens
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.jose.encoding import base64url_decode, base64url_encode, json_object
from jwt_auth.jose.keys import Key, make_key

FOLDER = os.environ.get("JOSE_VECTORS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """A token, its key if there is one, and the verdict of upstream; None if upstream says nothing."""

    name: str
    raw: str
    key: dict[str, Any] | None
    valid: bool | None


def read(name: str) -> Any:
    return json.loads((Path(FOLDER or "") / name).read_text("utf-8"))


def wycheproof(name: str) -> Iterator[Vector]:
    """Yield the vectors of one file, called `<kind> <number>: <group>, <comment>`."""
    for group in read(f"wycheproof/json_web_{name}_test.json")["testGroups"]:
        for test in group["tests"]:
            kind = "jws" if "jws" in test else "jwe"
            yield Vector(
                name=f"{kind} {test['tcId']}: {group['comment']}, {test['comment']}",
                # The few in JSON serialization are objects in the file.
                raw=test[kind] if isinstance(test[kind], str) else json.dumps(test[kind]),
                key=group.get("public", group["private"]),
                valid=test["result"] == "valid",
            )


def cookbook() -> Iterator[Vector]:
    """Yield RFC 7520, 7797 and 8037: everything is valid there, in each of the forms that an example has."""
    for example in read("cookbook.json"):
        for form, output in example["output"].items():
            text = output if isinstance(output, str) else json.dumps(output)
            key = example["key"] if isinstance(example["key"], dict) else None
            if key and "alg" not in key:
                key = {**key, "alg": example["alg"]}
            yield Vector(name=f"{example['name']} {form}", raw=text, key=key, valid=True)


def listed(name: str, *, valid: bool | None) -> Iterator[Vector]:
    """joserfc.json and misc.json; `valid` is for those without a verdict of their own."""
    for item in read(name):
        yield Vector(name=item["name"], raw=item["token"], key=item.get("jwk"), valid=item.get("valid", valid))


def accepts(vector: Vector) -> bool:
    """
    Return whether this app accepts the token's signature, with the key of the vector.

    Everything that comes before single claims is judged: the key, the token's form, the header, the algorithm, the
    signature. Most public vectors sign a text such as "foo", where a JWT has a JSON object. Only this rule is set
    aside: the token is parsed with empty claims in the place of the text, and the signature is then verified over the
    token as it came. The missing issuer of these empty claims is the first error after an accepted signature.
    """
    try:
        token = _take_apart(vector.raw)
        key = _key(vector, token)
        if key is None:
            return False
        tokens.verify_signature(token, key, _policy(token))
    except InvalidClaimError:
        return True
    except InvalidTokenError:
        return False
    return True


def _take_apart(raw: str) -> tokens.UnverifiedToken:
    segments = raw.split(".")
    if len(segments) != 3:
        return tokens.peek_unverified(raw)
    header, payload, signature = segments
    try:
        if not base64url_decode(payload):
            return tokens.peek_unverified(raw)
    except ValueError:
        return tokens.peek_unverified(raw)
    return replace(tokens.peek_unverified(f"{header}.{base64url_encode(b'{}')}.{signature}"), raw=raw)


def _key(vector: Vector, token: tokens.UnverifiedToken) -> Key | None:
    """Return the vector's key, bound to its one algorithm; None if it can't be used."""
    source: Any = vector.key
    if source and "keys" in source:
        named = [key for key in source["keys"] if key.get("kid") == token.kid]
        source = named[0] if len(named) == 1 else None
    if not source:
        return None
    # The owner's configuration gives an algorithm to a key without one; the vectors mean that of the token.
    algorithm = source.get("alg", token.algorithm)
    if algorithm not in ALGORITHMS:
        return None
    try:
        return make_key(jwk.load(source), algorithm)
    except ValueError:
        return None


def _policy(token: tokens.UnverifiedToken) -> Policy:
    return Policy(
        types=frozenset({tokens.media_type(token.typ)}),
        audiences=frozenset(),
        max_lifetime=timedelta(0),
        leeway=timedelta(0),
        required=(),
    )


def json_documents() -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes; y_ must be read, n_ must be refused, the reader may decide about i_."""
    for name, document in sorted(read("jsontestsuite.json").items()):
        yield name, b64decode(document)


def reads(document: bytes) -> bool:
    """Return whether this app reads `document`, which is a JSON object or a value within one."""
    for candidate in (document, b'{"value":' + document + b"}"):
        try:
            json_object(candidate)
        except ValueError:
            continue
        return True
    return False


def naughty_strings() -> list[str]:
    return list(read("blns.json"))


def weak_secrets() -> list[bytes]:
    return (Path(FOLDER or "") / "weak-secrets.txt").read_bytes().splitlines()
