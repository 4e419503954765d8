"""
Measurements of requests through the whole of Django, compared with each other.

The state of the machine (other processes, clock speed) affects all measurements equally only if they alternate: each
round makes a few requests of each kind, and the medians over the rounds are compared.
"""

import gc
from collections.abc import Callable, Mapping
from io import BytesIO
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from django.core.handlers.wsgi import WSGIHandler

Call = Callable[[], Any]


class Server:
    """Django, called like by a WSGI server, including the signals at the beginning and the end of a request."""

    def __init__(self) -> None:
        self._application = WSGIHandler()

    def get(self, path: str, headers: Mapping[str, str]) -> Call:
        """Return a function that sends the same request at each call, and returns the status."""
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
    """
    Return the median seconds per call of each function, over `rounds` in which each has its turn.

    The order is another one in each round: what came before leaves the caches of the processor and the database warm
    or cold.
    """
    turns, chance = list(calls.items()), Random(0)
    for call in calls.values():
        for _ in range(per_round):
            call()
    taken: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            chance.shuffle(turns)
            for name, call in turns:
                begin = perf_counter()
                for _ in range(per_round):
                    call()
                taken[name].append((perf_counter() - begin) / per_round)
    finally:
        gc.enable()
    return {name: median(times) for name, times in taken.items()}
