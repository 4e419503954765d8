"""Memory mode: requests make no query, and no token is accepted beyond the bound."""

import logging
import threading
import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import TestCase
from django.urls import path
from django.utils import timezone
from rest_framework.permissions import IsAuthenticated
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication
from jwt_auth.conf import lifetimes
from jwt_auth.exceptions import RevocationUnavailableError, RevokedTokenError
from jwt_auth.models import RevocationEvent
from jwt_auth.process import clock as clock_of_the_process
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.revocation.memory import reader, view as memory
from jwt_auth.revocation.verdict import latest
from jwt_auth.revocation.window import REACH
from jwt_auth.signals import user_revoked
from jwt_auth.verification import averify, verify
from tests.support import forge
from tests.support.clocks import NOW
from tests.support.other_processes import end
from tests.support.outages import outage
from tests.support.queries import Queries
from tests.urls import urlpatterns as usual_urls


class OpenToUsers(APIView):
    """A view that requires a user, and reads none of their columns."""

    permission_classes = [IsAuthenticated]
    authentication_classes = [JWTAuthentication]

    def get(self, request):
        return HttpResponse(request.user.pk)

    post = get


class Payment(OpenToUsers):
    authentication_classes = [JWTAuthentication.with_revocation("database")]


urlpatterns = [*usual_urls, path("plain/", OpenToUsers.as_view()), path("payment/", Payment.as_view())]

pytestmark = pytest.mark.urls(__name__)


@pytest.fixture
def plain(client):
    """`plain(pair)` sends a GET to the plain view and returns the status."""

    def get(pair, path="/plain/", method="get"):
        return getattr(client.bearer(pair["access_token"]), method)(path).status_code

    return get


def test_a_request_costs_no_query_and_no_read_of_the_cache(in_memory, plain, pair, client, monkeypatch):
    in_memory()
    assert plain(pair) == 200
    monkeypatch.setattr(cache, "get", None)
    monkeypatch.setattr(cache, "get_many", None)
    with Queries() as queries:
        assert plain(pair) == 200
    assert len(queries) == 0
    with Queries() as queries:
        assert client.get_me(pair["access_token"]).status_code == 200  # reads the user's name
    assert len(queries) == 1


def test_it_is_asked_after_three_quarters_of_the_bound_and_costs_one_query(in_memory, ticks, plain, pair):
    in_memory(REVOCATION_MAX_STALENESS=timedelta(seconds=4))
    plain(pair)
    for forward, asked in ((2.9, 0), (0.2, 1), (2.9, 0), (0.2, 1)):
        ticks.forward(forward)
        with Queries() as queries:
            plain(pair)
        assert queries.of("SELECT") == asked


def test_what_another_process_revokes_is_refused_within_the_bound(in_memory, ticks, plain, pair, client, user):
    in_memory()
    other = client.tokens(user)
    assert plain(pair) == 200
    end(pair)
    ticks.forward(0.7)
    assert plain(pair) == 200
    ticks.forward(0.1)
    assert (plain(pair), plain(other)) == (401, 200)


@pytest.mark.parametrize("scope", ["token", "session", "user", "all", "client"])
def test_each_scope_is_refused_when_another_process_has_revoked_it(
    in_memory, ticks, plain, pair, client, make_user, user, elsewhere, scope
):
    in_memory()
    bob = client.tokens(make_user("bob"))
    assert (plain(pair), plain(bob)) == (200, 200)
    claims = verify(pair["access_token"]).claims
    with elsewhere():
        match scope:
            case "token":
                revoke_token(claims)
            case "session":
                revoke_session(verify(pair["access_token"], ask_database=True).session.pk)
            case "user":
                revoke_user(user)
            case "all":
                revoke_all()
            case "client":
                now = timezone.now()
                RevocationEvent.objects.create(scope="client", subject=claims.client_id, cutoff=now, expires_at=now)
    assert plain(pair) == 200
    ticks.forward(1)
    assert (plain(pair), plain(bob)) == (401, 401 if scope in ("all", "client") else 200)
    assert plain(client.tokens(user)) == 200


def test_a_user_who_is_revoked_again_is_refused_again(in_memory, ticks, plain, client, user, elsewhere):
    in_memory()
    plain(client.tokens(user))
    for _ in range(3):
        pair = client.tokens(user)
        with elsewhere():
            revoke_user(user)
        ticks.forward(1)
        assert plain(pair) == 401


