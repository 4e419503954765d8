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
from jwt_auth.client.origin import origin

# Which requests may share a token. The server burns one that it guards against replay; it says for which methods it
# does: CLIENT_REPLAY_PROTECTION "unsafe_methods", its default, is our "safe_methods", "off" "always", "all" "never".
Reuse: TypeAlias = Literal["safe_methods", "always", "never"]

TYPE = "client-authentication+jwt"
MAX_LIFETIME = timedelta(hours=1)  # no server can be set to accept more; without a setting it accepts 300 s

# Of its life a token is used again, so that it is still good when the request arrives.
_REUSED = 0.9
_SAFE = ("GET", "HEAD", "OPTIONS")  # RFC 9110 section 9.2.1, as the server counts them

_jws = PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})
# RFC 9864 gave EdDSA over Ed25519 a name of its own, which PyJWT does not know yet.
_jws.register_algorithm("Ed25519", OKPAlgorithm())


@dataclass(frozen=True, slots=True)
class _Kept:
    token: str = field(repr=False)
    since: float
    until: float


class Signer:
    """
    Makes tokens for one client with one of its keys. May be shared by threads, and by processes that fork.

    Args:
        client_id, kid, algorithm, audience: as the server shows them; `audience` is its ISSUER or AUDIENCE.
        key: the secret as the server showed it, or a private key; see `jwt_auth.client.key`.
        scope: of what the client may do, what the tokens are to be good for, separated by spaces; all by default.
        lifetime: from signing to expiry. A stolen token is good for so long.
        reuse: which requests may share a token.
        bind: whether a token is for one request alone (RFC 9449 section 4.2), with a digest of its body.
        clock: seconds since the epoch.

    Raises:
        ValueError: when the key doesn't fit the algorithm, or the lifetime is none that a server accepts.
        OSError: when a key's file can't be read.
    """

    def __init__(
        self,
        *,
        client_id: str,
        key: keys.KeySource,
        kid: str,
        audience: str,
        algorithm: str = "HS256",
        scope: str = "",
        lifetime: timedelta = timedelta(seconds=60),
        reuse: Reuse = "safe_methods",
        bind: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not timedelta(seconds=1) <= lifetime <= MAX_LIFETIME:
            raise ValueError(f"lifetime must be between a second and {MAX_LIFETIME}")
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
        """A token for a request. `url` and `body` matter only if tokens are bound to them."""
        # No lock: of two threads that find none both make one, and both are good.
        kept, now = self._kept, self._clock()
        if not self._may_reuse(method):
            return self._sign(int(now), self._binding(method, url, body) if self.bind else {})
        if not kept.since <= now < kept.until:  # a clock that was set back makes a token of the future
            since = int(now)
            kept = self._kept = _Kept(self._sign(since), since, since + _REUSED * self._seconds)
        return kept.token

    def _may_reuse(self, method: str) -> bool:
        return self._reuse == "always" or (self._reuse == "safe_methods" and method.upper() in _SAFE)

    def _binding(self, method: str, url: str, body: bytes) -> dict[str, str]:
        digest = b64encode(sha256(body).digest()).decode()
        htu = origin(url) + (urlsplit(url).path or "/")  # RFC 9449: without query and fragment
        # The digest as RFC 9530 writes it in the header Content-Digest.
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
        """Sign once, for a key of the wrong kind is better found at start than at the first request."""
        try:
            self._sign(0)
        except (PyJWTError, TypeError, ValueError, AttributeError, NotImplementedError):
            # From None, and without the text: it may quote the key.
            raise ValueError(f"the key can't be used with {self.algorithm}") from None
