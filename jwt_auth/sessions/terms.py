"""
The terms of a new session: how the user was authenticated, how long the session lasts, and what is known of the device.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils.functional import Promise

from jwt_auth.conf import get_settings
from jwt_auth.conf.arguments import require, require_text
from jwt_auth.exceptions import UnstorableTextError
from jwt_auth.http.peer import Peer
from jwt_auth.jose.scopes import is_scope
from jwt_auth.lines import is_line
from jwt_auth.models import UserSession

# The most characters of `amr` and of `acr`, each: the length of their columns.
_LONGEST = 255

# The most characters in JSON of a project's `data`, which each refresh reads, and of the `state` in a ticket.
MAX_DATA = 1000

# The most objects and lists inside each other in `data`, with the outermost: MariaDB stores no JSON with more levels.
MAX_DEPTH = 31

# Characters of a label, as its column has room for.
_LONGEST_LABEL = 100

# Half of a surrogate pair.
_HALF = re.compile("[\ud800-\udfff]")

# The shortest timeout, as in the settings.
_SHORTEST = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The arguments of `sessions.start()` that become columns of the session."""

    amr: Collection[str] = ()
    acr: str | None = None
    idle_timeout: timedelta | None = None
    absolute_timeout: timedelta | None = None
    is_persistent: bool | None = None
    data: Mapping[str, Any] | None = None
    peer: Peer = field(default_factory=Peer)
    label: str | Promise = ""
    transport: str = UserSession.Transport.BEARER
    authenticated_at: datetime | None = None
    tied_to: str = ""

    def check(self, now: datetime) -> None:
        """
        Check the arguments of a session that starts at `now`.

        Raises:
            TypeError, ValueError: for the first wrong argument.
        """
        if self.authenticated_at is not None and self.authenticated_at > now:
            raise ValueError("authenticated_at is in the future")
        check_methods(self.amr)
        check_level(self.acr)
        _check_timeouts(self.idle_timeout, self.absolute_timeout)
        if self.is_persistent is not None:
            require(self.is_persistent, "is_persistent", bool)
        if self.data is not None:
            check_data(self.data)
        require(self.tied_to, "tied_to", str)
        require(self.peer, "peer", Peer, "peer_of(request) returns one")
        require_text(self.label, "label")
        _check_label(str(self.label))
        if self.transport not in UserSession.Transport.values:
            raise ValueError(f"transport must be one of {', '.join(UserSession.Transport.values)}")

    def after(self, replaced: UserSession) -> "Terms":
        """Return these terms, completed by those of the session that is replaced."""
        # From `created_at`, because the authentication may be older. Never longer than a new session may be: the
        # setting may be shorter than when that one began.
        span = min(replaced.expires_at - replaced.created_at, longest_timeout())
        return replace(
            self,
            label=self.label or replaced.label,
            data=replaced.data if self.data is None else self.data,
            idle_timeout=self.idle_timeout or replaced.idle_timeout,
            absolute_timeout=self.absolute_timeout or span,
            is_persistent=replaced.is_persistent if self.is_persistent is None else self.is_persistent,
            tied_to=self.tied_to or replaced.tied_to,
        )

    def columns(self, now: datetime) -> dict[str, Any]:
        """Return the columns of a session that starts at `now`."""
        settings = get_settings()
        absolute = self.absolute_timeout or settings.SESSION_ABSOLUTE_TIMEOUT
        return {
            "amr": " ".join(dict.fromkeys(self.amr)),
            "acr": self.acr or "",
            "idle_timeout": self.idle_timeout,
            "idle_expires_at": now + min(self.idle_timeout or settings.SESSION_IDLE_TIMEOUT, absolute),
            "expires_at": now + absolute,
            "is_persistent": self.is_persistent is not False,
            "data": dict(self.data or {}),
            "tied_to": self.tied_to,
            "transport": self.transport,
            "label": self.label,
            "ip_address": self.peer.ip_address,
            "user_agent": self.peer.user_agent,
            "last_ip_address": self.peer.ip_address,
            "last_user_agent": self.peer.user_agent,
        }


