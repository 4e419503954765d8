"""Errors: the same form for all, a challenge with every 401, and outages that sign nobody out."""

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import DataError, InterfaceError, OperationalError, ProgrammingError, connection
from django.http import Http404
from django.urls import path
from rest_framework import exceptions as drf
from rest_framework.response import Response
from rest_framework.views import APIView

from jwt_auth.exceptions import (
    ConfigurationError,
    ExpiredTokenError,
    InvalidClaimError,
    InvalidCredentialsError,
    RefreshTokenReusedError,
    RevokedTokenError,
    UnavailableError,
)
from jwt_auth.responses import error_response, exception_handler
from tests.support.answers import challenge
from tests.support.outages import assert_unavailable, outage


@pytest.mark.parametrize(
    ("error", "status", "code", "header"),
    [
        (InvalidClaimError("sub", "is secretly wrong"), 401, "invalid_token", challenge("invalid_token")),
        (ExpiredTokenError("secretly"), 401, "token_expired", challenge("token_expired")),
        (RevokedTokenError("secretly"), 401, "token_revoked", challenge("token_revoked")),
        (RefreshTokenReusedError("secretly"), 401, "refresh_token_reused", challenge("refresh_token_reused")),
        (InvalidCredentialsError("secretly"), 401, "invalid_credentials", challenge()),
        (UnavailableError("secretly"), 503, "unavailable", None),
        (OperationalError("secretly"), 503, "unavailable", None),
        (InterfaceError("secretly"), 503, "unavailable", None),
        (Http404("secretly"), 404, "not_found", None),
        (PermissionDenied("secretly"), 403, "permission_denied", None),
        (drf.ParseError("Bad."), 400, "invalid_request", None),
        (drf.APIException("Bad."), 500, "error", None),
        (drf.MethodNotAllowed("PUT"), 405, "method_not_allowed", None),
        (drf.ValidationError({"token": ["Bad."]}), 400, "invalid_request", None),
        (drf.Throttled(wait=2.5), 429, "throttled", None),
    ],
)
def test_an_error_has_a_text_and_a_code(error, status, code, header):
    response = error_response(error)
    assert response.status_code == status
    assert response.data["code"] == code
    assert response.data["detail"]
    assert response.get("WWW-Authenticate") == header
    assert "secretly" not in str(response.data)


def test_a_mistake_of_ours_is_nobody_s_refusal():
    for error in (ValueError("a"), ConfigurationError("E001", "a", "b"), ProgrammingError("a"), DataError("a")):
        assert error_response(error) is None


@pytest.mark.parametrize(("error", "seconds"), [(drf.Throttled(wait=2.5), "3"), (UnavailableError(""), "1")])
def test_waiting_has_a_length(error, seconds):
    assert error_response(error)["Retry-After"] == seconds
    assert "Retry-After" not in error_response(drf.Throttled())


def test_what_is_wrong_with_a_body_is_told_by_field():
    response = error_response(drf.ValidationError({"token": ["Bad."]}))
    assert response.data["errors"] == {"token": ["Bad."]}


def test_a_detail_that_is_a_whole_body_stays_it():
    assert error_response(drf.PermissionDenied({"custom": "body"})).data == {"custom": "body"}


def test_outages_and_refusals_are_logged_with_their_reason(caplog):
    with caplog.at_level("INFO", "jwt_auth"):
        error_response(RevokedTokenError("the reason"))
        error_response(OperationalError("the cause"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "Token refused: the reason."),
        ("ERROR", "Unavailable: the cause."),
    ]


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("handler", ["jwt_auth.responses.exception_handler", "rest_framework.views.exception_handler"])
@pytest.mark.parametrize(
    "case", [("Bearer x", "invalid_token", "invalid_token"), (None, "not_authenticated", "")], ids=["token", "none"]
)
def test_views_of_the_project_name_the_code_in_the_body_or_in_the_challenge(client, settings, handler, case):
    header, code, named = case
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": handler}
    answer = client.get("/api/notes/", **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == challenge(named)
    assert answer.json().get("code") == (code if "jwt_auth" in handler else None)


def test_the_handler_for_projects_leaves_crashes_to_django():
    assert exception_handler(ValueError("a"), {}) is None
    assert exception_handler(drf.NotFound(), {}).data["code"] == "not_found"


# Outages of the database


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize("path", ["/auth/me/", "/auth/sessions/", "/api/notes/"])
def test_authentication_in_an_outage_is_503(client, user, path, error):
    signed_in = client.bearer(client.tokens(user)["access_token"])
    with outage(error):
        assert_unavailable(signed_in.get(path))
    assert signed_in.get(path).status_code == 200


def test_authentication_in_an_outage_is_503_with_drf_s_own_handler_too(client, user, settings):
    settings.REST_FRAMEWORK = {
        **settings.REST_FRAMEWORK,
        "EXCEPTION_HANDLER": "rest_framework.views.exception_handler",
    }
    signed_in = client.bearer(client.tokens(user)["access_token"])
    with outage():
        assert_unavailable(signed_in.get("/api/notes/"), code=None)


def test_without_a_token_no_outage_shows(client, db):
    with outage():
        assert client.get("/api/notes/").status_code == 401
        assert client.get_me("no token at all").status_code == 401
        assert client.refresh("no token at all").status_code == 401


@pytest.mark.parametrize("queries", range(8))
@pytest.mark.django_db(transaction=True)
def test_an_outage_at_any_query_of_a_sign_in_is_503_or_too_late(client, user, queries):
    with outage(after=queries):
        answer = client.login(user)
    if answer.status_code != 200:
        assert_unavailable(answer)
    assert queries > 0 or answer.status_code == 503
    assert client.login(user).status_code == 200


@pytest.mark.parametrize("queries", range(3))
@pytest.mark.parametrize("path", ["refresh/", "logout/", "revoke/"])
@pytest.mark.django_db(transaction=True)
def test_an_outage_at_any_query_of_a_refresh_or_a_logout_is_503_and_nothing_is_lost(client, user, path, queries):
    pair = client.tokens(user)
    token = pair["refresh_token"]
    with outage(after=queries):
        answer = client.send(path, {"refresh_token": token, "token": token})
    if answer.status_code in (200, 204):
        assert queries > 0
        return
    assert_unavailable(answer)
    assert client.refresh(token).status_code == 200


@pytest.mark.parametrize("path", ["logout/all/", "verify/"])
@pytest.mark.django_db(transaction=True)
def test_an_outage_at_the_other_endpoints_is_503(client, user, path):
    pair = client.tokens(user)
    with outage():
        answer = client.bearer(pair["access_token"]).send(path, {"token": pair["access_token"]})
    assert_unavailable(answer)
    assert client.get_me(pair["access_token"]).status_code == 200


class Groups(APIView):
    """A view of a project that writes before it checks permissions."""

    authentication_classes = permission_classes = ()

    def post(self, request, name):
        Group.objects.create(name=name)
        if name != "good":
            raise PermissionDenied
        return Response()


urlpatterns = [path("groups/<name>/", Groups.as_view())]


@pytest.mark.urls(__name__)
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("handler", ["jwt_auth.responses.exception_handler", "rest_framework.views.exception_handler"])
def test_what_a_view_wrote_before_its_error_is_rolled_back_with_atomic_requests(client, settings, monkeypatch, handler):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "EXCEPTION_HANDLER": handler}
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    assert client.post("/groups/bad/").status_code == 403
    assert client.post("/groups/good/").status_code == 200
    assert [group.name for group in Group.objects.all()] == ["good"]
