"""
SERVICE_AUDIENCES: other servers that tokens are issued for, and the scopes that users and clients may request.

One value for each entry. Pure.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from jwt_auth.jose.scopes import is_scope

# RFC 9700 section 2.3: tokens that travel between servers are short-lived.
MAX_SERVICE_TOKEN_LIFETIME = timedelta(seconds=300)
MIN_SERVICE_TOKEN_LIFETIME = timedelta(seconds=10)

_KEYS = ("USERS", "CLIENTS", "LIFETIME", "ONE_TIME")

_NAME = re.compile(r"[!-~]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAudience:
    """
    One other server.

    Args:
        name: its name in `aud`.
        users: the scopes that users may request themselves; None when they may request no token at all.
        clients: the clients that may request tokens for a user, each with the scopes that it may request.
        lifetime: of the tokens.
        one_time: whether each token is single-use.
    """

    name: str
    users: frozenset[str] | None = None
    clients: Mapping[str, frozenset[str]] = field(default_factory=dict)
    lifetime: timedelta
    one_time: bool = False

    def scopes_for(self, client_id: str | None) -> frozenset[str] | None:
        """
        Return the scopes that `client_id` may request, or the user if it is None.

        None means no token at all.
        """
        return self.users if client_id is None else self.clients.get(client_id)


def parse_audiences(raw: object, lifetime: timedelta) -> Mapping[str, ServiceAudience]:
    """
    Parse the whole setting; `lifetime` is the default for entries without one.

    Raises:
        ValueError: for the first fault; its text continues a sentence that begins with the setting's name.
    """
    if not isinstance(raw, Mapping):
        raise ValueError('must be a dict of audiences, such as {"billing": {"USERS": ["invoices.read"]}}')
    return {name: _parse(name, value, lifetime) for name, value in raw.items()}


def _parse(name: object, raw: object, lifetime: timedelta) -> ServiceAudience:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"has the audience {name!r}, which is not a string of printable ASCII without spaces")
    if not isinstance(raw, Mapping) or not set(raw).issubset(_KEYS):
        raise ValueError(f"[{name!r}] must be a dict of {', '.join(_KEYS)}")
    users, clients = raw.get("USERS"), raw.get("CLIENTS", {})
    if not isinstance(clients, Mapping) or not all(isinstance(client, str) for client in clients):
        raise ValueError(f'[{name!r}]["CLIENTS"] must be a dict from client ids to lists of scopes')
    one_time = raw.get("ONE_TIME", False)
    if not isinstance(one_time, bool):
        raise ValueError(f'[{name!r}]["ONE_TIME"] must be True or False')
    return ServiceAudience(
        name=name,
        users=None if users is None else _scopes(f'[{name!r}]["USERS"]', users),
        clients={client: _scopes(f'[{name!r}]["CLIENTS"][{client!r}]', value) for client, value in clients.items()},
        lifetime=_lifetime(f'[{name!r}]["LIFETIME"]', raw.get("LIFETIME", lifetime)),
        one_time=one_time,
    )


def _scopes(where: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list | tuple) or not value or not all(map(is_scope, value)):
        # A token without scopes grants nothing, so an empty list would allow nothing.
        raise ValueError(f"{where} must be a list of at least one scope; scopes have no spaces, quotes or backslashes")
    return frozenset(value)


def _lifetime(where: str, value: object) -> timedelta:
    least, most = MIN_SERVICE_TOKEN_LIFETIME, MAX_SERVICE_TOKEN_LIFETIME
    if not isinstance(value, timedelta) or not least <= value <= most:
        raise ValueError(f"{where} must be a timedelta between {least} and {most}")
    return value
