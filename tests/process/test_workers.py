"""Threads that do a request's work, and the time for which the request waits."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor, TimeoutError as FutureTimeoutError

import pytest

from jwt_auth.process import workers

LONG = 60  # seconds, after which a test that is stuck goes on, and fails


def done(work):
    return workers.result_of(workers.start(work), LONG)


def test_the_work_is_done_by_another_thread_and_its_result_comes_back():
    assert done(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        done(lambda: 1 / 0)


def test_a_thread_that_is_done_does_the_next_work():
    assert done(threading.get_ident) == done(threading.get_ident)


def test_the_wait_ends_although_the_work_does_not():
    leave = threading.Event()
    future = workers.start(lambda: leave.wait(LONG))
    with pytest.raises(FutureTimeoutError, match="no answer within"):
        workers.result_of(future, 0.01)
    leave.set()
    assert workers.result_of(future, LONG)  # the control: it goes on


def test_a_time_limit_of_the_work_itself_is_an_error_like_others():
    def give_up():
        raise TimeoutError("of the client")

    with pytest.raises(TimeoutError, match="of the client"):
        done(give_up)


def test_only_some_threads_wait_for_more_work():
    number, together = 2 * workers.SPARE, threading.Barrier(2 * workers.SPARE)
    futures = [workers.start(lambda: together.wait(LONG)) for _ in range(number)]
    assert sorted(workers.result_of(future, LONG) for future in futures) == list(range(number))
    assert len(workers._idle) == workers.SPARE


def test_each_of_many_threads_gets_its_own_result():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: done(lambda: number * number), range(400))) == [n * n for n in range(400)]


def test_a_loop_gets_the_result_and_stays_free_meanwhile():
    leave = threading.Event()

    async def wait():
        result = asyncio.ensure_future(workers.aresult_of(workers.start(lambda: leave.wait(LONG))))
        await asyncio.sleep(0.01)
        is_free = not result.done()
        leave.set()
        return is_free, await result

    assert asyncio.run(wait()) == (True, True)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(workers.aresult_of(workers.start(lambda: 1 / 0)))


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_task_that_waits_no_longer_does_the_thread_no_harm(is_closed):
    leave = threading.Event()
    future = workers.start(lambda: leave.wait(LONG))

    async def give_up():
        waiting = asyncio.ensure_future(workers.aresult_of(future))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        if not is_closed:
            leave.set()
            await asyncio.sleep(0.01)
        return waiting.cancelled()

    assert asyncio.run(give_up())
    leave.set()
    assert workers.result_of(future, LONG)
    assert done(lambda: 1) == 1  # the thread still works