def idle_timeout_of(session: UserSession) -> timedelta:
    """Return the time after which `session` ends if it is not refreshed."""
    return session.idle_timeout or get_settings().SESSION_IDLE_TIMEOUT


def longest_timeout() -> timedelta:
    """Return the longest timeout that a sign-in may set."""
    settings = get_settings()
    return settings.SESSION_MAX_TIMEOUT or settings.SESSION_ABSOLUTE_TIMEOUT


def check_methods(amr: object) -> None:
    """Check that `amr` is a list of methods; raise TypeError or ValueError."""
    if isinstance(amr, str) or not isinstance(amr, Collection):
        raise TypeError(f'amr must be a list of strings, such as ["pwd", "otp"], not {type(amr).__name__}')
    # Without spaces, which separate them in the column; a registered value has none (RFC 8176 section 6.1).
    if not all(isinstance(method, str) and is_scope(method) for method in amr):
        raise ValueError('each method in amr must be a short string without spaces and quotes, such as "pwd"')
    if len(" ".join(amr)) > _LONGEST:
        raise ValueError(f"amr is longer than {_LONGEST} characters")


def check_level(acr: object) -> None:
    """Check that `acr` is a level, or None; raise TypeError or ValueError."""
    if acr is None:
        return
    require(acr, "acr", str)
    if not (isinstance(acr, str) and 0 < len(acr) <= _LONGEST and is_line(acr)):
        raise ValueError(f"acr must be one line of 1 to {_LONGEST} characters, or None")


def _check_timeouts(idle: timedelta | None, absolute: timedelta | None) -> None:
    for name, timeout in (("idle_timeout", idle), ("absolute_timeout", absolute)):
        if timeout is None:
            continue
        require(timeout, name, timedelta)
        if not _SHORTEST <= timeout <= longest_timeout():
            raise ValueError(
                f"{name} must be from {_SHORTEST} to {longest_timeout()}; "
                'JWT_AUTH["SESSION_MAX_TIMEOUT"] sets the longest timeout'
            )
    lifetime = get_settings().ACCESS_TOKEN_LIFETIME
    if idle is not None and idle < lifetime:
        raise ValueError(f"idle_timeout is shorter than ACCESS_TOKEN_LIFETIME ({lifetime}): a session in use would end")


def _check_label(label: str) -> None:
    if len(label) > _LONGEST_LABEL or not is_line(label):
        raise UnstorableTextError(f"label must be one line of at most {_LONGEST_LABEL} characters")


def check_data(data: object) -> dict[str, Any]:
    """
    Return the `data` of a session as the column will have it.

    Raises:
        TypeError, ValueError: for data that is no dict, no JSON, longer than MAX_DATA, or can't be stored.
    """
    text = check_json(data, "data")
    _check_storable(text)
    values: dict[str, Any] = json.loads(text)
    if _depth(values) > MAX_DEPTH:
        raise ValueError(f"data has more than {MAX_DEPTH} objects and lists inside each other")
    return values


def _depth(value: object) -> int:
    """Return how many objects and lists are inside each other."""
    depth, level = 0, [value]
    while found := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [inner for each in found for inner in (each.values() if isinstance(each, dict) else each)]
    return depth


def _check_storable(text: str) -> None:
    """Check JSON for what PostgreSQL, and in part MariaDB, does not store in JSON."""
    # Read again, because two halves may be a pair. Two backslashes are one of the value, and begin no escape.
    plain = json.dumps(json.loads(text), ensure_ascii=False).replace("\\\\", "")
    if "\\u0000" in plain or _HALF.search(plain):
        raise UnstorableTextError("data has a NUL, or half of a surrogate pair")


def check_json(values: object, name: str) -> str:
    """Return an argument in JSON: a dict of at most MAX_DATA characters. Raise TypeError or ValueError for another."""
    require(values, name, Mapping)
    try:
        text = json.dumps(dict(values), allow_nan=False)  # type: ignore[call-overload]  # checked in the line above
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be JSON: {error}") from error
    if len(text) > MAX_DATA:
        raise ValueError(f"{name} has {len(text)} characters in JSON, more than {MAX_DATA}")
    return text
