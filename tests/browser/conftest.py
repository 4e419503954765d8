"""
Pages in a real browser: Debian's or any other Chromium, driven by Playwright, against a live server.

Without Playwright or Chromium these tests are skipped; REQUIRE_BROWSER=1 makes that a failure.
SCREENSHOTS=<folder> keeps what `look()` sees.
"""

import os
import shutil
import ssl
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware

from jwt_auth.sessions import refresh_tokens
from tests.browser.admin_pages import POLICY
from tests.browser.app import App
from tests.browser.servers import EvilServer, ExampleServer, make_certificate
from tests.support import ROOT
from tests.support.admin import signed_in
from tests.support.clocks import python_time

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")

# As root there is no sandbox; the rest keeps Chromium from sending requests of its own.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Host names that lead to this machine, so that it can serve pages of other origins and other sites.
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    folder = f"{Path(__file__).parent.relative_to(ROOT).as_posix()}/"  # as ids begin: paths would take a second
    for item in items:
        if item.nodeid.startswith(folder):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.django_db(transaction=True))


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """
    The browser. It ends with this folder's tests, because Playwright has a loop running in this thread, which would
    disturb the asynchronous tests of other folders.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        sync_playwright = None
    if sync_playwright is None or CHROMIUM is None:
        missing = "Playwright" if sync_playwright is None else "Chromium"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(f"{missing} is not installed")
        pytest.skip(f"{missing} is not installed")
    # Django believes that this loop runs a view.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            yield browser
            browser.close()
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def new_context(chromium: Any) -> Iterator[Callable[..., Any]]:
    """
    `new_context(**options)`: another person's browser, with cookies and storage of its own.

    A script that fails on one of its pages fails the test: `context.faults` has what was said.
    """
    contexts = []

    def make(**options: Any) -> Any:
        context = chromium.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "ignore_https_errors": True, **options}
        )
        context.set_default_timeout(20_000)
        context.faults = []
        context.on("weberror", lambda error: context.faults.append(str(error.error)))
        contexts.append(context)
        return context

    yield make
    faults = [fault for context in contexts for fault in context.faults]
    for context in contexts:
        context.close()
    assert not faults


@pytest.fixture
def page(new_context: Callable[..., Any]) -> Any:
    """A tab of a fresh browser."""
    return new_context().new_page()


@pytest.fixture
def new_staff(new_context: Callable[..., Any], live_server: Any) -> Callable[..., Any]:
    """
    `new_staff(user, **options)`: a tab in which that member of staff is signed in to the admin.

    The browser gets the cookie of a session: `test_pages` signs in with the form.
    """

    def sign_in(user: Any, **options: Any) -> Any:
        context = new_context(base_url=live_server.url, **options)
        name = settings.SESSION_COOKIE_NAME
        value = signed_in(user).cookies[name].value
        context.add_cookies([{"name": name, "value": value, "url": live_server.url, "httpOnly": True}])
        return context.new_page()

    return sign_in


@pytest.fixture
def admin(new_staff: Callable[..., Any], staff: Any) -> Any:
    """A tab in which a superuser is signed in."""
    return new_staff(staff)


@pytest.fixture
def strict_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The live server answers with a strict Content-Security-Policy.

    It is not added in the browser by a route: one that is still fetching when its page closes fails a later test.
    """
    monkeypatch.setattr(SecurityMiddleware, "process_response", _add_policy)


def _add_policy(middleware: SecurityMiddleware, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response["Content-Security-Policy"] = POLICY
    return response


@pytest.fixture
def look(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`look(page, "name")` saves a picture of the whole page when SCREENSHOTS is set."""

    def take(page: Any, name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            case = getattr(request.node, "callspec", None)
            file = f"{name}-{case.id}.png" if case else f"{name}.png"
            page.screenshot(path=str(Path(folder) / file), full_page=True)

    return take


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def site(tls: ssl.SSLContext, django_db_setup: None) -> Iterator[ExampleServer]:
    """The example project at https://app.site.test, where cookies have their real names and attributes."""
    with ExampleServer(tls) as server:
        yield server


@pytest.fixture(scope="module")
def evil(tls: ssl.SSLContext) -> Iterator[EvilServer]:
    """A foreign server, under any host name."""
    with EvilServer(tls) as server:
        yield server


@pytest.fixture
def open_app(new_context: Callable[..., Any], site: ExampleServer) -> Callable[..., App]:
    """`open_app()`: the page in another person's browser. `open_app(context)`: in one more tab of theirs."""

    def make(context: Any = None, **options: Any) -> App:
        return App((context or new_context(**options)).new_page(), site.url).open()

    return make


@pytest.fixture
def app(open_app: Callable[..., App]) -> App:
    """The page in a fresh browser."""
    return open_app()


@pytest.fixture
def server_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[time_machine.Traveller]:
    """The server's time, which goes on. `server_clock.shift(seconds)` moves it; the browser has its own clock."""
    monkeypatch.setattr(refresh_tokens, "database_time", python_time)
    with time_machine.travel(datetime.now(timezone.utc), tick=True) as traveller:
        yield traveller
