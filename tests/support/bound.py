"""How long revoked tokens are still accepted, measured from outside, and what is answered in an outage."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from tests.support.deployment import BOUND, LATE, PATIENCE, Server


def acceptances(
    servers: Sequence[Server], revoker: Server, number: int, *, threads: int = 10
) -> tuple[list[float], set[str]]:
    """
    Revoke `number` sessions while requests go to all servers without a pause.

    Returns:
        For each session, the seconds between its revocation and the beginning of the last accepted request; and the
        workers that refused a request.
    """
    refused_by: set[str] = set()

    def one(_: int) -> float:
        token = revoker.login()
        assert {server.plain(token)[0] for server in servers} == {200}
        revoker.logout(token)
        revoked_at = time.monotonic()
        last = 0.0
        while (begun := time.monotonic()) < revoked_at + BOUND + 2 * LATE:
            for server in servers:
                begun = time.monotonic()
                status, _, worker = server.plain(token)
                assert status in (200, 401)
                if status == 200:
                    last = max(last, begun - revoked_at)
                else:
                    refused_by.add(worker)
            time.sleep(0.02)
        return last

    with ThreadPoolExecutor(threads) as pool:
        return sorted(pool.map(one, range(number))), refused_by


def statuses(server: Server, token: str, number: int = 8) -> list[Any]:
    """Send `number` requests at once and return their statuses; None means no answer within two seconds."""
    with ThreadPoolExecutor(number) as pool:
        answers = list(pool.map(lambda _: server.plain(token, timeout=2), range(number)))
    return [answer and answer[0] for answer in answers]


def workers_of(server: Server, token: str, number: int) -> set[int]:
    """Return the processes of a server, of which it has `number`."""
    seen: set[int] = set()
    deadline = time.monotonic() + PATIENCE
    while len(seen) < number:
        assert time.monotonic() < deadline, seen
        try:
            seen.add(int(server.plain(token)[2]))
        except ConnectionError:  # of a process that was killed, and is not yet replaced
            time.sleep(0.05)
    return seen


def answers_of_all(server: Server, token: str, workers: set[int]) -> list[tuple[int, str]]:
    """
    Send requests until each of `workers` has answered one, and return the status and the body of each answer.

    The kernel decides which of them accepts a connection: no number of requests is sure to reach them all.
    """
    answers = []
    deadline = time.monotonic() + PATIENCE
    with ThreadPoolExecutor(8) as pool:
        while workers:
            assert time.monotonic() < deadline, workers
            for status, body, worker in pool.map(lambda _: server.plain(token), range(24)):
                answers.append((status, body))
                workers = workers - {int(worker)}
    return answers


def until(server: Server, token: str, status: int) -> Any:
    """Send requests until the answer is `status`, and return its body."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        answer = server.plain(token, timeout=2)
        if answer and answer[0] == status:
            return answer[1]
        time.sleep(0.05)
    raise AssertionError(f"never {status}")


def last_acceptances(
    servers: Sequence[Server], revoker: Server, number: int, halfway: Callable[[], object]
) -> tuple[list[float], set[str]]:
    """
    Revoke `number` sessions, and call `halfway` after half of them, while requests go to all servers without a pause.

    Requests without an answer, because their process was killed, count for nothing.

    Returns:
        The same as acceptances().
    """
    tokens = [revoker.login() for _ in range(number)]
    revoked_at: dict[str, float] = {}
    refused_by: set[str] = set()

    def ask(token: str) -> float:
        last = 0.0
        while time.monotonic() < revoked_at.get(token, float("inf")) + BOUND + 2 * LATE:
            for server in servers:
                begun = time.monotonic()
                with suppress(ConnectionError):
                    status, _, worker = server.plain(token)
                    assert status in (200, 401)
                    if status == 200:
                        last = begun
                    else:
                        refused_by.add(worker)
            time.sleep(0.02)
        return last

    with ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(ask, token) for token in tokens]
        for count, token in enumerate(tokens):
            if count == number // 2:
                halfway()
            revoker.logout(token)
            revoked_at[token] = time.monotonic()
        return sorted(each.result() - revoked_at[token] for token, each in zip(tokens, asked, strict=True)), refused_by
