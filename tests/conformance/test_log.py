"""The log of a session's whole life, and the secrets that it must never contain."""

import logging

import pytest

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_token
from jwt_auth.verification import verify
from tests.support import forge
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW
from tests.support.entry_points import knock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def log(caplog):
    caplog.set_level(logging.DEBUG)

    def own():
        return [record for record in caplog.records if record.name == "jwt_auth"]

    return own


def secrets_of(*pairs):
    """Return the tokens, and their signatures alone, which are all that a reader of the log lacks."""
    for pair in pairs:
        for raw in (pair["access_token"], pair["refresh_token"]):
            yield from (raw, raw.rpartition(".")[2], raw.rpartition(".")[0])


def test_no_token_is_in_any_record_of_a_whole_life(client, user, clock, log, caplog):
    wrong = "a password that is wrong"
    client.login(user, wrong)
    first = client.tokens(user)
    denied, other = client.refresh(first["refresh_token"]).json(), client.tokens(user)
    clock.shift(60)
    newest = client.refresh(denied["refresh_token"]).json()
    revoke_token(verify(newest["access_token"]).claims)
    for raw in (first["access_token"], newest["access_token"], forge.with_claims(other["access_token"], aud='"x"')):
        client.get_me(raw)
    client.refresh(first["refresh_token"])  # reused: the session ends
    for raw in (first["refresh_token"], other["access_token"][:-1], other["refresh_token"][:-1]):
        list(knock(client, raw))
    client.send("sessions/", method="get", HTTP_AUTHORIZATION=f"Bearer {other['access_token']}")
    clock.shift(3600)
    client.get_me(other["access_token"])
    revoke_all(reason="test")
    assert client.is_dead(other)
    assert len(log()) > 15
    text = "\n".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    sessions = UserSession.objects.values_list("handle", "auth_hash")
    assert len(sessions) == 2
    stored = [value for row in sessions for value in row]
    for secret in (*secrets_of(first, denied, newest, other), *stored, PASSWORD, wrong, user.password):
        assert secret not in text, secret


def test_a_sign_in_and_a_refresh_are_logged_with_who_when_and_where(client, user, clock, log):
    pair = client.tokens(user)
    client.refresh(pair["refresh_token"])
    begun, refreshed = log()
    sid = forge.claims_of(pair["access_token"])["sid"]
    for record in (begun, refreshed):
        assert (record.sid, record.user_id, record.ip_address) == (sid, str(user.pk), "127.0.0.1")
        assert record.created == pytest.approx(NOW.timestamp())
    assert (begun.levelname, refreshed.levelname) == ("INFO", "DEBUG")


def test_a_failed_sign_in_is_logged_with_when_and_where(client, user, clock, log):
    """The name is not logged: people type passwords into that field."""
    body = {user.USERNAME_FIELD: user.get_username(), "password": "wrong"}
    assert client.send("login/", body, REMOTE_ADDR="203.0.113.7").status_code == 401
    (record,) = log()
    assert (record.levelname, record.code) == ("INFO", "invalid_credentials")
    assert record.created == pytest.approx(NOW.timestamp())
    assert record.ip_address == "203.0.113.7"
