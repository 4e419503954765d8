"""These tests need their own settings; tests/test_no_database.py runs them in a process that has them."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.no_database.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None
