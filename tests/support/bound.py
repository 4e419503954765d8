"""How long revoked tokens are still accepted, measured from outside."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.support.deployment import BOUND, LATE, Server


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
