"""The number of queries that each request may make, which never grows with the number of rows."""

from datetime import timedelta

import pytest
from django.contrib.auth.base_user import BaseUserManager
from django.core.cache import caches
from django.db import connection
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from example_project.notes.models import Note
from jwt_auth.authentication import JWTAuthentication
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_user, revoke_users
from tests.support.answers import challenge
from tests.support.browser import Browser
from tests.support.outages import outage
from tests.support.rows import begin
from tests.support.user_models import managed_by


@pytest.fixture(params=["never revoked", "revoked before"])
def user(request, make_user):
    """alice, with and without a cutoff, which must make no difference."""
    alice = make_user()
    if request.param == "revoked before":
        revoke_user(alice)
        revoke_all()
    return alice


def test_a_request_costs_one_query(client, user, count):
    pair = client.tokens(user)
    number, answer = count(client.get_me, pair["access_token"])
    assert (number, answer.status_code) == (1, 200)


# In memory.


class PingView(APIView):
    authentication_classes = [JWTAuthentication]
    permission_classes = [IsAuthenticated]
    look = staticmethod(lambda user: None)

    def get(self, request):
        return Response({"seen": str(self.look(request.user))})


@pytest.fixture
def ping(jwt_settings, client, user):
    """`ping(look)` sends a GET to a view that calls `look(user)`; the process knows all revocations already."""
    jwt_settings(REVOCATION="memory", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    token = client.tokens(user)["access_token"]
    request = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {token}")

    def send(look=lambda user: None, method=JWTAuthentication):
        return PingView.as_view(look=staticmethod(look), authentication_classes=[method])(request)

    assert send().status_code == 200
    return send


@pytest.fixture
def no_cache(ping, monkeypatch):
    """A cache that fails if it is used, once the user has signed in."""

    def refuse(*arguments, **options):
        raise AssertionError("the cache was asked")

    for name in ("get", "get_many", "has_key", "incr", "add", "set", "touch"):
        monkeypatch.setattr(type(caches["default"]), name, refuse)


FREE_OF_COST = {
    "nothing": lambda user: None,
    "the key": lambda user: (user.pk, user.is_authenticated, user.is_active),
    "a filter": lambda user: Note.objects.filter(owner=user).query,
    "a new row": lambda user: Note(owner=user),
}


@pytest.mark.usefixtures("no_cache")
@pytest.mark.parametrize("look", FREE_OF_COST.values(), ids=FREE_OF_COST)
def test_in_memory_a_request_costs_no_query_and_no_look_into_a_cache(ping, count, look):
    number, answer = count(ping, look)
    assert (number, answer.status_code) == (0, 200)


@pytest.mark.usefixtures("no_cache")
def test_in_memory_a_request_that_looks_at_the_users_columns_costs_one_query(ping, count, user):
    number, answer = count(ping, lambda user: (user.get_username(), user.password, user.is_superuser))
    assert (number, answer.status_code) == (1, 200)
    assert user.get_username() in answer.data["seen"]


def test_in_memory_a_view_that_asks_the_database_costs_its_one_query(ping, count):
    method = JWTAuthentication.with_revocation("database")
    number, answer = count(ping, lambda user: user.get_username(), method)
    assert (number, answer.status_code) == (1, 200)


def test_in_memory_a_user_who_turns_out_to_be_gone_is_refused_and_no_error_of_the_view(ping, user):
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    assert ping().status_code == 200
    answer = ping(lambda user: user.get_username())
    assert (answer.status_code, answer.data["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"] == challenge("token_revoked")


def test_in_memory_an_outage_when_the_user_is_loaded_is_temporary(ping):
    with outage():
        answer = ping(lambda user: user.get_username())
    assert (answer.status_code, answer.data["code"], answer["Retry-After"]) == (503, "unavailable", "1")


def test_verify_costs_one_query(client, user, count):
    number, answer = count(client.send, "verify/", {"token": client.tokens(user)["access_token"]})
    assert (number, answer.status_code) == (1, 200)


def test_a_sign_in_costs_six_queries_at_most(client, user, count):
    number, answer = count(client.login, user)
    assert answer.status_code == 200
    assert number <= 6


def test_a_manager_that_hides_users_costs_a_sign_in_nothing(client, user, count):
    usual, _ = count(client.login, user)
    with managed_by(lambda rows: rows.filter(is_active=True)):
        number, answer = count(client.login, user)
        assert (number, answer.status_code) == (usual, 200)
        assert count(user.save)[0] == 3
        assert count(user.save, update_fields=["last_login"])[0] == 1


def test_a_natural_key_of_the_project_s_own_costs_one_query_more(client, user, count, monkeypatch):
    usual, _ = count(client.login, user)
    method = BaseUserManager.get_by_natural_key
    manager = type(type(user)._default_manager)
    monkeypatch.setattr(manager, "get_by_natural_key", lambda self, name: method(self, name), raising=False)
    number, answer = count(client.login, user)
    assert (number, answer.status_code) == (usual + 1, 200)


def test_a_refused_sign_in_costs_no_more_for_a_name_that_exists(client, user, make_user, count):
    known, _ = count(client.login, user, "wrong")
    stranger = type(user)(**{user.USERNAME_FIELD: "nobody@example.com"})
    assert count(client.login, stranger, "wrong")[0] == known == 2


def test_a_refresh_costs_two_queries_when_it_rotates_and_one_when_it_does_not(client, user, count):
    token = client.tokens(user)["refresh_token"]
    number, answer = count(client.refresh, token)
    assert (number, answer.status_code) == (2, 200)
    assert count(client.refresh, token)[0] == 1
    assert count(client.refresh, answer.json()["refresh_token"])[0] == 1


def test_a_reuse_costs_three_queries(client, user, count):
    token = client.tokens(user)["refresh_token"]
    UserSession.objects.update(counter=9)
    number, answer = count(client.refresh, token)
    assert (number, answer.status_code) == (3, 401)


@pytest.mark.parametrize("by", ["access_token", "refresh_token"])
def test_a_logout_costs_four_queries_at_most(client, user, count, by):
    pair = client.tokens(user)
    sent_by = {
        "access_token": lambda: client.bearer(pair["access_token"]).send("logout/"),
        "refresh_token": lambda: client.send("logout/", {"refresh_token": pair["refresh_token"]}),
    }[by]
    number, answer = count(sent_by)
    assert answer.status_code == 204
    assert number <= 4


def test_a_logout_with_both_tokens_costs_four_queries_at_most(client, user, count):
    pair = client.tokens(user)
    both = client.bearer(pair["access_token"])
    number, answer = count(both.send, "logout/", {"refresh_token": pair["refresh_token"]})
    assert answer.status_code == 204
    assert number <= 4


@pytest.mark.parametrize(
    "garbage", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", f"{'0' * 32}.0.{'A' * 43}", "x" * 9000]
)
@pytest.mark.parametrize("endpoint", ["refresh/", "verify/", "revoke/", "logout/", "me/"])
@pytest.mark.django_db
def test_garbage_costs_no_query(client, count, garbage, endpoint):
    if endpoint == "me/":
        number, answer = count(client.get_me, garbage)
    else:
        field = "refresh_token" if endpoint in ("refresh/", "logout/") else "token"
        number, answer = count(client.send, endpoint, {field: garbage})
    assert number == 0
    assert answer.status_code in (200, 204, 400, 401)


@pytest.mark.django_db
@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_genuine_token_that_was_changed_costs_no_query(client, user, count, part):
    segments = client.tokens(user)["access_token"].split(".")
    segments[part] = segments[part][:-2] + ("AA" if segments[part][-2:] != "AA" else "BA")
    number, answer = count(client.get_me, ".".join(segments))
    assert (number, answer.status_code) == (0, 401)


@pytest.mark.parametrize("user", ["revoked before"], indirect=True)
def test_revoking_a_user_costs_the_same_with_one_session_and_with_two_hundred(user, count):
    counted = []
    for number in (1, 200):
        begin(user, number)
        queries, done = count(revoke_user, user)
        assert done.sessions_revoked == number
        counted.append(queries)
    # MariaDB and MySQL find the sessions in a query of their own, in order to lock nothing else.
    assert counted[0] == counted[1] <= (9 if connection.vendor == "mysql" else 8)


def test_revoking_a_user_for_the_first_time_costs_nine_queries_at_most(user, count):
    assert count(revoke_user, user)[0] <= 9


@pytest.mark.parametrize("again", [False, True], ids=["for the first time", "again"])
def test_revoking_a_hundred_users_costs_the_same_as_revoking_two(make_user, count, again):
    counted = []
    for number in (2, 100):
        users = [make_user(f"user{number}x{i}") for i in range(number)]
        begin(users[0], number)
        if again:
            revoke_users(users)
        queries, done = count(revoke_users, users)
        assert (done.users_revoked, done.sessions_revoked) == (number, 0 if again else number)
        counted.append(queries)
    assert counted[0] == counted[1] <= 10


@pytest.mark.parametrize(("method", "status"), [("get", 200), ("delete", 204)])
def test_listing_and_ending_all_others_cost_the_same_with_two_sessions_and_with_a_hundred(
    client, user, count, method, status
):
    """SQLite writes about a hundred events in one INSERT; the other databases write all."""
    counted = []
    for number in (1, 99):
        token = client.tokens(user)["access_token"]
        begin(user, number)
        queries, answer = count(client.bearer(token).send, "sessions/", method=method)
        assert answer.status_code == status
        counted.append(queries)
    assert counted[0] == counted[1] <= 5


def test_saving_a_user_costs_one_query_more_and_one_that_can_revoke_nothing_none(user, count):
    assert count(user.save)[0] == 2
    assert count(user.save, update_fields=["last_login"])[0] == 1


# In browsers


def test_a_browsers_requests_cost_no_more_than_those_with_a_header(user, count):
    browser = Browser()
    number, answer = count(browser.login, user)
    assert answer.status_code == 200
    assert number <= 6
    assert count(browser.me)[0] == 1
    assert count(browser.renew)[0] == 2
    assert count(browser.send, "refresh/")[0] == 1
    number, answer = count(browser.send, "logout/")
    assert answer.status_code == 204
    assert number <= 4
    assert count(browser.send, "logout/")[0] == 0


def test_ending_the_session_that_a_sign_in_replaces_costs_four_queries(user, count):
    browser = Browser()
    first = count(browser.login, user)[0]
    assert count(browser.login, user)[0] <= first + 4


@pytest.mark.django_db
def test_garbage_in_cookies_costs_no_query(count):
    browser = Browser(
        HTTP_COOKIE="; ".join(f"__Host-Http-{kind}=x{n}" for n in range(99) for kind in ("access", "refresh"))
    )
    for path in ("refresh/", "logout/"):
        assert count(browser.send, path)[0] == 0
    assert count(browser.me)[0] == 0
