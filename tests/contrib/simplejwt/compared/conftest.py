"""The settings of the apps of simplejwt are in no other run: tests/contrib/test_simplejwt_requests.py runs these."""

from typing import Any

from django.conf import settings


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.contrib.simplejwt.compared.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None
