"""
The state of a forked worker, with real processes; `test_fork_reset.py` runs this module and reads its output.

It has its own SQLite in EXAMPLE_DATA_DIR.
"""

import os
import signal
import sys
import threading

import django
from django.core.management import call_command
from django.db import connections
from django.test.utils import override_settings

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402  # models wait for the apps

from jwt_auth.exceptions import JWTAuthError  # noqa: E402
from jwt_auth.process import clock, workers  # noqa: E402
from jwt_auth.revocation import revoke_user  # noqa: E402
from jwt_auth.revocation.memory import view as memory  # noqa: E402
from jwt_auth.sessions import start  # noqa: E402
from jwt_auth.verification import verify  # noqa: E402
from tests.support.clocks import Ticks  # noqa: E402

PATIENCE = 30  # seconds, after which a child that is stuck is ended


def in_a_child(action):
    """Run `action` in a process that is forked from this one, and return whether it ended well."""
    connections.close_all()  # two processes must not share a connection
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        action()
        os._exit(0)
    return os.waitpid(pid, 0)[1] == 0


def say(who, what):
    sys.stdout.write(f"{who}: {what}\n")
    sys.stdout.flush()  # os._exit() does not


def show(who, token):
    try:
        verify(token)
    except JWTAuthError as error:
        say(who, type(error).__name__)
    else:
        say(who, "welcome")


def work_elsewhere(who):
    say(who, workers.result_of(workers.start(lambda: "done"), PATIENCE))


def main():
    call_command("migrate", verbosity=0)
    users = [get_user_model().objects.create_user(name) for name in ("alice", "bob")]
    alice, bob = (start(user).access_token for user in users)
    with override_settings(JWT_AUTH={"REVOCATION": "memory"}):
        view = memory.view()
        ticks = clock.monotonic = clock.time = Ticks()  # a stopped clock: the values that were read stay fresh
        show("warm", alice)
        assert in_a_child(lambda: revoke_user(users[0]))
        held, done = threading.Event(), threading.Event()

        def hold():
            with view._renewal._flight._lock, view._reader._adding:
                held.set()
                done.wait(2 * PATIENCE)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(PATIENCE)
        work_elsewhere("parent, by another thread")

        def be_a_worker():
            show("child, revoked", alice)
            show("child, not revoked", bob)
            revoke_user(users[1])
            show("child, by itself", bob)
            work_elsewhere("child, by another thread")

        try:
            show("parent, fresh", alice)
            finished = in_a_child(be_a_worker)
            ticks.forward(10)
            show("parent, locked", alice)
        finally:
            done.set()
            thread.join()
        say("child finished", finished)
        show("parent, later", alice)


if __name__ == "__main__":
    main()
