"""
`manage.py jwt_keys`: creates and lists signing keys, and changes their state.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from jwt_auth import signing_keys
from jwt_auth.conf import get_settings
from jwt_auth.http.text import printable
from jwt_auth.jose.algorithms import PUBLIC_KEY_ALGORITHMS
from jwt_auth.keyring import states
from jwt_auth.keyring.states import KeyStateError, Step, describe_wait
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import (
    NOTHING_DONE,
    ActionParser,
    add_reason,
    add_yes,
    confirm,
    describe_moment,
    describe_number,
    describe_operator,
    number,
    record,
    table,
)
from jwt_auth.models import SigningKey

State = SigningKey.State


class Command(DatabaseCommand):
    help = (
        "Creates signing keys, and rotates them without signing anybody out. A step is refused for as long as it would "
        "invalidate unexpired tokens; `rotate` does the step that is due, and prints the next step and its time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=ActionParser)
        each = actions.add_parser("list", help="Show all keys.")
        each.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
        each = actions.add_parser("rotate", help="Do the next step of a rotation, if it is due.")
        each.add_argument(
            "--every", type=number(1, 3650), default=0, metavar="DAYS", help="Begin when the active key has this age."
        )
        each = actions.add_parser("create", help="Create a standby key, published so that verifiers know it in time.")
        each.add_argument("--algorithm", choices=PUBLIC_KEY_ALGORITHMS, help="Instead of the setting ALGORITHM.")
        each.add_argument("--activate", action="store_true", help="Sign with it at once: for the first key.")
        each = actions.add_parser("activate", help="Sign with a standby key; the active key retires.")
        _add_key(each, "Don't wait until all verifiers can know it.")
        each = actions.add_parser("retire", help="Stop signing with the active key; a standby key takes over.")
        _add_key(each, "Don't wait until all verifiers can know the new key; create one if there is none.")
        each = actions.add_parser("revoke", help="Permanently refuse everything that a key has signed.")
        _add_key(each, "A key has leaked: don't wait until its tokens have expired.")
        add_reason(each)
        actions.add_parser("import", help='Store the keys of the settings, before KEYS becomes "database".')

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        do: Mapping[str, Callable[..., None]] = {
            "list": self.list,
            "rotate": self.rotate,
            "create": self.create,
            "activate": self.activate,
            "retire": self.retire,
            "revoke": self.revoke,
            "import": self.import_,
        }
        try:
            do[action](**options)
        except KeyStateError as refusal:
            raise CommandError(printable(refusal), returncode=NOTHING_DONE) from refusal

    def list(self, *, json: bool, **options: Any) -> None:
        rows, now = list(SigningKey.objects.order_by("created_at", "pk")), timezone.now()
        if json:
            self.show_json(rows)
            return
        if rows:
            self.stdout.write("\n".join(_lines(rows, now)))
        if get_settings().KEYS != "database":
            self.stdout.write('KEYS is "settings": the keys in the database are not used.')
        elif not any(row.state == State.ACTIVE for row in rows):
            self.stdout.write("No key is active, so nobody can sign in or refresh: run jwt_keys create --activate.")

    def show_json(self, rows: Any) -> None:
        self.stdout.write(json.dumps({"keys": [_as_json(row) for row in rows]}, indent=2))

    def rotate(self, *, every: int, **options: Any) -> None:
        step, key = signing_keys.rotate(every=timedelta(days=every), actor=describe_operator())
        if key is None:
            self.stdout.write("Nothing can be done yet.")
        else:
            self.say(_DONE[step.move if key.state != State.ACTIVE else "activate"], key)
        self.say_next(every)

    def create(self, *, algorithm: str | None, activate: bool, **options: Any) -> None:
        key = signing_keys.create(algorithm=algorithm, activate=activate)
        self.say(_DONE["activate" if activate else "create"], key)
        self.say_next()

    def activate(self, *, kid: str, emergency: bool, yes: bool, **options: Any) -> None:
        if emergency:
            self.stdout.write(_UNKNOWN_TO_OTHERS)
            self.confirm(yes=yes)
        self.say(_DONE["activate"], signing_keys.activate(kid, emergency=emergency))
        self.say_next()

    def retire(self, *, kid: str, emergency: bool, yes: bool, **options: Any) -> None:
        if emergency:
            self.stdout.write(_UNKNOWN_TO_OTHERS)
            self.confirm(yes=yes)
        self.say(_DONE["activate"], signing_keys.retire(kid, emergency=emergency))
        self.say_next()

    def revoke(self, *, kid: str, emergency: bool, yes: bool, reason: str, **options: Any) -> None:
        operation = record(reason)
        if emergency:
            self.show_blast_radius(kid)
            self.confirm(yes=yes)
        successor = signing_keys.revoke(kid, emergency=emergency, **operation)
        self.stdout.write(self.style.SUCCESS(f"Revoked key {printable(kid)}."))
        if successor is not None:
            self.say(_DONE["activate"], successor)

    def import_(self, **options: Any) -> None:
        rows = signing_keys.import_configured()
        for row in rows:
            self.stdout.write(self.style.SUCCESS(f"Imported key {row.kid} ({row.algorithm}): {row.state}."))
        if not rows:
            self.stdout.write("All keys of the settings are already imported.")
        self.stdout.write('Next: set KEYS to "database", remove SIGNING_KEY and SIGNING_KEY_FALLBACKS, and deploy.')

    def show_blast_radius(self, kid: str) -> None:
        now = timezone.now()
        key = SigningKey.objects.filter(kid=kid).first() if kid.isprintable() else None
        if key is None:
            raise CommandError(f"There is no key {printable(kid)!r}; list shows all.", returncode=NOTHING_DONE)
        states.check_revocation(key, emergency=True, now=now)
        radius = signing_keys.blast_radius(key, now)
        whose = describe_number(radius.sessions, "live session", "live sessions", bound="up to")
        lines = [
            f"Key {printable(kid)} is {key.state}. If it is revoked:",
            f"- The access tokens of {whose} are refused. Refresh tokens stay valid: nobody is signed out.",
            f"- The processes of this deployment refuse them {_within(radius.own_bound)}.",
            f"- Other servers refuse them when they fetch the key set again, {_within(radius.others_bound)} if they",
            "  respect its max-age, or when they next read the revocation feed.",
        ]
        if key.state == State.ACTIVE:
            lines.append("- Another key signs at once. Servers refuse its tokens until they know that key.")
        self.stdout.write("\n".join(lines))

    def confirm(self, *, yes: bool) -> None:
        confirm(self, yes=yes, otherwise="Nothing was done")

    def say(self, text: str, key: SigningKey) -> None:
        self.stdout.write(self.style.SUCCESS(text.format(kid=printable(key.kid), algorithm=key.algorithm)))

    def say_next(self, every: int = 0) -> None:
        """Print the next step of a rotation, and the time from which it is possible."""
        now = timezone.now()
        step = states.next_step(SigningKey.objects.all(), now, timedelta(days=every))
        if step.key is None and step.is_due(now):
            self.stdout.write("Nothing is left to do; the next rotation may begin at any time.")
            return
        wait = (step.at or now) - now
        when = f"from {describe_moment(step.at)} UTC on, {describe_wait(wait)}" if wait > timedelta(0) else "now"
        kid = printable(step.key.kid) if step.key else ""
        self.stdout.write(f"Next: run jwt_keys rotate {when}. {_NEXT[step.move].format(kid=kid)}")


_DONE = {
    "create": "Created key {kid} ({algorithm}): it is published, and signs nothing yet.",
    "activate": "Key {kid} ({algorithm}) signs from now on.",
    "revoke": "Revoked key {kid}.",
}
_NEXT = {
    "create": "It will begin the next rotation.",
    "activate": "It will activate key {kid}.",
    "revoke": "It will revoke key {kid}, whose tokens will have expired by then.",
}
_UNKNOWN_TO_OTHERS = (
    "If another server has not fetched the key set since the key was published, it refuses the key's tokens until it "
    "does: for up to 5 minutes if it respects the max-age."
)


def _add_key(parser: Any, emergency: str) -> None:
    parser.add_argument("kid", help="The key's id, as `list` shows it.")
    parser.add_argument("--emergency", action="store_true", help=emergency + " Shows the consequences, and asks.")
    add_yes(parser)


def _lines(rows: Any, now: datetime) -> Any:
    head = ("KEY", "ALGORITHM", "STATE", "SINCE (UTC)", "VERIFIED", "LAST SEEN (UTC)", "NEXT")
    return table([head, *(_row(row, now) for row in rows)])


def _row(row: SigningKey, now: datetime) -> tuple[str, ...]:
    since = row.revoked_at or row.retired_at or row.activated_at or row.created_at
    return (
        row.kid,
        row.algorithm,
        str(row.state),
        describe_moment(since)[:-3],
        f"{row.verified:,}",
        describe_moment(row.last_used_at)[:-3] or "-",
        _next_of(row, now),
    )


def _next_of(row: SigningKey, now: datetime) -> str:
    step = _step_of(row)
    if step is None or step.at is None:
        return "signs new tokens" if row.state == State.ACTIVE else "-"
    verb = {"activate": "activated", "revoke": "revoked"}[step.move]
    return f"can be {verb} {'now' if step.is_due(now) else describe_wait(step.at - now)}"


def _step_of(row: SigningKey) -> Step | None:
    if row.state == State.STANDBY:
        return Step(move="activate", key=row, at=states.ready_at(row))
    if row.retired_at is not None and row.state == State.RETIRING:
        return Step(move="revoke", key=row, at=states.dead_at(row.retired_at))
    return None


def _as_json(row: SigningKey) -> dict[str, Any]:
    step = _step_of(row)
    moments = ("created_at", "activated_at", "retired_at", "revoked_at", "last_used_at")
    return {
        "kid": row.kid,
        "algorithm": row.algorithm,
        "state": row.state,
        **{name: (moment := getattr(row, name)) and moment.isoformat() for name in moments},
        "verified": row.verified,
        "next": step and {"move": step.move, "at": step.at and step.at.isoformat()},
    }


def _within(bound: timedelta) -> str:
    return f"within {bound.total_seconds():g} s" if bound else "at once"
