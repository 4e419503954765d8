"""The end of very many sessions of one user: what is refused afterwards, and how little is written for it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jwt_auth import sessions, signals
from jwt_auth.conf import lifetimes
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import cutoff, revoke_user, revoke_users, user_sessions
from jwt_auth.revocation.bulk import ONE_BY_ONE
from jwt_auth.revocation.database import live_sessions
from jwt_auth.revocation.operations import cut_off, record_cutoff
from jwt_auth.revocation.user_sessions import MARKED
from tests.support.clients import PASSWORD
from tests.support.rows import begin

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
MANY = ONE_BY_ONE + 20
FEW = 20


def cutoff_of(user):
    return cutoff.read(cutoff.users_with_cutoff().get(pk=user.pk))


def live(user):
    return live_sessions(user, timezone.now())


def events():
    return list(RevocationEvent.objects.order_by("pk").values_list("scope", "reason"))


def end_others(client, pair):
    answer = client.bearer(pair.access_token).send("sessions/", method="delete")
    assert answer.status_code == 204


def is_dead(client, pair):
    return client.is_dead({"access_token": pair.access_token, "refresh_token": pair.refresh_token})


# All others


@pytest.fixture(params=["database", "memory"])
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param, REVOCATION_MAX_STALENESS=timedelta(seconds=0.1), SESSION_LIMIT=None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("mode")
def test_of_many_that_began_before_one_cutoff_ends_all(client, user, clock, heard):
    old = begin(user, MANY, MINUTE)
    clock.shift(60)
    mine = sessions.start(user)
    sent = heard(signals.session_revoked, signals.user_revoked)
    end_others(client, mine)
    assert is_dead(client, old)
    assert not is_dead(client, mine)
    assert [str(row.pk) for row in live(user)] == [str(mine.session_id)]
    assert events() == [("user", "ended by the user")]
    assert [(signal, facts["sessions_revoked"]) for signal, facts in sent] == [(signals.user_revoked, MANY)]
    assert not UserSession.objects.exclude(revoked_at=None).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("mode")
def test_of_many_that_began_later_each_row_is_marked_and_only_those_with_a_live_token_get_an_event(
    client, user, clock, heard
):
    mine = sessions.start(user)
    clock.shift(6 * 3600)
    fresh = begin(user, MANY, 2 * MINUTE)
    mine = sessions.refresh(mine.refresh_token)
    sent = heard(signals.session_revoked, signals.user_revoked)
    end_others(client, mine)
    assert is_dead(client, fresh)
    assert not is_dead(client, mine)
    assert live(user).count() == 1
    assert UserSession.objects.exclude(revoked_at=None).count() == MANY
    recent = timezone.now() - 2 * lifetimes.longest_life()
    named = set(RevocationEvent.objects.filter(scope="session").values_list("subject", flat=True))
    assert named == {row.sid for row in UserSession.objects.exclude(revoked_at=None).filter(last_issued_at__gt=recent)}
    assert 0 < len(named) < MANY
    assert [(signal, facts["sessions_revoked"]) for signal, facts in sent] == [(signals.user_revoked, MANY)]


@pytest.mark.django_db(transaction=True)
def test_a_few_end_one_by_one(client, user, clock, heard):
    """The control: as many as get an event and a signal each."""
    begin(user, ONE_BY_ONE, SECOND)
    clock.shift(1)
    sent = heard(signals.session_revoked, signals.user_revoked)
    end_others(client, sessions.start(user))
    assert [signal for signal, _ in sent] == [signals.session_revoked] * ONE_BY_ONE
    assert RevocationEvent.objects.filter(scope="session").count() == ONE_BY_ONE
    assert live(user).count() == 1


def test_a_current_session_that_began_on_a_clock_that_is_ahead_stays(client, user, jwt_settings):
    begin(user, MANY)
    mine = sessions.start(user, now=timezone.now() + 5 * SECOND)
    end_others(client, mine)
    assert [row.pk for row in live(user)] == [mine.session_id]
    assert cutoff_of(user) == timezone.now()


def test_the_number_of_queries_is_the_same_for_hundreds(client, make_user, clock, count, jwt_settings):
    jwt_settings(SESSION_LIMIT=None)
    counted = []
    for number in (MANY, 5 * MANY):
        user = make_user(f"user{number}")
        begin(user, number, SECOND)
        clock.shift(60)
        mine = client.bearer(sessions.start(user).access_token)
        listed, answer = count(mine.send, "sessions/", method="get")
        assert (answer.json()["count"], len(answer.json()["results"])) == (number + 1, 100)
        counted.append((listed, count(mine.send, "sessions/", method="delete")[0]))
    assert counted[0] == counted[1]
    assert sum(counted[0]) <= 15


# SESSION_LIMIT


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [1, 5])
def test_a_limit_that_is_exceeded_by_many_ends_all_of_them_by_one_cutoff(
    client, user, clock, jwt_settings, heard, limit
):
    jwt_settings(SESSION_LIMIT=None)
    begin(user, 3 * MANY, SECOND)
    newest = list(live(user).order_by("-started_at").values_list("pk", flat=True)[: limit - 1])
    clock.shift(1)
    jwt_settings(SESSION_LIMIT=limit)
    sent = heard(signals.session_revoked, signals.user_revoked)
    pair = client.tokens(user)
    assert [str(row.pk) for row in live(user).order_by("-started_at")] == [pair["session"], *map(str, newest)]
    assert not client.is_dead(pair)
    ended = 3 * MANY - limit + 1
    # The one that began at the moment of the cutoff is ended by itself.
    assert events() == [("user", "session limit"), ("session", "session limit")]
    assert [signal for signal, _ in sent] == [signals.user_revoked, signals.session_revoked]
    assert sent[0][1]["sessions_revoked"] == ended - 1


def test_a_sign_in_costs_the_same_however_many_are_too_many(client, make_user, clock, jwt_settings, count):
    counted = []
    for number in (MANY, 5 * MANY):
        user = make_user(f"user{number}")
        jwt_settings(SESSION_LIMIT=None)
        begin(user, number, SECOND)
        clock.shift(61)
        jwt_settings(SESSION_LIMIT=5)
        counted.append(count(client.login, user)[0])
        assert live(user).count() == 5
    assert counted[0] == counted[1] <= 18


def test_of_sessions_of_one_moment_a_sign_in_ends_a_bounded_number(client, user, clock, jwt_settings):
    """No cutoff can tell them apart; each sign-in ends 100 of them."""
    jwt_settings(SESSION_LIMIT=None)
    begin(user, 2 * MANY)
    clock.shift(1)
    jwt_settings(SESSION_LIMIT=5)
    for left in (2 * MANY - ONE_BY_ONE, 2 * MANY - 2 * ONE_BY_ONE):
        pair = client.tokens(user)
        assert live(user).count() == left
        assert not client.is_dead(pair)
        clock.shift(60)


def test_a_limit_ends_sessions_that_began_on_a_clock_that_is_ahead_without_a_cutoff_in_the_future(
    client, user, clock, jwt_settings
):
    jwt_settings(SESSION_LIMIT=None)
    begin(user, MANY, SECOND)
    ahead = [sessions.start(user, now=timezone.now() + n * SECOND) for n in (8, 9)]
    jwt_settings(SESSION_LIMIT=2)
    pair = client.tokens(user)
    assert {str(row.pk) for row in live(user)} == {pair["session"], str(ahead[1].session_id)}
    assert cutoff_of(user) == timezone.now()
    assert not client.is_dead(pair)


def test_by_default_a_user_has_no_more_than_a_thousand(client, user, clock):
    begin(user, 1000, SECOND)
    clock.shift(1)
    oldest = live(user).order_by("started_at")[0].pk
    client.tokens(user)
    assert live(user).count() == 1000
    assert UserSession.objects.get(pk=oldest).revoked_reason == "session limit"


# A user


@pytest.fixture
def few_marked(monkeypatch):
    """A user with more than this number is cut off by another statement; the real number has its tests below."""
    monkeypatch.setattr(user_sessions, "MARKED", FEW)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("mode", "few_marked")
@pytest.mark.parametrize("by", ["revoke_user", "revoke_users", "password", "saved cutoff", "deletion"])
def test_a_user_with_more_sessions_than_are_marked_is_refused_by_the_cutoff(client, user, clock, heard, by):
    pair = begin(user, FEW + 1, SECOND)
    clock.shift(1)
    sent = heard(signals.user_revoked)

    def change_password():
        user.set_password("another one")
        user.save()

    operations = {
        "revoke_user": lambda: revoke_user(user),
        "revoke_users": lambda: revoke_users([user]),
        "password": change_password,
        "saved cutoff": lambda: record_cutoff_of(user),
        "deletion": lambda: type(user).objects.get(pk=user.pk).delete(),
    }
    operations[by]()
    assert is_dead(client, pair)
    assert [facts["sessions_revoked"] for _, facts in sent] == [FEW + 1]
    assert not UserSession.objects.exclude(revoked_at=None).exists()
    event = RevocationEvent.objects.get()
    # The rows were not locked: the event outlasts what is refreshed until a slow transaction is committed.
    assert event.expires_at == event.created_at + lifetimes.longest_life() + timedelta(hours=1)


def record_cutoff_of(user):
    moment = timezone.now()
    cutoff.write(user.pk, moment)
    record_cutoff(user, moment)


def test_up_to_a_thousand_rows_are_marked(user, clock):
    """The control."""
    begin(user, MARKED, SECOND)
    clock.shift(1)
    assert revoke_user(user).sessions_revoked == MARKED
    assert UserSession.objects.exclude(revoked_at=None).count() == MARKED
    event = RevocationEvent.objects.get()
    assert event.expires_at == event.created_at + lifetimes.longest_life()


def test_an_earlier_moment_counts_only_what_began_before_it(user, few_marked):
    begin(user, FEW + 15, SECOND)
    done = revoke_user(user, at=timezone.now() - 9.5 * SECOND)
    assert done.sessions_revoked == FEW + 5
    assert live(user).count() == 10
    assert revoke_user(user).sessions_revoked == 10


def test_a_user_who_is_gone_is_cut_off_on_the_record_alone(leaver):
    cut_off(leaver, timezone.now(), 7, reason="x", actor=None, now=timezone.now())
    assert events() == [("user", "x")]


def test_a_user_signs_in_again_after_the_cutoff(client, user, clock):
    begin(user, MARKED + 1, SECOND)
    clock.shift(1)
    revoke_user(user)
    assert client.login(user, PASSWORD).status_code == 200
    assert live(user).count() == 1
