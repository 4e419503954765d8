"""
The cost of the revocation feed with many unexpired events: of a new revocation, for the issuer and for a reader, and
for the other requests of the issuer's process while many readers ask at once. Prints JSON to standard output.

    python -m benchmarks.feed --database postgresql --events 50000
"""

import argparse
import json
import re
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from statistics import median, quantiles
from time import perf_counter, sleep, thread_time
from typing import Any

from benchmarks.databases import set_up

ISSUER = "https://one.example.com"
PATH = "/auth/.well-known/revocations"
PAUSE = 0.05  # seconds between two events
SESSIONS_OF_A_USER = 20
BEGIN = 16_000  # bytes of a piece's claims, which two cursors are shorter than


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--events", type=int, default=50_000, help="number of unexpired events")
    parser.add_argument("--rounds", type=int, default=50, help="number of new revocations that are measured")
    parser.add_argument("--readers", type=int, default=12, help="number of readers that ask at once")
    parser.add_argument("--seconds", type=float, default=5, help="duration of each measurement with several readers")
    options = parser.parse_args(arguments)
    with set_up(options.database):
        print(json.dumps(run(options), indent=1))


def run(options: Any) -> dict[str, Any]:
    from django.test import override_settings

    with override_settings(JWT_AUTH={"ISSUER": ISSUER, "ALGORITHM": "ES256", "SIGNING_KEY": _new_key()}):
        _write(options.events)
        return {
            "database": options.database,
            "events": options.events,
            "alone": alone(options.rounds),
            "together": together(options.readers, options.seconds),
        }


def _new_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _write(number: int) -> None:
    """Write events of ended sessions, a few for each user."""
    from django.utils import timezone

    from jwt_auth.models import RevocationEvent

    now = timezone.now()
    facts = {"scope": "session", "created_at": now, "expires_at": now + timedelta(minutes=10)}
    first = RevocationEvent.objects.count()
    rows = (
        RevocationEvent(subject=f"{i:032x}", sub=str(i // SESSIONS_OF_A_USER), **facts)
        for i in range(first, first + number)
    )
    RevocationEvent.objects.bulk_create(rows, batch_size=5000)


# One reader


def alone(rounds: int) -> dict[str, float]:
    """Measure the CPU seconds of a first reading, and the milliseconds of CPU for each revocation after it."""
    from jwt_auth.claims import Claims
    from jwt_auth.issuers.remote.subscription import Subscription, feed_source
    from jwt_auth.keyring.stored import own_keys

    class Keys:
        def find(self, kid: str | None) -> Any:
            return own_keys().signing

        def expire(self) -> None:
            """There are no other keys."""

    issuer = Issuer()
    now = [0.0]
    about = {"max_lifetime": timedelta(minutes=5), "fetch": issuer.fetch, "clock": lambda: now[0]}
    reader = Subscription(ISSUER, feed_source(f"{ISSUER}{PATH}"), Keys(), timedelta(seconds=10), **about)
    claims = Claims(iss=ISSUER, aud=(), sub="nobody", iat=0, exp=0)

    def read() -> tuple[float, float, int]:
        issuer.seconds, issuer.pieces = 0.0, 0
        now[0] += 10
        begin = thread_time()
        reader.state_of(claims)
        return issuer.seconds, thread_time() - begin - issuer.seconds, issuer.pieces

    first = read()
    found = []
    for _ in range(rounds):
        _write(1)
        found.append(read())
    return {
        "first reading, issuer, s": first[0],
        "first reading, reader, s": first[1],
        "first reading, pieces": first[2],
        "new revocation, issuer, ms": median(each[0] for each in found) * 1e3,
        "new revocation, reader, ms": median(each[1] for each in found) * 1e3,
        "new revocation, worst, ms": max(each[0] + each[1] for each in found) * 1e3,
    }


class Issuer:
    """The issuer's endpoint, called in this thread. `seconds` is the CPU time that it has used."""

    def __init__(self) -> None:
        self.seconds, self.pieces = 0.0, 0

    def fetch(self, source: Any, *, etag: str | None, query: str) -> Any:
        from jwt_auth.issuers.remote.fetching import Fetched

        begin = thread_time()
        body = get(f"{PATH}?{query}")
        self.seconds += thread_time() - begin
        self.pieces += 1
        return Fetched(body=body, etag=None, cache_control="")


def get(address: str) -> bytes:
    """Send a request through the whole of Django, and return the body of the answer."""
    from django.test import Client

    return Client().get(address).content


# Several readers, and other requests


def together(number: int, seconds: float) -> dict[str, Any]:
    """
    Measure how long other requests of the process take while events are written all the time.

    First no reader asks, then `number` readers read everything again and again, then they ask once a second for new
    revocations.
    """
    return {
        "nobody reads": _delays(seconds, []),
        "all read everything": _delays(seconds, [_read_everything] * number),
        "all ask for new revocations": _delays(seconds, _in_step(number)),
    }


def _delays(seconds: float, readers: list[Callable[[threading.Event], None]]) -> dict[str, float]:
    done = threading.Event()
    threads = [threading.Thread(target=_until, args=(done, work)) for work in (_write_one, *readers)]
    for thread in threads:
        thread.start()
    taken = list(_probes(seconds))
    done.set()
    for thread in threads:
        thread.join()
    hundredths = quantiles(taken, n=100)
    return {"median, ms": median(taken) * 1e3, "p99, ms": hundredths[98] * 1e3, "longest, ms": max(taken) * 1e3}


def _probes(seconds: float) -> Iterator[float]:
    """Send small requests all the time, and yield the seconds that each has taken."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        due = perf_counter() + 0.002
        sleep(0.002)  # then this thread waits for the interpreter, like one that gets a request
        get("/ping/open/")
        yield perf_counter() - due


def _until(done: threading.Event, work: Callable[[threading.Event], None]) -> None:
    from django.db import connections

    try:
        while not done.is_set():
            work(done)
    finally:
        connections.close_all()


def _write_one(done: threading.Event) -> None:
    _write(1)
    done.wait(PAUSE)


def _read_everything(done: threading.Event) -> None:
    _walk("", done)


def _in_step(number: int) -> list[Callable[[threading.Event], None]]:
    """Return readers that know everything, and all ask at the same moment, once a second."""
    begin, known = perf_counter(), _walk("", threading.Event())

    def reader() -> Callable[[threading.Event], None]:
        cursor = known

        def ask(done: threading.Event) -> None:
            nonlocal cursor
            done.wait(1 - (perf_counter() - begin) % 1)
            cursor = _walk(cursor, done)

        return ask

    return [reader() for _ in range(number)]


def _walk(cursor: str, done: threading.Event) -> str:
    """Read the feed from `cursor` to its end, and return the last cursor."""
    while True:
        cursor, more = _end(get(f"{PATH}?after={cursor}" if cursor else PATH))
        if not more or done.is_set():
            return cursor


def _end(document: bytes) -> tuple[str, bool]:
    """Return `next` and `more` of a piece. The rest is not parsed, because readers do that in other processes."""
    begin = urlsafe_b64decode(document.split(b".")[1][:BEGIN] + b"==")
    found = re.search(rb'"next":"([^"]+)","more":(true|false)', begin)
    assert found, begin
    return found[1].decode(), found[2] == b"true"


if __name__ == "__main__":
    main()
