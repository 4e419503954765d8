"""The table of refresh, case by case and to the microsecond, and the lifetime of sessions."""

import functools
from datetime import timedelta

import jwt
import pytest
from django.db import connection, transaction
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.exceptions import ConfigurationError, MalformedTokenError, RefreshTokenReusedError, RevokedTokenError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_user
from jwt_auth.sessions import lifecycle
from jwt_auth.sessions.refresh_tokens import Case, judge
from tests.support.answers import challenge
from tests.support.clocks import NOW
from tests.support.selection import THOROUGH

US = timedelta(microseconds=1)
GRACE = timedelta(seconds=60)
DAY = timedelta(days=1)

pytestmark = pytest.mark.usefixtures("clock")


def read(token):
    """Return the claims of a token that was just issued."""
    return jwt.decode(token, options={"verify_signature": False})


def code(answer):
    return answer.status_code, answer.json()["code"]


# The table, as a pure function


@pytest.mark.parametrize(
    ("presented", "newest", "age", "case"),
    [
        (0, 0, None, Case.FRESH),
        (1, 1, GRACE - US, Case.COALESCED),
        (1, 1, GRACE, Case.COALESCED),
        (1, 1, 2 * GRACE - US, Case.COALESCED),
        (1, 1, 2 * GRACE, Case.FRESH),
        (1, 1, None, Case.FRESH),
        (0, 1, timedelta(0), Case.GRACE),
        (0, 1, GRACE - US, Case.GRACE),
        (0, 1, GRACE, Case.REUSED),
        (0, 1, GRACE + US, Case.REUSED),
        (0, 1, None, Case.REUSED),
        (0, 2, timedelta(0), Case.REUSED),  # grace is for the immediate predecessor alone
        (1, 9, US, Case.REUSED),
        (1, 0, None, Case.AHEAD),
        (3, 2, US, Case.AHEAD),
        (3, 2, DAY, Case.AHEAD),
        # The request arrived before the rotation, and has waited since.
        (1, 1, -DAY, Case.COALESCED),
        (0, 1, -DAY, Case.GRACE),
        (0, 2, -DAY, Case.REUSED),
    ],
)
def test_each_case_of_the_table(presented, newest, age, case):
    assert judge(presented, newest, age, GRACE) is case


@pytest.mark.parametrize(
    ("age", "case"), [(GRACE - US, Case.COALESCED), (GRACE, Case.FRESH), (2 * GRACE, Case.FRESH), (None, Case.FRESH)]
)
def test_for_another_peer_the_newest_token_rotates_right_after_the_grace_period(age, case):
    """Else a phone that changes networks twice in two minutes would be counted as a second peer."""
    assert judge(1, 1, age, GRACE, is_same_peer=False) is case


@pytest.mark.parametrize("age", [None, timedelta(0), -US, -DAY])
def test_without_a_grace_period_a_request_that_has_waited_has_none(age):
    """The age may be negative after a pause of the process, although the request arrived after the rotation."""
    assert judge(0, 1, age, timedelta(0)) is Case.REUSED
    assert judge(1, 1, age, timedelta(0)) is Case.FRESH


