"""Reads of a polled value: the table at the top of `renewal`, and a model of it."""

import threading

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from jwt_auth.process import blocking, renewal as renewals
from jwt_auth.process.renewal import Lease, Renewal, StaleError

LEASE = Lease(due_after=60, stale_after=100)
PAUSES = (1, 8)


class Clock:
    """A clock in seconds that only a test moves."""

    def __init__(self):
        self.now = 1_000.0

    def __call__(self):
        return self.now


class Source:
    """A source of values: it can fail, change, and do something else during a read."""

    def __init__(self, clock):
        self.clock = clock
        self.is_down = False
        self.version = 0
        self.meanwhile = None
        self.readings = []
        self.value = None
        self.log = []
        self.at_it = 0

    def read(self, now):
        assert now == self.clock()
        self.at_it += 1
        try:
            assert self.at_it == 1, "two threads read at once"
            self.readings.append(now)
            found = self.version
            if self.meanwhile:
                self.meanwhile, what = None, self.meanwhile
                what()
            if self.is_down:
                raise OSError("down")
        finally:
            self.at_it -= 1
        self.value = found
        return LEASE

    def renewal(self, **options):
        return Renewal(
            self.read,
            failures=(OSError,),
            pauses=PAUSES,
            failed=lambda error: self.log.append("failed"),
            recovered=lambda: self.log.append("recovered"),
            clock=self.clock,
            **options,
        )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(clock):
    return Source(clock)


@pytest.fixture
def renewal(source):
    return source.renewal()


def in_a_thread(do):
    """Run `do` in a thread of its own to its end, and return the exception that it raised, if any."""
    raised = []

    def run():
        try:
            do()
        except Exception as error:  # noqa: BLE001  # it is looked at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    return raised[0] if raised else None


def test_what_was_never_read_is_read_by_the_first_request(renewal, source):
    assert not renewal.was_ever_read
    renewal.renew()
    assert (renewal.was_ever_read, source.value, source.readings) == (True, 0, [1_000])


def test_a_fresh_value_is_not_read(renewal, source, clock):
    renewal.renew()
    clock.now += 59.9
    renewal.renew()
    assert len(source.readings) == 1
    clock.now += 0.1  # the control
    renewal.renew()
    assert len(source.readings) == 2


def test_while_one_reads_a_due_value_others_use_it(renewal, source, clock):
    renewal.renew()
    clock.now += 60
    source.meanwhile = lambda: outcomes.append(in_a_thread(renewal.renew))
    outcomes = []
    renewal.renew()
    assert (outcomes, len(source.readings)) == ([None], 2)


def test_while_one_reads_a_stale_value_others_wait_for_it(renewal, source, clock):
    renewal.renew()
    clock.now += 100
    waiting, outcomes = threading.Event(), []

    def ask():
        waiting.set()
        renewal.renew()
        outcomes.append(source.value)

    other = threading.Thread(target=ask)

    def meanwhile():
        source.version = 7
        other.start()
        waiting.wait(10)

    source.version, source.meanwhile = 7, meanwhile
    renewal.renew()
    other.join(10)
    assert (outcomes, len(source.readings)) == ([7], 2)


def test_nobody_waits_longer_than_a_moment_for_a_stale_value(renewal, source, clock):
    renewal.renew()
    clock.now += 100

    def meanwhile():
        clock.now += renewals.PATIENCE
        outcomes.append(in_a_thread(renewal.renew))

    outcomes, source.meanwhile = [], meanwhile
    renewal.renew()
    assert [type(error) for error in outcomes] == [StaleError]


def test_a_request_that_has_read_the_value_uses_it_however_long_that_took(renewal, source, clock):
    def take_long():
        clock.now += LEASE.stale_after + 1
        outcomes.append(in_a_thread(renewal.renew))

    outcomes, source.meanwhile = [], take_long
    renewal.renew()
    assert [type(error) for error in outcomes] == [StaleError]  # the control: no other thread may
    renewal.renew()
    assert len(source.readings) == 2


def test_a_failure_leaves_a_due_value_in_use_and_ends_a_stale_one(renewal, source, clock):
    renewal.renew()
    source.is_down = True
    clock.now += 99.9
    renewal.renew()
    clock.now += 0.1
    with pytest.raises(StaleError) as caught:
        renewal.renew()
    assert isinstance(caught.value.__cause__, OSError)


def test_other_errors_are_passed_on_and_keep_nobody_out(renewal, source):
    source.meanwhile = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        renewal.renew()
    renewal.renew()
    assert source.value == 0


def test_pauses_double_up_to_the_longest_and_end_with_the_outage(renewal, source, clock):
    source.is_down = True
    gaps = []
    for _ in range(6):
        before = len(source.readings)
        began = clock.now
        while len(source.readings) == before:
            with pytest.raises(StaleError):
                renewal.renew()
            clock.now += 0.5
        gaps.append(source.readings[-1] - began)
    assert gaps[1:] == [0.5, 1.5, 3.5, 7.5, 7.5]
    source.is_down = False
    clock.now += 8
    renewal.renew()
    assert source.log == ["failed", "recovered"]
    source.is_down = True
    clock.now += 60
    renewal.renew()
    clock.now += 1
    renewal.renew()
    assert source.readings[-1] - source.readings[-2] == 1
    assert source.log == ["failed", "recovered", "failed"]


