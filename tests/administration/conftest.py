"""The admin in a browser."""

from typing import Any

import pytest
from django.test import Client

from tests.support.admin import signed_in


@pytest.fixture
def browser(staff: Any) -> Client:
    """The admin, as a superuser sees it."""
    return signed_in(staff)
