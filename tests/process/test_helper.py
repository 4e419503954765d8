"""A helper that fails or hangs is left alone for a while, and nobody waits for it meanwhile."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from jwt_auth.process import helper as helpers
from jwt_auth.process.helper import LONGEST_PAUSE, PAUSE, CircuitOpenError, Helper, HelperError
from tests.support.clocks import Ticks

LONG = 60  # seconds, after which a test that is stuck goes on, and fails


class Server:
    """A server that answers, fails, or hangs until it is released."""

    def __init__(self):
        self.asked = 0
        self.error = None
        self.running = threading.Event()
        self.running.set()

    def __call__(self):
        self.asked += 1
        self.running.wait(LONG)
        if self.error:
            raise self.error
        return "answer"

    @contextmanager
    def hanging(self):
        self.running.clear()
        try:
            yield
        finally:
            self.running.set()


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def clock():
    return Ticks()


@pytest.fixture
def helper(clock, monkeypatch):
    monkeypatch.setattr(helpers, "LIMIT", 0.05)
    return Helper(clock=clock)


def outcome(helper, server):
    try:
        return helper.call(server)
    except HelperError as error:
        return type(error)


def settle(helper):
    """Wait until all calls that were given up have ended."""
    for _ in range(10_000):
        if not helper._hanging:
            return
        threading.Event().wait(0.001)
    raise AssertionError("a call still hangs")


def test_while_it_answers_each_call_is_made(helper, server):
    assert [outcome(helper, server) for _ in range(3)] == ["answer"] * 3
    assert server.asked == 3


def test_after_an_error_it_is_left_alone_for_a_while_and_then_asked_again(helper, server, clock):
    server.error = ConnectionError("nobody is there")
    with pytest.raises(HelperError, match="nobody is there"):
        helper.call(server)
    server.error = None
    clock.forward(PAUSE - 0.1)
    assert [outcome(helper, server) for _ in range(9)] == [CircuitOpenError] * 9
    assert server.asked == 1
    clock.forward(0.2)
    assert [outcome(helper, server) for _ in range(2)] == ["answer"] * 2


def test_an_error_that_stays_is_met_once_for_each_pause(helper, server, clock):
    server.error = ConnectionError("nobody is there")
    for number in range(1, 4):
        assert [outcome(helper, server) for _ in range(5)] == [HelperError, *[CircuitOpenError] * 4]
        assert server.asked == number
        clock.forward(PAUSE)


def test_a_failure_that_another_part_met_counts_too(helper, server):
    helper.fail(ConnectionError("cut"))
    assert outcome(helper, server) is CircuitOpenError


def test_a_call_that_hangs_is_given_up_and_nobody_waits_after_it(helper, server, clock):
    with server.hanging():
        assert outcome(helper, server) is HelperError
        assert [outcome(helper, server) for _ in range(50)] == [CircuitOpenError] * 50
        assert server.asked == 1
    settle(helper)
    clock.forward(PAUSE)
    assert outcome(helper, server) == "answer"


def test_a_time_limit_of_its_client_is_an_error_and_no_call_that_hangs(helper, server, clock):
    server.error = TimeoutError("of the client")
    assert outcome(helper, server) is HelperError
    server.error = None
    clock.forward(PAUSE)  # a call that hangs would make the pause longer
    assert outcome(helper, server) == "answer"


def test_one_thread_tries_again_and_the_others_do_not_wait_for_it(helper, server, clock, monkeypatch):
    monkeypatch.setattr(helpers, "LIMIT", LONG)
    helper.fail(ConnectionError("gone"))
    clock.forward(PAUSE)
    with ThreadPoolExecutor(1) as pool, server.hanging():
        trying = pool.submit(outcome, helper, server)
        while not server.asked:
            threading.Event().wait(0.001)
        assert [outcome(helper, server) for _ in range(5)] == [CircuitOpenError] * 5
        server.running.set()
        assert trying.result(LONG) == "answer"
    assert outcome(helper, server) == "answer"


def test_calls_that_still_hang_make_the_pause_longer_up_to_a_limit(helper, server, clock):
    with server.hanging():
        for number in range(1, 15):
            assert outcome(helper, server) is HelperError
            clock.forward(min(PAUSE * (1 + number), LONGEST_PAUSE) - 0.1)
            assert outcome(helper, server) is CircuitOpenError
            clock.forward(0.2)
    assert server.asked == 14
    settle(helper)
    clock.forward(PAUSE)
    assert outcome(helper, server) == "answer"


def test_after_a_fork_it_is_asked_by_new_threads(helper, server):
    """As `fork_reset` does it in a child."""
    with server.hanging():
        assert outcome(helper, server) is HelperError
    helpers._all.reset()
    assert helper._hanging == 0
    assert outcome(helper, server) == "answer"
