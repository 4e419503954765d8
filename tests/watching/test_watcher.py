"""The watcher tells all holders on a loop, and only those, whatever else the loop and the database do."""

import asyncio
import gc
import threading
import weakref
from dataclasses import replace
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections
from django.db.backends.signals import connection_created
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InactivePrincipalError,
    InvalidTokenError,
    RevocationUnavailableError,
    RevokedTokenError,
    UnavailableError,
)
from jwt_auth.models import UserSession
from jwt_auth.process.blocking import about_to_block
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.revocation.events import make_event
from jwt_auth.revocation.memory import view
from jwt_auth.watching import Watch, rows, watcher
from tests.support.other_processes import by_another_process
from tests.support.outages import GONE

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("mode")]


@pytest.fixture(autouse=True)
def _short_ticks(monkeypatch):
    monkeypatch.setattr(watcher, "tick", lambda: 0.005)


class Database:
    """The readings of the list, and all queries, in whichever thread; both can be made to fail."""

    def __init__(self):
        self.asked = []
        self.is_down = False

    def ask(self, what):
        self.asked.append(what)
        if self.is_down:
            raise OperationalError(GONE)


@pytest.fixture
def database(monkeypatch, db):
    database, read = Database(), view.View._read

    def read_list(self, now):
        database.ask("the list")
        read(self, now)

    def execute(execute, sql, *arguments):
        database.ask(sql)
        return execute(sql, *arguments)

    def wrap(connection, **_):
        if execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(execute)
            wrapped.append(connection)

    wrapped = []
    monkeypatch.setattr(view.View, "_read", read_list)
    connection_created.connect(wrap)  # those of the watcher's threads
    wrap(connections["default"])
    yield database
    connection_created.disconnect(wrap)
    for each in wrapped:
        each.execute_wrappers.remove(execute)


async def until(is_so):
    """Wait until a condition is met; a busy machine may take long."""
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.01)


async def ticks_pass(number=10):
    """Let the watcher look this often at least."""
    for _ in range(number):
        await asyncio.sleep(0.01)


def test_of_hundreds_exactly_the_right_ones_are_told(run, mode, make_user, monkeypatch):
    """Revoked in another process: all are found in one reading of the list."""
    users = [make_user(f"user{number}") for number in range(10)]
    pairs = [sessions.start(user) for user in users]
    number = 300 if mode == "memory" else 100  # there, each verification is a query
    watches = [Watch(pairs[place % 10].access_token) for place in range(number)]

    async def hold():
        endings = [watch.ending() for watch in watches]
        await ticks_pass()
        assert not any(ending.done() for ending in endings)

        def revoke():
            with by_another_process(monkeypatch):
                revoke_user(users[3])
                revoke_session(pairs[7].session_id)

        await sync_to_async(revoke)()
        expected = {place for place in range(number) if place % 10 in (3, 7)}
        reasons = await asyncio.gather(*(endings[place] for place in expected))
        assert {type(reason) for reason in reasons} == {RevokedTokenError}
        await ticks_pass()
        return {place for place, ending in enumerate(endings) if ending.done()} == expected

    assert run(hold())


def test_while_nothing_is_due_nothing_is_asked(run, ticks, pair, database):
    watch = Watch(pair.access_token)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        assert database.asked
        database.asked.clear()
        await ticks_pass()
        return ending.done()

    assert not run(hold())
    assert not database.asked


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_rows_of_many_are_read_together_and_in_time(run, mode, ticks, user, database, monkeypatch):
    monkeypatch.setattr(rows, "BATCH", 20)
    pairs = [sessions.start(user) for _ in range(21)]
    watches = [Watch(pair.access_token) for pair in pairs]

    async def hold():
        endings = [watch.ending() for watch in watches]
        await ticks_pass()
        gone = UserSession.objects.filter(pk=pairs[5].session_id)
        await sync_to_async(gone.update)(revoked_at=timezone.now())
        ticks.forward(22)
        await ticks_pass()
        assert not endings[5].done()
        database.asked.clear()
        ticks.forward(1)
        reason = await endings[5]
        await ticks_pass()
        return reason, sum(ending.done() for ending in endings)

    reason, ended = run(hold())
    assert (type(reason), ended) == (RevokedTokenError, 1)
    assert sum("auth_hash" in sql for sql in database.asked) == 2  # of 20 sessions and of 1


