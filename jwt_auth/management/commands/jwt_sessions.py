"""
`manage.py jwt_sessions`: lists the sessions of a user.
"""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from jwt_auth.conf.user_keys import key_of, user_id_of
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import (
    client_lines,
    describe_moment,
    describe_state,
    describe_user,
    find_user,
    number,
    session_lines,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation import cutoff, remaining
from jwt_auth.revocation.database import live_sessions, with_state
from jwt_auth.sessions import devices
from jwt_auth.user_model import adopt
from jwt_auth.views.client_serializers import describe_left

# The number of sessions that are listed by default.
LIMIT = 100


class Command(DatabaseCommand):
    help = (
        "Lists the sessions of a user, and the API clients that outlive them. The output contains no token and no "
        "secret."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--user", required=True, help="Primary key, or the name to sign in with.")
        parser.add_argument("--all", action="store_true", help="Include ended sessions.")
        parser.add_argument(
            "--limit",
            type=number(1, 1_000_000),
            default=LIMIT,
            metavar="SESSIONS",
            help=f"The number of sessions to list, the most recently used ones; {LIMIT} by default.",
        )
        parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")

    def handle(self, *args: Any, user: str, all: bool, limit: int, json: bool, **options: Any) -> None:
        found, now = find_user(user), timezone.now()
        live = live_sessions(found, now)
        rows = with_state(UserSession.objects.filter(user_id=key_of(found))).order_by("-last_issued_at", "-pk")
        chosen = rows if all else live
        found_rows = list(chosen[:limit])
        adopt(found_rows)
        sessions = [(row, describe_state(row, now)) for row in found_rows]
        # Counted only if there may be more: each count reads all rows of the user.
        total = chosen.count() if len(sessions) == limit else len(sessions)
        live_count = live.count() if all else total
        show = self.show_json if json else self.show_table
        show(found, sessions, live_count, total, remaining.page([key_of(found)], now))

    def show_table(
        self, user: Any, sessions: list[tuple[UserSession, str]], live: int, total: int, left: remaining.Page
    ) -> None:
        self.stdout.write(f"{describe_user(user)}: {live:,} live session{'' if live == 1 else 's'}")
        if valid_after := cutoff.read(user):
            self.stdout.write(
                f"Sessions from before {describe_moment(valid_after)} UTC are refused (the user's cutoff)."
            )
        if sessions:
            self.stdout.write("")
            self.stdout.write("\n".join(session_lines(sessions)))
        if total > len(sessions):
            self.stdout.write(f"... and {total - len(sessions):,} more; --limit lists more of them.")
        if left.total:
            self.stdout.write("\n".join(["", *client_lines(left, "outlives the sessions", "outlive the sessions")]))

    def show_json(
        self, user: Any, sessions: list[tuple[UserSession, str]], live: int, total: int, left: remaining.Page
    ) -> None:
        valid_after = cutoff.read(user)
        document = {
            "user": user_id_of(user),
            "tokens_valid_after": valid_after and valid_after.isoformat(),
            "live": live,
            "total": total,
            "sessions": [_as_json(session, state) for session, state in sessions],
            "clients": describe_left(left),
            "clients_total": left.total,
        }
        self.stdout.write(json.dumps(document, indent=2, default=str))


def _as_json(session: UserSession, state: str) -> dict[str, Any]:
    return {
        "id": str(session.pk),
        "state": state,
        "device": devices.name_of(session.user_agent),
        "label": session.label,
        "user_agent": session.user_agent,
        "ip_address": session.ip_address,
        "last_user_agent": session.last_user_agent,
        "last_ip_address": session.last_ip_address,
        "transport": session.transport,
        "started_at": session.started_at.isoformat(),
        "last_used_at": session.last_issued_at.isoformat(),
        "expires_at": session.ends_at.isoformat(),
        "shared_at": session.shared_at and session.shared_at.isoformat(),
        "shared_ip_address": session.shared_ip_address,
        "shared_user_agent": session.shared_user_agent,
        "misused_ip_address": session.misused_ip_address,
        "misused_user_agent": session.misused_user_agent,
    }
