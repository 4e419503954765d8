"""GraphQL with strawberry-django: JWTUserMiddleware authenticates, and the package's permissions judge the user."""

import pytest
from asgiref.sync import async_to_sync
from django.test import AsyncClient

from jwt_auth import sessions
from jwt_auth.revocation import revoke_user
from tests.support import forge
from tests.support.answers import challenge
from tests.support.outages import outage
from tests.support.queries import Queries

pytest.importorskip("strawberry_django", reason="the current release needs Python 3.11")

pytestmark = pytest.mark.parametrize("mode", ["database", "memory"])


@pytest.fixture(autouse=True)
def project(settings, mode, clock, ticks):
    settings.JWT_AUTH = {**settings.JWT_AUTH, "REVOCATION": mode}
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]


def ask(view, field, token=None):
    """Return the answer of a view to a query for one field."""
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    body = {"query": f"{{ {field} }}"}
    return async_to_sync(AsyncClient(enforce_csrf_checks=True).post)(
        f"/strawberry/{view}/", body, content_type="application/json", headers=headers
    )


def data_of(answer, field):
    """Return the value of the field; None if it was refused."""
    assert answer.status_code == 200, answer.content
    body = answer.json()
    assert bool(body.get("errors")) == (body["data"] is None), body
    return body["data"] and body["data"][field]


@pytest.fixture
def token(user):
    return sessions.start(user).access_token


@pytest.mark.parametrize("view", ["async", "sync"])
def test_the_packages_permissions_know_the_user(view, token, user):
    for field in ["name"] if view == "sync" else ["name", "aname"]:
        assert data_of(ask(view, field, token), field) == user.get_username()
        assert data_of(ask(view, field), field) is None


@pytest.mark.usefixtures("threads_connect")
def test_a_view_that_does_not_load_the_user(token, user):
    for _ in range(2):  # the loop waits for the row once, as in other plain views
        assert data_of(ask("as-it-is", "aname", token), "aname") == user.get_username()


def test_staff_and_permissions_are_those_of_the_row(token, staff):
    administrator = sessions.start(staff).access_token
    for field in ("staff", "permitted"):
        assert data_of(ask("async", field, administrator), field) == staff.get_username()
        assert data_of(ask("async", field, token), field) is None


def test_a_refused_token_never_reaches_the_schema(token, user, clock, ticks):
    limited = ask("async", "aname", forge.with_claims(token, scope='"read"'))
    assert (limited.status_code, limited.json()["code"]) == (403, "insufficient_scope")
    with outage():
        ticks.forward(60)
        answer = ask("async", "aname", token)
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    ticks.forward(60)
    revoke_user(user)
    answer = ask("async", "aname", token)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, challenge("token_revoked"))


def test_a_field_can_require_a_recent_sign_in(token, user, clock):
    assert data_of(ask("async", "recent", token), "recent") == str(user.pk)
    clock.shift(241)
    (error,) = ask("async", "recent", token).json()["errors"]
    assert error["extensions"] == {"code": "insufficient_user_authentication", "max_age": 240}


def test_it_costs_one_query(token):
    assert ask("async", "aname", token).status_code == 200
    with Queries() as queries:
        assert ask("async", "aname", token).status_code == 200
    assert len(queries) == 1
