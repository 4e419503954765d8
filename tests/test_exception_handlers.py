"""Refusals in views of a project, with exception handlers and renderers of DRF and of other packages."""

import json

import pytest
from django.urls import path
from django.utils.module_loading import import_string
from rest_framework.authentication import BasicAuthentication, TokenAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer, StaticHTMLRenderer, TemplateHTMLRenderer
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView, exception_handler as handler_of_drf

from jwt_auth import sessions
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.exceptions import CsrfError, ExpiredTokenError, InsufficientScopeError, RevocationUnavailableError
from jwt_auth.permissions import HasAMR, HasScope
from tests.support.answers import challenge
from tests.support.outages import outage

# What a package does at import with settings that are now deprecated is not ours.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Full(BaseThrottle):
    def allow_request(self, request, view):
        return False

    def wait(self):
        return 7


class Page(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]
    template_name = "rest_framework/base.html"

    def get(self, request):
        return Response({"user_name": request.user.get_username()})


def in_words(exc, context):
    """A handler that wraps DRF's and changes its body, as DRF's own guide shows."""
    response = handler_of_drf(exc, context)
    if response is not None:
        response.data = {"status": response.status_code, "message": str(response.data["detail"])}
    return response


def silent(exc, context):
    return None


def broken(exc, context):
    raise LookupError("a fault of the handler")


# Each handler, and the codes in the body that it makes.
HANDLERS = {
    "rest_framework.views.exception_handler": lambda body: [] if set(body) == {"detail"} else body,
    "jwt_auth.responses.exception_handler": lambda body: [body["code"]],
    "drf_standardized_errors.handler.exception_handler": lambda body: [each["code"] for each in body["errors"]],
    "exceptions_hog.exception_handler": lambda body: [body["code"]],
    "rest_framework_json_api.exceptions.exception_handler": lambda body: [each["code"] for each in body["errors"]],
    f"{__name__}.in_words": lambda body: [] if set(body) == {"status", "message"} else body,
}

RENDERERS = {
    "JSON": (JSONRenderer, "application/json"),
    "browsable": (BrowsableAPIRenderer, "text/html; charset=utf-8"),
    "template": (TemplateHTMLRenderer, "text/html; charset=utf-8"),
    "static": (StaticHTMLRenderer, "text/html; charset=utf-8"),
    "camelCase": ("djangorestframework_camel_case.render.CamelCaseJSONRenderer", "application/json"),
    "browsable camelCase": (
        "djangorestframework_camel_case.render.CamelCaseBrowsableAPIRenderer",
        "text/html; charset=utf-8",
    ),
    "JSON:API": ("rest_framework_json_api.renderers.JSONRenderer", "application/vnd.api+json"),
}

# Status, code, and headers of each refusal.
REFUSALS = {
    "bad token": (401, "invalid_token", {"WWW-Authenticate": challenge("invalid_token")}),
    "no token": (401, "not_authenticated", {"WWW-Authenticate": challenge()}),
    "scope": (
        403,
        "insufficient_scope",
        {"WWW-Authenticate": 'Bearer realm="api", error="insufficient_scope", scope="read"'},
    ),
    "weak sign-in": (
        401,
        "insufficient_user_authentication",
        {"WWW-Authenticate": 'Bearer realm="api", error="insufficient_user_authentication", amr_values="otp"'},
    ),
    "outage": (503, "unavailable", {"Retry-After": "1"}),
    "throttled": (429, "throttled", {"Retry-After": "7"}),
}


def url_of(refusal):
    return {"scope": "/scoped/", "weak sign-in": "/strong/", "throttled": "/full/"}.get(refusal, "/page/")


urlpatterns = [
    path("page/", Page.as_view()),
    path("scoped/", Page.as_view(permission_classes=[HasScope("read")])),
    path("strong/", Page.as_view(permission_classes=[HasAMR("otp")])),
    path("full/", Page.as_view(throttle_classes=[Full])),
]


@pytest.fixture(autouse=True)
def _project(settings):
    settings.ROOT_URLCONF = __name__


@pytest.fixture
def ask(client, user):
    """`ask(refusal)` sends a request that is refused in that way."""
    good = sessions.start(user).access_token

    def send(refusal):
        headers = {"bad token": "Bearer x", "no token": None}.get(refusal, f"Bearer {good}")
        given = {} if headers is None else {"HTTP_AUTHORIZATION": headers}
        if refusal != "outage":
            return client.get(url_of(refusal), **given)
        with outage():
            return client.get(url_of(refusal), **given)

    return send


