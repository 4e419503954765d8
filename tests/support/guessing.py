"""Sign-ins of somebody who guesses passwords, from one address or from many."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth import get_user_model

HOUR = 3600


def attempt(client: Any, name: str, password: str = "wrong", address: str = "192.0.2.1", **headers: Any) -> int:
    """Sign in once from an address and return the status."""
    body = {get_user_model().USERNAME_FIELD: name, "password": password}
    status: int = client.send("login/", body, REMOTE_ADDR=address, **headers).status_code
    return status


def addresses() -> Iterator[str]:
    """Return addresses that share no budget."""
    return (f"198.51.{high}.{low}" for high in range(100, 200) for low in range(1, 250))