def test_a_value_that_lacks_something_is_read_again_and_once_for_all(renewal, source, clock):
    renewal.renew()
    attempts = renewal.attempts
    source.version = 1
    renewal.read_again(attempts)
    renewal.read_again(attempts)  # another thread, which had looked before
    assert (source.value, len(source.readings)) == (1, 2)


def test_an_expired_value_is_read_by_the_next_request_even_in_a_pause(renewal, source, clock):
    renewal.renew()
    renewal.expire()
    source.is_down = True
    renewal.renew()
    source.is_down = False
    renewal.renew()
    assert len(source.readings) == 2
    renewal.expire()
    renewal.renew()
    assert len(source.readings) == 3


def test_a_value_that_only_falls_due_waits_for_the_end_of_the_pause(renewal, source, clock):
    renewal.renew()
    renewal.fall_due()
    source.is_down = True
    renewal.renew()
    renewal.fall_due()
    renewal.renew()
    assert len(source.readings) == 2
    clock.now += 1
    renewal.renew()
    assert len(source.readings) == 3


def test_a_change_while_it_is_read_is_not_lost(renewal, source, clock):
    renewal.renew()

    def meanwhile():
        source.version = 1
        renewal.expire()

    clock.now += 60
    source.meanwhile = meanwhile
    renewal.renew()
    assert source.value == 0
    renewal.renew()
    assert source.value == 1


def test_an_owner_that_has_read_by_itself_is_not_asked_to(renewal, source, clock):
    renewal.read()
    clock.now += 59
    renewal.renew()
    assert len(source.readings) == 1
    source.is_down = True
    with pytest.raises(OSError, match="down"):
        renewal.read()


@pytest.fixture
def without_patience(monkeypatch):
    """By the clock of these tests no time passes for threads that wait."""
    monkeypatch.setattr(renewals, "PATIENCE", 0)


@pytest.mark.usefixtures("without_patience")
def test_a_forked_child_goes_on_although_the_lock_was_held(renewal, source, clock):
    renewal.renew()
    clock.now += 100

    def fork():
        source.at_it -= 1  # the parent's read goes on in the parent
        renewal.let_go()
        renewal.renew()
        source.at_it += 1

    source.meanwhile = fork
    renewal.renew()
    assert len(source.readings) == 3


class Machine(RuleBasedStateMachine):
    """
    One process, whose requests come at any time, while the source changes, fails, and is slow.

    The model has no locks and deadlines: it checks how old the value of a request is, how often the source was read,
    and what was logged.
    """

    @initialize()
    def begin(self):
        self.clock = Clock()
        self.source = Source(self.clock)
        self.renewal = self.source.renewal()
        self.began = None  # when the read of the current value began
        self.expired = False
        self.outages = 0  # those in which the source was read
        self.down_since_success = False

    def request(self):
        """Make a request and compare its outcome with the table."""
        readings, began = len(self.source.readings), self.clock.now
        age = None if self.began is None else self.clock.now - self.began
        try:
            self.renewal.renew()
        except StaleError:
            usable = False
        else:
            usable = True
        asked = len(self.source.readings) > readings
        if asked and not self.source.is_down:
            self.began = self.source.readings[-1]
        fresh = age is not None and age < LEASE.due_after and not self.expired
        assert not (fresh and asked), "a fresh value was read"
        if usable:
            fresh_enough = self.clock.now - self.began < LEASE.stale_after or self.began >= began
            assert fresh_enough, "a stale value was used"
        else:
            good_enough = self.began is not None and self.clock.now - self.began < LEASE.stale_after
            assert not good_enough, "a value that is good enough was refused"
        if asked:
            self.down_since_success = self.source.is_down
            self.expired = self.expired and self.source.is_down
        return asked

    @rule(seconds=st.sampled_from([0.125, 0.5, 1, 5, 20, 59, 60, 61, 99, 100, 101, 1_000]))
    def let_time_pass(self, seconds):
        self.clock.now += seconds

    @rule()
    def ask(self):
        self.request()

    @rule()
    def go_down(self):
        self.source.is_down = True

    @rule()
    def come_back(self):
        self.source.is_down = False

    @precondition(lambda self: not self.source.is_down)
    @rule()
    def ask_after_the_longest_pause(self):
        self.clock.now += PAUSES[1]
        self.request()
        assert self.clock.now - self.began < LEASE.due_after or self.expired, "nobody read a due value"

    @rule()
    def change_and_tell(self):
        self.source.version += 1
        self.renewal.expire()
        self.expired = self.began is not None
        self.request()
        if not self.source.is_down:
            assert self.source.value == self.source.version

    @rule()
    def fork_in_the_child(self):
        self.renewal.let_go()

    @rule(seconds=st.sampled_from([0, 0.5, 2, 70, 200]))
    def others_come_while_it_is_read(self, seconds):
        outcomes = []

        def meanwhile():
            self.clock.now += seconds
            outcomes.append(in_a_thread(self.renewal.renew))

        self.source.meanwhile = meanwhile
        known = self.began
        self.request()
        self.source.meanwhile = None
        for outcome in outcomes:  # only the values from before were known by then
            fit = known is not None and self.clock.now - known < LEASE.stale_after
            assert outcome is None if fit else isinstance(outcome, StaleError)

    @invariant()
    def failures_are_bounded_by_pauses(self):
        if not hasattr(self, "source"):
            return
        assert self.source.at_it == 0

    @invariant()
    def an_outage_is_told_of_once(self):
        if hasattr(self, "source"):
            told = ["failed", "recovered"] * len(self.source.log)
            assert self.source.log == told[: len(self.source.log)]