@pytest.fixture
def use(settings):
    def change(**changed):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, **changed}

    return change


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("handler", HANDLERS)
def test_each_handler_tells_one_error_with_its_code_and_keeps_the_headers(ask, use, monkeypatch, handler, refusal):
    use(EXCEPTION_HANDLER=handler)
    if "json_api" in handler:
        monkeypatch.setattr(Page, "renderer_classes", [import_string(RENDERERS["JSON:API"][0])])
    status, code, headers = REFUSALS[refusal]
    answer = ask(refusal)
    assert answer.status_code == status
    has_codes = handler not in ("rest_framework.views.exception_handler", f"{__name__}.in_words")
    assert HANDLERS[handler](json.loads(answer.content)) == ([code] if has_codes else [])
    if "hog" in handler:  # which sends no challenge, to nobody
        assert "WWW-Authenticate" not in answer
    else:
        assert {name: answer.headers.get(name) for name in headers} == headers


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("name", RENDERERS)
def test_each_renderer_renders_each_refusal(ask, monkeypatch, name, refusal):
    renderer, media_type = RENDERERS[name]
    renderer = import_string(renderer) if isinstance(renderer, str) else renderer
    monkeypatch.setattr(Page, "renderer_classes", [renderer])
    status, _, headers = REFUSALS[refusal]
    answer = ask(refusal)
    assert (answer.status_code, answer["Content-Type"]) == (status, media_type)
    assert {header: answer.headers.get(header) for header in headers} == headers
    assert answer.content


@pytest.mark.parametrize("name", ["silent", "broken"])
def test_a_handler_that_gives_no_answer_is_a_fault_of_the_project(ask, use, client, settings, name):
    use(EXCEPTION_HANDLER=f"{__name__}.{name}")
    settings.MIDDLEWARE = []
    client.raise_request_exception = False
    assert [ask(refusal).status_code for refusal in ("bad token", "no token")] == [500, 500]


def test_the_middleware_answers_a_bad_token_that_a_handler_leaves_to_django(ask, use, client, settings):
    use(EXCEPTION_HANDLER=f"{__name__}.silent")
    settings.MIDDLEWARE = ["jwt_auth.middleware.VaryMiddleware"]
    client.raise_request_exception = False
    answer = ask("bad token")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert ask("no token").status_code == 500


def test_a_view_may_have_a_handler_of_its_own(ask, monkeypatch):
    monkeypatch.setattr(Page, "get_exception_handler", lambda view: in_words)
    assert ask("bad token").json() == {"status": 401, "message": "The token is invalid."}
    assert ask("bad token")["WWW-Authenticate"] == challenge("invalid_token")


@pytest.mark.parametrize("first", [BasicAuthentication, TokenAuthentication])
def test_the_challenge_of_a_token_of_ours_is_ours_whichever_class_is_first(ask, client, monkeypatch, first):
    monkeypatch.setattr(Page, "authentication_classes", [first, JWTAuthentication])
    assert ask("bad token")["WWW-Authenticate"] == challenge("invalid_token")
    assert ask("no token")["WWW-Authenticate"].startswith(("Basic", "Token"))


def test_a_page_of_the_browsable_api_for_a_user_who_is_gone_is_401(client, user, monkeypatch, jwt_settings):
    """In memory mode the first to read the user may be the template."""
    jwt_settings(REVOCATION="memory")
    monkeypatch.setattr(Page, "renderer_classes", [BrowsableAPIRenderer])
    monkeypatch.setattr(Page, "get", lambda view, request: Response({}))
    signed_in = client.bearer(sessions.start(user).access_token)
    assert signed_in.get("/page/").status_code == 200
    type(user)._default_manager.all().update(is_active=False)
    refused = signed_in.get("/page/")
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")


def test_codes_are_told_by_the_methods_of_drf():
    for error in (ExpiredTokenError(""), InsufficientScopeError(("a",)), CsrfError(""), RevocationUnavailableError("")):
        raised = as_api_exception(error)
        assert raised.get_codes() == error.code
        assert raised.get_full_details() == {"message": str(error.detail), "code": error.code}