def test_the_process_that_revokes_knows_at_once(in_memory, plain, pair, django_capture_on_commit_callbacks, user):
    in_memory()
    assert plain(pair) == 200
    with django_capture_on_commit_callbacks(execute=True):  # a test does not commit, so no other process is notified
        revoke_user(user)
    assert plain(pair) == 401


@pytest.mark.django_db(transaction=True)
def test_what_is_committed_is_known_to_all_threads_and_nothing_before_it(in_memory, plain, pair, user):
    view = in_memory()
    claims = verify(pair["access_token"]).claims
    seen = []

    def look():
        seen.append(latest(view.last_known_state_of(claims).cutoffs))

    def look_in_another_thread():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    with transaction.atomic():
        done = revoke_user(user)
        look_in_another_thread()
        look()
    look_in_another_thread()
    assert seen == [None, done.tokens_valid_after, done.tokens_valid_after]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("broken", [True, False])
def test_what_is_committed_is_known_though_a_hook_of_the_project_fails(in_memory, plain, pair, user, heard, broken):
    in_memory()
    assert plain(pair) == 200
    sent = heard(user_revoked)

    def hook():
        if broken:
            raise LookupError

    try:
        with transaction.atomic():
            transaction.on_commit(hook)
            revoke_user(user)
    except LookupError:
        assert broken
    assert plain(pair) == 401
    assert len(sent) == 1


@pytest.mark.django_db(transaction=True)
def test_without_autocommit_what_is_committed_is_known_to_all_threads(in_memory, ticks, plain, pair, user):
    """Django then runs no commit hooks, so there is no notification: threads learn of it as of another process."""
    view = in_memory()
    assert plain(pair) == 200
    claims = verify(pair["access_token"]).claims
    seen = []

    def look():
        seen.append(latest(view.last_known_state_of(claims).cutoffs))

    def ask_and_look():
        ticks.forward(1)
        view.state_of(claims)
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    connection.set_autocommit(False)
    try:
        with transaction.atomic():
            done = revoke_user(user)
            ask_and_look()
            look()
        connection.commit()
        look()
        ask_and_look()
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert seen == [None, *[done.tokens_valid_after] * 3]


@pytest.mark.parametrize("warm", [True, False])
def test_what_is_rolled_back_was_never_revoked(in_memory, ticks, plain, pair, user, warm):
    in_memory()
    if warm:  # the transaction then asks for new events, otherwise for all of them
        assert plain(pair) == 200
    try:
        with transaction.atomic():
            revoke_user(user)
            ticks.forward(1)
            assert plain(pair) == 401  # the own transaction knows, and asks the database meanwhile
            raise RuntimeError
    except RuntimeError:
        assert plain(pair) == 200
    ticks.forward(1)
    assert plain(pair) == 200
    revoke_user(user)  # possibly with the number that was rolled back
    assert plain(pair) == 401


class InsideOfTestCase(TestCase):
    """Each test is rolled back, and numbers may be used again."""

    def check(self, revoke):
        from django.contrib.auth import get_user_model

        from jwt_auth.sessions import start

        model = get_user_model()
        user = model._default_manager.create_user(**{model.USERNAME_FIELD: "alice@example.com"}, password="x")
        with self.settings(JWT_AUTH={**self.jwt_auth(), "REVOCATION": "memory"}):
            for _ in range(2):
                raw = start(user).access_token
                assert verify(raw).user.pk == user.pk
                revoke(user)
                with pytest.raises(RevokedTokenError):
                    verify(raw)

    @staticmethod
    def jwt_auth():
        from django.conf import settings

        return settings.JWT_AUTH

    def test_first(self):
        self.check(revoke_user)

    def test_second(self):
        self.check(revoke_user)

    def test_third(self):
        self.check(lambda user: revoke_all())


def test_a_number_that_is_committed_late_is_not_lost(in_memory, ticks, plain, client, user):
    in_memory()
    pairs = [client.tokens(user) for _ in range(4)]
    end(pairs[0], 100)
    assert [plain(pair) for pair in pairs] == [401, 200, 200, 200]
    for pair, number in zip(pairs[1:], (104, 103, 99), strict=True):
        end(pair, number)
        ticks.forward(1)
        assert plain(pair) == 401


