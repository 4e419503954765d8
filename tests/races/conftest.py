"""Limits for many requests."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _many_requests(jwt_settings: Callable[..., None], settings: Any) -> None:
    """Races send hundreds of requests from one address."""
    jwt_settings(LOGIN_THROTTLE="100000/min")
    rates = {"jwt_auth_refresh": "100000/min", "jwt_auth_revoke": "100000/min"}
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
