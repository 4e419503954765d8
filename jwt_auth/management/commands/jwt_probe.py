"""
`manage.py jwt_probe`: measures how long a running deployment accepts a revoked token.
"""

import http.client
import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from jwt_auth.conf import get_settings
from jwt_auth.exceptions import InvalidCredentialsError
from jwt_auth.http.text import printable
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.probe import Answer, ask, probe
from jwt_auth.management.terminal import find_user, number
from jwt_auth.revocation import revoke_session
from jwt_auth.sessions import start


class Command(DatabaseCommand):
    help = (
        "Starts a session, ends it, and sends requests to a running deployment all the time, to measure how long the "
        "token is accepted. Needs the deployment's database and keys. Fails if the promised bound is exceeded."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("urls", nargs="+", metavar="URL", help="A URL that answers 200 to a signed-in user.")
        parser.add_argument("--user", required=True, help="The session's user: primary key, or name to sign in with.")
        parser.add_argument(
            "--rounds", type=number(1, 1000), default=5, help="The number of sessions, one after another (5)."
        )
        parser.add_argument(
            "--askers", type=number(1, 1000), default=8, help="The number of concurrent requests to each URL (8)."
        )
        parser.add_argument(
            "--worker-header", default="X-Worker", help="A response header in which your servers name the worker."
        )
        parser.add_argument("--json", action="store_true", help="Print JSON instead of a table.")

    def handle(self, *args: Any, urls: list[str], user: str, rounds: int, askers: int, **options: Any) -> None:
        header = options["worker_header"]
        found, bound = find_user(user), promised_bound()
        try:
            _check_targets(found, urls, header)
            answers = [probe(found, urls, askers=askers, bound=bound, worker_header=header) for _ in range(rounds)]
        except InvalidCredentialsError as error:
            raise CommandError(f"This user can't sign in: {error.reason}.") from error
        except (OSError, http.client.HTTPException) as error:
            raise CommandError(f"The deployment can't be reached: {printable(repr(error))}.") from error
        report = summarize(answers, bound)
        self.stdout.write(json.dumps(report, indent=2) if options["json"] else "\n".join(_table(report)))
        if report["kept"] is False:
            raise CommandError("A revoked token was accepted for longer than promised.")


def promised_bound() -> float:
    """Return the promised bound in seconds, by the settings of this process."""
    settings = get_settings()
    return settings.REVOCATION_MAX_STALENESS.total_seconds() if settings.REVOCATION == "memory" else 0.0


def summarize(rounds: list[list[Answer]], bound: float) -> dict[str, Any]:
    """Return statistics of the longest acceptance in each round, per worker, or per URL if workers are unknown."""
    longest: list[float] = []
    workers: set[tuple[str, str]] = set()
    others: dict[str, int] = {}
    for answers in rounds:
        seen: dict[tuple[str, str], float] = {}
        for answer in answers:
            key = (answer.url, answer.worker)
            seen.setdefault(key, 0.0)
            if 200 <= answer.status < 300:
                seen[key] = max(seen[key], answer.begun_after)
            elif answer.status != 401:
                others[str(answer.status)] = others.get(str(answer.status), 0) + 1
        longest += seen.values()
        workers.update(key for key in seen if key[1])
    longest.sort()
    return {
        "bound": bound,
        "rounds": len(rounds),
        "requests": sum(map(len, rounds)),
        "workers_seen": len(workers) or None,
        "accepted_for": {
            name: round(longest[min(int(len(longest) * share), len(longest) - 1)], 3)
            for name, share in (("median", 0.5), ("p95", 0.95), ("p99", 0.99), ("longest", 1.0))
        },
        "other_answers": others,
        "kept": longest[-1] <= bound,
    }


def _check_targets(user: Any, urls: list[str], header: str) -> None:
    """Check that each URL refuses a request without a token and accepts the probe's token; raise CommandError."""
    pair = start(user, label="jwt_probe")
    try:
        for url in urls:
            if not url.startswith(("http://", "https://")):
                raise CommandError(f"{printable(url)} does not begin with http:// or https://.")
            if (status := ask(url, None, header)[0]) != 401:
                raise CommandError(f"{printable(url)} answers {status} to a request without a token; 401 was expected.")
            if not 200 <= (status := ask(url, pair.access_token, header)[0]) < 300:
                raise CommandError(
                    f"{printable(url)} answers {status} to the probe's token. "
                    "Does this command use the same database and keys?"
                )
    finally:
        revoke_session(pair.session_id, reason="jwt_probe")


def _table(report: dict[str, Any]) -> list[str]:
    seen = report["workers_seen"]
    who = f"{seen} worker{'s' * (seen > 1)}" if seen else "workers that send no worker header"
    accepted = report["accepted_for"]
    lines = [
        f"{report['requests']} requests to {who}, after {report['rounds']} revocations.",
        "",
        "Seconds after the revocation for which the token was accepted:",
        *(f"  {name:<8}{accepted[name]:>7.3f}" for name in accepted),
        f"  {'promised':<8}{report['bound']:>7.3f}",
    ]
    if report["other_answers"]:
        told = ", ".join(f"{number} times {status}" for status, number in report["other_answers"].items())
        lines += ["", f"Neither accepted nor refused: {told}."]
    return [*lines, "", "The bound was kept." if report["kept"] else "The bound was NOT kept."]
