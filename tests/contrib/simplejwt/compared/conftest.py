"""These tests need the apps of simplejwt; tests/contrib/simplejwt/test_compared.py runs them in a process of its own."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.contrib.simplejwt.compared.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None
