"""A refresh that is repeated with its Idempotency-Key after its answer was lost."""

import logging
from datetime import timedelta

import pytest
from django.db import connection

from jwt_auth import sessions
from jwt_auth.exceptions import IdempotencyKeyError, RefreshTokenReusedError
from jwt_auth.models import UserSession
from tests.support.browser import Browser
from tests.support.clocks import NOW
from tests.support.queries import count_queries

pytestmark = pytest.mark.usefixtures("clock")

KEY, OTHER = "0123456789abcdefABCDEF", "8e03978e-40d5-43dd-bc93-6894a57f9324"
HOUR = 3600


def refresh(client, token, key=None, **extra):
    headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    return client.send("refresh/", {"refresh_token": token}, **headers, **extra)


def code(answer):
    return answer.status_code, answer.json().get("code")


@pytest.mark.parametrize("key", [KEY, OTHER, f'"{OTHER}"', "k" * 128])
def test_with_its_key_a_predecessor_returns_its_successor_however_late(client, pair, clock, key):
    first = refresh(client, pair["refresh_token"], key).json()
    clock.shift(HOUR)
    for _ in range(3):
        again = refresh(client, pair["refresh_token"], key, REMOTE_ADDR="203.0.113.7", HTTP_USER_AGENT="x")
        assert again.json()["refresh_token"] == first["refresh_token"]
        assert client.get_me(again.json()["access_token"]).status_code == 200
    session = UserSession.objects.get()
    assert (session.counter, session.is_shared) == (1, False)


@pytest.mark.parametrize("key", [None, OTHER, KEY.swapcase()])
def test_without_its_key_it_is_reuse(client, pair, clock, key):
    newer = refresh(client, pair["refresh_token"], KEY).json()
    clock.shift(HOUR)
    assert code(refresh(client, pair["refresh_token"], key)) == (401, "refresh_token_reused")
    assert client.is_dead(newer)


def test_a_key_that_was_not_sent_with_the_rotation_proves_nothing(client, pair, clock):
    refresh(client, pair["refresh_token"])
    clock.shift(HOUR)
    assert code(refresh(client, pair["refresh_token"], KEY)) == (401, "refresh_token_reused")


def test_a_key_is_good_until_the_successor_is_used(client, pair, clock):
    second = refresh(client, pair["refresh_token"], KEY).json()["refresh_token"]
    clock.shift(HOUR)
    refresh(client, second, OTHER)
    assert code(refresh(client, pair["refresh_token"], KEY)) == (401, "refresh_token_reused")


def test_a_key_of_one_session_is_none_of_another(client, user, pair, clock):
    other = client.tokens(user)["refresh_token"]
    refresh(client, other, KEY)
    refresh(client, pair["refresh_token"], OTHER)
    clock.shift(HOUR)
    assert code(refresh(client, pair["refresh_token"], KEY)) == (401, "refresh_token_reused")
    assert refresh(client, other, KEY).status_code == 200


def test_one_key_has_another_digest_in_each_session(client, user, pair):
    for token in (pair["refresh_token"], client.tokens(user)["refresh_token"]):
        refresh(client, token, KEY)
    assert UserSession.objects.values("retry_digest").distinct().count() == 2


def test_the_same_key_again_is_refused_before_anything_is_used_up(client, pair, clock):
    """A key that never changes would be stolen with the token."""
    second = refresh(client, pair["refresh_token"], KEY).json()["refresh_token"]
    clock.shift(HOUR)
    assert code(refresh(client, second, KEY)) == (400, "invalid_request")
    assert refresh(client, second, OTHER).status_code == 200


@pytest.mark.parametrize("key", ["", "k" * 21, "k" * 129, "k" * 8000, f'"{KEY}', KEY + " x", "k\u00e9" * 15, "k,k" * 9])
def test_a_key_that_could_be_guessed_is_refused_before_anything_is_used_up(client, pair, key):
    assert code(refresh(client, pair["refresh_token"], key)) == (400, "invalid_request")
    assert UserSession.objects.get().counter == 0
    assert refresh(client, pair["refresh_token"], KEY).status_code == 200


def test_a_bad_key_costs_no_query(client, pair):
    assert count_queries(refresh, client, pair["refresh_token"], "short")[0] == 0
    assert count_queries(refresh, client, pair["refresh_token"], KEY)[0] == 2
    assert count_queries(refresh, client, pair["refresh_token"], KEY)[0] == 1


def test_the_key_is_neither_stored_nor_logged(client, pair, caplog):
    caplog.set_level(logging.DEBUG)
    refresh(client, pair["refresh_token"], KEY)
    assert KEY not in str(UserSession.objects.values().get())
    assert KEY not in caplog.text


def test_a_late_repetition_counts_as_a_use(client, pair, clock):
    refresh(client, pair["refresh_token"], KEY)
    before = UserSession.objects.get().last_issued_at
    clock.shift(HOUR)
    assert count_queries(refresh, client, pair["refresh_token"], KEY)[0] == 2
    session = UserSession.objects.get()
    assert session.last_issued_at - before == timedelta(seconds=HOUR)
    assert session.settled_at == before
    assert count_queries(refresh, client, pair["refresh_token"], KEY)[0] == 1


@pytest.mark.parametrize("is_late", [True, False])
def test_the_last_use_is_never_moved_back(client, pair, clock, is_late):
    """Another machine, whose clock is ahead, answers after the row was read."""
    token = refresh(client, pair["refresh_token"], KEY).json()["refresh_token"]
    clock.shift(HOUR)
    ahead = []

    def answer(execute, sql, *arguments):
        if "last_issued_at" in sql and sql.startswith("UPDATE") and not ahead:
            ahead.append(NOW + timedelta(hours=3))
            UserSession.objects.update(last_issued_at=ahead[0])
        return execute(sql, *arguments)

    with connection.execute_wrapper(answer):
        assert (
            refresh(client, pair["refresh_token"] if is_late else token, KEY if is_late else OTHER).status_code == 200
        )
    assert ahead == [UserSession.objects.get().last_issued_at]


def test_a_session_that_ends_meanwhile_gets_no_token_by_a_late_repetition(client, pair, clock):
    refresh(client, pair["refresh_token"], KEY)
    clock.shift(HOUR)

    def end(execute, sql, *arguments):
        if "last_issued_at" in sql and sql.startswith("UPDATE"):
            UserSession.objects.filter(revoked_at=None).update(revoked_at=NOW)
        return execute(sql, *arguments)

    with connection.execute_wrapper(end):
        assert code(refresh(client, pair["refresh_token"], KEY)) == (401, "token_revoked")


def test_in_code(user):
    raw = sessions.start(user).refresh_token
    first = sessions.refresh(raw, retry_key=KEY)
    assert sessions.refresh(raw, retry_key=KEY, now=NOW + timedelta(hours=1)).refresh_token == first.refresh_token
    with pytest.raises(IdempotencyKeyError):
        sessions.refresh(raw, retry_key="short")
    with pytest.raises(RefreshTokenReusedError):
        sessions.refresh(raw, now=NOW + timedelta(hours=1))


def test_cookies_do_the_same(user, clock):
    page = Browser().sign_in(user)
    before = page.cookies.copy()
    assert page.send("refresh/", HTTP_IDEMPOTENCY_KEY=KEY).status_code == 200
    successor = page.pair["refresh_token"]
    page.cookies = before  # the answer was lost
    clock.shift(HOUR)
    assert page.send("refresh/", HTTP_IDEMPOTENCY_KEY=KEY, REMOTE_ADDR="203.0.113.7").status_code == 200
    assert page.pair["refresh_token"] == successor