@pytest.mark.parametrize("size", [300])
@pytest.mark.parametrize("warm", [True, False])
def test_of_a_large_transaction_that_commits_late_nothing_is_lost(
    in_memory, ticks, plain, client, user, clock, size, warm
):
    """This also holds on a quiet site, where every other event is older than any token."""
    in_memory()
    end(client.tokens(user), 1000)
    clock.shift(lifetimes.longest_life() + timedelta(minutes=1))
    other, first, last = client.tokens(user), client.tokens(user), client.tokens(user)
    if warm:
        assert plain(other) == 200
        ticks.forward(61)  # it is also time to read all unexpired events again
    end(other, 1001 + size)  # of these, 1001 and higher belong to a transaction that is still open
    assert [plain(pair) for pair in (other, first, last)] == [401, 200, 200]
    ticks.forward(1)
    assert [plain(pair) for pair in (first, last)] == [200, 200]
    end(first, 1001)
    end(last, 1000 + size)
    ticks.forward(1)
    assert [plain(pair) for pair in (first, last)] == [401, 401]


@pytest.mark.parametrize("change", ["another row of the same number", "gone"])
def test_a_table_that_is_another_one_is_read_anew(in_memory, ticks, plain, client, user, change):
    in_memory()
    gone, kept = client.tokens(user), client.tokens(user)
    end(gone, 50)
    assert (plain(gone), plain(kept)) == (401, 200)
    RevocationEvent.objects.all().delete()  # as a restored backup does
    end(kept, 50 if change == "another row of the same number" else 20)
    ticks.forward(1)
    assert plain(kept) == 401
    assert plain(gone) == 401  # nothing that was known is dropped before its time


def record_early(pair, ago):
    """Commit the end of a session as a process does that is killed before it can date the event anew."""
    event = end(pair)
    RevocationEvent.objects.filter(pk=event.pk).update(recorded_at=event.recorded_at - ago)


@pytest.mark.parametrize(
    ("ago", "found"), [(REACH - timedelta(seconds=2), True), (REACH + timedelta(seconds=2), False)]
)
def test_what_the_window_does_not_reach_is_found_when_all_unexpired_events_are_read_again(
    in_memory, ticks, plain, client, user, ago, found
):
    in_memory()
    late, other = client.tokens(user), client.tokens(user)
    assert plain(late) == 200
    record_early(late, ago)
    end(other)
    ticks.forward(1)
    assert (plain(late), plain(other)) == (401 if found else 200, 401)
    ticks.forward(61)
    assert plain(late) == 401


def test_a_list_that_is_read_again_costs_little_each_time_and_is_in_use_meanwhile(
    in_memory, ticks, plain, client, user, monkeypatch
):
    monkeypatch.setattr(reader, "PIECE", 3)
    view = in_memory()
    pair = client.tokens(user)
    for _ in range(8):
        end(client.tokens(user))
    assert plain(pair) == 200
    ticks.forward(61)
    asked = []
    for _ in range(4):
        with Queries() as queries:
            assert plain(pair) == 200
        asked.append(queries.of("SELECT"))
        ticks.forward(0.5)
    # The question, and a piece of three events; after the last of them those without an end.
    assert asked == [2, 2, 3, 0]
    assert len(view._list) == 8


def test_a_list_that_takes_long_to_read_judges_nobody_until_it_is_complete(
    in_memory, ticks, plain, client, user, monkeypatch
):
    monkeypatch.setattr(reader, "PIECE", 3)
    monkeypatch.setattr(reader, "PATIENCE", 0.0)
    view = in_memory()
    ended, pair = client.tokens(user), client.tokens(user)
    for _ in range(6):
        end(client.tokens(user))
    end(ended)
    statuses, complete = [], []
    for _ in range(6):
        statuses.append((plain(ended), plain(pair)))
        complete.append(view.was_ever_read)
        ticks.forward(0.01)
    assert statuses == [(401, 200)] * 6
    assert (complete[0], complete[-1]) == (False, True)
    with Queries() as queries:
        assert plain(pair) == 200
    assert len(queries) == 0


@pytest.mark.parametrize("down", [False, True])
def test_while_the_list_is_a_part_others_do_not_wait_and_ask_the_database(
    in_memory, ticks, plain, client, user, monkeypatch, down
):
    monkeypatch.setattr(reader, "PIECE", 1)
    monkeypatch.setattr(reader, "PATIENCE", 0.0)
    view = in_memory()
    pair = client.tokens(user)
    for _ in range(9):
        end(client.tokens(user))
    assert plain(pair) == 200
    assert view._renewal._flight.acquire()  # another thread reads
    try:
        if down:
            with outage():
                assert plain(pair) == 503
        else:
            assert plain(pair) == 200
    finally:
        view._renewal._flight.release()


