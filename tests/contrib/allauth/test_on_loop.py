"""The middleware on an event loop: the same answers, and no thread where nothing has to be read."""

import pytest
from allauth.account.signals import user_logged_in
from asgiref import sync
from asgiref.sync import async_to_sync
from django.core.exceptions import PermissionDenied
from django.test import AsyncClient, override_settings

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.verification import verify
from tests.support.clients import PASSWORD
from tests.support.outages import outage
from tests.support.queries import Queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

MIDDLEWARE = "jwt_auth.contrib.allauth.middleware.AllauthMiddleware"


class AsyncBrowser(AsyncClient):
    """A page of ours that speaks JSON with allauth, at an ASGI server."""

    def __init__(self):
        super().__init__(enforce_csrf_checks=True, raise_request_exception=False)
        self.call("/_allauth/browser/v1/config")

    def call(self, path, method="get", body=None):
        csrf = {"x-csrftoken": self.cookies["csrftoken"].value} if "csrftoken" in self.cookies else {}
        options = {} if body is None else {"data": body, "content_type": "application/json"}
        headers = {"sec-fetch-site": "same-origin", "origin": "https://testserver", **csrf}
        return async_to_sync(getattr(self, method))(path, headers=headers, secure=True, **options)

    def login(self, user, password=PASSWORD):
        body = {user.USERNAME_FIELD: user.get_username(), "password": password}
        return self.call("/_allauth/browser/v1/auth/login", "post", body)

    def name(self):
        return self.call("/asynchronous/?user").json()["user"]

    @property
    def access_token(self):
        return self.cookies["__Host-Http-access"].value


@pytest.fixture
def alice(user):
    user.emailaddress_set.create(email="alice@example.com", verified=True, primary=True)
    return user


@pytest.fixture
def browser():
    return AsyncBrowser()


@pytest.fixture
def cost(monkeypatch, settings):
    """`cost(browser, path)` returns how many threads and queries of a request are due to the middleware."""
    hops, make = [], sync.SyncToAsync.__call__

    async def note(self, *args, **kwargs):
        hops.append(self.func)
        return await make(self, *args, **kwargs)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", note)

    def count(browser, path, middleware):
        hops.clear()
        with override_settings(MIDDLEWARE=middleware), Queries() as queries:
            browser.handler.load_middleware(is_async=True)
            assert browser.call(path).status_code == 200
        browser.handler.load_middleware(is_async=True)
        return len(hops), len(queries)

    def cost(browser, path):
        threads, queries = count(browser, path, settings.MIDDLEWARE)
        threads_before, queries_before = count(
            browser, path, [name for name in settings.MIDDLEWARE if name != MIDDLEWARE]
        )
        return threads - threads_before, queries - queries_before

    return cost


@pytest.mark.parametrize("engine", ["db", "cache", "signed_cookies"])
def test_a_request_without_a_session_needs_neither_a_thread_nor_a_query(settings, cost, engine):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    assert cost(AsyncBrowser(), "/asynchronous/") == (0, 0)


@pytest.mark.parametrize(("engine", "queries"), [("db", 2), ("cache", 1), ("signed_cookies", 1)], ids=str)
def test_a_session_is_checked_in_one_thread(settings, cost, alice, engine, queries):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    browser = AsyncBrowser()
    assert browser.login(alice).status_code == 200
    assert cost(browser, "/asynchronous/") == (1, queries)


def test_only_the_views_of_allauth_that_check_credentials_note_the_time(cost, browser):
    assert cost(browser, "/_allauth/browser/v1/config") == (0, 0)
    with Queries() as queries:
        assert browser.call("/_allauth/browser/v1/auth/login", "post", {}).status_code == 400
    assert len(queries) == 1


def test_a_sign_in_starts_one_session_and_both_end_together(browser, alice):
    assert browser.login(alice).status_code == 200
    assert verify(browser.access_token).user == alice
    assert UserSession.objects.count() == 1
    assert browser.name() == str(alice)
    revoke_user(alice)
    assert browser.name() == "AnonymousUser"


def test_a_second_sign_in_ends_the_session_of_the_first_one(browser, alice):
    browser.login(alice)
    first = verify(browser.access_token).claims.session_id
    assert browser.call("/_allauth/browser/v1/auth/reauthenticate", "post", {"password": PASSWORD}).status_code == 200
    second = verify(browser.access_token).claims.session_id
    live = UserSession.objects.filter(revoked_at=None)
    assert [row.pk for row in live] == [second]
    assert first != second


def test_a_sign_out_ends_the_session_and_deletes_the_cookies(browser, alice):
    browser.login(alice)
    raw = browser.access_token
    assert browser.call("/_allauth/browser/v1/auth/session", "delete").status_code == 401
    assert browser.access_token == ""
    with pytest.raises(RevokedTokenError):
        verify(raw)


def test_a_sign_in_that_a_receiver_refuses_gives_no_tokens(browser, alice):
    def refuse(**kwargs):
        raise PermissionDenied

    user_logged_in.connect(refuse)
    try:
        assert browser.login(alice).status_code == 403
    finally:
        user_logged_in.disconnect(refuse)
    assert not UserSession.objects.filter(revoked_at=None).exists()
    assert browser.name() == "AnonymousUser"


def test_an_outage_is_answered_with_503(browser, alice):
    browser.login(alice)
    with outage():
        answer = browser.call("/asynchronous/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert browser.name() == str(alice)
