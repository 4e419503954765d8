"""These tests need apps of other packages; tests/test_recipes.py runs them in a process that has them."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.SETTINGS_MODULE != "tests.recipes.settings"
    return True if elsewhere and collection_path.name.startswith("test_") else None
