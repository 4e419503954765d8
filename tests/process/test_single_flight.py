"""A lock whose waiters give up when its holder has had enough time."""

from concurrent.futures import ThreadPoolExecutor, wait
from time import monotonic

import pytest

from jwt_auth.process.single_flight import SingleFlight
from tests.support.clocks import Ticks

AGES = 60  # seconds, after which a test that is stuck goes on, and fails


def test_one_is_at_it_and_others_are_not():
    flight = SingleFlight(Ticks())
    assert flight.acquire()
    assert not flight.acquire()
    flight.release()
    assert flight.acquire()


def test_who_waits_goes_on_when_it_is_done_and_no_sooner():
    flight = SingleFlight(monotonic)
    flight.acquire()

    def take():
        taken = flight.acquire(AGES)
        flight.release()  # the other thread may come second
        return taken

    with ThreadPoolExecutor(2) as pool:
        waiting, next_one = pool.submit(flight.wait, AGES), pool.submit(take)
        assert not wait([waiting, next_one], timeout=0.2).done
        flight.release()
        assert waiting.result(10) is None
        assert next_one.result(10)


@pytest.mark.parametrize("late", [0, 0.5, AGES])
def test_all_wait_for_one_and_the_same_time_which_counts_from_when_it_began(late):
    ticks = Ticks()
    flight = SingleFlight(ticks)
    flight.acquire()
    ticks.forward(AGES + late)
    with ThreadPoolExecutor(20) as pool:
        assert not any(pool.map(lambda _: flight.acquire(AGES), range(20)))
        assert list(pool.map(lambda _: flight.wait(AGES), range(20))) == [None] * 20
    flight.release()
    assert flight.acquire(AGES)  # the control: the lock is free
