"""
`manage.py jwt_revoke`: takes back a session, all that a user has, or everything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from jwt_auth.management.terminal import (
    MISUSED,
    add_reason,
    add_yes,
    confirm,
    describe_moment,
    describe_state,
    describe_user,
    find_user,
    read_token,
    record,
    session_lines,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff, revoke_all, revoke_session, revoke_user
from jwt_auth.revocation.database import live_sessions, with_state
from jwt_auth.sessions.lifecycle import session_id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What is about to be done: whom it hits, what to type to have it done, and the doing."""

    hits: list[str]
    answer: str
    do: Callable[[dict[str, Any]], str]


class Command(BaseCommand):
    help = (
        "Revokes a session, a user's sessions, or everybody's: their tokens are refused from the next request on. "
        "Says first whom it hits, and asks. What is revoked stays revoked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        target = parser.add_mutually_exclusive_group(required=True)
        target.add_argument("--user", help="All that this user has: primary key, or the name to sign in with.")
        target.add_argument("--session", metavar="ID", help="One session, by its id.")
        target.add_argument(
            "--token",
            help='The session of an access or a refresh token. "-" asks for it or reads it from standard input, which '
            "keeps it out of the shell's history and of the list of processes.",
        )
        target.add_argument("--all", action="store_true", help="Everything of everybody, this moment.")
        add_reason(parser)
        parser.add_argument("--dry-run", action="store_true", help="Only say whom it would hit.")
        add_yes(parser)

    def handle(self, *args: Any, reason: str, dry_run: bool, yes: bool, **options: Any) -> None:
        facts, deed = record(reason), self.plan(**options)
        for line in deed.hits:
            self.stdout.write(line)
        if dry_run:
            self.stdout.write("Nothing was revoked (--dry-run).")
            return
        confirm(self, deed.answer, yes=yes)
        self.stdout.write(self.style.SUCCESS(deed.do(facts)))

    def plan(self, *, user: str | None, session: str | None, token: str | None, **options: Any) -> Deed:
        if user is not None:
            return _of_user(find_user(user))
        if session is not None:
            return _of_session(_parse(session))
        return _everything() if token is None else _of_session(_session_of(token))


def _everything() -> Deed:
    now = timezone.now()
    live = UserSession.objects.filter(revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now)
    users = live.order_by().values("user_id").distinct().count()
    whose = "1 user" if users == 1 else f"{users:,} users"

    def do(record: dict[str, Any]) -> str:
        return f"Revoked everything: sessions from before {describe_moment(revoke_all(**record))} UTC are refused."

    hits = f"Everybody: up to {_count(live.count())} of {whose}. All have to sign in again, you too."
    return Deed(hits=[hits], answer="revoke everything", do=do)


def _of_user(user: Any) -> Deed:
    live = live_sessions(user, timezone.now())
    hits = [f"{describe_user(user)}: {_count(len(live))}"]
    if live:
        hits += ["", *session_lines((session, "live") for session in live), ""]
    if (before := cutoff.read(user)) is not None:
        hits.append(f"Sessions from before {describe_moment(before)} UTC are refused already (the user's cutoff).")

    def do(record: dict[str, Any]) -> str:
        done = revoke_user(user, **record)
        moment = describe_moment(done.tokens_valid_after)
        # Without "live": those that another password had ended are among them.
        ended = "1 session" if done.sessions_revoked == 1 else f"{done.sessions_revoked:,} sessions"
        return f"Revoked {ended}; those from before {moment} UTC are refused."

    return Deed(hits=hits, answer="yes", do=do)


def _of_session(sid: UUID) -> Deed:
    session = with_state(UserSession.objects.filter(pk=sid)).first()
    if session is None:
        raise CommandError(f"There is no session {sid}.")
    state = describe_state(session, timezone.now())
    if session.revoked_at is not None:
        state = f"revoked at {describe_moment(session.revoked_at)} UTC"

    def do(record: dict[str, Any]) -> str:
        ended = revoke_session(sid, **record)
        return f"Revoked session {sid}." if ended else f"Session {sid} was revoked before; there was nothing to do."

    hits = [f"A session of {describe_user(session.user)}:", "", *session_lines([(session, state)]), ""]
    return Deed(hits=hits, answer="yes", do=do)


def _parse(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise CommandError("That is no session's id; jwt_sessions lists them.", returncode=MISUSED) from None


def _session_of(text: str) -> UUID:
    sid = session_id_of(read_token(text))
    if sid is None:
        raise CommandError("That is no token of this project: it was changed, or signed with a key that is gone.")
    return sid


def _count(number: int) -> str:
    return "1 live session" if number == 1 else f"{number:,} live sessions"
