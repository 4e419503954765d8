"""The endpoints for requests that no token of ours authenticates: users as such, and credentials of other packages."""

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.test import RequestFactory
from django.urls import include, path
from rest_framework.authentication import BaseAuthentication, BasicAuthentication, SessionAuthentication
from rest_framework.test import APIClient

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.middleware import JWTUserMiddleware
from jwt_auth.models import UserSession
from jwt_auth.principals import ClaimsUser
from jwt_auth.views.introspection import RESPONSE_MEDIA_TYPE
from jwt_auth.views.users import LogoutAllView, MeView, RevokeUserView, SessionsView
from tests.support import forge
from tests.support.answers import assert_error
from tests.support.clients import PASSWORD

ENDPOINTS = [
    ("get", "me/"),
    ("get", "me/clients/"),
    ("get", "sessions/"),
    ("delete", "sessions/"),
    ("post", "logout/all/"),
]


class Foreign(BaseAuthentication):
    """Another package, whose credential is an object of its own."""

    credential = type("Token", (), {"key": "x"})()

    def authenticate(self, request):
        return get_user_model()._default_manager.get(), self.credential


class Scoped(Foreign):
    credential = type("AccessToken", (), {"scope": "read", "scopes": ["sessions"], "is_limited": False})()


class Vouched(Foreign):
    """The project says that the credential has no limits."""

    credential = None