def test_expiry_and_renewal(run, clock, ticks, pair):
    watch = Watch(pair.access_token)

    async def hold():
        ending = watch.ending()
        clock.shift(200)
        await watch.arenew((await sync_to_async(sessions.refresh)(pair.refresh_token)).access_token)
        clock.shift(200)
        await ticks_pass()
        assert not ending.done()
        clock.shift(200)
        return await ending

    assert isinstance(run(hold()), ExpiredTokenError)


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_in_an_outage_the_setting_decides(run, ticks, jwt_settings, pair, monkeypatch, on_stale, database):
    jwt_settings(REVOCATION_ON_STALE=on_stale)
    watch = Watch(pair.access_token)

    async def hold():
        ending = watch.ending()
        await ticks_pass()

        def revoke():
            with by_another_process(monkeypatch):
                revoke_session(pair.session_id)

        await sync_to_async(revoke)()
        database.is_down = True
        ticks.forward(2)
        if on_stale == "deny":
            return await ending
        for _ in range(20):
            ticks.forward(2)
            await ticks_pass(1)
        assert not ending.done()
        database.is_down = False
        ticks.forward(2)
        return await ending

    assert type(run(hold())) is (RevocationUnavailableError if on_stale == "deny" else RevokedTokenError)


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_a_database_that_hangs_holds_nothing_up(run, ticks, clock, jwt_settings, pair, monkeypatch, on_stale):
    jwt_settings(REVOCATION_ON_STALE=on_stale)
    monkeypatch.setattr(watcher, "PATIENCE", 0.05)
    watch, released = Watch(pair.access_token), threading.Event()
    watch.check()
    read = view.View._read

    def hang(self, now):
        released.wait(20)
        read(self, now)

    monkeypatch.setattr(view.View, "_read", hang)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        ticks.forward(2)
        try:
            if on_stale == "deny":
                return await ending
            await ticks_pass(30)
            assert not ending.done()
            clock.shift(400)
            return await ending
        finally:
            released.set()

    assert type(run(hold())) is (RevocationUnavailableError if on_stale == "deny" else ExpiredTokenError)


@pytest.fixture
def threads(monkeypatch):
    """Have the watcher use its threads, as it does unless the database lives in the memory of the process."""
    monkeypatch.setattr(watcher, "is_private_to_process", lambda alias: False)


@pytest.mark.usefixtures("threads")
def test_the_project_may_block_the_thread_of_all_calls(run, ticks, pair, monkeypatch):
    """As database_sync_to_async of Channels does: one thread serves all consumers of a process."""
    watch, released, asked = Watch(pair.access_token), threading.Event(), threading.Event()
    watch.check()
    monkeypatch.setattr(watcher, "ask_rows_of", lambda due, now: (about_to_block(), asked.set()))

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        blocking = asyncio.ensure_future(sync_to_async(released.wait)(20))
        watch._watched.rows_due_at = 0
        await until(asked.is_set)
        is_asked = asked.is_set() and not blocking.done()
        released.set()
        await blocking
        ending.cancel()
        return is_asked

    assert run(hold())


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_rows_that_cant_be_read_because_a_query_hangs(run, ticks, jwt_settings, pair, monkeypatch, on_stale):
    """The list can be read meanwhile: somebody has locked the other tables."""
    jwt_settings(REVOCATION_ON_STALE=on_stale)
    monkeypatch.setattr(watcher, "PATIENCE", 0.05)
    watch, released = Watch(pair.access_token), threading.Event()
    watch.check()
    asked = []

    def hang(due, now):
        about_to_block()
        asked.append(due)
        released.wait(20)

    monkeypatch.setattr(watcher, "ask_rows_of", hang)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        watch._watched.rows_due_at = 0
        ticks.forward(0.1)
        await until(lambda: asked)
        await ticks_pass()
        assert (len(asked), ending.done()) == (1, False)  # the last answer is not too old yet
        watch._watched.stale_at = 0
        try:
            await (until(ending.done) if on_stale == "deny" else ticks_pass(20))
            return type(ending.result()) if ending.done() else None
        finally:
            ending.cancel()
            released.set()

    assert run(hold()) is (RevocationUnavailableError if on_stale == "deny" else None)


