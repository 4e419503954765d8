"""
Threads that do a request's work, so that the request can stop waiting for it.

Many clients of servers have no time limit, or a long one that counts anew for each attempt. Python can't interrupt such
a call, but can leave it to a thread of its own: that thread continues when the server finally answers.

Threads are started when they are needed, never at import. Up to SPARE of them wait for more work. A forked child has
none of its parent's threads, and starts its own.
"""

import asyncio
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

SPARE = 16

# Parts in which a time limit is waited for. A thread that gets no processor time, or a suspended machine, uses up one
# part and not all of them: then the other thread, which is in the same trouble, still gets its share of time to answer.
_PARTS = 10

_idle: "deque[queue.SimpleQueue[Any]]" = deque()
os.register_at_fork(after_in_child=_idle.clear)


def start(work: Callable[[], T]) -> "Future[T]":
    """Have another thread do `work`."""
    future: Future[T] = Future()
    try:
        inbox = _idle.pop()
    except IndexError:
        # By their modules, because gevent replaces these names, possibly after this module was imported.
        inbox = queue.SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name="jwt_auth", daemon=True).start()
    inbox.put((future, work))
    return future


def result_of(future: "Future[T]", limit: float) -> T:
    """
    Return the result of `future`, or raise its error.

    Raises:
        concurrent.futures.TimeoutError: when it is not there after `limit` seconds.
    """
    for _ in range(_PARTS):
        with suppress(FutureTimeoutError):
            return future.result(limit / _PARTS)
        if future.done():  # this was an error of the work itself, or it ended just now
            return future.result()
    raise FutureTimeoutError(f"no answer within {limit} s")


async def aresult_of(future: "Future[T]") -> T:
    """
    Return the result of `future` to an event loop, or raise its error.

    A task that is cancelled while it waits leaves the work alone, which can't be stopped.
    """
    loop = asyncio.get_running_loop()
    is_done = loop.create_future()

    def tell() -> None:
        if not is_done.done():
            is_done.set_result(None)

    def tell_loop(_: "Future[T]") -> None:
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(tell)

    future.add_done_callback(tell_loop)
    await is_done
    return future.result()


def _serve(inbox: "queue.SimpleQueue[Any]") -> None:
    is_spare = True
    while is_spare:
        future, work = inbox.get()
        done = _done(future, work)
        # Before the result is delivered: the thread that gets it may have more work at once.
        is_spare = len(_idle) < SPARE
        if is_spare:
            _idle.append(inbox)
        done()
        del future, work, done  # nothing of the last request is kept until the next one


def _done(future: "Future[T]", work: Callable[[], T]) -> Callable[[], None]:
    """Do the work, and return the function that delivers its result."""
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001  # delivered to the thread that asked
        failure = error
        return lambda: future.set_exception(failure)
    return lambda: future.set_result(result)
