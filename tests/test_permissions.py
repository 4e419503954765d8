"""The permissions of tokens by scope, and requests without a token."""

import pytest
from django.urls import path
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView, exception_handler as drfs_handler

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.permissions import HasScope
from jwt_auth.responses import exception_handler as our_handler
from tests.support import forge
from tests.urls import urlpatterns as usual_urls

can_read = HasScope("read")


class ReadView(APIView):
    authentication_classes = [JWTAuthentication, SessionAuthentication]
    permission_classes = [HasScope("read")]

    def get(self, request):
        return Response({"scopes": sorted(request.auth.scopes) if request.auth else []})


class ObjectView(ReadView):
    def get(self, request):
        self.check_object_permissions(request, object())
        return super().get(request)


urlpatterns = [*usual_urls]

VIEWS = {
    "read": (ReadView, [HasScope("read")]),
    "both": (ReadView, [HasScope("read", "write")]),
    "either": (ReadView, [HasScope("read") | HasScope("write")]),
    "and": (ReadView, [IsAuthenticated & HasScope("read")]),
    "read-or-admin": (ReadView, [HasScope("read") | IsAdminUser]),
    "admin-or-read": (ReadView, [IsAdminUser | HasScope("read")]),
    "no-write": (ReadView, [IsAuthenticated, ~HasScope("write")]),
    "two": (ReadView, [HasScope("read"), HasScope("write")]),
    "object": (ObjectView, [HasScope("read") | HasScope("write")]),
    "no-write-object": (ObjectView, [IsAuthenticated & ~HasScope("write")]),
    "public": (ReadView, [AllowAny]),
}
urlpatterns += [path(f"{name}/", view.as_view(permission_classes=given)) for name, (view, given) in VIEWS.items()]
urlpatterns += [path("named/", ReadView.as_view(permission_classes=[can_read]))]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture(params=[our_handler, drfs_handler], ids=["our handler", "DRF's handler"])
def _handler(request, settings):
    name = f"{request.param.__module__}.{request.param.__qualname__}"
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": name}


@pytest.fixture
def get(client, user, clock):
    """`get(view, scope)` sends a token of that scope; with None, a token without scopes."""
    raw = client.tokens(user)["access_token"]

    def send(name, scope):
        token = raw if scope is None else forge.with_claims(raw, scope=f'"{scope}"')
        return client.bearer(token).get(f"/{name}/")

    return send


@pytest.mark.parametrize(
    ("name", "scope", "status"),
    [
        ("read", "read", 200),
        ("read", "write read", 200),
        ("read", "write", 403),
        ("read", "reader", 403),
        ("read", "READ", 403),
        ("read", "", 403),
        ("read", None, 403),
        ("named", "read", 200),
        ("named", "write", 403),
        ("both", "read write", 200),
        ("both", "read", 403),
        ("two", "read write", 200),
        ("two", "read", 403),
        ("either", "write", 200),
        ("either", "read", 200),
        ("either", "other", 403),
        ("and", "read", 200),
        ("and", "write", 403),
        ("read-or-admin", "read", 200),
        ("read-or-admin", "write", 403),
        ("admin-or-read", "read", 200),
        ("admin-or-read", "write", 403),
        ("no-write", "read", 200),
        ("no-write", "write", 403),
        ("no-write-object", "read", 200),
        ("no-write-object", "write", 403),
        ("object", "write", 200),
        ("object", "other", 403),
    ],
)
def test_who_may(get, name, scope, status):
    assert get(name, scope).status_code == status


@pytest.mark.usefixtures("_handler")
@pytest.mark.parametrize(("name", "scopes"), [("read", "read"), ("both", "read write")])
def test_the_answer_says_what_is_missing(get, name, scopes):
    answer = get(name, "other")
    assert answer.status_code == 403
    assert answer["WWW-Authenticate"] == f'Bearer realm="api", error="insufficient_scope", scope="{scopes}"'
    assert answer.json()["detail"] == "The token does not have the required scope."
    assert answer.json().get("code", "insufficient_scope") == "insufficient_scope"


@pytest.mark.usefixtures("_handler")
def test_an_answer_that_is_good_says_nothing_of_scopes(get):
    for name in ("read", "either"):
        assert "WWW-Authenticate" not in get(name, "read")


@pytest.mark.usefixtures("_handler")
def test_who_does_not_say_who_it_is_is_asked_to(client, db):
    for name in ("read", "either", "and"):
        answer = client.get(f"/{name}/")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_session_of_django_has_no_scope_whichever_user_it_is(client, staff):
    client.force_login(staff)
    assert client.get("/public/").status_code == 200
    answer = client.get("/read/")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    assert client.get("/read-or-admin/").status_code == 200


class Auth:
    scopes = frozenset({"read"})


def test_something_else_that_has_scopes_is_no_token_of_ours(client, user):
    client.force_authenticate(user, token=Auth())
    assert client.get("/public/").status_code == 200
    assert client.get("/read/").status_code == 403


@pytest.mark.parametrize("scopes", [(), ("",), ("read write",), ('"',), ("a\\b",), ("read\n",), ("é",)])
def test_what_can_be_no_scope_is_a_mistake(scopes):
    with pytest.raises(ValueError):
        HasScope(*scopes)


def test_it_shows_what_it_asks_for():
    assert repr(HasScope("read", "write")) == "HasScope('read', 'write')"
