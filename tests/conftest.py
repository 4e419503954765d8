"""Users, clients, a frozen clock and keys, for all tests."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

PASSWORD = "correct horse battery staple"

NOW = datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=timezone.utc)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Throttles count in the cache, and tests must not count for each other."""
    cache.clear()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("concurrent") and not connection.features.has_select_for_update:
        pytest.skip("SQLite has one lock for the whole database: run with TEST_DATABASE=postgresql or mariadb")


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Stopped time. `clock.shift(seconds)` moves it, `clock.move_to(moment)` sets it."""
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    """Make a user of whichever model the run is for."""

    def make(name: str = "alice", password: str = PASSWORD, **fields: Any) -> Any:
        model = get_user_model()
        username = name if model.USERNAME_FIELD == "username" else f"{name}@example.com"
        return model._default_manager.create_user(**{model.USERNAME_FIELD: username}, password=password, **fields)

    return make


@pytest.fixture
def user(make_user: Callable[..., Any]) -> Any:
    """alice, who can sign in with PASSWORD."""
    return make_user()


@pytest.fixture
def staff(make_user: Callable[..., Any]) -> Any:
    """A user who may revoke others."""
    return make_user("admin", is_superuser=True, is_staff=True)


class Client(APIClient):
    """An API client that speaks JSON and can hold a token."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.raise_request_exception = False  # a crash is an answer of 500, as a real client sees it

    def bearer(self, token: str) -> "Client":
        """A client that sends `token` with each request."""
        client = Client()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    def send(self, path: str, body: Any = None, method: str = "post", **extra: Any) -> Any:
        """Send `body` as JSON to an endpoint of jwt_auth, or to an absolute path."""
        url = path if path.startswith("/") else f"/auth/{path}"
        return getattr(self, method)(url, body, format="json", **extra)

    def login(self, user: Any, password: str = PASSWORD, **extra: Any) -> Any:  # type: ignore[override]
        """POST to login; the response."""
        return self.send("login/", {user.USERNAME_FIELD: user.get_username(), "password": password, **extra})

    def tokens(self, user: Any, **extra: Any) -> dict[str, Any]:
        """Sign in, which must succeed; the body."""
        response = self.login(user, **extra)
        assert response.status_code == 200, response.content
        return response.json()

    def refresh(self, token: str) -> Any:
        """POST to refresh; the response."""
        return self.send("refresh/", {"refresh_token": token})

    def get_me(self, token: str) -> Any:
        """GET a protected page with `token`; the response."""
        return self.bearer(token).get("/auth/me/")

    def is_dead(self, tokens: dict[str, Any]) -> bool:
        """Whether both tokens of a pair are refused with 401."""
        answers = {self.get_me(tokens["access_token"]).status_code, self.refresh(tokens["refresh_token"]).status_code}
        assert answers in ({200}, {401}), answers
        return answers == {401}


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def jwt_settings(settings: Any) -> Callable[..., None]:
    """Set names in JWT_AUTH for one test, beside what the run needs."""

    def change(**values: Any) -> None:
        settings.JWT_AUTH = {**settings.JWT_AUTH, **values}

    return change


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Any) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="session")
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="session")
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()
