"""
Tokens that a client signs itself (RFC 7523 section 3): `iss` and `sub` are its id, `aud` is the server's.
"""

import json
import secrets
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from jwt.algorithms import OKPAlgorithm
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from jwt_auth.client import key as keys
from jwt_auth.client.key import KeyMaterialSource
from jwt_auth.client.origin import origin

# The requests that may share a token. A server with replay protection accepts a token only once; its setting
# CLIENT_REPLAY_PROTECTION determines the methods: "unsafe_methods", the default, requires "safe_methods" here, "off"
# allows "always", and "all" requires "never".
Reuse: TypeAlias = Literal["safe_methods", "always", "never"]

TYPE = "client-authentication+jwt"
# The most that a server's CLIENT_TOKEN_MAX_LIFETIME can be; without that setting it is 300 seconds.
MAX_CLIENT_TOKEN_LIFETIME = timedelta(hours=1)

# A token is reused for this share of its lifetime, so that it is still valid when the request arrives.
_REUSED = 0.9
_SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110 section 9.2.1, as the server counts them

_jws = PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})
# RFC 9864 defines the name Ed25519 for EdDSA with that curve; PyJWT does not know it yet.
_jws.register_algorithm("Ed25519", OKPAlgorithm())


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    since: float
    until: float


class Signer:
    """
    Make tokens for one client with one of its keys. Threads and forked processes may share a Signer.

    Args:
        client_id, kid, algorithm, audience: as the server shows them; `audience` is its ISSUER or AUDIENCE.
        key: the secret as the server showed it, or a private key; see `jwt_auth.client.key`.
        scope: the scopes of the tokens, separated by spaces; by default all scopes of the client.
        lifetime: from signing to expiry. A stolen token is valid for this long.
        reuse: the requests that may share a token.
        bind: whether each token is bound to one request (RFC 9449 section 4.2), with a digest of the body.
        clock: returns seconds since the epoch.

    Raises:
        ValueError: if the key doesn't fit the algorithm, or no server accepts the lifetime.
        OSError: if a key's file can't be read.
    """

    def __init__(
        self,
        *,
        client_id: str,
        key: KeyMaterialSource,
        kid: str,
        audience: str,
        algorithm: str = "HS256",
        scope: str = "",
        lifetime: timedelta = timedelta(seconds=60),
        reuse: Reuse = "safe_methods",
        bind: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not timedelta(seconds=1) <= lifetime <= MAX_CLIENT_TOKEN_LIFETIME:
            raise ValueError(f"lifetime must be between a second and {MAX_CLIENT_TOKEN_LIFETIME}")
        self.client_id, self.kid, self.audience, self.algorithm = client_id, kid, audience, algorithm
        self.scope, self.bind = scope, bind
        self._key = keys.read(key)
        self._seconds = int(lifetime.total_seconds())
        self._reuse = "never" if bind else reuse
        self._clock = clock
        self._kept = _Kept("", 0, 0)
        self._check_key()

    def __repr__(self) -> str:
        return f"<Signer client_id={self.client_id!r} kid={self.kid!r} algorithm={self.algorithm!r}>"

    def token(self, method: str = "GET", url: str = "", body: bytes = b"") -> str:
        """Return a token for a request. `url` and `body` are only used if tokens are bound to requests."""
        # No lock is needed: if two threads find no token, both make one, and both tokens are valid.
        kept, now = self._kept, self._clock()
        if not self._may_reuse(method):
            return self._sign(int(now), self._binding(method, url, body) if self.bind else {})
        if not kept.since <= now < kept.until:  # if the clock was set back, the kept token may be from the future
            since = int(now)
            kept = self._kept = _Kept(self._sign(since), since, since + _REUSED * self._seconds)
        return kept.token

    def _may_reuse(self, method: str) -> bool:
        return self._reuse == "always" or (self._reuse == "safe_methods" and method.upper() in _SAFE)

    def _binding(self, method: str, url: str, body: bytes) -> dict[str, str]:
        digest = b64encode(sha256(body).digest()).decode()
        htu = origin(url) + (urlsplit(url).path or "/")  # RFC 9449: without query and fragment
        # The digest has the form of the header Content-Digest (RFC 9530).
        return {"htm": method.upper(), "htu": htu, "content_digest": f"sha-256=:{digest}:"}

    def _sign(self, now: int, more: dict[str, str] | None = None) -> str:
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience,
            "iat": now,
            "exp": now + self._seconds,
            "jti": secrets.token_urlsafe(16),
            **({"scope": self.scope} if self.scope else {}),
            **(more or {}),
        }
        document = json.dumps(claims, separators=(",", ":")).encode()
        headers = {"kid": self.kid, "typ": TYPE}
        return _jws.encode(document, self._key, self.algorithm, headers=headers)  # type: ignore[arg-type]

    def _check_key(self) -> None:
        """Sign once, so that a key of the wrong kind is found at start, and not at the first request."""
        try:
            self._sign(0)
        except (PyJWTError, TypeError, ValueError, AttributeError, NotImplementedError):
            # The original error may quote the key, so neither the error nor its text is passed on.
            raise ValueError(f"the key can't be used with {self.algorithm}") from None
