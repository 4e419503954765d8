"""The same requests to the same API in each package: the answers, and their cost."""

import sys

import pytest
from asgiref import sync
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.test import AsyncClient

from jwt_auth import sessions
from jwt_auth.revocation import revoke_session
from jwt_auth.verification import verify
from tests.support import forge
from tests.support.answers import challenge
from tests.support.outages import outage
from tests.support.queries import Queries

PACKAGES = ["plain", "adrf", "ninja", "modern-rest"]
if sys.version_info < (3, 11):  # django-modern-rest needs it
    PACKAGES.remove("modern-rest")
SAME_SITE = {"sec-fetch-site": "same-origin", "origin": "https://testserver"}
CROSS_SITE = {"sec-fetch-site": "cross-site", "origin": "https://evil.example.net"}
COOKIE = "__Host-Http-access"

pytestmark = pytest.mark.parametrize("mode", ["database", "memory"])


@pytest.fixture(autouse=True)
def project(settings, mode, user, clock, ticks):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": mode}


@pytest.fixture
def pair(project, user):
    pair = sessions.start(user)
    verify(pair.access_token)  # reads the revocations
    return pair


@pytest.fixture(params=["header", "cookie"])
def send(request, pair):
    """`send(url)` sends the token of `pair`, or another one, in the header or in the cookie."""

    def sender(url, token=pair.access_token, method="get", **headers):
        if request.param == "header":
            return call(url, method, {"authorization": f"Bearer {token}", **headers})
        return call(url, method, {**SAME_SITE, **headers}, {COOKIE: token})

    sender.by = request.param
    return sender


@pytest.fixture(params=PACKAGES)
def package(request, settings):
    if request.param == "plain":
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]
    return request.param


def call(url, method="get", headers=(), cookies=()):
    client = AsyncClient(enforce_csrf_checks=True, raise_request_exception=False)
    client.cookies.load(dict(cookies))
    return async_to_sync(getattr(client, method))(url, headers=dict(headers), secure=True)


def bearer(url, token, method="get"):
    return call(url, method, {"authorization": f"Bearer {token}"})


def code_of(answer):
    """Return the code in an answer: django-modern-rest has errors in a form of its own."""
    body = answer.json()
    return body["code"] if "code" in body else body["detail"][0]["type"]


def assert_refused(answer, status, code):
    assert (answer.status_code, code_of(answer)) == (status, code), answer.content


def test_a_token_makes_the_user(package, send, user, pair):
    key, name = {"user": str(user.pk)}, {"user": user.get_username()}
    assert send(f"/{package}/akey/").json() == key
    assert send(f"/{package}/akey/", method="post").json() == key
    sid = forge.claims_of(pair.access_token)["sid"]
    assert send(f"/{package}/aname/").json() == {**name, "same": True, "sid": sid}
    synchronous = send(f"/{package}/name/")
    assert synchronous.json() == name
    assert "Authorization" in synchronous["Vary"]


@pytest.mark.usefixtures("threads_connect")
def test_an_operation_that_does_not_await_the_user(package, pair, user):
    for _ in range(2):  # the first time the loop waits for the row; from then on the user is loaded before
        assert bearer(f"/{package}/unawaited/", pair.access_token).json() == {"user": user.get_username()}


def test_without_a_token_the_answer_is_401(package):
    answer = call(f"/{package}/akey/")
    assert_refused(answer, 401, "security" if package == "modern-rest" else "not_authenticated")
    if package != "plain":  # whose view answers this by itself
        assert answer["WWW-Authenticate"] == challenge()


def test_a_refused_token_is_answered_with_its_code(package, send, pair, clock):
    def check(token, code):
        for url in (f"/{package}/akey/", f"/{package}/name/"):
            answer = send(url, token)
            if (package, send.by) == ("plain", "cookie"):  # anonymous: browsers send cookies by themselves
                assert answer.status_code == (302 if "name" in url else 401)
            else:
                assert_refused(answer, 401, code)
                assert answer["WWW-Authenticate"] == challenge(code)

    check("garbage", "invalid_token")
    other = sessions.start(get_user_model()._default_manager.get())
    revoke_session(other.session_id)
    check(other.access_token, "token_revoked")
    assert send(f"/{package}/akey/").status_code == 200
    clock.shift(3600)
    check(pair.access_token, "token_expired")


