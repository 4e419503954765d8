"""
Public keys of other parties: read those that can verify from a JWK Set, a JWK or a PEM.

Pure: documents go in, keys come out. `issuers.remote` fetches documents.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

from cryptography.exceptions import UnsupportedAlgorithm
from django.views.decorators.debug import sensitive_variables

from jwt_auth.exceptions import UnknownKeyError
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import ALGORITHMS, USUAL_ALGORITHMS
from jwt_auth.jose.encoding import json_object
from jwt_auth.jose.keys import PRIVATE, Key, fits, make_key, read_public_pem
from jwt_auth.jose.validation import WeakKeyError

# The largest sets of public services have about twenty.
MAX_KEYS = 64
# Characters of one submitted key; the longest that is allowed, of 8192 bits, has a quarter of that.
MAX_LENGTH = 10_000

# The name that the issuer gave the key, if it gave one, and the key.
_Named: TypeAlias = tuple[str | None, Key]

# The members of a JWK that describe its type and use, in the order in which they are shown.
_KIND = ("kty", "crv", "alg", "use")
_SHOWN = re.compile(r"[\w+.-]{1,32}", re.ASCII)

_KID = re.compile(r"[!-~]{1,255}")


class _OtherAlgorithmError(ValueError):
    """Raised for a valid key that is for none of the issuer's algorithms."""


# Errors of entries that are understood, and that nobody should expect to verify the issuer's tokens.
_NOT_FOR_US = (_OtherAlgorithmError, jwk.OtherUseError)


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """
    The keys of one issuer, by the `kid` in its tokens.

    Args:
        named: by the name that the issuer gave, or else by the thumbprint (RFC 7638).
        sole: the only key, if there is one key; tokens need not name it.
        nameless: whether the issuer gave `sole` no name, so that a token may use any `kid`.
        left_out: the reasons why keys were left out that may be meant for us, by their names, or else by their places
            in the set.
        others: descriptions of the keys that are for no accepted algorithm, in the same way.
    """

    named: Mapping[str, Key]
    sole: Key | None = None
    nameless: bool = False
    left_out: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)

    def find(self, kid: str | None) -> Key:
        """Return the key named `kid`; raise UnknownKeyError."""
        key = self.sole if kid is None or self.nameless else self.named.get(kid)
        if key is None:
            raise UnknownKeyError("the issuer has no key of the token's kid")
        return key

    def expire(self) -> None:
        """Do nothing: these keys change only with the settings."""


def read_jwks(document: Mapping[str, Any], algorithms: Sequence[str]) -> PublicKeys:
    """
    Return the usable keys of a JWK Set that was fetched (RFC 7517 section 5).

    All other keys are skipped, as the RFC says; `left_out` names the weak and the ambiguous ones, and `others` those of
    other algorithms. Private and symmetric keys are skipped too: they must not be public.

    Raises:
        ValueError: when it is not a JWK Set, or has no usable key, and that may be a fault of the set: it has an entry
            that is weak, ambiguous or not understood, or none for any signature.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError('there is no list "keys"')
    if len(entries) > MAX_KEYS:
        raise ValueError(f"there are more than {MAX_KEYS} keys")
    read = [_read_fetched(entry, algorithms) for entry in entries]
    found = _collect([item for item in read if not isinstance(item, ValueError)])
    labels = [_label(entry, place) for place, entry in enumerate(entries, 1)]
    weak = {label: str(item) for label, item in zip(labels, read, strict=True) if isinstance(item, WeakKeyError)}
    others = {
        label: _describe(entry)
        for label, entry, item in zip(labels, entries, read, strict=True)
        if isinstance(item, _OtherAlgorithmError)
    }
    keys = replace(found, left_out={**weak, **found.left_out}, others=others)
    broken = found.left_out or any(isinstance(item, ValueError) and not isinstance(item, _NOT_FOR_US) for item in read)
    if not keys.named and (broken or not others):
        raise ValueError(_without_usable(entries, algorithms, keys.left_out))
    return keys


def _label(entry: Any, place: int) -> str:
    kid = entry.get("kid") if isinstance(entry, Mapping) else None
    return kid if isinstance(kid, str) and kid else f"number {place}"


def _read_fetched(entry: Any, algorithms: Sequence[str]) -> _Named | ValueError:
    """Return the name and the key of a JWK, or the error that says why it is not used."""
    try:
        return _read_jwk(entry, algorithms)
    except ValueError as error:
        return error
    except (TypeError, UnsupportedAlgorithm) as error:
        return ValueError(str(error))


def _without_usable(entries: list[Any], algorithms: Sequence[str], left_out: Mapping[str, str]) -> str:
    found = ", ".join(dict.fromkeys(map(_describe, entries))) or "none"
    reason = f"no key in it can be used with {', '.join(algorithms)}; its keys: {found}"
    return "; ".join([reason, *map(": ".join, left_out.items())])


def _describe(entry: Any) -> str:
    """Return a JWK's description of itself, such as "EC P-256 sig"."""
    said = [entry.get(member) for member in _KIND] if isinstance(entry, Mapping) else []
    return " ".join(item for item in said if isinstance(item, str) and _SHOWN.fullmatch(item)) or "unreadable"


