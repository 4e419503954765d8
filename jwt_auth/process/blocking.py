"""
Calls on an event loop that must not wait: for a database, another server, or another thread.

    the call on the loop                            then
    --------------------------------------------    ----------------------------------------------------------------
    needs nothing but what the process knows        its result is the result; no thread is involved
    comes to something that it would have to        it ends there, with WouldBlockError, and is made again in a
    wait for: `about_to_block`                      thread
    comes to a query, which Django refuses on a     the same
    loop: SynchronousOnlyOperation
    finds a value that is due, but not stale        goes on with the value, and another thread reads it: `renewal`

So there is one implementation of each check, and not a second one for asynchronous code. What a call does before it
ends may be done twice, and so must do no harm then.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation

T = TypeVar("T")

_is_on_loop: ContextVar[bool] = ContextVar("jwt_auth_is_on_loop", default=False)


class WouldBlockError(Exception):
    """Raised by a call on an event loop when it would have to wait."""


def may_block() -> bool:
    """Return whether the caller may wait: False in a call that `on_loop` makes on the loop."""
    return not _is_on_loop.get()


def about_to_block() -> None:
    """
    Say that the caller is going to wait. Queries need no such call: Django notices them.

    Raises:
        WouldBlockError: if it must not.
    """
    if _is_on_loop.get():
        raise WouldBlockError


async def on_loop(call: Callable[[], T]) -> T:
    """
    Return the result of `call`, which is made on the event loop if it need not wait, or else in a thread.

    Args:
        call: a function whose `repr()` shows no secret, because debug pages show it.
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
