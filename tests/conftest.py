"""Users, clients, clocks, keys and threads for all tests."""

import gc
import logging
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import time_machine
from coverage import Coverage
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection, connections
from django.dispatch import Signal
from django.utils import translation
from hypothesis import HealthCheck, settings as hypothesis_settings

from jwt_auth.process import helper, renewal
from jwt_auth.revocation import user_rows
from jwt_auth.sessions import refresh_tokens
from jwt_auth.watching import watcher

# pytest explains the failed assertions of helpers as well; they must be imported after this.
pytest.register_assert_rewrite("tests.support")

from tests.support.api_clients import ApiClient, register  # noqa: E402
from tests.support.clients import PASSWORD, Client  # noqa: E402
from tests.support.clocks import NOW, Ticks, python_time  # noqa: E402
from tests.support.emptying import empty_quickly, restore_quickly  # noqa: E402
from tests.support.keys import pem  # noqa: E402
from tests.support.queries import count_queries  # noqa: E402
from tests.support.selection import IS_ON_SQLITE, is_measured, select  # noqa: E402
from tests.support.threads import MAX_THREADS, PATIENCE  # noqa: E402

# The speed of the machine must not decide about a test.
hypothesis_settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """
    Ask the database for the features that Django remembers, before a test of an outage does.

    Otherwise SQLite would have no JSONField for the rest of the process.
    """
    with django_db_blocker.unblock():
        assert connection.features.supports_json_field
        restore_quickly(connection)
    empty_quickly(connection)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Throttles count in the cache, and one test must not count for another."""
    cache.clear()


# The limits after which parts of the app give up, with their values in a project.
_LIMITS = [
    (renewal, "PATIENCE", renewal.PATIENCE),
    (watcher, "PATIENCE", watcher.PATIENCE),
    (helper, "LIMIT", helper.LIMIT),
]


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all parts of the app that give up after a second, or less, wait as long as a busy machine takes."""
    for module, name, _ in _LIMITS:
        monkeypatch.setattr(module, name, PATIENCE)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, _patience: None) -> None:
    """Give these limits their values in a project, for a test in which something hangs until it is over."""
    for module, name, seconds in _LIMITS:
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture(autouse=True)
def _no_language() -> Iterator[None]:
    """LocaleMiddleware leaves the language of its last request active, and a later test would get texts in it."""
    yield
    translation.deactivate()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """
    Keep the garbage collector from all that is imported and collected: hundreds of thousands of objects that stay.

    It would look at them many times while they are made, and again in each full collection during the tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()  # with the little that is garbage by now: to find it takes longer than it is worth
        gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before pytest-randomly shuffles: each run has the same tests
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Generator[None, None, None]:
    kept, left_out = select(items)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
    yield
    if Coverage.current() is not None:
        items.sort(key=is_measured, reverse=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """
    Stop the tracer of the coverage where the tests, and their fixtures, need none any more: those that do come first.

    It is not started again, because it would not trace the threads that have been started meanwhile, and some of them
    work for all later tests.
    """
    tracer = Coverage.current()
    if tracer is not None and not is_measured(item):
        tracer.stop()


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("concurrent") and not connection.features.has_select_for_update:
        assert IS_ON_SQLITE, "the settings do not read TEST_DATABASE"
        pytest.skip("SQLite has one lock for the whole database: run with TEST_DATABASE=postgresql or mariadb")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """
    A stopped clock. `clock.shift(seconds)` moves it, `clock.move_to(moment)` sets it.

    The database's clock can't be stopped: where rotations are timed by it, this one is used instead.
    """
    monkeypatch.setattr(refresh_tokens, "database_time", python_time)
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> Ticks:
    """The stopped clock by which this process polls: `ticks.forward(seconds)` moves it."""
    stopped = Ticks()
    stopped.replace_clock(monkeypatch)
    return stopped


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    """Make a user of the user model of this run."""

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
    """alice, who is deleted at the last moment before the row is locked."""
    lock = user_rows.lock_user

    def lock_too_late(user_pk: Any) -> bool:
        rows = user_rows.users().filter(pk=user_pk)
        rows._raw_delete(rows.db)
        return lock(user_pk)

    monkeypatch.setattr(user_rows, "lock_user", lock_too_late)
    return user


@pytest.fixture
def staff(make_user: Callable[..., Any]) -> Any:
    """A user who may revoke others."""
    return make_user("admin", is_superuser=True, is_staff=True)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def pair(client: Client, user: Any, clock: Any) -> dict[str, Any]:
    """The tokens of alice, while the clock is stopped."""
    return client.tokens(user)


@pytest.fixture
def api(user: Any, clock: Any) -> ApiClient:
    """A client with a secret that acts as alice, and may read and write."""
    return register(user)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[logging.LogRecord]]:
    """`log()` returns everything that the app has logged so far, at every level."""
    caplog.set_level(logging.DEBUG, "jwt_auth")
    return lambda: [record for record in caplog.records if record.name == "jwt_auth"]


@pytest.fixture
def jwt_settings(settings: Any) -> Callable[..., None]:
    """`jwt_settings(NAME=value)` sets names in JWT_AUTH for one test, on top of those of the run."""

    def change(**values: Any) -> None:
        settings.JWT_AUTH = {**settings.JWT_AUTH, **values}

    return change


@pytest.fixture
def heard() -> Iterator[Callable[..., list[tuple[Signal, dict[str, Any]]]]]:
    """
    `heard(signal, ...)` returns a list that records what these signals send from then on, with the arguments, in order.
    """
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
    The live server, for programs that close connections early: its threads release the database before a test ends.

    A thread that ends later, at the end of a run, would find that it no longer shares the test's connection.
    """
    yield live_server
    for thread in threading.enumerate():
        if "process_request_thread" in thread.name:
            thread.join(10)


@pytest.fixture
def threads_connect(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads open connections of their own, and close them: Django keeps those to an SQLite database in memory."""
    if connection.vendor == "sqlite":
        wrapper, own_thread = type(connections[connection.alias]), threading.current_thread()
        in_memory = wrapper.is_in_memory_db
        monkeypatch.setattr(
            wrapper, "is_in_memory_db", lambda self: threading.current_thread() is own_thread and in_memory(self)
        )


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


@pytest.fixture
def count() -> Callable[..., tuple[int, Any]]:
    """`count(f, ...)` calls f and returns the number of its statements, and its result."""
    return count_queries


@pytest.fixture
def at_once(request: pytest.FixtureRequest) -> Iterator[Callable[..., list[Any]]]:
    """`at_once(f, g)` calls both at the same moment, in two threads, and returns their results in this order."""
    request.getfixturevalue("transactional_db")  # torn down after the connections of the threads are closed
    assert not connection.in_atomic_block, "mark the test with django_db(transaction=True): threads commit"
    pool = ThreadPoolExecutor(MAX_THREADS)

    def run(*actions: Callable[[], Any]) -> list[Any]:
        barrier = Barrier(len(actions))

        def start(action: Callable[[], Any]) -> Any:
            barrier.wait(PATIENCE)
            return action()

        futures = [pool.submit(start, action) for action in actions]
        return [future.result(PATIENCE) for future in futures]

    try:
        yield run
    finally:
        # A barrier gives exactly one of these to each thread, and only the thread itself can close its connection.
        run(*[connections.close_all] * MAX_THREADS)
        pool.shutdown()
