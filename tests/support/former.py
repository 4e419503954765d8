"""Tokens that simplejwt has issued, and its own answer to them; only for projects that have the package."""

from datetime import timedelta
from typing import Any

import jwt
from django.utils import timezone


def former_pair(user: Any, **claims: Any) -> dict[str, str]:
    """Return the tokens of a sign-in at simplejwt, with further claims."""
    from rest_framework_simplejwt.tokens import RefreshToken

    refresh = RefreshToken.for_user(user)
    refresh.payload.update(claims)
    return {"access": str(refresh.access_token), "refresh": str(refresh)}


def former_sliding(user: Any, **claims: Any) -> str:
    """Return a sliding token of simplejwt, with further claims."""
    from rest_framework_simplejwt.tokens import SlidingToken

    token = SlidingToken.for_user(user)
    token.payload.update(claims)
    return str(token)


def resigned(raw: str, *, without: tuple[str, ...] = (), headers: dict[str, Any] | None = None, **claims: Any) -> str:
    """Return a former token with other claims, signed by simplejwt's key."""
    from rest_framework_simplejwt.state import token_backend

    payload = {**jwt.decode(raw, options={"verify_signature": False}), **claims}
    kept = {name: value for name, value in payload.items() if name not in without}
    return jwt.encode(kept, token_backend.signing_key, token_backend.algorithm, headers=headers)


def former_access(user: Any, age: timedelta = timedelta(0), life: timedelta = timedelta(minutes=5)) -> str:
    """Return an access token of simplejwt of this age."""
    from rest_framework_simplejwt.tokens import AccessToken

    token = AccessToken.for_user(user)
    issued_at = timezone.now() - age
    token.set_iat(at_time=issued_at)
    token.set_exp(from_time=issued_at, lifetime=life)
    return str(token)


def rolled_back_refresh(raw: str) -> bool:
    """Return whether simplejwt itself, without this app, accepts a refresh token."""
    from rest_framework_simplejwt.exceptions import TokenError
    from rest_framework_simplejwt.tokens import RefreshToken

    try:
        RefreshToken(raw)
    except TokenError:
        return False
    return True


def unkeyed(**claims: Any) -> str:
    """Return a token that looks like one of simplejwt, signed with another key."""
    payload = {"token_type": "access", "user_id": "1", "jti": "0" * 32, "iat": 1, "exp": 4_000_000_000, **claims}
    return jwt.encode(payload, "the key of somebody else, which is long enough")
