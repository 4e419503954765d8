"""Users, clients, a frozen clock and keys, for all tests."""

import threading
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
from django.dispatch import Signal
from hypothesis import HealthCheck, settings as hypothesis_settings
from rest_framework.test import APIClient

from jwt_auth.revocation import cutoff

PASSWORD = "correct horse battery staple"

NOW = datetime(2026, 5, 17, 12, 30, 15, 250_000, tzinfo=timezone.utc)

# How fast the machine is says nothing about what is tested.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")


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
def leaver(user: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """alice, whom somebody deletes in the last moment before her row is locked."""
    lock = cutoff.lock

    def lock_too_late(user_pk: Any) -> bool:
        rows = cutoff.users().filter(pk=user_pk)
        rows._raw_delete(rows.db)
        return lock(user_pk)

    monkeypatch.setattr(cutoff, "lock", lock_too_late)
    return user


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


@pytest.fixture
def heard() -> Iterator[Callable[..., list[tuple[Signal, dict[str, Any]]]]]:
    """`heard(signal, ...)` is a list of what they send from then on, each with its arguments, in order."""
    sent: list[tuple[Signal, dict[str, Any]]] = []
    connected: list[Signal] = []

    def hear(signal: Signal, sender: Any, **arguments: Any) -> None:
        sent.append((signal, arguments))

    def listen(*signals: Signal) -> list[tuple[Signal, dict[str, Any]]]:
        for signal in signals:
            signal.connect(hear)
            connected.append(signal)
        return sent

    yield listen
    for signal in connected:
        signal.disconnect(hear)


@pytest.fixture
def api_server(live_server: Any) -> Iterator[Any]:
    """
    The live server, for programs that hang up: its threads have let go of the database before a test ends.

    One that comes later, at the end of a run, would find that it shares the test's connection no more.
    """
    yield live_server
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(10)


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


@pytest.fixture
def ec_settings(ec_key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Settings that sign with ES256."""
    return {"ALGORITHM": "ES256", "SIGNING_KEY": pem(ec_key)}


@pytest.fixture(scope="session")
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()
