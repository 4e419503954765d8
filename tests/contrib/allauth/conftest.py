"""These tests need allauth among the apps; tests/contrib/test_allauth.py runs them in a process with their settings."""

from typing import Any

import pytest
from django.conf import settings

from tests.support.allauth_clients import App, Browser


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = settings.ROOT_URLCONF != "tests.contrib.allauth.urls"
    return True if elsewhere and collection_path.name.startswith("test_") else None


@pytest.fixture
def app() -> App:
    """An app that signs in with allauth."""
    return App()


@pytest.fixture
def browser() -> Browser:
    """A page of ours in a browser that signs in with allauth."""
    return Browser()


@pytest.fixture(params=[App, Browser])
def page(request: pytest.FixtureRequest) -> App | Browser:
    """Each of allauth's clients."""
    client: App | Browser = request.param()
    return client
