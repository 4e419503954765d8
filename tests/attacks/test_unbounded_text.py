"""Text of any length: lengths are judged before any work is done, and a refused request costs nothing more."""

import unicodedata

import pytest
from django.contrib.auth import get_user_model

from jwt_auth.http.peer import MAX_AGENT
from jwt_auth.models import UserSession
from jwt_auth.sessions.accounts import longest_name
from tests.support.clients import PASSWORD
from tests.support.queries import Queries

# Normalizing such a name takes time in proportion to the square of its length.
SLOW = "\u0301\u0327" * 15_000

LOGINS = ["login/", "browser/login/"]


@pytest.fixture
def normalized(monkeypatch):
    """The lengths of the texts that were normalized, in order."""
    lengths = []
    original = unicodedata.normalize

    def normalize(form, text):
        lengths.append(len(text))
        return original(form, text)

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    return lengths


def sign_in(client, path, name, password="wrong", address="192.0.2.1"):
    body = {get_user_model().USERNAME_FIELD: name, "password": password}
    return client.send(path, body, REMOTE_ADDR=address, HTTP_SEC_FETCH_SITE="same-origin", secure=True)


@pytest.mark.parametrize("path", LOGINS)
def test_a_name_of_60_kilobytes_is_refused_unread(client, user, clock, normalized, path):
    with Queries() as queries:
        answer = sign_in(client, path, SLOW)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (queries.statements, normalized) == ([], [])
    # The longest name that is looked up.
    assert sign_in(client, path, SLOW[: longest_name()]).status_code == 401
    assert normalized
    assert max(normalized) <= longest_name()


@pytest.mark.parametrize("path", LOGINS)
@pytest.mark.parametrize("name", [SLOW, "nobody", None])
def test_an_address_over_its_budget_costs_no_query_and_no_look_at_the_name(client, user, clock, normalized, path, name):
    for _ in range(10):
        sign_in(client, path, "nobody")
    normalized.clear()
    with Queries() as queries:
        answer = sign_in(client, path, name or user.get_username(), PASSWORD)
    assert answer.status_code == 429
    assert (queries.statements, normalized) == ([], [])


@pytest.mark.parametrize("path", LOGINS)
@pytest.mark.parametrize("budget", ["name and address", "name"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_name_over_its_budget_costs_no_query(client, user, jwt_settings, clock, path, budget, exists):
    jwt_settings(LOGIN_THROTTLE="1/s")
    name = user.get_username() if exists else "nobody"
    for number in range(10 if budget == "name" else 3):
        clock.shift(1.1)
        address = f"192.0.2.{number}" if budget == "name" else "192.0.2.0"
        assert sign_in(client, path, name, address=address).status_code == 401
    clock.shift(1.1)
    with Queries() as queries:
        assert sign_in(client, path, name, PASSWORD, "192.0.2.0").status_code == 429
    assert queries.statements == []
    clock.shift(61)
    assert sign_in(client, path, name, PASSWORD, "192.0.2.0").status_code == (200 if exists else 401)


# Headers


def test_only_some_of_thousands_of_cookies_are_looked_at(client, user, clock):
    pair = client.tokens(user)
    forged = [f"__Host-Http-refresh={'0' * 32}.{number}.{'x' * 27}" for number in range(2_000)]
    with Queries() as queries:
        headers = {"cookie": "; ".join([f"__Host-Http-refresh={pair['refresh_token']}", *forged])}
        answer = client.post("/auth/browser/logout/", headers={**headers, "sec-fetch-site": "same-origin"}, secure=True)
    assert answer.status_code == 204
    assert len(queries) < 20
    assert client.refresh(pair["refresh_token"]).status_code == 401, "the first ones are looked at"


@pytest.mark.parametrize("url", ["jwks.json", "revocations"])
def test_a_condition_with_thousands_of_tags_is_not_read(client, db, jwt_settings, ec_settings, url):
    jwt_settings(**ec_settings)
    tag = client.get(f"/auth/.well-known/{url}")["ETag"]
    assert client.get(f"/auth/.well-known/{url}", headers={"if-none-match": f'"a", {tag}'}).status_code == 304
    long = '"a", ' * 1_000 + tag
    assert client.get(f"/auth/.well-known/{url}", headers={"if-none-match": long}).status_code == 200


def test_only_the_beginning_of_a_user_agent_is_looked_at(client, user, clock):
    client.login(user, HTTP_USER_AGENT="x")
    agent = "\x01" * MAX_AGENT + "Firefox"
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    assert client.send("login/", body, HTTP_USER_AGENT=agent).status_code == 200
    assert client.send("login/", body, HTTP_USER_AGENT=agent[1:]).status_code == 200
    assert [session.user_agent for session in UserSession.objects.order_by("created_at")][1:] == ["", "F"]