def test_what_many_transactions_commit_at_once_is_taken_page_by_page(
    in_memory, ticks, plain, client, user, monkeypatch
):
    monkeypatch.setattr(reader, "PIECE", 4)
    view = in_memory()
    pair = client.tokens(user)
    assert plain(pair) == 200
    ended = [client.tokens(user) for _ in range(3)]
    RevocationEvent.objects.bulk_create(
        RevocationEvent(scope="session", subject=f"{number:032x}", expires_at=timezone.now() + timedelta(hours=1))
        for number in range(11)
    )
    for each in ended:
        end(each)
    ticks.forward(1)
    assert [plain(each) for each in (*ended, pair)] == [401] * 3 + [200]
    assert len(view._list) == 14


@pytest.mark.parametrize("microsecond", [250_000, 999_500, 999_999])
@pytest.mark.parametrize("number", [3, 10_000])
def test_without_news_a_question_is_one_query_and_with_news_three(
    in_memory, ticks, plain, client, user, clock, number, microsecond
):
    """The events have the time of the clock, which is stopped: its fraction must not decide."""
    clock.move_to(NOW.replace(microsecond=microsecond))
    in_memory()
    end(client.tokens(user), number)
    kept, late = client.tokens(user), client.tokens(user)
    assert plain(kept) == 200
    end(late, 2)
    ticks.forward(1)
    with Queries() as queries:
        assert (plain(late), plain(kept)) == (401, 200)
    assert queries.of("SELECT") == 3
    ticks.forward(1)
    with Queries() as queries:
        assert (plain(late), plain(kept)) == (401, 200)
    assert queries.of("SELECT") == 1


@pytest.mark.parametrize("suspended", [True, False])
def test_after_a_suspension_the_list_counts_as_old(
    in_memory, ticks, plain, client, user, clock, monkeypatch, suspended
):
    """The monotonic clock stood still meanwhile, and the wall clock tells."""
    monkeypatch.setattr(clock_of_the_process, "_suspensions", clock_of_the_process._Suspensions())
    monkeypatch.setattr(clock_of_the_process, "time", ticks)
    in_memory()
    pair = client.tokens(user)
    assert plain(pair) == 200
    end(pair)
    wall = ticks.now + (3600 if suspended else 0.4)
    monkeypatch.setattr(clock_of_the_process, "time", lambda: wall)
    assert plain(pair) == (401 if suspended else 200)


@pytest.mark.parametrize(
    "longest",
    [
        {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=200)},
        {"CLIENT_TOKEN_MAX_LIFETIME": timedelta(seconds=200)},
        {"SERVICE_AUDIENCES": {"https://two.example.com": {"LIFETIME": timedelta(seconds=200)}}},
    ],
    ids=lambda longest: next(iter(longest)),
)
def test_the_longest_life_is_that_of_any_token_by_any_clock(jwt_settings, ec_settings, longest):
    """One machine's clock is a minute ahead and signs, another's is a minute behind and verifies."""
    minute = timedelta(seconds=60)
    jwt_settings(**{**ec_settings, "ACCESS_TOKEN_LIFETIME": minute, "CLIENT_TOKEN_MAX_LIFETIME": minute, **longest})
    assert lifetimes.longest_life() == timedelta(seconds=200 + 60 + 60 + 1)


def test_what_no_living_token_could_fall_to_is_forgotten(in_memory, ticks, plain, client, user, clock, elsewhere):
    view = in_memory()
    claims = verify(client.tokens(user)["access_token"]).claims
    plain(client.tokens(user))
    with elsewhere():
        revoke_token(claims)
        revoke_user(user)
    end(client.tokens(user))
    ticks.forward(1)
    plain(client.tokens(user))
    assert len(view._list) == 3
    clock.shift(lifetimes.longest_life() - timedelta(seconds=1))
    ticks.forward(61)
    plain(client.tokens(user))
    assert len(view._list) == 3
    clock.shift(timedelta(minutes=1, seconds=2))  # the minute is for small steps of the clock
    ticks.forward(61)
    plain(client.tokens(user))
    assert len(view._list) == 0