class OwnMiddleware:
    """A project's middleware, which calls an authentication class and sets only the user."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        found = JWTAuthentication().authenticate(request)
        if found:
            request.user = found[0]
        return self.get_response(request)


def derived(*classes):
    """Return the URLs of views that a project has derived with other authentication classes."""
    given = {"authentication_classes": classes}
    return [
        path("me/", MeView.as_view(**given)),
        path("sessions/", SessionsView.as_view(**given)),
        path("logout/all/", LogoutAllView.as_view(**given)),
        path("revoke/user/", RevokeUserView.as_view(**given)),
    ]


def show(request):
    """A wrapper that hides the view from JWTUserMiddleware, as one without functools.wraps() does."""
    return LogoutAllView.as_view(authentication_classes=[SessionAuthentication])(request)


urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("session/", include(derived(JWTAuthentication, SessionAuthentication))),
    path("basic/", include(derived(BasicAuthentication))),
    path("foreign/", include(derived(Foreign))),
    path("scoped/", include(derived(Scoped))),
    path("vouched/", include(derived(Vouched))),
    path("wrapped/", show),
]

pytestmark = pytest.mark.urls(__name__)


def live():
    return UserSession.objects.filter(revoked_at=None).count()


@pytest.fixture
def forced(user):
    sessions.start(user)
    client = APIClient(raise_request_exception=False)
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("place", ["auth/", "auth/browser/"])
@pytest.mark.parametrize(("method", "endpoint"), ENDPOINTS)
def test_a_forced_user_is_answered(forced, place, method, endpoint):
    assert getattr(forced, method)(f"/{place}{endpoint}").status_code in (200, 204)
    assert live() == (1 if method == "get" else 0)


def test_a_user_without_a_token_has_no_session_and_no_times(forced, user):
    shown = forced.get("/auth/me/").json()
    assert shown.pop("user")["id"] == str(user.pk)
    assert shown == {
        **dict.fromkeys(("client_id", "client", "session", "auth_time", "acr", "issued_at", "expires_at")),
        "amr": [],
        "scope": "",
    }
    assert [row["current"] for row in forced.get("/auth/sessions/").json()["results"]] == [False]


def test_a_session_that_is_ended_is_not_the_current_one(forced):
    answer = forced.delete(f"/auth/browser/sessions/{UserSession.objects.get().pk}/")
    assert (answer.status_code, "Set-Cookie" in answer, live()) == (204, False, 0)


def test_permissions_are_required_as_always(forced, user, staff):
    assert_error(forced.get("/auth/clients/"), 403, "permission_denied")
    assert_error(forced.post("/auth/revoke/user/", {"user": str(user.pk)}), 403, "permission_denied")
    forced.force_authenticate(staff)
    assert forced.get("/auth/clients/").status_code == 200
    assert forced.post("/auth/revoke/user/", {"user": str(user.pk), "with_clients": True}, "json").status_code == 200


def test_a_signed_answer_is_for_the_user(user, staff, jwt_settings, ec_settings):
    jwt_settings(**ec_settings)
    client = APIClient()
    client.force_authenticate(staff)
    raw = sessions.start(user).access_token
    answer = client.post("/auth/introspect/", {"token": raw}, "json", HTTP_ACCEPT=RESPONSE_MEDIA_TYPE)
    assert answer.status_code == 200
    assert jwt.decode(answer.content, options={"verify_signature": False})["aud"] == str(staff.pk)


def test_djangos_session_lets_in_with_djangos_own_check(client, user):
    sessions.start(user)
    client.force_login(user)
    assert client.get("/session/me/").json()["session"] is None
    strict = APIClient(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post("/session/logout/all/").status_code == 403
    assert live() == 1
    assert client.post("/session/logout/all/").status_code == 204
    assert live() == 0


def test_a_password_lets_in(client, user):
    credentials = forge.b64(f"{user.get_username()}:{PASSWORD}".encode())
    padded = credentials + "=" * (-len(credentials) % 4)
    answer = client.get("/basic/me/", HTTP_AUTHORIZATION=f"Basic {padded}")
    assert (answer.status_code, answer.json()["user"]["id"]) == (200, str(user.pk))


@pytest.mark.parametrize("package", ["foreign", "scoped"])
def test_a_credential_of_another_package_is_refused_whatever_it_says_of_itself(client, user, package):
    sessions.start(user)
    client.raise_request_exception = True
    assert_error(client.get(f"/{package}/me/"), 403, "unknown_limits")
    assert_error(client.get(f"/{package}/sessions/"), 403, "unknown_limits")
    assert_error(client.delete(f"/{package}/sessions/"), 403, "unknown_limits")
    assert_error(client.post(f"/{package}/logout/all/"), 403, "unknown_limits")
    assert live() == 1
    assert client.post("/vouched/logout/all/").status_code == 204
    assert live() == 0


def test_a_principal_that_is_no_user_here_is_refused_without_its_claims(user):
    client = APIClient()
    token = sessions.start(user)
    claims = JWTAuthentication().authenticate(asking(token.access_token))[1]
    client.force_authenticate(ClaimsUser(claims))
    assert_error(client.get("/auth/me/"), 403, "unknown_limits")
    client.force_authenticate(ClaimsUser(claims), token=claims)
    assert client.get("/auth/me/").status_code == 200
    assert_error(client.get("/auth/sessions/"), 403, "permission_denied")


def test_claims_that_are_forced_are_judged_as_usual(user):
    raw = sessions.start(user).access_token
    claims = JWTAuthentication().authenticate(asking(raw))[1]
    client = APIClient()
    client.force_authenticate(user, token=claims)
    assert [row["current"] for row in client.get("/auth/sessions/").json()["results"]] == [True]


def asking(raw):
    """Return a request of Django's with this token."""
    return RequestFactory().get("/", headers={"authorization": f"Bearer {raw}"})


class Lenient(JWTUserMiddleware):
    def accepts(self, request, claims):
        return True


@pytest.mark.parametrize("middleware", ["Lenient", "OwnMiddleware"])
def test_the_limits_of_a_token_stay_where_djangos_session_seems_to_let_in(client, user, settings, middleware):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, f"{__name__}.{middleware}"]
    raw = sessions.start(user).access_token
    limited = client.bearer(forge.with_claims(raw, scope='"read"'))
    refused = limited.post("/wrapped/")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
    assert live() == 1
    assert client.bearer(raw).post("/wrapped/").status_code == 204
