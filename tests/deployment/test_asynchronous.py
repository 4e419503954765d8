"""
Asynchronous views under uvicorn, daphne and granian: the bound of memory mode, and what a request needs.

Time is real, as in `test_bound`.
"""

import json
import logging
import os
import signal
import time

from tests.support.bound import last_acceptances, statuses, until, workers_of
from tests.support.deployment import BOUND, DAPHNE, GRANIAN, LATE, UVICORN, require

require("daphne", "granian", "uvicorn")

# pytest --log-cli-level=INFO shows them.
figures = logging.getLogger(__name__)

SETTINGS = "asynchronous_settings"


def test_the_bound_holds_while_workers_are_killed_and_the_database_is_away(serve, cluster):
    uvicorn, granian, *daphnes = (serve(program=item, settings=SETTINGS) for item in (UVICORN, GRANIAN, DAPHNE, DAPHNE))
    revoker = serve("--workers=1", "--threads=4")
    token = revoker.login()
    pairs = [workers_of(uvicorn, token, 2), workers_of(granian, token, 2), {item.process.pid for item in daphnes}]
    killed = {min(pair) for pair in pairs}
    running = [item for item in daphnes if item.process.pid not in killed]  # nothing replaces a daphne

    def kill():
        for pid in killed:
            os.kill(pid, signal.SIGKILL)

    lasts, refused_by = last_acceptances([uvicorn, granian, *daphnes], revoker, 8, kill)
    figures.info("accepted: median %.3f s, longest %.3f s", lasts[4], lasts[-1])
    assert lasts[-1] < BOUND + LATE
    # The control: the tests can see a delay, which is that of the memory.
    assert lasts[-1] > 0.1
    assert set().union(*pairs) - killed <= {int(worker) for worker in refused_by}
    for server in (uvicorn, granian):
        assert not killed & workers_of(server, token, 2)

    left = [uvicorn, granian, *running]
    cluster.kill()
    try:
        time.sleep(BOUND + LATE)
        for server in left:
            assert set(statuses(server, token)) == {503}
            assert server.answer("GET", "/plain/", headers={"Authorization": f"Bearer {token}"}).headers["Retry-After"]
    finally:
        cluster.start()
    for server in left:
        until(server, token, 200)
    uvicorn.logout(token)  # the other one has a lost connection in each thread
    time.sleep(BOUND + LATE)
    for server in left:
        assert set(statuses(server, token)) == {401}


def what_was_done(server, path, token=""):
    """Return what a process did for 50 requests: calls in the threads of requests, other threads, and queries."""
    server.send("GET", "/done/")
    for _ in range(50):
        assert server.send("GET", path, token=token)[0] == 200
    return json.loads(server.send("GET", "/done/")[1])


def test_with_a_fresh_memory_an_asynchronous_view_needs_neither_a_thread_nor_a_query(serve):
    program = [*UVICORN, "--workers=1"]
    server = serve(program=program, settings=SETTINGS, env={"DEPLOYMENT_STALENESS": "60"})
    token = server.login()
    assert server.plain(token)[0] == 200
    found = what_was_done(server, "/plain/", token)
    assert found["queries"] == []
    assert not [name for name in found["in threads"] if name.startswith("jwt_auth.")]
    # Django calls receivers of its own signals in the thread of each request, and the server may have other threads.
    # How often may differ by one: Django closes the last response after the client has it.
    usual = what_was_done(server, "/anyone/")
    assert found["in threads"].keys() == usual["in threads"].keys()
    assert found["other threads"] == usual["other threads"]

    control = serve(program=program, settings=SETTINGS, REVOCATION="database")
    found = what_was_done(control, "/plain/", token)
    assert len(found["queries"]) == 50
    assert [count for name, count in found["in threads"].items() if name.startswith("jwt_auth.")] == [50]
