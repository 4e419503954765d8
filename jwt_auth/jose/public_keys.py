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


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """
    The keys of one issuer, by the `kid` in its tokens.

    Args:
        named: by the name that the issuer gave, or else by the thumbprint (RFC 7638).
        sole: the only key, if there is one key; tokens need not name it.
        nameless: whether the issuer gave `sole` no name, so that a token may use any `kid`.
        weak: the reasons why keys were left out, by their names, or else by their places in the set.
        others: descriptions of the keys that are for no accepted algorithm, in the same way.
    """

    named: Mapping[str, Key]
    sole: Key | None = None
    nameless: bool = False
    weak: Mapping[str, str] = field(default_factory=dict)
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

    Weak keys, and keys for other uses, of unknown kinds, or of no algorithm in `algorithms` are skipped, as the
    RFC says; `weak` names the weak ones, and `others` those of other algorithms. Private and symmetric keys are skipped
    too: they must not be public. If two keys share a name, both are left out.

    Raises:
        ValueError: when it is not a JWK Set, or has neither a usable key nor one of another algorithm.
    """
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise ValueError('there is no list "keys"')
    if len(entries) > MAX_KEYS:
        raise ValueError(f"there are more than {MAX_KEYS} keys")
    weak: dict[str, str] = {}
    others: dict[str, str] = {}
    keys = _collect(list(_usable(entries, algorithms, weak, others)))
    if not keys.named and not others:
        found = ", ".join(dict.fromkeys(map(_describe, entries))) or "none"
        reasons = [f"no key in it can be used with {', '.join(algorithms)}; its keys: {found}"]
        raise ValueError("; ".join([*reasons, *map(": ".join, weak.items())]))
    return replace(keys, weak=weak, others=others)


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


def _usable(
    entries: list[Any], algorithms: Sequence[str], weak: dict[str, str], others: dict[str, str]
) -> Iterator[_Named]:
    """Yield the keys that can be used. Add the reasons against weak ones to `weak`, and other ones to `others`."""
    for place, entry in enumerate(entries, 1):
        found = _read_fetched(entry, algorithms)
        if isinstance(found, WeakKeyError):
            weak[entry.get("kid") or f"number {place}"] = str(found)
        elif isinstance(found, _OtherAlgorithmError):
            others[entry.get("kid") or f"number {place}"] = _describe(entry)
        elif found is not None:
            yield found


def _read_fetched(entry: Any, algorithms: Sequence[str]) -> _Named | WeakKeyError | _OtherAlgorithmError | None:
    """Return the name and the key of a JWK; the error if the key could be meant for us, and None if it can't."""
    try:
        return _read_jwk(entry, algorithms)
    except (WeakKeyError, _OtherAlgorithmError) as error:
        return error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _collect(keys: Sequence[_Named]) -> PublicKeys:
    named: dict[str, Key] = {}
    ambiguous = set()
    for kid, key in keys:
        name = kid or key.kid
        if named.setdefault(name, key) != key:
            ambiguous.add(name)
    unique = {name: replace(key, kid=name) for name, key in named.items() if name not in ambiguous}
    if len(named) > 1 or not unique:
        return PublicKeys(unique)
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
    if named is not None and named not in algorithms:
        raise _OtherAlgorithmError('"alg" is not in ALGORITHMS')
    candidates = algorithms if named is None else [str(named)]
    algorithm = next((name for name in candidates if fits(material, name)), None)
    if algorithm is None:
        raise _OtherAlgorithmError(f"{jwk.kind_of(material)} can't be used with {' or '.join(candidates)}")
    return make_key(material, algorithm)
