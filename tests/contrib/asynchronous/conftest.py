"""These tests need other settings; tests/contrib/test_asynchronous.py runs them in a process with theirs."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.contrib.asynchronous.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None
