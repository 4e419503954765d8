"""These tests need simplejwt and its blacklist; tests/contrib/test_simplejwt.py runs them in a process of their own."""

from typing import Any

import pytest
from django.conf import settings

BLACKLIST = "rest_framework_simplejwt.token_blacklist"


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = BLACKLIST not in settings.INSTALLED_APPS
    return True if elsewhere and collection_path.name.startswith("test_") else None
