"""
A request through the whole of Django, and how long it takes beside another one.

The machine's moods (other processes, clock speed) hit all contenders alike only if they take turns:
each round gives each of them a few requests, and medians over the rounds are compared.
"""

import gc
from collections.abc import Callable, Mapping
from io import BytesIO
from statistics import median
from time import perf_counter
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

Call = Callable[[], Any]


class Server:
    """Django as a WSGI server calls it, signals of the beginning and the end of a request included."""

    def __init__(self) -> None:
        self._application = WSGIHandler()

    def get(self, path: str, headers: Mapping[str, str]) -> Call:
        """A function that sends the same request each time it is called, and gives its status."""
        environ = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": path,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(),
            "wsgi.errors": BytesIO(),
            **headers,
        }

        def send() -> int:
            response = self._application(dict(environ), _start_response)
            response.close()
            return response.status_code  # type: ignore[attr-defined,no-any-return]

        return send


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
    return None


def interleaved(calls: Mapping[str, Call], *, rounds: int, per_round: int) -> dict[str, float]:
    """Median seconds per call of each, over `rounds` in which each has its turn."""
    for call in calls.values():
        for _ in range(per_round):
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                begin = perf_counter()
                for _ in range(per_round):
                    call()
                taken[name].append((perf_counter() - begin) / per_round)
    finally:
        gc.enable()
    return {name: median(times) for name, times in taken.items()}
