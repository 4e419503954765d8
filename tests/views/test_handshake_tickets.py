"""The endpoint that issues tickets for WebSockets, for clients and for browsers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.authentication import handshake_tickets
from jwt_auth.exceptions import ExpiredTokenError, MalformedTokenError, ReplayedTokenError
from jwt_auth.verification import identify_only
from jwt_auth.views import handshake_tickets as views
from tests.support.answers import assert_error
from tests.support.browser import Browser


@pytest.fixture
def raw(client, user):
    return client.tokens(user)["access_token"]


def test_a_ticket_holds_the_token_that_asked_and_is_unreadable(client, raw):
    answer = client.bearer(raw).send("ticket/")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    body = answer.json()
    assert set(body) == {"ticket", "expires_in"}
    assert body["expires_in"] == 30
    assert handshake_tickets.open_sealed(body["ticket"]).access_token == raw
    assert raw.split(".")[1] not in body["ticket"]
    assert raw not in repr(handshake_tickets.open_sealed(body["ticket"]))


def test_a_browser_gets_one_by_its_cookie_and_no_page_of_another_site_does(user):
    signed_in = Browser().sign_in(user)
    answer = signed_in.send("ticket/", {})
    token = handshake_tickets.open_sealed(answer.json()["ticket"]).access_token
    assert identify_only(token).sub == str(user.pk)
    forged = signed_in.send("ticket/", {}, HTTP_SEC_FETCH_SITE="cross-site", HTTP_ORIGIN="https://evil.example")
    assert_error(forged, 403, "csrf_failed")


def test_the_cookie_is_for_the_url_of_browsers_alone(client, user):
    signed_in = Browser().sign_in(user)
    assert_error(signed_in.post("/auth/ticket/", {}), 401, "not_authenticated")
    assert_error(client.send("ticket/"), 401, "not_authenticated")


def test_another_credential_gets_none(client, user):
    client.force_authenticate(user)
    assert_error(client.send("ticket/"), 403, "unknown_limits")


def test_a_ticket_expires_no_later_than_its_token(client, user, clock):
    raw = client.tokens(user)["access_token"]
    claims = identify_only(raw)
    clock.move_to(claims.expires_at - timedelta(seconds=10))
    assert client.bearer(raw).send("ticket/").json()["expires_in"] == 10


def test_a_user_gets_so_many_a_minute(client, make_user, raw):
    other = client.tokens(make_user("bob"))["access_token"]
    answers = [client.bearer(raw).send("ticket/").status_code for _ in range(61)]
    assert answers == [200] * 60 + [429]
    assert client.bearer(other).send("ticket/").status_code == 200


def test_a_token_that_is_too_long_gets_none(client, raw, monkeypatch):
    monkeypatch.setattr(views, "MAX_LENGTH", 100)
    assert_error(client.bearer(raw).send("ticket/"), 400, "invalid_request")


def test_without_a_place_to_record_used_ones_there_are_none(client, raw, monkeypatch):
    monkeypatch.setattr(handshake_tickets, "has_database", lambda alias: False)
    assert_error(client.bearer(raw).send("ticket/"), 404, "not_found")


def test_a_ticket_is_used_up_once(raw):
    ticket = handshake_tickets.issue(raw, identify_only(raw).expires_at)
    ticket.use_up()
    with pytest.raises(ReplayedTokenError):
        handshake_tickets.open_sealed(ticket.sealed()).use_up()


def test_a_ticket_that_was_changed_or_is_another_s_is_refused(raw, settings):
    ticket = handshake_tickets.issue(raw, identify_only(raw).expires_at)
    sealed = ticket.sealed()
    assert handshake_tickets.open_sealed(sealed) == ticket
    for bad in ("", "=", sealed + "=", sealed[:-2], "A" + sealed[1:], sealed + "A" * 7500, sealed + "\n", "é"):
        with pytest.raises(MalformedTokenError):
            handshake_tickets.open_sealed(bad)
    with pytest.raises(ExpiredTokenError):
        handshake_tickets.open_sealed(sealed, timezone.now() + handshake_tickets.LIFETIME)
    former, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key of this site, which is long enough for all"
    with pytest.raises(MalformedTokenError):
        handshake_tickets.open_sealed(sealed)
    settings.SECRET_KEY_FALLBACKS = [former]
    assert handshake_tickets.open_sealed(sealed) == ticket


@pytest.mark.parametrize("length", range(1, 5))
def test_each_length_of_padding_is_restored(length):
    ticket = handshake_tickets.issue("x" * 16 * length, timezone.now() + timedelta(minutes=1))
    assert handshake_tickets.open_sealed(ticket.sealed()) == ticket


def test_the_session_of_a_ticket_is_that_of_its_token(user):
    pair = sessions.start(user)
    ticket = handshake_tickets.issue(pair.access_token, timezone.now() + timedelta(minutes=1))
    assert identify_only(handshake_tickets.open_sealed(ticket.sealed()).access_token).session_id == pair.session_id
