"""These tests need the apps of simplejwt; tests/contrib/simplejwt/test_window.py runs them in another process."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings

from tests.support.former import former_pair


def pytest_ignore_collect(collection_path: Any) -> bool | None:
    elsewhere = "ACCEPT_UNTIL" not in settings.JWT_AUTH.get("SIMPLEJWT", {})
    return True if elsewhere and collection_path.name.startswith("test_") else None


@pytest.fixture
def raw(user: Any, clock: Any) -> str:
    """A refresh token that simplejwt has just issued."""
    return former_pair(user)["refresh"]


@pytest.fixture
def package_settings(monkeypatch: pytest.MonkeyPatch, jwt_settings: Callable[..., None]) -> Callable[..., None]:
    """
    `package_settings(NAME=value)` changes settings of simplejwt for one test, in the object that its modules have.

    A change of SIMPLE_JWT would reach only those who ask for that object anew.
    """
    from rest_framework_simplejwt.tokens import api_settings

    def change(**values: Any) -> None:
        for name, value in values.items():
            getattr(api_settings, name)
            monkeypatch.setattr(api_settings, name, value)
        jwt_settings()  # drops what the app remembers of the settings

    return change


@pytest.fixture
def package_backend(monkeypatch: pytest.MonkeyPatch, jwt_settings: Callable[..., None]) -> Callable[..., None]:
    """`package_backend("RS256", ...)` has simplejwt sign and verify as with these settings, for one test."""
    from rest_framework_simplejwt.backends import TokenBackend
    from rest_framework_simplejwt.tokens import Token

    def change(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(Token, "_token_backend", TokenBackend(*arguments, **options))
        jwt_settings()

    return change
