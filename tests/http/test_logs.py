"""The log: one record for each event, with exactly the documented fields."""

import logging
from decimal import Decimal

import pytest
from django.db import OperationalError
from rest_framework.test import APIRequestFactory

from jwt_auth import clients
from jwt_auth.exceptions import UnavailableError
from jwt_auth.http import logs
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.responses import error_response
from jwt_auth.revocation import (
    revoke_client_key,
    revoke_user,
)
from tests.support.happenings import (
    HAPPENINGS,
    ask_in_an_outage,
    come_from_another_site,
    end_a_session,
    give_a_key,
    go_on_to_where_nobody_may_go,
    mistype_the_password,
    show_a_bad_token,
)
from tests.support.outages import GONE

pytestmark = pytest.mark.django_db(transaction=True)


PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def test_everything_that_is_documented_happens_here():
    assert {event for event, _ in HAPPENINGS.values()} == set(logs.FIELDS)


@pytest.mark.parametrize("happening", HAPPENINGS, ids=lambda happening: happening.__name__)
def test_each_happening_is_one_record_with_the_documented_fields(client, user, log, happening):
    event, level = HAPPENINGS[happening]
    happening(client, user)
    (record,) = [record for record in log() if record.event == event]
    assert record.levelname == level
    assert set(vars(record)) - PLAIN == {"event", *logs.FIELDS[event]}
    for name in logs.FIELDS[event]:
        assert isinstance(getattr(record, name), str | int), name  # bool is an int


def test_nothing_is_logged_of_what_did_not_happen(client, user, log):
    """The control."""
    client.bearer(client.tokens(user)["access_token"]).get("/auth/sessions/")
    assert [record.event for record in log()] == ["session_started"]


def test_the_reason_that_the_client_is_not_told_stands_with_code_address_and_path(client, user, log):
    pair = client.tokens(user)
    revoke_user(user)
    answer = client.bearer(pair["access_token"]).get("/auth/me/?q=1", REMOTE_ADDR="203.0.113.7")
    record = log()[-1]
    assert "session is revoked" not in answer.content.decode()
    assert (record.code, record.reason, record.ip_address, record.path) == (
        "token_revoked",
        "the session is revoked",
        "203.0.113.7",
        "/auth/me/",
    )


REFUSALS = {
    show_a_bad_token: "Token refused: ",
    mistype_the_password: "Sign-in refused: ",
    come_from_another_site: "Cross-site request refused: ",
    go_on_to_where_nobody_may_go: "Token exchange refused: ",
}


@pytest.mark.parametrize("happening", REFUSALS, ids=lambda happening: happening.__name__)
def test_under_debug_a_refusal_is_a_warning_that_a_new_project_shows(client, user, log, settings, happening):
    settings.DEBUG = True
    happening(client, user)
    (warning,) = [record for record in log() if record.levelno >= logging.WARNING]
    assert warning.event == HAPPENINGS[happening][0]
    assert warning.getMessage().startswith(REFUSALS[happening])


def test_under_debug_the_log_has_nothing_that_was_typed_at_a_sign_in(client, user, log, settings):
    settings.DEBUG = True
    body = {user.USERNAME_FIELD: "a typed name", "password": "a typed password"}
    assert client.send("login/", body).status_code == 401
    (refused,) = log()
    assert "typed" not in repr(vars(refused))


def test_a_key_that_replaces_another_names_it_and_no_secret_is_told(client, user, log):
    old = give_a_key(client, user)
    new = clients.rotate(old.key)
    revoke_client_key(new.key)
    assert (log()[-2].kid, log()[-2].replaced_kid) == (new.key.kid, old.key.kid)
    told = "".join(f"{record.getMessage()} {vars(record)!r}" for record in log())
    row = ClientKey.objects.get(pk=new.key.pk)
    assert [text for text in (old.secret, new.secret, row.encrypted_secret) if text in told] == []


def test_what_a_command_did_is_logged_with_its_name(client, user, log):
    end_a_session(client, user)
    record = log()[-1]
    assert (record.actor, record.reason, record.scope, record.sid) == (
        "command line: root",
        "lost",
        "session",
        UserSession.objects.get().sid,
    )


def test_an_outage_that_is_met_while_authenticating_is_one_line(client, user, log):
    ask_in_an_outage(client, user)
    assert log()[-1].getMessage() == f"Unavailable: the database can't be asked: {GONE}."
    assert not log()[-1].exc_info


def test_an_outage_that_is_met_anywhere_else_is_logged_with_its_traceback(log):
    error = OperationalError("the database is down")
    assert error_response(error).status_code == 503
    assert log()[-1].exc_info[1] is error


def test_without_a_request_there_is_no_address(log):
    assert error_response(UnavailableError("nobody knows")).status_code == 503
    assert (log()[-1].ip_address, log()[-1].path) == (None, None)


def test_projects_that_use_our_handler_are_logged_too(log):
    from rest_framework.exceptions import Throttled
    from rest_framework.request import Request

    request = Request(APIRequestFactory().get("/notes/"))
    assert error_response(Throttled(5), request).status_code == 429
    assert (log()[-1].event, log()[-1].path) == ("request_throttled", "/notes/")
    assert log()[-1].reason == "too many requests", "the throttle is the project's own"


@pytest.mark.parametrize(
    ("url", "name"),
    [("login/", "LOGIN_THROTTLE"), ("refresh/", 'DEFAULT_THROTTLE_RATES["jwt_auth_refresh"]')],
)
def test_a_request_over_a_limit_of_this_app_names_the_setting(log, client, user, settings, jwt_settings, url, name):
    jwt_settings(LOGIN_THROTTLE="1/min")
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"jwt_auth_refresh": "1/min"}}
    assert client.send(url, {}).status_code == 400
    assert client.send(url, {}).status_code == 429
    assert log()[-1].reason == f"too many requests for {name}"
    assert log()[-1].getMessage() == f"Throttled: /auth/{url}, too many requests for {name}."


@pytest.mark.parametrize("number", [1.5, Decimal("1.5"), 2, True])
def test_numbers_stay_numbers_for_the_formats_of_a_project(log, number):
    logs.logger.warning("%.1f s, %d times, %s", number, number, "a\nb")
    assert log()[-1].getMessage() == f"{float(number):.1f} s, {int(number)} times, a\\nb"


@pytest.mark.parametrize("event", [["x"], {}, 7, None, "token_refused"])
def test_an_event_of_a_project_may_be_anything(log, event):
    logs.logger.warning("text", extra={"event": event, "path": "a\nb"})
    assert log()[-1].path == ("a\\nb" if event == "token_refused" else "a\nb")


def test_receivers_are_connected_once(client, user, log):
    logs.connect()
    client.tokens(user)
    assert len(log()) == 1
