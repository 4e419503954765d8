"""
A measurement, from outside, of how long a running deployment accepts a revoked token.
"""

import http.client
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import start

_TIMEOUT = 10.0  # seconds for one answer
_PAUSE = 0.01  # seconds between the requests of one thread
_LINGER = 1.0  # seconds to go on asking beyond the bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `begun_after` is the time from the revocation to the request in seconds, negative before it."""

    url: str
    begun_after: float
    status: int
    worker: str


def ask(url: str, token: str | None, worker_header: str) -> tuple[int, str]:
    """Return the status, and the worker that the header names, if any. Each request has its own connection."""
    parts = urlsplit(url)
    make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = make(parts.netloc, timeout=_TIMEOUT)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader(worker_header) or ""
    finally:
        connection.close()


def probe(user: Any, urls: Sequence[str], *, askers: int, bound: float, worker_header: str) -> list[Answer]:
    """
    Start a session, end it, and send requests all the time.

    Returns:
        The answers to the requests that were sent after the end was committed.
    """
    pair = start(user, label="jwt_probe")
    revoked_at: list[float] = []
    with ThreadPoolExecutor(askers * len(urls)) as pool:

        def watch(url: str) -> list[Answer]:
            seen = []
            while not revoked_at or time.monotonic() < revoked_at[0] + bound + _LINGER:
                begun = time.monotonic()
                status, worker = ask(url, pair.access_token, worker_header)
                if revoked_at and begun >= revoked_at[0]:
                    after = begun - revoked_at[0]
                    seen.append(Answer(url=url, begun_after=after, status=status, worker=worker))
                time.sleep(_PAUSE)
            return seen

        try:
            watching = [pool.submit(watch, url) for url in urls for _ in range(askers)]
            time.sleep(2 * _PAUSE)
        finally:
            revoke_session(pair.session_id, reason="jwt_probe")
            revoked_at.append(time.monotonic())
        return [answer for future in watching for answer in future.result()]
