"""Texts that the database can't store: they are errors on the form, nothing is done, and the next text is accepted."""

from contextlib import contextmanager

import pytest
from django.contrib.admin.models import LogEntry
from django.db import DataError, connection

from jwt_auth import clients, signing_keys
from jwt_auth.models import RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.sessions import start
from tests.support.admin import client_url, event_url, key_url, session_url, text_of, user_url
from tests.support.outages import outage

pytestmark = pytest.mark.django_db

EMOJI = "\N{GRINNING FACE}"
ERROR = "The database can&#x27;t store one of the characters in this text."


@contextmanager
def narrow():
    """Answer as MariaDB does with columns that are latin1: error 1366 for a text that they lack."""

    def refuse(execute, sql, params, many, context):
        if any(EMOJI in str(value) for value in params or ()):
            raise DataError(1366, "Incorrect string value")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


@pytest.fixture
def key(jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    return signing_keys.create(activate=True)


def states():
    """Return all that one of the operations would change."""
    return (
        RevocationEvent.objects.count(),
        LogEntry.objects.count(),
        list(UserSession.objects.values_list("revoked_at")),
        list(RegisteredClient.objects.values_list("name", "is_active", "tokens_valid_after")),
        list(SigningKey.objects.values_list("state")),
    )


def of_user(user, registered, key):
    return user_url("revoke_tokens", user.pk), {}


def of_users(user, registered, key):
    return user_url("changelist"), {"action": "jwt_auth_revoke_tokens", "_selected_action": [str(user.pk)]}


def of_session(user, registered, key):
    return session_url("revoke", UserSession.objects.get().pk), {}


def of_everything(user, registered, key):
    return event_url("revoke_all"), {"phrase": "revoke everything"}


def of_client(user, registered, key):
    return client_url("disable", registered.pk), {}


def of_new_key(user, registered, key):
    return key_url("add"), {}


def of_key(user, registered, key):
    return key_url("revoke_emergency", key.pk), {"phrase": "emergency"}


@pytest.mark.parametrize("atomic", [False, True], ids=["", "atomic"])
@pytest.mark.parametrize("page", [of_user, of_users, of_session, of_everything, of_client, of_new_key, of_key])
def test_a_reason_that_can_not_be_stored_is_an_error_on_the_form(user, browser, key, page, atomic, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", atomic)
    start(user)
    url, sent = page(user, clients.register("Reports", user), key)
    before = states()
    with narrow():
        answer = text_of(browser.post(url, {"confirmed": "yes", "reason": f"lost {EMOJI}", **sent}))
    assert ERROR in answer
    assert f'value="lost {EMOJI}"' in answer
    assert states() == before
    with narrow():
        assert browser.post(url, {"confirmed": "yes", "reason": "lost", **sent}).status_code == 302
    assert states() != before


def test_a_client_s_name_that_can_not_be_stored_is_an_error_on_the_form(user, browser):
    sent = {"name": f"Reports {EMOJI}", "user": str(user.pk), "kind": "secret"}
    with narrow():
        assert ERROR in text_of(browser.post(client_url("add"), sent))
        assert not RegisteredClient.objects.exists()
        text_of(browser.post(client_url("add"), {**sent, "name": "Reports"}))
        registered = RegisteredClient.objects.get()
        url = client_url("change", registered.pk)
        assert ERROR in text_of(browser.post(url, {"name": f"Reports {EMOJI}", "scopes": "a"}))
        registered.refresh_from_db()
        assert registered.name == "Reports"
        assert browser.post(url, {"name": "Other reports", "scopes": "a"}).status_code == 302
    registered.refresh_from_db()
    assert registered.name == "Other reports"


def writes(sql):
    return sql.startswith(("UPDATE", "INSERT"))


@pytest.mark.parametrize("page", [of_user, of_session])
def test_another_error_of_the_database_is_no_error_of_a_text(user, browser, key, page):
    start(user)
    url, _ = page(user, None, key)
    with outage(DataError(1264, "Out of range value"), of=writes), pytest.raises(DataError):
        browser.post(url, {"confirmed": "yes", "reason": "lost"})


def test_another_error_while_a_client_is_saved_is_no_error_of_a_text(user, browser):
    url = client_url("change", clients.register("Reports", user).pk)
    with outage(DataError(1264, "Out of range value"), of=writes), pytest.raises(DataError):
        browser.post(url, {"name": "Other", "scopes": ""})