def test_without_a_grace_period_each_token_is_good_once(client, user, jwt_settings):
    jwt_settings(ROTATION_GRACE_PERIOD=timedelta(0))
    first = client.tokens(user)["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    third = client.refresh(second).json()["refresh_token"]
    assert len({first, second, third}) == 3
    assert code(client.refresh(second)) == (401, "refresh_token_reused")
    assert code(client.refresh(third)) == (401, "token_revoked")


# The table, over HTTP


def test_a_fresh_token_moves_the_counter_on(client, user, clock):
    pair = client.tokens(user)
    clock.shift(60)
    newer = client.refresh(pair["refresh_token"]).json()
    session = UserSession.objects.get()
    assert (session.counter, session.rotated_at, session.last_issued_at) == (1, timezone.now(), timezone.now())
    assert newer["refresh_token"] != pair["refresh_token"]
    assert read(newer["access_token"])["jti"] != read(pair["access_token"])["jti"]


@pytest.mark.parametrize("case", ["grace", "coalesced"])
def test_within_the_grace_period_old_and_new_token_give_the_same_successor(client, user, clock, case):
    first = client.tokens(user)["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    before = UserSession.objects.values().get()
    clock.shift(59.999999)
    answer = client.refresh(first if case == "grace" else second)
    assert answer.json()["refresh_token"] == second
    assert UserSession.objects.values().get() == before
    assert client.get_me(answer.json()["access_token"]).status_code == 200


def test_a_grace_period_is_not_prolonged_by_using_it(client, user, clock):
    first = client.tokens(user)["refresh_token"]
    client.refresh(first)
    for _ in range(3):
        clock.shift(19)
        assert client.refresh(first).status_code == 200
    clock.shift(3)
    assert code(client.refresh(first)) == (401, "refresh_token_reused")


def test_a_token_that_is_used_again_after_the_grace_period_ends_the_session(client, user, clock):
    first = client.tokens(user)
    other_device = client.tokens(user)
    second = client.refresh(first["refresh_token"]).json()
    clock.shift(60)
    answer = client.refresh(first["refresh_token"])
    assert code(answer) == (401, "refresh_token_reused")
    assert answer["WWW-Authenticate"] == challenge("refresh_token_reused")
    assert client.is_dead(second)
    assert not client.is_dead(other_device)
    assert UserSession.objects.get(pk=first["session"]).revoked_reason == "refresh token reused by 127.0.0.1"
    assert code(client.refresh(first["refresh_token"])) == (401, "token_revoked")


def test_a_grandparent_is_no_predecessor_however_soon_it_comes(client, user, clock):
    first = client.tokens(user)["refresh_token"]
    second = client.refresh(first).json()["refresh_token"]
    clock.shift(120)
    third = client.refresh(second).json()["refresh_token"]
    assert code(client.refresh(first)) == (401, "refresh_token_reused")
    assert code(client.refresh(third)) == (401, "token_revoked")


def test_a_token_ahead_of_its_session_ends_it(client, user):
    """After the restore of a backup, the row is older than the tokens in use."""
    newer = client.refresh(client.tokens(user)["refresh_token"]).json()
    UserSession.objects.update(counter=0, rotated_at=None)
    assert code(client.refresh(newer["refresh_token"])) == (401, "token_revoked")
    assert UserSession.objects.get().revoked_reason == "refresh token used ahead of its session by 127.0.0.1"
    assert client.get_me(newer["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ({"revoked_at": NOW}, "token_revoked"),
        ({"expires_at": NOW}, "token_expired"),
        ({"idle_expires_at": NOW}, "token_expired"),
        ({"auth_hash": "of another password"}, "token_revoked"),
        ({"handle": "0" * 32}, "token_revoked"),
    ],
)
def test_a_dead_session_refreshes_nothing_and_says_why(client, user, fact, expected):
    token = client.tokens(user)["refresh_token"]
    UserSession.objects.update(**fact)
    assert code(client.refresh(token)) == (401, expected)
    assert UserSession.objects.get().counter == 0


@pytest.mark.parametrize("counter", [0, 5])
def test_a_reused_token_of_a_dead_session_is_not_judged_by_its_counter(client, user, counter):
    token = client.tokens(user)["refresh_token"]
    UserSession.objects.update(revoked_at=NOW - DAY, revoked_reason="logout", counter=counter)
    assert code(client.refresh(token)) == (401, "token_revoked")
    assert UserSession.objects.values_list("revoked_at", "revoked_reason").get() == (NOW - DAY, "logout")


@pytest.mark.parametrize("operation", [revoke_user, lambda user: revoke_all()], ids=["user", "all"])
def test_a_cutoff_is_answered_as_a_revocation(client, user, operation):
    token = client.tokens(user)["refresh_token"]
    operation(user)
    assert code(client.refresh(token)) == (401, "token_revoked")


CHANGES = {
    "signature": lambda raw: raw[:-1] + ("A" if raw[-1] != "A" else "E"),
    "counter": lambda raw: raw.replace(".0.", ".1."),
    "spelling of the counter": lambda raw: raw.replace(".0.", ".00."),
    "case": str.upper,
    "space": lambda raw: f" {raw}",
    "line end": lambda raw: f"{raw}\n",
    "no signature": lambda raw: raw.rsplit(".", 1)[0],
    "half a character": lambda raw: raw.replace(".", ".\ud800", 1),
    "nothing": lambda raw: "",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_token_that_was_changed_is_none(user, change):
    raw = sessions.start(user).refresh_token
    with pytest.raises(MalformedTokenError):
        lifecycle.refresh(change(raw))
    assert lifecycle.refresh(raw)


def test_what_an_older_release_has_signed_is_good(user, settings):
    settings.SECRET_KEY = "a secret key that stays the same, as those of projects do when this app is updated"
    sessions.start(user)
    UserSession.objects.update(handle="0" * 32, auth_hash=user.get_session_auth_hash())
    lifecycle.refresh(f"{'0' * 32}.0.y_QmMWBKR8ckmmQhnW8L6ZcgJnQLpGHaI3zws26Mv28")


def test_all_that_moves_a_token_can_be_told_the_moment(user):
    later = NOW + DAY
    pair = sessions.start(user, now=later)
    assert UserSession.objects.get().started_at == later
    newer = lifecycle.refresh(pair.refresh_token, now=later + US)
    assert UserSession.objects.get().rotated_at == later + US
    with pytest.raises(RefreshTokenReusedError):
        lifecycle.refresh(pair.refresh_token, now=later + DAY)
    assert UserSession.objects.get().revoked_at == later + DAY
    other = sessions.start(user)
    assert lifecycle.end(other.refresh_token, now=later) == other.session_id != newer.session_id
    row = UserSession.objects.get(pk=other.session_id)
    assert (row.revoked_at, row.revoked_reason) == (later, "logout")


# Lifetime


def test_an_idle_session_is_over_and_a_used_one_is_not(client, user, clock, jwt_settings):
    jwt_settings(SESSION_IDLE_TIMEOUT=timedelta(hours=1))
    idle, used = client.tokens(user), client.tokens(user)
    clock.shift(3599)
    used = client.refresh(used["refresh_token"]).json()
    assert used["refresh_expires_in"] == 3600
    clock.shift(1)
    assert code(client.refresh(idle["refresh_token"])) == (401, "token_expired")
    clock.shift(3598)
    assert client.refresh(used["refresh_token"]).status_code == 200


def test_a_session_ends_for_good_however_often_it_is_used(client, user, clock, jwt_settings):
    jwt_settings(SESSION_ABSOLUTE_TIMEOUT=timedelta(days=2), SESSION_IDLE_TIMEOUT=DAY)
    pair = client.tokens(user)
    end = UserSession.objects.get().expires_at
    for _ in range(3):
        clock.shift(12 * 3600)
        pair = client.refresh(pair["refresh_token"]).json()
        assert UserSession.objects.get().expires_at == end
    assert pair["refresh_expires_in"] == 12 * 3600
    clock.move_to(end - timedelta(seconds=100))
    pair = client.refresh(pair["refresh_token"]).json()
    assert pair["expires_in"] == pair["refresh_expires_in"] == 100
    assert read(pair["access_token"])["exp"] <= end.timestamp()
    clock.move_to(end - US)
    assert client.get_me(pair["access_token"]).status_code == 200
    clock.move_to(end)
    assert code(client.get_me(pair["access_token"])) == (401, "token_expired")
    assert code(client.refresh(pair["refresh_token"])) == (401, "token_expired")


def test_auth_time_is_when_the_session_began_and_no_refresh_moves_it(client, user, clock):
    pair = client.tokens(user)
    for _ in range(3):
        clock.shift(3600)
        pair = client.refresh(pair["refresh_token"]).json()
        claims = read(pair["access_token"])
        assert claims["auth_time"] == NOW.timestamp()
        assert claims["iat"] == int(timezone.now().timestamp())


def test_lifetimes_differ_by_up_to_five_percent_and_never_upwards(user, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=1000))
    raw = sessions.start(user).refresh_token
    pairs = [lifecycle.refresh(raw) for _ in range(300)]
    assert all(950 <= pair.expires_in <= 1000 for pair in pairs)
    assert len({pair.expires_in for pair in pairs}) > 20
    claims = read(pairs[0].access_token)
    assert claims["exp"] - claims["iat"] == pairs[0].expires_in


def test_a_lifetime_of_which_five_percent_is_no_second_stays_as_it_is(user, jwt_settings):
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=19))
    assert sessions.start(user).expires_in == 19


