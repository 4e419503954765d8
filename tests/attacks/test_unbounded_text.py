"""Text of any length: lengths are judged before any work is done, and a refused request costs nothing more."""

import unicodedata

import pytest
from django.contrib.auth import get_user_model

from jwt_auth.sessions.credentials import MAX_NAME
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
    assert sign_in(client, path, SLOW[:MAX_NAME]).status_code == 401
    assert normalized
    assert max(normalized) <= MAX_NAME


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
