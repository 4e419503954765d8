"""A second peer in the grace period: it is announced, and shut out; the owner's tabs and lost answers are neither."""

import re
from datetime import timedelta

import pytest
from django.db import connection

from jwt_auth import sessions
from jwt_auth.http.peer import Peer
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.signals import refresh_token_reused, refresh_token_shared
from tests.support import ROOT
from tests.support.clocks import NOW
from tests.support.parties import OverHTTP, Request, parse
from tests.support.queries import count_queries

PAGE = (ROOT / "docs/explanation/revocation.md").read_text()

# The scenarios of the documentation: what happens, the requests, the state of the session, the number of announcements.
SCENARIOS = re.findall(r"^\| ([^|]+) \| `([^`]+)` \| (goes on|ends) \| (\d) \|$", PAGE, re.MULTILINE)

pytestmark = pytest.mark.django_db(transaction=True)


# The table of the documentation, over HTTP


def test_the_documentation_has_both_sides():
    assert {"goes on", "ends"} == {state for _, _, state, _ in SCENARIOS}
    assert len(SCENARIOS) == 21


@pytest.mark.parametrize(("steps", "state", "told"), [row[1:] for row in SCENARIOS], ids=[row[0] for row in SCENARIOS])
def test_the_scenarios_of_the_documentation(user, clock, heard, steps, state, told):
    sent = heard(refresh_token_shared)
    *before, last = OverHTTP(user, clock).play(parse(steps))
    assert {answer.status_code for answer in before} <= {200}
    code = last.json().get("code")
    assert (last.status_code, code) == ((200, None) if state == "goes on" else (401, "refresh_token_reused"))
    assert UserSession.objects.get().revoked_reason[:13] == ("" if state == "goes on" else "refresh token")
    assert len(sent) == int(told)


def test_tabs_of_one_browser_get_one_successor_each_time(user, clock):
    """For two days, each time in a burst; the control of the next test."""
    server = OverHTTP(user, clock)
    for number in range(20):
        answers = server.play([Request(agent="browser", network="office", token=number, times=20)])
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        clock.shift(8640)
    session = UserSession.objects.get()
    assert (session.counter, session.shared_at, session.shared_rotations) == (20, None, 0)


@pytest.mark.parametrize("agent", ["browser", "script"], ids=["agent copied", "agent of its own"])
def test_a_shadow_is_announced_at_its_first_refresh_and_shut_out_at_its_third(client, user, clock, heard, log, agent):
    """The thief knows the moment of each rotation, and comes five seconds later."""
    sent = heard(refresh_token_shared, refresh_token_reused)
    server = OverHTTP(user, clock)
    codes, announced = [], []
    for number in range(3):
        owner = server.send(Request(agent="browser", network="office", token=number))
        assert owner.status_code == 200
        clock.shift(5)
        thief = server.send(Request(agent=agent, network="elsewhere", token=number))
        codes.append(thief.status_code)
        announced.append([signal for signal, _ in sent])
        clock.shift(295)
    assert codes == [200, 200, 401]
    shared = refresh_token_shared
    assert announced == [[shared], [shared] * 2, [shared] * 3 + [refresh_token_reused]]
    assert (sent[0][1]["peer"].user_agent, sent[0][1]["rotations"]) == (agent, 1)
    assert client.is_dead(owner.json())
    assert RevocationEvent.objects.get().reason == "refresh token shared by 2001:db8:2::7"
    session = UserSession.objects.get()
    assert (session.misused_ip_address, session.misused_user_agent) == ("2001:db8:2::7", agent)
    assert sent[-1][1]["peer"] == Peer(ip_address="2001:db8:2::7", user_agent=agent)
    records = [record for record in log() if record.event == "refresh_token_shared"]
    assert [record.levelname for record in records] == ["WARNING"] * 3
    assert (records[0].last_ip_address, records[0].peer_ip_address) == ("198.51.100.7", "2001:db8:2::7")