REFRESHES = 1000 if THOROUGH else 100


def test_many_refreshes_leave_one_row_and_no_event(user, clock):
    raw = sessions.start(user).refresh_token
    length = len(raw)
    for _ in range(REFRESHES):
        clock.shift(120)
        raw = lifecycle.refresh(raw).refresh_token
    assert UserSession.objects.get().counter == REFRESHES
    assert len(raw) <= length + 3
    assert not RevocationEvent.objects.exists()


def test_what_holds_tokens_does_not_show_them(user):
    pair = sessions.start(user)
    for text in (repr(pair), str(pair), f"{pair}"):
        assert pair.access_token not in text
        assert pair.refresh_token not in text
        assert str(pair.session_id) in text


def test_nothing_stored_is_a_refresh_token_or_a_part_that_could_be_completed(user):
    """A dump of the table is not enough to forge a token: the key of the signature is not in it."""
    signature = sessions.start(user).refresh_token.rsplit(".", 1)[1]
    row = UserSession.objects.values().get()
    assert not any(signature in str(value) for value in row.values())
    with pytest.raises(MalformedTokenError):
        lifecycle.refresh(f"{row['handle']}.{row['counter']}.{'A' * 43}")


def test_a_session_that_is_gone_is_revoked_and_not_unknown(user):
    raw = sessions.start(user).refresh_token
    UserSession.objects.all().delete()
    with pytest.raises(RevokedTokenError):
        lifecycle.refresh(raw)


class Meanwhile:
    """Call `operation` right before the first statement that begins with `prefix`."""

    def __init__(self, prefix, operation):
        self.prefix, self.operation = prefix, operation

    def __call__(self, execute, sql, params, many, context):
        if self.operation and sql.startswith(self.prefix):
            operation, self.operation = self.operation, None
            operation()
        return execute(sql, params, many, context)


