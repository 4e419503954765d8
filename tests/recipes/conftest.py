"""
These tests need apps of other packages; tests/test_recipes.py runs each folder in a process that has them.

A folder has its own `settings.py`, and no other process collects its tests.
"""

from typing import Any

from django.conf import settings

from tests.support import ROOT


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    own = ".".join([*collection_path.parent.relative_to(ROOT).parts, "settings"])
    return True if own != settings.SETTINGS_MODULE and collection_path.name.startswith("test_") else None
