"""
Watches in a forked worker, with real processes; `test_fork.py` runs this module and reads its output.

It has its own SQLite in EXAMPLE_DATA_DIR. At the fork the parent's view is warm, and a task of its loop is waiting.
"""

import asyncio
import os
import signal
import sys

import django
from django.core.management import call_command
from django.db import connections
from django.test.utils import override_settings

django.setup()

from asgiref.sync import sync_to_async  # noqa: E402  # models wait for the apps
from django.contrib.auth import get_user_model  # noqa: E402

from jwt_auth.exceptions import JWTAuthError  # noqa: E402
from jwt_auth.revocation import revoke_user  # noqa: E402
from jwt_auth.sessions import start  # noqa: E402
from jwt_auth.watching import Watch  # noqa: E402

PATIENCE = 30  # seconds, after which a child that is stuck is ended


def say(who, what):
    sys.stdout.write(f"{who}: {what}\n")
    sys.stdout.flush()  # os._exit() does not


def show(who, watch):
    try:
        watch.check()
    except JWTAuthError as error:
        say(who, type(error).__name__)
    else:
        say(who, "good")


def be_a_worker(watches, users):
    show("child, at first", watches[0])
    revoke_user(users[0])
    show("child, revoked", watches[0])

    async def hold():
        ending = watches[1].ending()
        await sync_to_async(revoke_user)(users[1])
        return type(await asyncio.wait_for(ending, PATIENCE)).__name__

    say("child, waiting", asyncio.run(hold()))
    show("child, neither", watches[2])


async def hold(watches, users):
    endings = [watch.ending() for watch in watches]
    await asyncio.sleep(0.2)
    pid = os.fork()
    if pid == 0:
        signal.alarm(PATIENCE)
        asyncio.events._set_running_loop(None)
        connections.close_all()
        be_a_worker(watches, users)
        os._exit(0)
    say("child finished", (await asyncio.to_thread(os.waitpid, pid, 0))[1] == 0)
    reasons = await asyncio.wait_for(asyncio.gather(*endings[:2]), PATIENCE)
    say("parent", [type(reason).__name__ for reason in reasons])
    say("parent, the third", "over" if endings[2].done() else "good")


def main():
    call_command("migrate", verbosity=0)
    for mode in ("memory", "database"):
        say("mode", mode)
        fork_in(mode)


def fork_in(mode):
    users = [get_user_model().objects.create_user(f"{name} {mode}") for name in ("alice", "bob", "carol")]
    with override_settings(JWT_AUTH={"REVOCATION": mode}):
        watches = [Watch(start(user).access_token) for user in users]
        for watch in watches:
            watch.check()
        connections.close_all()
        asyncio.run(hold(watches, users))


if __name__ == "__main__":
    main()
