"""These tests need other apps; tests/contrib/test_packages.py runs them in a process with their settings."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.contrib.packages.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None
