"""The operations themselves: the rows that they write, their results, and the signals, with the moment of each."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from jwt_auth import sessions, signals
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import (
    bulk,
    cutoff,
    revoke_all,
    revoke_session,
    revoke_sessions,
    revoke_token,
    revoke_user,
    revoke_users,
)
from jwt_auth.verification import verify

pytestmark = pytest.mark.usefixtures("clock")

US = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)


def session_of(pair):
    return UserSession.objects.get(pk=pair["session"])


@pytest.fixture
def heard():
    """The signals that were sent, as pairs of the signal and its arguments."""
    sent = []
    watched = [signals.session_revoked, signals.user_revoked, signals.all_revoked]

    def hear(signal, sender, **arguments):
        sent.append((signal, arguments))

    for signal in watched:
        signal.connect(hear)
    yield sent
    for signal in watched:
        signal.disconnect(hear)


# One token


def test_a_denied_token_is_refused_while_its_session_lives_on(client, user):
    pair = client.tokens(user)
    revoke_token(verify(pair["access_token"]).claims)
    assert client.get_me(pair["access_token"]).json()["code"] == "token_revoked"
    assert client.send("verify/", {"token": pair["access_token"]}).status_code == 401
    assert not client.is_dead(client.refresh(pair["refresh_token"]).json())


def test_a_denied_token_stays_on_record_for_as_long_as_any_leeway_could_let_it_in(client, user):
    claims = verify(client.tokens(user)["access_token"]).claims
    revoke_token(claims)
    event = RevocationEvent.objects.get()
    assert event.subject == f"{claims.iss} {claims.jti}"
    assert event.expires_at >= claims.expires_at + timedelta(seconds=60)


def test_a_token_without_a_name_of_its_own_cannot_be_denied(client, user):
    claims = verify(client.tokens(user)["access_token"]).claims
    nameless = type(claims)(iss=claims.iss, aud=claims.aud, sub=claims.sub, iat=claims.iat, exp=claims.exp)
    with pytest.raises(ValueError, match="jti"):
        revoke_token(nameless)
    assert not RevocationEvent.objects.exists()


# One session, several sessions


def test_a_session_ends_once_and_its_record_is_never_rewritten(client, user, clock):
    sid = session_of(client.tokens(user)).pk
    assert revoke_session(sid, reason="first", actor=user)
    clock.shift(5)
    assert not revoke_session(sid, reason="second")
    session, event = UserSession.objects.get(), RevocationEvent.objects.get()
    assert session.revoked_reason == event.reason == "first"
    assert session.revoked_at == event.created_at == timezone.now() - timedelta(seconds=5)
    assert (event.scope, event.subject, event.actor) == ("session", sid.hex, str(user.pk))


@pytest.mark.django_db
def test_a_session_that_is_not_there_cannot_be_ended():
    assert not revoke_session(uuid4())
    assert revoke_sessions([uuid4()]) == 0
    assert revoke_sessions([]) == 0
    assert not RevocationEvent.objects.exists()


def test_several_sessions_end_with_one_event_each_and_ended_ones_are_not_counted(client, user, make_user):
    pairs = [client.tokens(user) for _ in range(3)]
    bobs = client.tokens(make_user("bob"))
    sids = [session_of(pair).pk for pair in pairs]
    revoke_session(sids[0])
    assert revoke_sessions(iter(sids)) == 2
    assert all(client.is_dead(pair) for pair in pairs)
    assert not client.is_dead(bobs)
    assert set(RevocationEvent.objects.values_list("subject", flat=True)) == {sid.hex for sid in sids}
    assert RevocationEvent.objects.count() == 3


# A user


def test_it_answers_with_the_cutoff_and_the_number_of_live_sessions(client, user, clock):
    ended, _, _ = (session_of(client.tokens(user)).pk for _ in range(3))
    revoke_session(ended)
    done = revoke_user(user)
    assert done.sessions_revoked == 2
    assert done.tokens_valid_after == timezone.now() + US
    assert revoke_user(user).sessions_revoked == 0


def test_sessions_that_a_global_cutoff_has_ended_are_not_counted_again(client, user, make_user, clock):
    bob = make_user("bob")
    for each in (user, bob, bob):
        client.tokens(each)
    clock.shift(60)
    revoke_all()
    clock.shift(60)
    client.tokens(user)
    assert revoke_user(user).sessions_revoked == 1
    assert revoke_users([user, bob]).sessions_revoked == 0
    client.tokens(bob)
    assert revoke_users([user, bob]).sessions_revoked == 1


def test_a_user_need_have_no_session_to_be_revoked(user):
    done = revoke_user(user, reason="lost laptop", actor=user)
    assert done.tokens_valid_after == timezone.now()
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.reason) == ("user", str(user.pk), "lost laptop")
    assert (event.actor, event.cutoff) == (str(user.pk), done.tokens_valid_after)


def test_each_cutoff_is_later_than_the_last_also_when_the_clock_goes_back(user, clock):
    cutoffs = [revoke_user(user).tokens_valid_after]
    for shift in (0, 0, -3600, 1, 7200):
        clock.shift(shift)
        cutoffs.append(revoke_user(user).tokens_valid_after)
    assert cutoffs == sorted(set(cutoffs))


@pytest.mark.parametrize("skew", [timedelta(seconds=1), timedelta(minutes=10)])
def test_a_session_of_a_machine_whose_clock_is_ahead_is_cut_off_and_the_next_sign_in_works(client, user, skew):
    ahead = sessions.start(user, now=timezone.now() + skew)
    done = revoke_user(user)
    assert done.tokens_valid_after == timezone.now() + skew + US
    assert client.refresh(ahead.refresh_token).status_code == 401
    assert client.get_me(ahead.access_token).status_code == 401
    fresh = client.tokens(user)
    assert not client.is_dead(fresh)
    assert session_of(fresh).started_at >= done.tokens_valid_after


def test_a_refresh_by_a_clock_that_is_ahead_is_cut_off_too(client, user):
    """The cutoff has to be later than the newest token of a session, not only than its beginning."""
    pair = client.tokens(user)
    sessions.refresh(pair["refresh_token"], now=timezone.now() + MINUTE)
    assert revoke_user(user).tokens_valid_after == timezone.now() + MINUTE + US
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))


def test_a_cutoff_of_everybody_beats_clocks_that_are_ahead_as_well(client, user):
    ahead = sessions.start(user, now=timezone.now() + MINUTE)
    assert revoke_all() == timezone.now() + MINUTE + US
    assert client.refresh(ahead.refresh_token).status_code == 401
    assert not client.is_dead(client.tokens(user))


@pytest.mark.parametrize("behind", [US, MINUTE])
@pytest.mark.parametrize("operation", [revoke_user, lambda user: revoke_all()], ids=["revoke_user", "revoke_all"])
def test_a_refresh_by_a_clock_that_is_behind_does_not_hide_the_session_from_a_cutoff(client, user, operation, behind):
    """The session began ahead of our clock; its last refresh must not make it look older than it is."""
    ahead = sessions.start(user, now=timezone.now() + behind)
    newer = client.refresh(ahead.refresh_token).json()
    operation(user)
    assert client.is_dead(newer)
    assert not client.is_dead(client.tokens(user))


@pytest.mark.parametrize("operation", [revoke_user, lambda user: revoke_all()], ids=["revoke_user", "revoke_all"])
def test_revoked_signed_in_refreshed_and_revoked_again_in_one_microsecond_is_revoked(client, user, operation):
    for _ in range(3):
        pair = client.tokens(user)
        newer = client.refresh(pair["refresh_token"]).json()
        assert client.get_me(newer["access_token"]).status_code == 200
        operation(user)
        assert client.is_dead(newer)


# Many users


def test_many_users_are_revoked_each_with_a_cutoff_an_event_and_a_signal_of_their_own(
    client, make_user, staff, heard, django_capture_on_commit_callbacks
):
    users = [make_user(name) for name in ("alice", "bob", "carol")]
    pairs = [client.tokens(user) for user in (*users[:2], users[0])]
    others = client.tokens(make_user("dave"))
    revoke_user(users[1])
    with django_capture_on_commit_callbacks(execute=True):
        done = revoke_users(iter(users), reason="breach", actor=staff)
    assert (done.users_revoked, done.sessions_revoked) == (3, 2)
    assert all(client.is_dead(pair) for pair in pairs)
    assert not client.is_dead(others)
    assert not any(client.is_dead(client.tokens(user)) for user in users)
    events = {event.subject: event for event in RevocationEvent.objects.filter(reason="breach")}
    assert set(events) == {str(user.pk) for user in users}
    assert {event.actor for event in events.values()} == {str(staff.pk)}
    of_breach = [arguments for _, arguments in heard if arguments["event"].reason == "breach"]
    assert {said["user_id"]: said["sessions_revoked"] for said in of_breach} == {
        users[0].pk: 2,
        users[1].pk: 0,
        users[2].pk: 0,
    }
    for said in of_breach:
        user = cutoff.users_with_cutoff().get(pk=said["user_id"])
        assert cutoff.read(user) == said["cutoff"] == events[str(user.pk)].cutoff


def test_revoking_many_ends_what_revoking_one_ends_and_writes_the_same(client, make_user, clock):
    """Both entry points are compared in the cases that differ by clock and by history."""

    def prepare(name):
        user = make_user(name)
        client.tokens(user)
        revoke_user(user)
        client.tokens(user)
        sessions.start(user, now=timezone.now() + MINUTE)
        revoke_session(session_of(client.tokens(user)).pk, reason="before")
        return user

    one, many = prepare("one"), prepare("many")
    RevocationEvent.objects.all().delete()
    revoke_user(one, reason="now", actor=one)
    revoke_users([many], reason="now", actor=one)
    facts = ("scope", "cutoff", "expires_at", "reason", "actor", "created_at")
    first, second = RevocationEvent.objects.filter(scope="user").order_by("pk").values(*facts)
    assert first == second
    ended = ("started_at", "revoked_at", "revoked_reason")
    rows = [sorted(UserSession.objects.filter(user=user).values_list(*ended), key=str) for user in (one, many)]
    assert rows[0] == rows[1]


def test_a_cutoff_of_many_only_moves_forward(make_user, clock):
    users = [make_user("alice"), make_user("bob")]
    for user in users:
        revoke_user(user)
    clock.shift(-3600)
    before = [cutoff.read(cutoff.users_with_cutoff().get(pk=user.pk)) for user in users]
    revoke_users(users)
    after = [cutoff.read(cutoff.users_with_cutoff().get(pk=user.pk)) for user in users]
    assert after == [moment + US for moment in before]


def test_a_user_who_is_gone_is_revoked_on_the_record_alone(user, make_user):
    gone = get_user_model()(pk=user.pk)
    user.delete()
    assert revoke_user(gone, reason="late").sessions_revoked == 0
    assert RevocationEvent.objects.filter(scope="user", reason="late").exists()
    bob = make_user("bob")
    moment = revoke_user(bob).tokens_valid_after
    assert cutoff.read(cutoff.users_with_cutoff().get()) == moment


def test_of_many_no_user_is_created(make_user, monkeypatch):
    """Django can't do it where the user model inherits from another table."""
    created, bulk_create = [], QuerySet.bulk_create

    def watch(self, rows, **options):
        created.append(self.model)
        return bulk_create(self, rows, **options)

    monkeypatch.setattr(QuerySet, "bulk_create", watch)
    revoke_users([make_user("bob"), make_user("carol")])
    assert RevocationEvent in created
    assert get_user_model() not in created


