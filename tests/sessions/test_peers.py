"""The peers of a session: which one refreshed it, and which one presented a token that ended it."""

import pytest
from django.db import connection

from jwt_auth import sessions
from jwt_auth.exceptions import RefreshTokenReusedError
from jwt_auth.http.peer import Peer
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.signals import refresh_token_reused, session_peer_changed
from tests.support.clients import Client
from tests.support.parties import OverHTTP, parse

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = Peer(ip_address="192.0.2.7", user_agent="phone")
THIEF = Peer(ip_address="203.0.113.5", user_agent="curl/8")


def refresh_as(peer, raw):
    """Refresh over HTTP, with the address and the agent of `peer`."""
    headers = {"REMOTE_ADDR": peer.ip_address, "HTTP_USER_AGENT": peer.user_agent}
    return Client().send("refresh/", {"refresh_token": raw}, **headers)


# Misuse

# The counter of the row when the session's first token is presented again, after one rotation.
MISUSES = {
    "refresh_token_reused": (7, "refresh token reused by 203.0.113.5"),
    "refresh_token_ahead": (0, "refresh token used ahead of its session by 203.0.113.5"),
}


@pytest.mark.parametrize("event", MISUSES)
def test_the_presenter_of_a_misused_token_is_on_record(user, heard, log, event):
    counter, reason = MISUSES[event]
    sent = heard(refresh_token_reused)
    raw = sessions.start(user, peer=PHONE).refresh_token
    newer = refresh_as(PHONE, raw).json()["refresh_token"]
    UserSession.objects.update(counter=counter, rotated_at=None)
    assert UserSession.objects.get().misused_ip_address is None
    assert refresh_as(THIEF, newer).status_code == 401
    session = UserSession.objects.get()
    assert (session.misused_ip_address, session.misused_user_agent) == ("203.0.113.5", "curl/8")
    assert (session.last_ip_address, session.last_user_agent) == ("192.0.2.7", "phone")
    assert session.revoked_reason == RevocationEvent.objects.get().reason == reason
    ((_, arguments),) = sent
    assert arguments["peer"] == THIEF
    assert arguments["session"].misused_ip_address == "203.0.113.5"
    (record,) = [record for record in log() if record.event == event]
    assert (record.ip_address, record.user_agent) == ("192.0.2.7", "phone")
    assert (record.last_ip_address, record.last_user_agent) == ("192.0.2.7", "phone")
    assert (record.peer_ip_address, record.peer_user_agent) == ("203.0.113.5", "curl/8")


def test_a_misuse_by_code_that_names_no_peer_has_no_presenter(user, heard, log):
    sent = heard(refresh_token_reused)
    raw = sessions.start(user, peer=PHONE).refresh_token
    UserSession.objects.update(counter=7)
    with pytest.raises(RefreshTokenReusedError):
        sessions.refresh(raw)
    session = UserSession.objects.get()
    assert (session.misused_ip_address, session.misused_user_agent) == (None, "")
    assert session.revoked_reason == "refresh token reused"
    assert sent[0][1]["peer"] is None
    assert (log()[-1].event, log()[-1].peer_ip_address) == ("refresh_token_reused", None)


def test_a_session_that_ends_meanwhile_keeps_the_reason_of_its_end(user, heard):
    """A sign-out overtakes the refresh that would end the session."""
    sent = heard(refresh_token_reused)
    pair = sessions.start(user, peer=PHONE)
    UserSession.objects.update(counter=7)
    ended = []

    def overtake(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not ended:
            ended.append(None)
            ended[0] = sessions.end(pair.refresh_token)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        assert refresh_as(THIEF, pair.refresh_token).status_code == 401
    session = UserSession.objects.get()
    assert (session.revoked_reason, session.misused_ip_address) == ("logout", None)
    assert len(sent) == 1


# Another peer


@pytest.mark.parametrize(
    ("steps", "changes"),
    [
        ("phone@home 0, +120 s, phone@home 1", []),
        ("phone@home 0, +120 s, phone@train 1", [("192.0.2.7", "203.0.113.7")]),
        ("phone@home 0, +120 s, tablet@home 1", [("192.0.2.7", "192.0.2.7")]),
        # An unknown address may be in any network.
        ("phone@home 0, +120 s, phone@socket 1, +120 s, phone@train 2", []),
        # The second peer in a grace period rotates nothing: that is another signal.
        ("phone@home 0, +5 s, phone@train 0", []),
        ("phone@home 0, +120 s, phone@train 1, +120 s, phone@home 2", [("192.0.2.7", "203.0.113.7")] * 2),
    ],
)
def test_a_rotation_by_another_peer_is_announced(user, clock, heard, log, steps, changes):
    server = OverHTTP(user, clock)
    UserSession.objects.update(last_ip_address="192.0.2.7", last_user_agent="phone")
    sent = heard(session_peer_changed)
    assert {answer.status_code for answer in server.play(parse(steps))} == {200}
    found = [(arguments["former"].ip_address, arguments["peer"].ip_address) for _, arguments in sent]
    assert [sorted(pair) for pair in found] == [sorted(pair) for pair in changes]
    records = [record for record in log() if record.event == "session_peer_changed"]
    assert [(record.former_ip_address, record.peer_ip_address) for record in records] == found


def test_no_peer_changes_from_or_to_an_unknown_one(user, clock, heard):
    sent = heard(session_peer_changed)
    unknown = sessions.start(user).refresh_token
    assert refresh_as(PHONE, unknown).status_code == 200
    known = sessions.start(user, peer=PHONE).refresh_token
    newer = sessions.refresh(known).refresh_token
    assert sent == []
    clock.shift(120)
    assert refresh_as(THIEF, newer).status_code == 200
    assert [(arguments["former"], arguments["peer"]) for _, arguments in sent] == [(PHONE, THIEF)]