def test_the_signing_key_alone_makes_anybody_of_its_thief_but_not_where_the_session_is_asked_for(
    in_memory, plain, client, user, make_user
):
    """This is the price of making no query, as the threat model says."""
    victim = make_user("victim")
    own = client.tokens(user)
    assert plain(own, "/payment/") == 200
    raw = forge.with_claims(own["access_token"], sub=f'"{victim.pk}"', sid=f'"{uuid.uuid4().hex}"')
    forged = {"access_token": raw}
    assert plain(forged) == 401
    in_memory()
    assert plain(forged) == 200
    assert plain(forged, "/payment/") == 401


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_all()])
def test_a_session_that_was_cut_off_is_dead_long_after_the_list_has_forgotten_it(
    in_memory, ticks, plain, client, user, clock, revoke
):
    """Old tokens have expired, and a refresh queries the database: so the list may forget the event."""
    in_memory()
    pair = client.tokens(user)
    assert plain(pair) == 200
    revoke(user)
    for _ in range(5):
        clock.shift(lifetimes.longest_life())
        ticks.forward(61)
        assert plain(pair) == 401
        assert client.refresh(pair["refresh_token"]).status_code == 401
    assert plain(client.tokens(user)) == 200


def test_a_global_cutoff_whose_transaction_stayed_open_for_an_hour_is_known(
    in_memory, ticks, plain, client, user, clock
):
    """It changes no session, so refreshes went on until it was committed."""
    in_memory()
    pair = client.tokens(user)
    began = timezone.now()
    clock.shift(3600)
    pair = client.refresh(pair["refresh_token"]).json()
    assert plain(pair) == 200
    RevocationEvent.objects.create(scope="all", created_at=began, cutoff=began + timedelta(seconds=1))
    ticks.forward(61)
    assert plain(pair) == 401


# When the wall clock is wrong for a while


@pytest.fixture
def revoked(client, user, make_user, elsewhere):
    """Pairs that another process has revoked, each in another way; and bob's, which is not."""

    def revoke():
        alice, carol, dave = client.tokens(user), client.tokens(make_user("carol")), client.tokens(make_user("dave"))
        claims = verify(dave["access_token"], ask_database=True).claims
        with elsewhere():
            revoke_user(user)
            revoke_token(claims)
        end(carol)
        return [alice, carol, dave], client.tokens(make_user("bob"))

    return revoke


def test_what_was_forgotten_while_the_wall_clock_was_ahead_is_known_again_when_it_is_back(
    in_memory, ticks, plain, client, user, clock, revoked
):
    view = in_memory()
    dead, living = revoked()
    assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]
    ahead = lifetimes.longest_life() + timedelta(minutes=3)
    clock.shift(ahead)
    ticks.forward(61)
    assert plain(client.tokens(user)) == 200
    assert len(view._list) == 0
    clock.shift(-ahead)
    ticks.forward(1)
    assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]
    ticks.forward(1)
    with Queries() as queries:
        assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]
    assert queries.of("SELECT") == 1  # it was read anew once


@pytest.mark.parametrize("steps", [1, 4], ids=["at once", "in steps"])
def test_what_was_never_read_because_the_wall_clock_was_ahead_is_read_when_it_is_back(
    in_memory, ticks, plain, client, user, clock, revoked, steps
):
    view = in_memory()
    dead, living = revoked()
    ahead = 2 * lifetimes.longest_life() + timedelta(minutes=3)
    clock.shift(ahead)
    end(client.tokens(user))  # so that the omitted numbers lie below the newest one, and count as read
    assert plain(client.tokens(user)) == 200
    assert len(view._list) == 1
    for _ in range(steps):
        clock.shift(-ahead / steps)
        ticks.forward(1)
        assert plain(client.tokens(user)) == 200
    assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]


def test_a_wall_clock_that_is_put_back_while_the_database_is_down_is_noticed_all_the_same(
    in_memory, ticks, plain, client, user, clock, revoked
):
    in_memory()
    dead, living = revoked()
    assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]
    ahead = lifetimes.longest_life() + timedelta(minutes=3)
    clock.shift(ahead)
    ticks.forward(61)
    assert plain(client.tokens(user)) == 200
    clock.shift(-ahead)
    ticks.forward(2)
    with outage():
        assert [plain(pair) for pair in (*dead, living)] == [503, 503, 503, 503]
    ticks.forward(2)
    assert [plain(pair) for pair in (*dead, living)] == [401, 401, 401, 200]