def test_of_many_a_user_who_is_gone_is_passed_over_and_one_who_comes_twice_counts_once(make_user):
    alice, bob = make_user("alice"), make_user("bob")
    get_user_model()._base_manager.filter(pk=bob.pk)._raw_delete("default")
    assert revoke_users([alice, bob, alice]).users_revoked == 1
    assert RevocationEvent.objects.get().subject == str(alice.pk)
    assert revoke_users([]).users_revoked == 0
    assert RevocationEvent.objects.count() == 1


def test_more_users_than_one_batch_are_revoked(client, make_user, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    users = [make_user(f"user{number}") for number in range(5)]
    pairs = [client.tokens(user) for user in users]
    done = revoke_users(get_user_model().objects.order_by("pk").iterator(), reason="all of them")
    assert (done.users_revoked, done.sessions_revoked) == (5, 5)
    assert all(client.is_dead(pair) for pair in pairs)


@pytest.mark.django_db(transaction=True)
def test_of_many_an_error_undoes_its_batch_and_none_before(client, make_user, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 1)
    users = [make_user("alice"), make_user("bob")]
    pairs = [client.tokens(user) for user in users]

    def one_and_an_error():
        yield users[0]
        raise LookupError

    with pytest.raises(LookupError):
        revoke_users(one_and_an_error())
    assert [client.is_dead(pair) for pair in pairs] == [True, False]


# An earlier moment


def test_an_earlier_moment_spares_what_began_later(client, user, clock):
    old = client.tokens(user)
    clock.shift(60)
    moment = timezone.now()
    clock.shift(60)
    new = client.tokens(user)
    done = revoke_user(user, at=moment)
    assert (done.tokens_valid_after, done.sessions_revoked) == (moment, 1)
    assert client.is_dead(old)
    assert not client.is_dead(new)


def test_a_moment_that_a_session_began_in_spares_it(client, user):
    pair = client.tokens(user)
    assert revoke_user(user, at=timezone.now()).sessions_revoked == 0
    assert not client.is_dead(pair)
    assert revoke_user(user, at=timezone.now()).tokens_valid_after == timezone.now()


def test_an_earlier_moment_than_the_last_one_changes_nothing(client, user):
    pair = client.tokens(user)
    last = revoke_user(user).tokens_valid_after
    assert revoke_user(user, at=timezone.now() - MINUTE).tokens_valid_after == last
    assert client.is_dead(pair)


def test_a_moment_in_the_future_is_refused_and_locks_nobody_out(client, user):
    pair = client.tokens(user)
    with pytest.raises(ValueError, match="future"):
        revoke_user(user, at=timezone.now() + US)
    assert not client.is_dead(pair)
    assert not RevocationEvent.objects.exists()


def test_a_moment_without_a_time_zone_is_refused(user):
    with pytest.raises((TypeError, ValueError)):
        revoke_user(user, at=datetime(2026, 5, 1))  # noqa: DTZ001


# Everything


def test_everything_is_refused_with_one_event_and_no_row_touched(client, user, make_user):
    pairs = [client.tokens(user), client.tokens(make_user("bob"))]
    before = list(UserSession.objects.order_by("pk").values())
    cutoff = revoke_all(reason="leak", actor=user)
    assert list(UserSession.objects.order_by("pk").values()) == before
    event = RevocationEvent.objects.get()
    assert (event.scope, event.cutoff, event.expires_at) == ("all", cutoff, None)
    assert all(client.is_dead(pair) for pair in pairs)
    assert client.bearer(client.tokens(user)["access_token"]).get("/auth/sessions/").json()["results"][0]["current"]


def test_a_cutoff_of_everybody_and_one_of_the_user_do_not_hide_each_other(client, user, clock):
    revoke_all()
    clock.shift(60)
    pair = client.tokens(user)
    revoke_user(user)
    assert client.is_dead(pair)
    pair = client.tokens(user)
    assert client.get_me(pair["access_token"]).status_code == 200
    revoke_all()
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))