def test_the_grace_period_begins_when_the_row_is_written(client, user, clock):
    """A request that has waited for the database for longer than the grace period."""
    token = client.tokens(user)["refresh_token"]
    with connection.execute_wrapper(Meanwhile("SELECT", lambda: clock.shift(70))):
        first = client.refresh(token).json()
    assert UserSession.objects.get().rotated_at == NOW + timedelta(seconds=70)
    clock.shift(59)
    assert client.refresh(token).json()["refresh_token"] == first["refresh_token"]


def test_a_request_that_came_in_time_may_wait_beyond_the_grace_period(client, user, clock):
    """Two tabs ask at once, and the second has to wait for the database."""
    token = client.tokens(user)["refresh_token"]
    faster = []

    def rotate_and_wait():
        faster.append(client.refresh(token).json())
        clock.shift(70)

    with connection.execute_wrapper(Meanwhile("SELECT", rotate_and_wait)):
        slower = client.refresh(token).json()
    assert slower["refresh_token"] == faster[0]["refresh_token"]


def test_a_request_that_waited_while_another_one_did_is_not_early(client, user, clock):
    """The other one began to rotate long after this one came, which is no rotation in the future."""
    token = client.tokens(user)["refresh_token"]

    def wait_and_rotate():
        clock.shift(59)
        client.refresh(token)

    with connection.execute_wrapper(Meanwhile("SELECT", wait_and_rotate)):
        assert client.refresh(token).status_code == 200


def test_a_refresh_that_another_one_overtakes_gives_the_same_successor(client, user, clock):
    token = client.tokens(user)["refresh_token"]
    faster = []
    with connection.execute_wrapper(Meanwhile("UPDATE", lambda: faster.append(client.refresh(token).json()))):
        slower = client.refresh(token).json()
    assert slower["refresh_token"] == faster[0]["refresh_token"]
    assert UserSession.objects.get().counter == 1


def test_a_refresh_that_two_others_overtake_came_too_late(client, user, clock):
    """It must not move the counter back to the value of the first of them."""
    token = client.tokens(user)["refresh_token"]
    newest = []

    def rotate_twice():
        second = client.refresh(token).json()["refresh_token"]
        clock.shift(2 * GRACE)
        newest.append(client.refresh(second).json())

    with connection.execute_wrapper(Meanwhile("UPDATE", rotate_twice)):
        assert code(client.refresh(token)) == (401, "refresh_token_reused")
    assert UserSession.objects.get().counter == 2
    assert client.is_dead(newest[0])


@pytest.mark.parametrize(
    ("fact", "expected"),
    [
        ({}, None),
        ({"revoked_at": NOW}, "token_revoked"),
        ({"expires_at": NOW}, "token_expired"),
        ({"idle_expires_at": NOW}, "token_expired"),
    ],
)
def test_a_refresh_that_the_end_of_its_session_overtakes_gives_nothing(client, user, fact, expected):
    token = client.tokens(user)["refresh_token"]
    with connection.execute_wrapper(Meanwhile("UPDATE", lambda: UserSession.objects.update(user=user, **fact))):
        assert client.refresh(token).json().get("code") == expected
    assert UserSession.objects.get().counter == (0 if fact else 1)


def test_a_refresh_that_a_logout_overtakes_gives_nothing(client, user, clock):
    pair = client.tokens(user)
    body = {"refresh_token": pair["refresh_token"]}
    with connection.execute_wrapper(Meanwhile("UPDATE", lambda: client.send("logout/", body))):
        assert client.refresh(pair["refresh_token"]).json()["code"] == "token_revoked"
    assert client.is_dead(pair)


def test_a_row_that_can_not_be_read_as_it_is_written_is_an_outage(client, user, monkeypatch):
    """With an old snapshot, an outer transaction reads the old row, but its UPDATE meets the current one."""
    token = client.tokens(user)["refresh_token"]
    monkeypatch.setattr(lifecycle, "_rotate", lambda session, attempt: False)
    assert client.refresh(token).json()["code"] == "unavailable"
    monkeypatch.undo()
    assert client.refresh(token).status_code == 200


DEEP = functools.reduce(lambda inner, level: [inner], range(40), 1)


@pytest.mark.parametrize("custom", [None, [("a", 1)], {"deep": DEEP}, {"half": "\ud800"}, {1: 1, "1": 2}])
def test_claims_that_could_not_be_read_back_are_a_fault_of_the_project(user, jwt_settings, custom):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: custom)
    with pytest.raises(ConfigurationError, match=r"E01[79]"), transaction.atomic():
        sessions.start(user)
    assert not UserSession.objects.exists()