@pytest.mark.usefixtures("threads")
def test_rows_that_take_long_delay_no_others(run, pair, monkeypatch):
    """Such as those that a slow PRINCIPAL is asked for."""
    watches, released, asked = [Watch(pair.access_token) for _ in range(2)], threading.Event(), []
    slow, quick = (watch._watched for watch in watches)

    def read(due, now):
        about_to_block()
        asked.append(due)
        if slow in due:
            released.wait(20)

    monkeypatch.setattr(watcher, "ask_rows_of", read)

    async def hold():
        endings = [watch.ending() for watch in watches]
        await ticks_pass()
        slow.has_single_rows = True
        slow.rows_due_at = 0
        await until(lambda: [slow] in asked)
        quick.rows_due_at = 0
        await until(lambda: [quick] in asked)
        assert not released.is_set()
        released.set()
        for ending in endings:
            ending.cancel()
        return [slow] in asked, [quick] in asked

    assert run(hold()) == (True, True)


@pytest.mark.usefixtures("threads")
def test_tokens_that_have_to_wait_delay_no_others(run, pair, monkeypatch):
    """Those of an issuer whose server hangs."""
    watches, judging, released = [Watch(pair.access_token) for _ in range(2)], threading.Event(), threading.Event()
    hanging = watches[0]._watched
    watches[0].check()
    judge = type(hanging).judge

    def judge_slowly(self, now):
        if self is hanging:
            about_to_block()
            judging.set()
            released.wait(20)
        judge(self, now)

    async def hold():
        endings = [watch.ending() for watch in watches]
        await ticks_pass()
        monkeypatch.setattr(type(hanging), "judge", judge_slowly)
        hanging.due_at = 0
        await until(judging.is_set)
        await sync_to_async(revoke_session)(pair.session_id)
        await until(endings[1].done)
        are_over = [ending.done() for ending in endings]
        released.set()
        await asyncio.gather(*endings)
        return are_over

    assert run(hold()) == [False, True]


@pytest.mark.usefixtures("threads")
def test_a_fault_ends_no_watch_that_begins_later(run, pair, monkeypatch):
    watch = Watch(pair.access_token)
    watch.check()

    def fail(self, now):
        about_to_block()
        raise ZeroDivisionError

    async def hold():
        with monkeypatch.context() as patch:
            patch.setattr(type(watch._watched), "judge", fail)
            with pytest.raises(ZeroDivisionError):
                await watch.ended()
        ending = watch.ending()
        await ticks_pass()
        is_over = ending.done()
        ending.cancel()
        return is_over

    assert not run(hold())


@pytest.mark.usefixtures("threads")
def test_a_token_that_is_renewed_while_it_is_judged_is_not_ended(run, clock, pair, monkeypatch):
    """It expires while a thread judges it, and its client has just sent the next one."""
    watch, judging, released = Watch(pair.access_token), threading.Event(), threading.Event()
    watch.check()
    judge = watcher._judge

    def judge_slowly(some):
        about_to_block()
        ended = judge(some)[0]
        judging.set()
        released.wait(20)
        return ended

    monkeypatch.setattr(watcher, "_judge", lambda some: ([], list(some)))
    monkeypatch.setattr(watcher, "_judge_and_wait", judge_slowly)

    async def hold():
        later = await sync_to_async(sessions.refresh)(pair.refresh_token)
        claims = watch.verified.claims
        token = watch._watched.token
        watch._watched.token = token._replace(
            verified=token.verified._replace(claims=replace(claims, exp=claims.exp - 1000, iat=claims.iat - 1000))
        )
        ending = watch.ending()
        await until(judging.is_set)
        await watch.arenew(later.access_token)
        monkeypatch.setattr(watcher, "_judge", judge)
        released.set()
        await ticks_pass()
        is_over = ending.done()
        ending.cancel()
        return is_over

    assert not run(hold())


def test_a_stream_ends_even_while_a_check_of_it_hangs(run, pair, monkeypatch):
    watch, released = Watch(pair.access_token), threading.Event()

    def hang(self, now=None):
        about_to_block()
        released.wait(20)

    async def source():
        yield 1

    async def hold():
        await ticks_pass(3)
        monkeypatch.setattr(Watch, "check", hang)
        stream = asyncio.ensure_future(collect(watch.until_ended(source())))
        await ticks_pass(3)
        watcher.watcher()._end([(watch._watched, ExpiredTokenError("over"))])
        await ticks_pass()
        is_over = stream.done()
        released.set()
        return is_over, await stream

    assert asyncio.run(hold()) == (True, [])


