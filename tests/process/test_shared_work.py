"""Threads that want the same result at the same time, and how often the work for it is done."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from jwt_auth.process.shared_work import SharedWork
from tests.support.threads import PATIENCE


class Work:
    """Work that begins when it is asked for, and goes on when the test says so. Its results are numbered."""

    def __init__(self):
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.done = 0

    def __call__(self):
        self.done += 1
        number = self.done
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        return number


@pytest.fixture
def pool():
    with ThreadPoolExecutor(20) as pool:
        yield pool


class Key(str):
    """A key that counts the threads that have asked for it."""

    asked = 0

    def __hash__(self):
        self.asked += 1  # under the lock of SharedWork, and twice for a thread that works
        return super().__hash__()


def until_asked(shared, key, times):
    """Wait until `key` was looked up so often, and those threads have let the lock go."""
    for _ in range(PATIENCE * 100):
        with shared._lock:
            if key.asked >= times:
                return
        threading.Event().wait(0.01)
    raise AssertionError("the threads did not ask")


def test_however_many_ask_at_once_it_is_done_twice_at_most(pool):
    shared, work, key = SharedWork(PATIENCE), Work(), Key("a")
    first = pool.submit(shared.result, key, work)
    assert work.begun.wait(PATIENCE)
    others = [pool.submit(shared.result, key, work) for _ in range(12)]
    until_asked(shared, key, 2 + 12)
    work.go_on.set()
    assert first.result(PATIENCE) == 1
    # They asked when it had begun, so that none may have that result: it may lack what they have just heard of.
    assert {other.result(PATIENCE) for other in others} == {2}
    assert shared.result(key, work) == 3


def test_other_work_waits_for_its_turn(pool):
    shared, work, other = SharedWork(PATIENCE), Work(), Work()
    other.go_on.set()
    first = pool.submit(shared.result, "a", work)
    assert work.begun.wait(PATIENCE)
    key = Key("b")
    second = pool.submit(shared.result, key, other)
    until_asked(shared, key, 1)
    assert not other.begun.is_set()
    work.go_on.set()
    assert (first.result(PATIENCE), second.result(PATIENCE)) == (1, 1)


def test_a_failure_is_shared_and_not_kept(pool):
    shared, hold = SharedWork(PATIENCE), Work()

    def fail():
        raise ValueError("no")

    first = pool.submit(shared.result, "other", hold)
    assert hold.begun.wait(PATIENCE)
    key = Key("a")
    failing = [pool.submit(shared.result, key, fail) for _ in range(3)]
    until_asked(shared, key, 3)
    hold.go_on.set()
    first.result(PATIENCE)
    for each in failing:
        with pytest.raises(ValueError, match="no"):
            each.result(PATIENCE)
    assert shared.result("a", lambda: 5) == 5


def test_a_thread_that_is_stopped_while_it_waits_for_its_turn_leaves_nothing_behind(pool, monkeypatch):
    """As by a timeout of a greenlet; before that the next ones would wait for a result that never comes."""
    shared, hold, key = SharedWork(PATIENCE), Work(), Key("a")
    acquire, go_on = shared._turn.acquire, threading.Event()

    def acquire_or_stop(patience):
        if key.asked:
            assert go_on.wait(PATIENCE)
            raise SystemExit
        return acquire(patience)

    monkeypatch.setattr(shared._turn, "acquire", acquire_or_stop)
    stopped = [pool.submit(shared.result, key, hold) for _ in range(2)]
    until_asked(shared, key, 2)
    go_on.set()
    for each in stopped:
        with pytest.raises(SystemExit):
            each.result(PATIENCE)
    assert (hold.done, shared._waiting) == (0, {})
    monkeypatch.undo()
    assert shared.result(key, lambda: 5) == 5


def test_work_that_is_never_done_is_waited_for_only_so_long(pool):
    shared, hanging = SharedWork(0.05), Work()
    first = pool.submit(shared.result, "a", hanging)
    assert hanging.begun.wait(PATIENCE)
    assert shared.result("a", lambda: 7) == 7  # its turn does not come
    shared._waiting["b"] = hung = shared._waiting.setdefault("b", type(first)())
    assert shared.result("b", lambda: 8) == 8  # the result that it waits for does not come
    assert not hung.done()
    hanging.go_on.set()
    assert first.result(PATIENCE) == 1


def test_after_a_fork_it_starts_again():
    shared = SharedWork(PATIENCE)
    shared._turn.acquire()  # as by a thread that does not exist in the child
    shared._lock.acquire()
    shared.let_go()
    assert shared.result("a", lambda: 1) == 1