def test_a_sign_in_after_a_revocation_is_accepted_whatever_the_fraction_of_its_second(
    in_memory, ticks, plain, client, user, clock, elsewhere
):
    in_memory()
    clock.move_to(NOW.replace(microsecond=999_700))
    old = client.tokens(user)
    assert plain(old) == 200
    clock.shift(timedelta(microseconds=100))
    with elsewhere():
        revoke_user(user)
    clock.shift(timedelta(milliseconds=50))
    new = client.tokens(user)
    ticks.forward(1)
    assert (plain(old), plain(new)) == (401, 200)


@pytest.mark.parametrize("step", [timedelta(0), timedelta(seconds=1)])
def test_a_wall_clock_that_stands_or_goes_on_has_nothing_read_anew(in_memory, ticks, plain, client, user, clock, step):
    in_memory()
    pair = client.tokens(user)
    assert plain(pair) == 200
    for _ in range(3):
        clock.shift(step)
        ticks.forward(1)
        with Queries() as queries:
            assert plain(pair) == 200
        assert queries.of("SELECT") == 1


# Outages


def test_an_outage_is_not_felt_within_the_bound_and_refuses_beyond_it(in_memory, ticks, plain, client, pair, caplog):
    in_memory()
    assert plain(pair) == 200
    with outage():
        ticks.forward(0.9)
        assert plain(pair) == 200
        ticks.forward(0.2)
        answer = client.bearer(pair["access_token"]).get("/plain/")
        assert (answer.status_code, answer.json()["code"]) == (503, "revocation_unavailable")
        assert answer["Retry-After"] == "1"
        assert client.send("verify/", {"token": pair["access_token"]}).json()["code"] == "revocation_unavailable"
    ticks.forward(2)
    assert plain(pair) == 200
    told = [record.message for record in caplog.records if "evocations can" in record.message]
    assert [message.partition(":")[0] for message in told] == [
        "Revocations can't be read",
        "Revocations can be read again.",
    ]


def test_a_database_that_is_down_is_not_hammered_and_is_soon_asked_when_it_is_back(
    in_memory, ticks, plain, pair, caplog
):
    in_memory()
    with outage() as tried:
        for _ in range(100):
            assert plain(pair) == 503
        assert len(tried) == 1
        ticks.forward(30)
        for _ in range(100):
            ticks.forward(0.1)
            assert plain(pair) == 503
        assert len(tried) < 20
        ticks.forward(3600)
        assert plain(pair) == 503
    ticks.forward(1)
    assert plain(pair) == 200
    events = [getattr(record, "event", "") for record in caplog.records if record.name == "jwt_auth"]
    assert [event for event in events if event.startswith("revocations")] == [
        "revocations_unread",
        "revocations_read_again",
    ]
    caplog.clear()
    # The next outage is a new one: it is logged, and the pauses start again.
    ticks.forward(2)
    with outage():
        assert plain(pair) == 503
    assert "revocations_unread" in [getattr(record, "event", "") for record in caplog.records]
    ticks.forward(0.05)
    assert plain(pair) == 200


def test_who_wants_can_let_safe_methods_pass_with_what_is_known(in_memory, ticks, plain, client, user, pair):
    in_memory(REVOCATION_ON_STALE="allow_safe_methods")
    with outage():
        assert plain(pair) == 503  # the view was never read
    ticks.forward(1)
    gone = client.tokens(user)
    end(gone)
    assert (plain(pair), plain(gone)) == (200, 401)
    ticks.forward(10)
    with outage():
        assert (plain(pair), plain(gone)) == (200, 401)
        assert (plain(pair, method="head"), plain(pair, method="options")) == (200, 200)
        assert (plain(pair, method="post"), plain(gone, method="post")) == (503, 503)
        assert plain(pair, path="/payment/") == 503