@pytest.mark.parametrize("mode", ["database"], indirect=True)
def test_holders_that_pass_much_on_leave_the_rows_to_the_watcher(run, ticks, pair, database, monkeypatch):
    watch = Watch(pair.access_token)
    monkeypatch.setattr(watcher, "ask_rows_of", lambda due, now: None)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        ticks.forward(23)
        await ticks_pass()
        database.asked.clear()
        await watch.acheck()
        in_time = list(database.asked)
        ticks.forward(7.1)
        await watch.acheck()
        too_late = list(database.asked)
        ending.cancel()
        await ticks_pass(3)
        database.asked.clear()
        ticks.forward(23)
        await watch.acheck()  # nobody else asks now
        return [any("auth_hash" in sql for sql in asked) for asked in (in_time, too_late, database.asked)]

    assert run(hold()) == [False, True, True]


def test_nothing_is_passed_on_after_a_delay_of_the_loop(run, pair):
    """The loop is blocked while the session ends: no task has closed anything before the next item comes."""
    watch = Watch(pair.access_token)

    async def source():
        yield "before"
        other = threading.Thread(target=end_session)
        other.start()
        other.join()
        yield "after"

    def end_session():
        view.learn([event])

    event = event_of(pair)

    async def hold():
        return [item async for item in watch.until_ended(source())]

    assert run(hold()) == ["before"]


def passed_on(run, watch, source):
    """Return the items that were passed on; the watcher has its first look after the first of them."""
    items = []

    async def hold():
        async for item in watch.until_ended(source()):
            items.append(item)
            await asyncio.sleep(0.01)

    run(hold())
    return items


def test_an_item_is_not_passed_on_although_the_watcher_has_not_looked_yet(run, pair, monkeypatch):
    watch = Watch(pair.access_token)
    monkeypatch.setattr(watcher, "tick", lambda: 60)

    async def source():
        yield "before"
        view.learn([event])
        yield "after"

    event = event_of(pair)

    assert passed_on(run, watch, source) == ["before"]


def test_an_item_is_not_passed_on_if_the_check_had_to_wait_and_refuses(run, ticks, pair, monkeypatch):
    watch = Watch(pair.access_token)
    monkeypatch.setattr(watcher, "tick", lambda: 60)

    async def source():
        yield "before"
        await sync_to_async(revoke_session)(pair.session_id)
        ticks.forward(60)  # the list is too old
        yield "after"

    assert passed_on(run, watch, source) == ["before"]


def event_of(pair):
    now = timezone.now()
    end = now + timedelta(hours=1)
    return make_event("session", pair.session_id.hex, now=now, expires_at=end, reason="", actor=None)


class Source:
    """Items without end, which notes that it was closed."""

    def __init__(self):
        self.is_closed = False

    async def items(self):
        try:
            for number in range(10**6):
                yield number
                await asyncio.sleep(0 if number < 3 else 60)
        finally:
            self.is_closed = True


def test_a_stream_ends_with_the_session_and_closes_its_source(run, pair):
    watch, source = Watch(pair.access_token), Source()

    async def hold():
        seen = []
        async for item in watch.until_ended(source.items()):
            seen.append(item)
            if item == 3:
                await sync_to_async(revoke_session)(pair.session_id)
        return seen

    assert run(hold()) == [0, 1, 2, 3]
    assert source.is_closed
    with pytest.raises(RevokedTokenError):
        watch.check()


def test_a_stream_ends_with_its_source(run, pair):
    class Two:
        """An iterator that is no generator."""

        left = 2

        def __aiter__(self):
            return self

        async def __anext__(self):
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    async def hold():
        watch = await Watch.averify(pair.access_token, load_user=False)
        return [item async for item in watch.until_ended(Two())], watcher.watcher()._waiting

    assert run(hold()) == ([1, 0], {})


def test_an_error_of_the_source_is_passed_on(run, pair):
    async def source():
        yield 1
        raise InvalidTokenError("an error of the source's own")

    async def hold():
        watch = await Watch.averify(pair.access_token)
        return [item async for item in watch.until_ended(source())]

    with pytest.raises(InvalidTokenError, match="own"):
        run(hold())


def test_an_error_of_the_source_at_the_end_of_the_token_is_no_error(run, pair):
    async def source(watch):
        yield 1
        await watch.ended()
        raise ValueError("the source has noticed the end at the same moment")

    async def hold():
        watch = await Watch.averify(pair.access_token)
        stream = watch.until_ended(source(watch))
        assert await anext(stream) == 1
        rest = asyncio.ensure_future(collect(stream))
        await ticks_pass(3)
        await sync_to_async(revoke_session)(pair.session_id)
        return await rest

    assert run(hold()) == []


