"""
The stages of a project's move, each in a process of its own: `python -m tests.support.moved_projects STAGE MOMENT`, in
the directory of a copied project.

A stage writes what it saw as JSON to facts.json. Its clock stands at MOMENT, and only its steps move it.
"""

import importlib
import io
import json
import os
import shutil
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

import time_machine

Facts = dict[str, Any]

# Users of the project before the move. Their clients keep their tokens in a file each.
NAMES = ("goes_on", "waits", "used", "left")


def _setup() -> None:
    sys.path.insert(0, "")
    os.environ["DJANGO_SETTINGS_MODULE"] = Path("manage.py").read_text().split('"')[5]
    import django

    django.setup()


def suite() -> str:
    """Run the project's own tests, and return what Django prints; then this process is done with its database."""
    from django.core.management import call_command

    with mock.patch.object(sys, "stderr", io.StringIO()) as printed, mock.patch.object(sys, "stdout", io.StringIO()):
        try:
            call_command("test", verbosity=1)
        except SystemExit:
            return printed.getvalue()
    return "OK"


def warnings() -> list[str]:
    """Return what `manage.py check` says."""
    from django.core.checks import run_checks

    return [str(message) for message in run_checks()]


@contextmanager
def served() -> Iterator[str]:
    """Serve the project in the block; the value is its URL."""
    from django.core.servers.basehttp import ThreadedWSGIServer
    from django.core.wsgi import get_wsgi_application
    from django.test.testcases import QuietWSGIRequestHandler

    server = ThreadedWSGIServer(("localhost", 0), QuietWSGIRequestHandler)
    server.set_app(get_wsgi_application())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(url: str, file: str) -> Any:
    """Return a client that has stored its tokens in this file."""
    return importlib.import_module("client").Client(url, file)


def outcome(work: Callable[[], Any]) -> Any:
    """Return what `work` returns, or "signed out"."""
    try:
        return work()
    except importlib.import_module("client").SignedOut:
        return "signed out"


def refreshed(url: str, file: str) -> Any:
    """Refresh with the tokens of a file, which stays as it is, and return the answer of the project to the user."""
    shutil.copy(file, "copy.tokens")
    one = client(url, "copy.tokens")
    return outcome(lambda: (one.refresh(), one.me())[1])


def claims(one: Any) -> Facts:
    """Return the claims of the access token of a client."""
    payload = one.tokens["access"].split(".")[1]
    return dict(json.loads(urlsafe_b64decode(f"{payload}===")))


def before(clock: time_machine.Traveller) -> Facts:
    """With simplejwt: run the suite, and sign users in."""
    from django.core.management import call_command

    facts: Facts = {"me": {}}
    call_command("migrate", verbosity=0)
    people = importlib.import_module("people")
    with served() as url:
        for name in NAMES:
            one = client(url, f"{name}.tokens")
            one.login(*people.make(name))
            shutil.copy(f"{name}.tokens", f"{name}.former")
            facts["me"][name] = one.me()
        facts["claims"] = claims(client(url, "goes_on.tokens"))
        client(url, "used.tokens").refresh()
        client(url, "left.tokens").logout()
        _blacklist("left.former", url)
    return {**facts, "suite": suite()}


def _blacklist(file: str, url: str) -> None:
    """Blacklist a refresh token in a project that has no endpoint for it."""
    from rest_framework_simplejwt.exceptions import TokenError
    from rest_framework_simplejwt.tokens import RefreshToken

    with suppress(TokenError):  # it is on the list
        RefreshToken(client(url, file).tokens["refresh"]).blacklist()


def move(clock: time_machine.Traveller) -> Facts:
    """Run the command, with no word of a person in between."""
    from django.core.management import call_command

    out = io.StringIO()
    begin = perf_counter()
    call_command("jwt_migrate", "simplejwt", write=True, yes=True, no_color=True, stdout=out)
    seconds = perf_counter() - begin
    call_command("migrate", verbosity=0)
    return {"output": out.getvalue(), "seconds": seconds}


def after(clock: time_machine.Traveller) -> Facts:
    """With this app: run the suite, and let the former users go on."""
    facts: Facts = {"warnings": warnings(), "can_close": can_close()}
    with served() as url:
        one = client(url, "goes_on.tokens")
        former = dict(one.tokens)
        facts["with_former_access_token"] = outcome(one.me)
        facts["keeps_tokens"] = one.tokens == former
        facts["blacklisted"] = refreshed(url, "left.former")
        facts["used"] = refreshed(url, "used.former")
        clock.shift(claims(one)["exp"] - claims(one)["iat"])
        facts["exchanged"] = outcome(one.me)
        facts["claims"] = claims(one)
        facts["has_new_tokens"] = not {*one.tokens.values()} & {former["access"], former["refresh"]}
        clock.shift(120)  # longer than the grace period
        facts["exchanged_again"] = refreshed(url, "goes_on.former")
        facts["after_that"] = outcome(one.me)
        one = client(url, "new.tokens")
        one.login(*importlib.import_module("people").make("new"))
        facts["new"] = one.me()
        shutil.copy("new.tokens", "new.former")
        one.logout()
        facts["new_left"] = refreshed(url, "new.former")
    facts["can_close_later"] = _later(clock)
    return {**facts, "suite": suite()}


def _later(clock: time_machine.Traveller) -> str:
    from jwt_auth.conf.simplejwt import simplejwt

    moment = datetime.now(timezone.utc)
    clock.move_to(simplejwt().ACCEPT_UNTIL)
    said = can_close()
    clock.move_to(moment)
    return said


def can_close() -> str:
    """Return what `jwt_migrate simplejwt --check` says."""
    from django.core.management import CommandError, call_command

    out = io.StringIO()
    try:
        call_command("jwt_migrate", "simplejwt", check=True, no_color=True, stdout=out)
    except CommandError as error:
        return f"{out.getvalue()}{error}"
    return out.getvalue()


def rollback(clock: time_machine.Traveller) -> Facts:
    """With the code of before and the database of after: who has not refreshed goes on."""
    with served() as url:
        return {
            "waits": outcome(client(url, "waits.tokens").me),
            "refreshed": refreshed(url, "waits.tokens"),
            "goes_on": outcome(client(url, "goes_on.tokens").me),
            "exchanged": refreshed(url, "goes_on.former"),
            "blacklisted": refreshed(url, "left.former"),
        }


def closed(clock: time_machine.Traveller) -> Facts:
    """After the window, with no simplejwt."""
    facts: Facts = {"warnings": warnings(), "can_close": can_close()}
    with served() as url:
        facts["waits"] = refreshed(url, "waits.tokens")
        one = client(url, "late.tokens")
        one.login(*importlib.import_module("people").make("late"))
        facts["late"] = one.me()
    return {**facts, "suite": suite()}


def main(stage: str, moment: str) -> None:
    if stage == "closed":  # an import of it fails
        sys.modules["rest_framework_simplejwt"] = None  # type: ignore[assignment]
    with time_machine.travel(datetime.fromisoformat(moment), tick=False) as clock:
        _setup()
        if stage not in ("before", "rollback"):
            _stop_the_clock_of_the_database()
        facts = globals()[stage](clock)
    Path("facts.json").write_text(json.dumps(facts, default=str))


def _stop_the_clock_of_the_database() -> None:
    from django.db.models import DateTimeField, Value
    from django.utils import timezone as django_timezone

    from jwt_auth.sessions import refresh_tokens

    # As in tests.support.clocks, which imports pytest.
    refresh_tokens.database_time = lambda: Value(django_timezone.now(), output_field=DateTimeField())


if __name__ == "__main__":
    main(*sys.argv[1:])
