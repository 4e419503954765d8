"""
`manage.py jwt_revoke`: revokes a session, all tokens of a user, or everything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from jwt_auth._django.slices import Counted
from jwt_auth.conf.user_keys import key_of
from jwt_auth.jose.mistakes import mistake_in
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import (
    MISUSED,
    add_reason,
    add_yes,
    client_lines,
    confirm,
    describe_moment,
    describe_number,
    describe_state,
    describe_user,
    find_user,
    read_token,
    record,
    session_lines,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation import counting, cutoff, remaining, revoke_all, revoke_session, revoke_user
from jwt_auth.revocation.database import knows_password_of, live_sessions, with_state
from jwt_auth.sessions.lifecycle import session_id_of

# The number of a user's sessions that are listed; the rest are only counted.
SHOWN = 20

_SESSIONS = ("live session", "live sessions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A revocation: the lines that describe its consequences, and the function."""

    hits: list[str]
    do: Callable[[dict[str, Any]], str]


class Command(DatabaseCommand):
    help = (
        "Revokes a session, a user's sessions, or everybody's: their tokens are refused from the next request on. "
        "Shows the consequences first, and asks. A revocation can't be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument("--user", help="All tokens of this user: primary key, or the name to sign in with.")
        target.add_argument("--session", metavar="ID", help="One session, by its id.")
        target.add_argument(
            "--token",
            help='The session of an access or a refresh token. "-" asks for the token or reads it from standard input, '
            "which keeps it out of the shell's history and out of the process list.",
        )
        target.add_argument("--all", action="store_true", help="All tokens of all users.")
        parser.add_argument(
            "--with-clients",
            action="store_true",
            help="With --user: also disable the API clients that act as the user or that the user registered, and "
            "revoke the keys that the user added to other clients.",
        )
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only show the consequences.")
        add_yes(parser)

    def handle(self, *args: Any, reason: str, dry_run: bool, yes: bool, **options: Any) -> None:
        if options["with_clients"] and options["user"] is None:
            raise CommandError("--with-clients is for --user.", returncode=MISUSED)
        facts, revocation = record(reason), self.plan(**options)
        for line in revocation.hits:
            self.stdout.write(line)
        if dry_run:
            self.stdout.write("Nothing was revoked (--dry-run).")
            return
        confirm(self, yes=yes)
        self.stdout.write(self.style.SUCCESS(revocation.do(facts)))

    def plan(
        self, *, user: str | None, session: str | None, token: str | None, with_clients: bool, **options: Any
    ) -> Revocation:
        if user is not None:
            return _of_user(find_user(user), with_clients)
        if session is not None:
            return _of_session(_parse(session))
        return _everything() if token is None else _of_session(_session_of(read_token(self, token)))


def _everything() -> Revocation:
    sessions, users = counting.everybody(timezone.now())
    live, whose = describe_number(sessions, *_SESSIONS, bound="up to"), describe_number(users, "user", "users")

    def do(record: dict[str, Any]) -> str:
        return f"Revoked everything: sessions from before {describe_moment(revoke_all(**record))} UTC are refused."

    hits = [f"Everybody: {live} of {whose}. All users have to sign in again, including you."]
    clients = counting.active_clients()
    if clients.number or not clients.is_all:
        stay = describe_number(clients, "API client stays: its keys", "API clients stay: they")
        hits.append(f"{stay} can sign new tokens.")
    return Revocation(hits=hits, do=do)


def _of_user(user: Any, with_clients: bool) -> Revocation:
    now = timezone.now()
    live, left = live_sessions(user, now), remaining.page([key_of(user)], now)
    shown = list(live[:SHOWN])
    found, password = Counted(len(shown)), knows_password_of(user)
    if len(shown) == SHOWN:
        found = counting.live_sessions_of_user(key_of(user), now, password)
    hits = [f"{describe_user(user)}: {describe_number(found, *_SESSIONS)}"]
    if shown:
        more = Counted(found.number - len(shown), found.is_all)
        others = [f"... and {describe_number(more, 'more', 'more')}"] if more.number > 0 else []
        hits += ["", *session_lines((session, "live") for session in shown), *others, ""]
    if (before := cutoff.read(user)) is not None:
        hits.append(f"Sessions from before {describe_moment(before)} UTC are already refused (the user's cutoff).")
    if with_clients and left.total:
        hits += ["", *client_lines(left, "ends", "end"), ""]
    elif left.total:
        hits += ["", *client_lines(left), "", *_ways_to_end(left)]

    def do(record: dict[str, Any]) -> str:
        done = revoke_user(user, with_clients=with_clients, **record)
        moment = describe_moment(done.tokens_valid_after)
        # Not "live sessions": the number includes sessions that a password change had ended.
        ended = "1 session" if done.sessions_revoked == 1 else f"{done.sessions_revoked:,} sessions"
        text = f"Revoked {ended}; those from before {moment} UTC are refused."
        if with_clients:
            text += f"\nDisabled API clients: {done.clients_disabled:,}. Keys revoked: {done.keys_revoked:,}."
        return text + (f"\nAPI clients that stay: {done.clients_left:,}." if done.clients_left else "")

    return Revocation(hits=hits, do=do)


def _ways_to_end(left: remaining.Page) -> list[str]:
    """Return the lines that say how to end the clients and keys that stay."""
    first = left.rows[0]
    lines = [
        "To end all of them as well, repeat the command with --with-clients. To end a single one:",
        f"  manage.py jwt_client disable {first.client.client_id}",
    ]
    if first.keys:
        lines.append(f"  manage.py jwt_client revoke {first.client.client_id} --kid={first.keys[0].kid}")
    return lines


def _of_session(sid: UUID) -> Revocation:
    session = with_state(UserSession.objects.filter(pk=sid)).first()
    if session is None:
        raise CommandError(f"There is no session {sid}; jwt_sessions lists those of a user.")
    state = describe_state(session, timezone.now())
    if session.revoked_at is not None:
        state = f"revoked at {describe_moment(session.revoked_at)} UTC"

    def do(record: dict[str, Any]) -> str:
        ended = revoke_session(sid, **record)
        return f"Revoked session {sid}." if ended else f"Session {sid} was already revoked; there was nothing to do."

    hits = [f"A session of {describe_user(session.user)}:", "", *session_lines([(session, state)]), ""]
    return Revocation(hits=hits, do=do)


def _parse(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError(
            "That is not a session id, which is a UUID; jwt_sessions lists them.", returncode=MISUSED
        ) from None


def _session_of(text: str) -> UUID:
    sid = session_id_of(text)
    if sid is None:
        mistake = mistake_in(text) or ": it was changed, or its signing key is gone"
        raise CommandError(f"That is not a token of this project{mistake}.")
    return sid