@pytest.mark.usefixtures("impatient")
def test_others_go_on_while_one_asks_and_are_refused_when_that_takes_too_long(in_memory, ticks, plain, pair):
    in_memory()
    assert plain(pair) == 200
    outcomes = []

    def look_meanwhile(execute, sql, params, many, context):
        thread = threading.Thread(target=lambda: outcomes.append(_state_or_error(claims)))
        thread.start()
        thread.join(10)
        ticks.forward(2)
        thread = threading.Thread(target=lambda: outcomes.append(_state_or_error(claims)))
        thread.start()
        thread.join(10)
        return execute(sql, params, many, context)

    claims = verify(pair["access_token"]).claims
    ticks.forward(0.9)
    with connection.execute_wrapper(look_meanwhile):
        _state_or_error(claims)
    assert outcomes[:2] == ["known", "the last revocations known are too old"]


def _state_or_error(claims):
    try:
        memory.state_of(claims)
    except RevocationUnavailableError as error:
        return str(error)
    return "known"


def test_a_failure_of_the_question_does_not_break_the_transaction_that_it_came_in(in_memory, ticks, plain, pair, user):
    in_memory()
    assert plain(pair) == 200
    ticks.forward(0.9)

    def break_the_question(execute, sql, params, many, context):
        return execute(sql.replace("jwt_auth_revocationevent", "no such table"), params, many, context)

    with connection.execute_wrapper(break_the_question), pytest.raises(Exception, match="no such"):
        verify(pair["access_token"])
    assert type(user)._default_manager.filter(pk=user.pk).exists()
    assert plain(pair) == 200


def test_a_fork_begins_with_nothing_and_with_its_own_locks(in_memory, plain, pair):
    view = in_memory()
    assert plain(pair) == 200
    with view._renewal._flight._lock, view._reader._adding:  # as threads do that do not exist in the child
        memory.forget()
        assert plain(pair) == 200


# Views that ask the database


def test_a_view_can_ask_the_database_whatever_the_project_does(in_memory, plain, client, user, pair):
    in_memory()
    assert (plain(pair), plain(pair, "/payment/")) == (200, 200)
    end(pair)
    assert (plain(pair), plain(pair, "/payment/")) == (200, 401)
    other = client.tokens(user)
    type(user)._default_manager.filter(pk=user.pk).update(is_active=False)
    assert (plain(other), plain(other, "/payment/")) == (200, 401)


def test_no_view_can_ask_for_less():
    with pytest.raises(ValueError, match="database"):
        JWTAuthentication.with_revocation("memory")


def test_the_class_for_a_view_is_one_of_its_kind():
    strict = JWTCookieAuthentication.with_revocation("database")
    assert issubclass(strict, JWTCookieAuthentication)
    assert (strict.__name__, strict.__module__) == ("JWTCookieAuthentication", JWTCookieAuthentication.__module__)
    assert (strict.ask_database, JWTCookieAuthentication.ask_database) == (True, False)


@pytest.mark.django_db(transaction=True)
def test_the_async_entry_point_can_ask_for_more_too(in_memory, pair):
    from asgiref.sync import async_to_sync

    in_memory()
    assert async_to_sync(averify)(pair["access_token"]).user.is_active
    end(pair)
    assert async_to_sync(averify)(pair["access_token"])
    with pytest.raises(RevokedTokenError):
        async_to_sync(averify)(pair["access_token"], ask_database=True)


def test_a_project_that_asks_the_database_keeps_no_view(user, pair, jwt_settings, django_capture_on_commit_callbacks):
    revoke_user(user)
    memory.learn(RevocationEvent.objects.all())
    assert not memory.view().was_ever_read


def test_a_process_that_never_asked_learns_everything_when_it_does(in_memory, user, plain, pair, caplog):
    caplog.set_level(logging.ERROR)
    view = in_memory()
    now = timezone.now()
    event = RevocationEvent(id=1, scope="session", subject="x", created_at=now, expires_at=now + timedelta(days=1))
    view.learn([event])
    assert not view.was_ever_read
    assert len(view._list) == 0  # it would grow without end: only readings drop what has expired
    assert plain(pair) == 200
    view.learn([event])
    assert len(view._list) == 1  # the control


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("answered", [1, 2, 3])
def test_a_revocation_during_the_first_reading_is_known_at_once(in_memory, user, plain, pair, answered):
    """The reading may have asked before the commit; so the process must not rely on it."""
    in_memory()
    questions = []

    def revoke_meanwhile(execute, sql, *arguments):
        answer = execute(sql, *arguments)
        questions.append(sql)
        if len(questions) == answered:
            revoke_user(user)
        return answer

    with connection.execute_wrapper(revoke_meanwhile):
        plain(pair)
    assert len(questions) > answered
    assert plain(pair) == 401
