"""
Run calls on an event loop that must not wait for a database, another server, or another thread.

    the call on the loop                            then
    --------------------------------------------    ----------------------------------------------------------------
    needs only data in memory                       returns its result; no thread is used
    would have to wait: `about_to_block`            ends with WouldBlockError; a thread runs the whole call again
    begins a query, which Django refuses on a       the same
    loop: SynchronousOnlyOperation
    finds a value that is due, but not stale        goes on with that value; another thread reads a new one: `renewal`

So each check has one implementation, for synchronous and asynchronous code. The part of a call before its end may run
twice, and must do no harm then.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

T = TypeVar("T")

_is_on_loop: ContextVar[bool] = ContextVar("jwt_auth_is_on_loop", default=False)


class WouldBlockError(BaseException):
    """
    Raised by a call on an event loop when it would have to wait.

    It is no Exception: code of a project that answers all errors of a call would take it for a refusal.
    """


def may_block() -> bool:
    """Return whether the caller may wait: False in a call that `on_loop` makes on the loop."""
    return not _is_on_loop.get()


def about_to_block() -> None:
    """
    Declare that the caller is going to wait. Queries need no such call: Django refuses them on a loop.

    Raises:
        WouldBlockError: if the caller must not wait.
    """
    if _is_on_loop.get():
        raise WouldBlockError


async def on_loop(call: Callable[[], T]) -> T:
    """
    Return the result of `call`. It runs on the event loop, and if it would have to wait, again in a thread.

    Args:
        call: a function. Debug pages show its `repr()`, so that must contain no secret.
    """
    try:
        return call_on_loop(call)
    except (WouldBlockError, SynchronousOnlyOperation):
        pass
    return await sync_to_async(call)()


def call_on_loop(call: Callable[[], T]) -> T:
    """
    Return the result of `call`, which is made on the event loop.

    Raises:
        WouldBlockError: if it has to wait.
        SynchronousOnlyOperation: if it comes to a query.
    """
    token = _is_on_loop.set(True)
    try:
        return call()
    finally:
        _is_on_loop.reset(token)
