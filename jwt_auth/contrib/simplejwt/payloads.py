"""
The claims of a token before its session has begun, the lifetimes of the classes of tokens, and the facts that a
session gets from its refresh token.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt
from jwt_auth.contrib.simplejwt.claims import KEY
from jwt_auth.sessions.terms import MAX_DATA, Terms

# Claims that a token has as soon as its session has begun, and that code may change.
TIMED = ("exp", "iat", "jti")

# Ends of sessions that are closer to each other are the same; no session is shorter.
SAME = timedelta(minutes=1)


class Payload(dict[str, Any]):
    """
    The claims of a token.

    Args:
        fill: adds the claims of TIMED; it is called when one of them is read.
    """

    def __init__(self, fill: Callable[[], None]) -> None:
        super().__init__()
        self._fill = fill

    def __missing__(self, name: str) -> Any:
        if name in TIMED:
            self._fill()
            if name in self.keys():  # `in self` is always true for these
                return self[name]
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return name in TIMED or super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default

    def present(self, name: str) -> Any:
        """Return the claim `name` without filling it in; None if it is not there yet."""
        return super().get(name)


class SetLifetime:
    """The lifetime of a class of tokens, from a setting that is read at each access."""

    def __init__(self, setting: str) -> None:
        self._setting = setting

    def __get__(self, instance: object, owner: type) -> timedelta:
        lifetime: timedelta = getattr(get_settings(), self._setting)
        return lifetime


def lifetime_is_set(kind: type) -> bool:
    """Return whether a class of tokens has the lifetime of the settings, and not its own."""
    definer = next(base for base in kind.__mro__ if "lifetime" in vars(base))
    return isinstance(vars(definer)["lifetime"], SetLifetime)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """
    The claims and the end that code has set on a refresh token, for its session.

    Args:
        claims: the claims for all access tokens of the session.
        ends_at: when the session is to end; None for what the settings say.
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    ends_at: datetime | None = None


def data_with(claims: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the `data` of a session with `claims`, and with what else it had.

    Raises:
        ImproperlyConfigured: if there are claims, and SIMPLEJWT is not set.
        ValueError: if it is not JSON, or has too many characters.
        UnstorableTextError: if it has characters that not every database can store.
    """
    kept = {name: value for name, value in others.items() if name != KEY}
    if not claims:
        return kept
    if simplejwt() is None:
        raise ImproperlyConfigured(
            'Set JWT_AUTH["SIMPLEJWT"], which may be {}: without it access tokens do not have the claims of a refresh '
            f"token, here {', '.join(sorted(claims))}."
        )
    data = {**kept, KEY: dict(claims)}
    try:
        length = len(json.dumps(data, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the claims of a refresh token must be JSON: {error}") from error
    if length > MAX_DATA:
        raise ValueError(
            f"the claims of this refresh token have {length} characters in JSON, more than {MAX_DATA}: set them on the "
            'access token, or with JWT_AUTH["CLAIMS_CALLABLE"]'
        )
    Terms(data=data).check(timezone.now())
    return data


def terms_until(ends_at: datetime | None) -> dict[str, Any]:
    """Return the arguments of `sessions.start()` for a session that ends at `ends_at`, even if that has passed."""
    if ends_at is None:
        return {}
    now, settings = timezone.now(), get_settings()
    if ends_at <= now:  # as in a test that needs an expired token
        return {"now": ends_at - settings.SESSION_ABSOLUTE_TIMEOUT}
    lasts = timedelta(seconds=round((ends_at - now).total_seconds()))
    # A refresh token of simplejwt is valid until it expires, used or not.
    idle = lasts if lasts >= settings.ACCESS_TOKEN_LIFETIME else None
    return {"absolute_timeout": lasts, "idle_timeout": idle}


def columns_until(ends_at: datetime | None) -> dict[str, Any]:
    """Return the columns of a session that has just begun, and is to end at `ends_at`; None means the default."""
    times, now = terms_until(ends_at), timezone.now()
    now = times.pop("now", now)
    terms = Terms(**times)
    terms.check(now)
    columns = terms.columns(now)
    return {name: columns[name] for name in ("idle_timeout", "idle_expires_at", "expires_at")}


def differ(desired: datetime | None, known: datetime | None) -> bool:
    """Return whether two ends are different, and not merely computed one after the other."""
    if desired is None or known is None:
        return desired is not known
    return abs(desired - known) > SAME