# Signals


def test_each_operation_is_announced_after_the_commit(client, user, heard, django_capture_on_commit_callbacks):
    sid = session_of(client.tokens(user)).pk
    with django_capture_on_commit_callbacks() as callbacks:
        revoke_session(sid)
        done = revoke_user(user)
        cutoff = revoke_all()
    assert heard == []
    for callback in callbacks:
        callback()
    assert [signal for signal, _ in heard] == [signals.session_revoked, signals.user_revoked, signals.all_revoked]
    (_, session), (_, of_user), (_, of_all) = heard
    assert session["session_id"] == sid
    assert (of_user["user_id"], of_user["cutoff"]) == (user.pk, done.tokens_valid_after)
    assert of_user["sessions_revoked"] == done.sessions_revoked == 0
    assert of_all["cutoff"] == cutoff
    assert {arguments["event"].pk for _, arguments in heard} == set(
        RevocationEvent.objects.values_list("pk", flat=True)
    )


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_is_rolled_back_revokes_nothing_and_announces_nothing(client, user, heard):
    pair = client.tokens(user)
    try:
        with transaction.atomic():
            revoke_user(user)
            raise LookupError
    except LookupError:
        pass
    assert heard == []
    assert not RevocationEvent.objects.exists()
    assert not client.is_dead(pair)


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_stops_nothing(client, user, heard):
    def fail(**kwargs):
        raise LookupError

    pair = client.tokens(user)
    signals.user_revoked.connect(fail)
    try:
        revoke_user(user)
    finally:
        signals.user_revoked.disconnect(fail)
    assert [signal for signal, _ in heard] == [signals.user_revoked]
    assert client.is_dead(pair)


def test_the_record_outlives_the_user(user, make_user):
    pk = str(user.pk)
    user.delete()
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.reason) == ("user", pk, "user deleted")
    assert not get_user_model().objects.filter(pk=pk).exists()
