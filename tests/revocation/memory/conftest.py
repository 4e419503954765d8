"""Tokens whose revocation is looked up in memory."""

from typing import Any

import pytest


@pytest.fixture
def pair(client: Any, user: Any) -> dict[str, Any]:
    """The tokens of alice, while the clock goes on."""
    return client.tokens(user)