def test_who_waits_no_longer_is_not_told(run, pair):
    watch, reason = Watch(pair.access_token), ExpiredTokenError("over")

    async def hold():
        first, second = watch.ending(), watch.ending()
        first.cancel()
        watcher.watcher()._end([(watch._watched, reason)])
        return await second, first.cancelled()

    assert run(hold()) == (reason, True)


def test_a_stream_that_is_left_closes_its_source(run, pair):
    source = Source()

    async def hold():
        watch = await Watch.averify(pair.access_token)
        stream = watch.until_ended(source.items())
        assert await anext(stream) == 0
        reading = asyncio.ensure_future(collect(stream))
        await ticks_pass(3)
        reading.cancel()
        await asyncio.wait([reading])
        await stream.aclose()
        await ticks_pass(3)
        return watcher.watcher()._waiting, watcher.watcher()._task

    assert run(hold()) == ({}, None)
    assert source.is_closed


async def collect(stream):
    return [item async for item in stream]


def test_the_watcher_ends_with_the_last_holder_and_begins_again(run, pair):
    watch = Watch(pair.access_token)

    async def hold():
        first, second = watch.ending(), watch.ending()
        task = watcher.watcher()._task
        first.cancel()
        await ticks_pass()
        assert not task.done()
        second.cancel()
        await ticks_pass()
        assert task.done()
        waiting = asyncio.ensure_future(watch.ended())
        await ticks_pass(3)
        await sync_to_async(revoke_session)(pair.session_id)
        return await waiting

    assert isinstance(run(hold()), RevokedTokenError)


def test_no_watch_outlives_its_holder(run, pair):
    async def hold():
        watch = await Watch.averify(pair.access_token)
        gone = weakref.ref(watch)
        watch.ending().cancel()
        await ticks_pass()
        del watch
        gc.collect()
        return gone()

    assert run(hold()) is None


def test_a_loop_that_stops_leaves_nobody_waiting(pair):
    watch = Watch(pair.access_token)

    async def hold():
        watch.ending()
        await asyncio.sleep(0)
        return watch.ending()

    ending = asyncio.run(hold())
    assert isinstance(ending.result(), UnavailableError)


def test_a_loop_that_is_closed_early_is_forgotten():
    async def hold(loop):
        watcher.watcher()._mark = loop  # stands for tasks and futures that nobody has cancelled

    def close_early():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(hold(loop))
        loop.close()
        return weakref.ref(loop)

    closed, still_open = close_early(), asyncio.new_event_loop()
    still_open.run_until_complete(hold(still_open))
    asyncio.run(hold(None))
    gc.collect()
    assert closed() is None

    async def mark():
        return watcher.watcher()._mark

    assert still_open.run_until_complete(mark()) is still_open
    still_open.close()


def test_a_fault_is_not_taken_for_a_good_token(run, pair, monkeypatch):
    watch = Watch(pair.access_token)
    monkeypatch.setattr(type(watch._watched), "judge", lambda self, now: 1 / 0)

    async def hold():
        await watch.ended()

    with pytest.raises(ZeroDivisionError):
        run(hold())


def test_a_fault_of_the_projects_principal_is_not_taken_for_a_good_token(run, ticks, monkeypatch, pair):
    watch = Watch(pair.access_token)
    monkeypatch.setattr(watcher, "ask_rows_of", lambda due, now: 1 / 0)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        watch._watched.rows_due_at = 0
        await ending

    with pytest.raises(ZeroDivisionError):
        run(hold())


def test_a_user_who_is_no_longer_active_by_raw_sql(run, ticks, mode, user, pair):
    if mode == "memory":
        return  # nor do requests notice it
    watch = Watch(pair.access_token)

    async def hold():
        ending = watch.ending()
        await ticks_pass()
        await sync_to_async(get_user_model().objects.filter(pk=user.pk).update)(is_active=False)
        ticks.forward(25)
        return await ending

    assert isinstance(run(hold()), InactivePrincipalError)


def test_the_user_is_loaded_or_awaited(run, user, pair):
    async def hold():
        loaded = await Watch.averify(pair.access_token)
        other = await Watch.averify(pair.access_token, load_user=False)
        return loaded.verified.user.get_username(), (await other.verified.auser()).get_username()

    assert run(hold()) == (user.get_username(),) * 2


def test_each_tenant_has_its_own_tables(run, pair, monkeypatch):
    monkeypatch.setattr("jwt_auth.watching.watch.has_tenants", lambda: True)
    watch = Watch(pair.access_token)

    async def hold():
        watch.ending()

    with pytest.raises(RuntimeError, match="one tenant"):
        run(hold())