def test_a_forged_request_is_refused(package, send):
    sent = send(f"/{package}/akey/", method="post", **CROSS_SITE)
    if send.by == "header":
        assert sent.status_code in (200, 201)
    else:
        assert_refused(sent, 403, "csrf_failed")
    assert send(f"/{package}/akey/", **CROSS_SITE).status_code == 200


def test_a_token_with_limits_needs_an_operation_that_accepts_its_scopes(package, send, pair):
    def limited(scope):
        return forge.with_claims(pair.access_token, scope=f'"{scope}"', auth_time="1")

    if package != "adrf":  # views of DRF state their permissions
        refused = send(f"/{package}/akey/", limited("invoices.read"))
        if send.by == "header":
            assert_refused(refused, 403, "insufficient_scope")
            assert 'error="insufficient_scope"' in refused["WWW-Authenticate"]
        else:
            assert refused.status_code == 401


@pytest.mark.parametrize("package", [package for package in PACKAGES if package != "plain"], indirect=True)
def test_an_operation_can_require_a_scope(package, pair, user):
    def limited(scope):
        return forge.with_claims(pair.access_token, scope=f'"{scope}"')

    assert bearer(f"/{package}/invoices/", limited("invoices.read")).json() == {"user": str(user.pk)}
    for token in (limited("read"), pair.access_token):
        assert_refused(bearer(f"/{package}/invoices/", token), 403, "insufficient_scope")


def test_an_operation_can_require_a_recent_sign_in(package, send, user, clock):
    assert send(f"/{package}/recent/").json() == {"user": str(user.pk)}
    clock.shift(241)
    old = send(f"/{package}/recent/")
    assert_refused(old, 401, "insufficient_user_authentication")
    assert 'max_age="240"' in old["WWW-Authenticate"]
    assert send(f"/{package}/akey/").status_code == 200


def test_an_outage_is_503(package, send, ticks, mode):
    assert send(f"/{package}/akey/").status_code == 200
    ticks.forward(60)
    with outage():
        for url in (f"/{package}/akey/", f"/{package}/name/"):
            answer = send(url)
            assert_refused(answer, 503, "unavailable" if mode == "database" else "revocation_unavailable")
            assert answer["Retry-After"] == "1"
    ticks.forward(60)
    assert send(f"/{package}/akey/").status_code == 200


def test_a_user_who_is_gone_or_cannot_be_read(package, send, user, mode):
    if mode == "database":
        return  # the user is read with the session
    with outage():
        answer = send(f"/{package}/aname/")
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    get_user_model()._default_manager.update(is_active=False)
    for url in (f"/{package}/aname/", f"/{package}/name/"):
        assert_refused(send(url), 401, "token_revoked")


@pytest.fixture
def hops(monkeypatch):
    """The names of what was called in a thread for asynchronous code, but for what Django does with a response."""
    made = []
    make = sync.SyncToAsync.__call__

    async def note(self, *args, **kwargs):
        if self.func.__name__ not in ("close", "render"):
            made.append(self.func.__name__)
        return await make(self, *args, **kwargs)

    monkeypatch.setattr(sync.SyncToAsync, "__call__", note)
    return made


def test_what_it_costs(package, send, mode, settings, hops):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if name.startswith("jwt_auth.")]
    with Queries() as queries:
        assert send(f"/{package}/akey/").status_code == 200
    if package == "adrf":  # which authenticates in a thread, where the user is loaded
        assert (len(queries), hops) == (1, ["initial"])
    else:
        assert (len(queries), len(hops)) == ((1, 1) if mode == "database" else (0, 0))
    with Queries() as queries:
        assert send(f"/{package}/aname/").status_code == 200
    assert len(queries) == 1


def test_a_view_of_adrf_that_needs_only_the_key_of_the_user(pair, user, mode):
    with Queries() as queries:
        assert bearer("/adrf/only-key/", pair.access_token).json() == {"user": str(user.pk)}
    assert len(queries) == (1 if mode == "database" else 0)
