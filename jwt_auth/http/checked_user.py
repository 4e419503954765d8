"""
A check of the request's user that is made only if a view uses `request.user`.
"""

from collections.abc import Callable
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject


def check_later(request: HttpRequest, check: Callable[[HttpRequest], bool]) -> None:
    """
    Have `request.user` and `request.auser()` call `check` when one of them is first used.

    Args:
        check: returns whether it has signed the user out. If it raises an error, it is called again at the next use.
    """
    user: Any = getattr(request, "user", None)

    def checked() -> Any:
        request.user = user  # `logout()` reads it, and would call this function again
        try:
            is_signed_out = check(request)
        except BaseException:  # also that a call on an event loop would have to wait
            request.user = lazy  # code that handles the error must not get a user who was not checked
            raise
        return request.user if is_signed_out else user

    def loaded() -> Any:
        bool(request.user.is_authenticated)  # reads the user here, in a thread
        return request.user

    lazy: Any = SimpleLazyObject(checked)
    request.user = lazy
    request.auser = sync_to_async(loaded)