Machine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestModel = pytest.mark.usefixtures("without_patience")(Machine.TestCase)


# Event loops


@pytest.fixture
def work(monkeypatch):
    """The work that other threads are asked to do, which the test does itself, later."""
    asked = []
    monkeypatch.setattr(renewals.workers, "start", asked.append)
    return asked


def do(work):
    """Do the work in a thread of its own."""
    thread = threading.Thread(target=work.pop())
    thread.start()
    thread.join(10)


def on_a_loop(call):
    """Make `call` as on_loop() does it first."""
    token = blocking._is_on_loop.set(True)
    try:
        return call()
    finally:
        blocking._is_on_loop.reset(token)


def test_a_loop_goes_on_with_a_due_value_and_one_other_thread_reads(renewal, source, clock, work):
    renewal.renew()
    clock.now += LEASE.due_after
    for _ in range(3):
        on_a_loop(renewal.renew)
    assert (len(work), len(source.readings)) == (1, 1)
    do(work)
    assert len(source.readings) == 2
    on_a_loop(renewal.renew)
    assert work == []


def test_a_loop_never_waits_for_a_stale_value(renewal, source, clock, work):
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(renewal.renew)
    renewal.renew()
    clock.now += LEASE.stale_after
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(renewal.renew)
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(lambda: renewal.read_again(renewal.attempts))
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(renewal.read)
    assert (work, len(source.readings)) == ([], 1)


def test_during_a_pause_a_loop_needs_no_thread_to_learn_that_the_value_is_stale(renewal, source, clock, work):
    source.is_down = True
    with pytest.raises(StaleError):
        renewal.renew()
    with pytest.raises(StaleError):
        on_a_loop(renewal.renew)
    assert work == []


def test_if_no_other_thread_can_read_the_loop_leaves_a_due_value_to_its_own(source, clock, work):
    renewal = source.renewal(another_can_read=lambda: False)
    renewal.renew()
    on_a_loop(renewal.renew)
    clock.now += LEASE.due_after
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(renewal.renew)
    assert work == []


def test_a_thread_that_was_asked_does_not_read_what_another_one_has_read_meanwhile(renewal, source, clock, work):
    renewal.renew()
    clock.now += LEASE.due_after
    on_a_loop(renewal.renew)
    renewal.attempts += 1  # as if a reading had gone on since the question
    do(work)
    assert len(source.readings) == 1
    renewal.renew()  # the lock is free
    assert len(source.readings) == 2


def test_an_error_that_nobody_is_there_to_get_is_told_of_and_followed_by_a_pause(renewal, source, clock, work):
    def fail():
        raise LookupError("a fault")

    renewal.renew()
    clock.now += LEASE.due_after
    source.meanwhile = fail
    on_a_loop(renewal.renew)
    do(work)
    assert source.log == ["failed"]
    on_a_loop(renewal.renew)
    assert work == []
    clock.now += PAUSES[0]
    on_a_loop(renewal.renew)
    do(work)
    assert source.log == ["failed", "recovered"]


def test_another_thread_leaves_no_connection_open(renewal, clock, work, monkeypatch):
    closed = []
    monkeypatch.setattr(renewals.connections, "close_all", lambda: closed.append(threading.current_thread()))
    renewal.renew()
    clock.now += LEASE.due_after
    on_a_loop(renewal.renew)
    do(work)
    assert len(closed) == 1
    assert closed[0] is not threading.current_thread()


def test_if_no_thread_can_be_started_that_of_the_request_reads(renewal, source, clock, monkeypatch):
    def fail(work):
        raise RuntimeError("can't start new thread")

    renewal.renew()
    clock.now += LEASE.due_after
    monkeypatch.setattr(renewals.workers, "start", fail)
    with pytest.raises(blocking.WouldBlockError):
        on_a_loop(renewal.renew)
    renewal.renew()
    assert len(source.readings) == 2
