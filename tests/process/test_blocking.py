"""Calls on an event loop: made there if they need not wait, and else in a thread."""

import threading

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.exceptions import SynchronousOnlyOperation

from jwt_auth.process.blocking import WouldBlockError, about_to_block, may_block, on_loop


def run(call):
    """Return the result of on_loop(call), and the loop's thread."""

    async def await_it():
        return await on_loop(call), threading.current_thread()

    return async_to_sync(await_it)()


def test_a_call_that_need_not_wait_is_made_on_the_loop():
    thread, loop = run(threading.current_thread)
    assert thread is loop


@pytest.mark.parametrize("error", [None, SynchronousOnlyOperation])
def test_a_call_that_would_wait_is_made_again_in_a_thread(error):
    threads = []

    def call():
        threads.append(threading.current_thread())
        if error is not None and may_block() is False:
            raise error
        about_to_block()
        return threading.current_thread()

    thread, loop = run(call)
    assert threads == [loop, thread]
    assert thread is not loop


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("threads_connect")
def test_a_query_is_made_in_a_thread():
    assert run(get_user_model()._default_manager.count)[0] == 0


def test_other_errors_are_passed_on():
    def fail():
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        run(fail)


def test_calls_may_wait_everywhere_else():
    assert may_block()
    about_to_block()

    async def after():
        await on_loop(lambda: None)
        assert may_block()
        with pytest.raises(ZeroDivisionError):
            await on_loop(lambda: 1 // 0)
        return may_block()

    assert async_to_sync(after)()


def test_a_call_within_another_one_does_not_wait_either():
    def outer():
        with pytest.raises(WouldBlockError):
            about_to_block()
        return True

    assert run(outer)[0]