@pytest.mark.parametrize("order", [1, -1], ids=["owner first", "thief first"])
@pytest.mark.parametrize("agent", ["script", ""], ids=["an agent", "no agent"])
def test_where_no_address_is_known_no_agent_is_another_agent_too(user, clock, agent, order):
    """A client chooses whether it sends a User-Agent; the thief with an agent is the control."""
    server, codes = OverHTTP(user, clock), []
    for number in range(3):
        for name in ("browser", agent)[::order]:
            codes.append(server.send(Request(agent=name, network="socket", token=number)).status_code)
            clock.shift(5)
        clock.shift(290)
    assert codes == [200, 200, 200, 200, 200, 401]
    assert UserSession.objects.get().revoked_reason == "refresh token shared"


def test_the_row_says_who_shared_it(user, clock):
    OverHTTP(user, clock).play(parse("browser@office 0, +5 s, phone@train 0, +1 s, phone@bus 0"))
    session = UserSession.objects.get()
    assert (session.last_ip_address, session.last_user_agent) == ("198.51.100.7", "browser")
    assert (session.shared_ip_address, session.shared_user_agent) == ("203.0.113.7", "phone")
    assert (session.shared_at, session.shared_rotations) == (NOW + timedelta(seconds=5), 1)


def test_queries(user, clock):
    server = OverHTTP(user, clock)
    rotate, share = Request(agent="browser", network="office", token=0), Request(agent="x", network="bus", token=0)
    assert count_queries(server.send, rotate)[0] == 2
    assert count_queries(server.send, rotate)[0] == 1
    assert count_queries(server.send, share)[0] == 2
    assert count_queries(server.send, share)[0] == 1


def test_code_that_names_no_peer_is_never_a_second_peer(user, clock):
    raw = sessions.start(user, peer=Peer(ip_address="192.0.2.7", user_agent="phone")).refresh_token
    sessions.refresh(raw, peer=Peer(ip_address="192.0.2.7", user_agent="phone"))
    sessions.refresh(raw)
    assert UserSession.objects.get().shared_at is None
    sessions.refresh(raw, peer=Peer(ip_address="198.51.100.7", user_agent="phone"))
    assert UserSession.objects.get().is_shared


def test_a_second_peer_that_the_next_rotation_overtakes_is_not_recorded(user, clock, heard):
    """The rotation that it shared is no longer the newest one when it writes; the next one begins unshared."""
    sent = heard(refresh_token_shared)
    server = OverHTTP(user, clock)
    server.send(Request(agent="browser", network="office", token=0))
    faster = []

    def overtake(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not faster:
            faster.append(None)
            clock.shift(300)
            faster[0] = server.send(Request(agent="browser", network="office", token=1))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        slower = server.send(Request(agent="x", network="bus", token=0))
    assert {slower.status_code, faster[0].status_code} == {200}
    session = UserSession.objects.get()
    assert (session.counter, session.shared_at, session.shared_counter) == (2, None, None)
    assert sent == []


def test_code_that_names_no_peer_leaves_the_one_before(user, clock):
    phone = Peer(ip_address="192.0.2.7", user_agent="phone")
    raw = sessions.start(user, peer=phone).refresh_token
    sessions.refresh(raw)
    session = UserSession.objects.get()
    assert (session.counter, session.last_ip_address, session.last_user_agent) == (1, "192.0.2.7", "phone")
    sessions.refresh(raw, peer=phone)
    assert UserSession.objects.get().shared_at is None
    sessions.refresh(raw, peer=Peer(ip_address="192.0.2.7", user_agent="script"))
    assert UserSession.objects.get().is_shared


def test_a_second_peer_that_another_one_overtakes_is_recorded_once(user, clock, heard):
    """Both have read the row before either writes."""
    sent = heard(refresh_token_shared)
    server = OverHTTP(user, clock)
    server.send(Request(agent="browser", network="office", token=0))
    faster = []

    def overtake(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and not faster:
            faster.append(None)
            faster[0] = server.send(Request(agent="x", network="train", token=0))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(overtake):
        slower = server.send(Request(agent="x", network="bus", token=0))
    assert {slower.status_code, faster[0].status_code} == {200}
    assert len(sent) == 1
    assert UserSession.objects.get().shared_ip_address == "203.0.113.7"