def read_configured(source: object, algorithms: Sequence[str]) -> PublicKeys:
    """
    Return the keys that are written in the settings: a PEM, a JWK, a JWK Set, or a list of these.

    Raises:
        ValueError: when one of them can't be used.
    """
    keys = [_read_one(item, algorithms) for item in _items(source)]
    found = _collect(keys)
    if not keys:
        raise ValueError("there is no key in it")
    if len(found.named) < len({kid or key.kid for kid, key in keys}):
        raise ValueError("two keys have the same kid, or one key has two algorithms")
    return found


@sensitive_variables()
def read_one(source: str | Mapping[str, Any], algorithm: str | None) -> Key:
    """
    Return the public key in a submitted document: a PEM, or a JWK as text or parsed.

    Args:
        algorithm: None uses the JWK's `alg`, or the usual algorithm for the kind of key.

    Raises:
        ValueError: when the key can't be used, names another algorithm, or is not a public key. The text never
            quotes a key.
    """
    try:
        material, named = _read_document(source)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    if named is not None and named not in ((algorithm,) if algorithm else ALGORITHMS):
        raise ValueError('"alg" in the JWK is another algorithm')
    return make_key(material, algorithm or named or USUAL_ALGORITHMS[jwk.kind_of(material)])


@sensitive_variables()
def _read_document(source: str | Mapping[str, Any]) -> tuple[jwk.PublicKey, str | None]:
    if isinstance(source, str) and len(source) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    if isinstance(source, str) and source.lstrip().startswith("{"):
        source = json_object(source.encode())
    if isinstance(source, str):
        return read_public_pem(source), None
    if source.get("kty") == "oct":
        raise ValueError("it is a secret, not a public key")
    if "d" in source:
        raise ValueError(PRIVATE)
    return cast("jwk.PublicKey", jwk.load(source)), source.get("alg")


def _collect(keys: Sequence[_Named]) -> PublicKeys:
    named: dict[str, Key] = {}
    ambiguous = set()
    for kid, key in keys:
        name = kid or key.kid
        if named.setdefault(name, key) != key:
            ambiguous.add(name)
    unique = {name: replace(key, kid=name) for name, key in named.items() if name not in ambiguous}
    left_out = dict.fromkeys(sorted(ambiguous), "another key of the set has the same kid")
    if len(named) > 1 or not unique:
        return PublicKeys(unique, left_out=left_out)
    (sole,) = unique.values()
    return PublicKeys(unique, sole, nameless=all(kid is None for kid, _ in keys))


def _items(source: object) -> Iterator[object]:
    if isinstance(source, list | tuple):
        for item in source:
            yield from _items(item)
    elif isinstance(source, Mapping) and isinstance(source.get("keys"), list):
        yield from source["keys"]
    else:
        yield source


def _read_one(item: object, algorithms: Sequence[str]) -> _Named:
    if isinstance(item, str | bytes):
        return None, _bind(read_public_pem(item), algorithms, None)
    if isinstance(item, Mapping):
        try:
            return _read_jwk(item, algorithms)
        except (TypeError, UnsupportedAlgorithm) as error:
            raise ValueError(str(error)) from error
    raise ValueError("a key must be a PEM, a JWK or a JWK Set")


def _read_jwk(entry: Mapping[str, Any], algorithms: Sequence[str]) -> _Named:
    """Return the name and the key of a JWK; raise ValueError, TypeError or UnsupportedAlgorithm."""
    if not isinstance(entry, Mapping):
        raise ValueError("a JWK is an object")
    if "d" in entry or entry.get("kty") == "oct":
        raise ValueError("only its owner may have a symmetric or private key")
    kid = entry.get("kid")
    if kid is not None and not _KID.fullmatch(kid):
        raise ValueError('"kid" is not a short string')
    return kid, _bind(jwk.load(entry), algorithms, entry.get("alg"))


def _bind(material: Any, algorithms: Sequence[str], named: object) -> Key:
    """Bind the key to one algorithm: the one that it names, or the issuer's first one that fits."""
    if named is not None and not isinstance(named, str):
        raise ValueError('"alg" is not a string')
    if named is not None and named not in algorithms:
        raise _OtherAlgorithmError('"alg" is not in ALGORITHMS')
    candidates = algorithms if named is None else [named]
    algorithm = next((name for name in candidates if fits(material, name)), None)
    if algorithm is None:
        raise _OtherAlgorithmError(f"{jwk.kind_of(material)} can't be used with {' or '.join(candidates)}")
    return make_key(material, algorithm)
