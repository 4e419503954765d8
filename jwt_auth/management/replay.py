"""
Revocations as lines of JSON, and their repetition after an older backup was restored.

A line has the fields that the log has for the same revocation (docs/reference/logging.md), so the log in its JSON form
can be replayed as well. Only revocations that the database lacks are written: a line may be replayed any number of
times, and lines from before the backup change nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone as dt_timezone
from functools import partial
from typing import Any, TypeAlias

from django.db.models import Max, Q
from django.utils import timezone

from jwt_auth import signing_keys
from jwt_auth.claims import LATEST
from jwt_auth.conf import get_settings
from jwt_auth.conf.lifetimes import longest_life
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.jose.encoding import json_object
from jwt_auth.keyring.states import KeyStateError
from jwt_auth.management.terminal import describe_user
from jwt_auth.models import CLIENT_PREFIX, ClientKey, RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import (
    cutoff,
    disable_client,
    revoke_all,
    revoke_client,
    revoke_client_key,
    revoke_session,
    revoke_user,
)
from jwt_auth.revocation.events import atomic
from jwt_auth.revocation.operations import deny_token
from jwt_auth.revocation.subjects import parse_sid
from jwt_auth.user_model import read_key, user_field

Scope = RevocationEvent.Scope

MAX_LINE = 2**20  # bytes; a record with a long traceback has some thousand
REPLAYED = "replayed: "

# The furthest that a cutoff may lie in the future: the clock of a machine may have been ahead.
FURTHEST = timedelta(days=1)

# The reasons of revocations that a change of the user's row had caused: the restored row has the former state.
_DELETED = "user deleted"
_OF_COLUMNS = ("user deactivated", "password changed", "session hash changed")


class LineError(ValueError):
    """Raised for a line that is no record, or is a revocation that can't be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A revocation, as a line says it. `number` is the line's own."""

    number: int
    event: str
    subject: str
    cutoff: datetime | None
    expires_at: datetime | None
    reason: str
    actor: str
    others: "tuple[Line, ...]" = ()  # earlier ones about the same subject

    @property
    def at(self) -> datetime | None:
        """The cutoff to set; None for the present, if the cutoff lies in the future of this machine's clock."""
        return None if self.cutoff is None or self.cutoff > timezone.now() else self.cutoff

    @property
    def cause(self) -> str:
        """The reason, also of a revocation that was itself replayed."""
        return self.reason.removeprefix(REPLAYED)

    @property
    def record(self) -> dict[str, Any]:
        """The reason and the actor for the record of the repetition."""
        return {"reason": f"{REPLAYED}{self.cause}"[:255], "actor": self.actor[:255]}


@dataclass(slots=True)
class Report:
    """
    The result: numbers by kind and outcome, and faulty lines.

    `users` has the users whose rows somebody has to change, by the reason and the primary key, and their names.
    """

    lines: int = 0
    others: int = 0
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    users: dict[str, dict[Any, str]] = field(default_factory=dict)
    errors: list[tuple[int, str]] = field(default_factory=list)


# The outcomes. "Missing" is what the backup does not have: there is nothing that could be used again.
APPLY, DONE, MISSING = "apply", "done", "missing"


# Lines


def export(since: datetime | None = None) -> Iterator[dict[str, str]]:
    """Yield the revocations in the database as the log has them, the oldest first; `since` is included."""
    events = RevocationEvent.objects.order_by("pk")
    usable = set(RegisteredClient.objects.filter(is_active=True).values_list("client_id", flat=True))
    for event in (events if since is None else events.filter(created_at__gte=since)).iterator():
        name = _name_of(event, usable)
        if name is not None:
            moments = {"at": event.created_at, "cutoff": event.cutoff, "expires_at": event.expires_at}
            yield {
                **{key: moment.isoformat() for key, moment in moments.items() if moment is not None},
                "event": name,
                **{key: str(getattr(event, key)) for key in ("scope", "subject", "actor", "reason")},
            }


def _name_of(event: RevocationEvent, usable: set[str]) -> str | None:
    """Return the name of the event in the log; None for a change of a client that revoked nothing."""
    if event.scope == Scope.CLIENT:
        # The table does not distinguish the two events, but the client's row does. Without a row it was deleted.
        disabled = event.subject not in usable
        return "client_disabled" if disabled else "client_revoked" if event.cutoff is not None else None
    if event.scope == Scope.KEY and event.subject.startswith(CLIENT_PREFIX):
        return "client_key_revoked"
    return f"{event.scope}_revoked"


def read_line(raw: bytes, number: int) -> Line | None:
    """
    Return the revocation in a line; None for another record of the log, and for an empty line.

    Raises:
        LineError: for anything else.
    """
    if not raw.strip():
        return None
    if len(raw) > MAX_LINE:
        raise LineError(f"it has more than {MAX_LINE:,} bytes")
    try:
        values = json_object(raw)
    except ValueError as error:
        raise LineError(f"it is no JSON object: {error}") from error
    if not isinstance(values.get("event"), str) or values["event"] not in _KINDS:
        return None
    line = Line(
        number=number,
        event=values["event"],
        subject=_text(values, "subject"),
        cutoff=_moment(values, "cutoff"),
        expires_at=_moment(values, "expires_at"),
        reason=_text(values, "reason"),
        actor=_text(values, "actor"),
    )
    if line.event in _WITH_CUTOFF and line.cutoff is None:
        raise LineError("it has no cutoff")
    if line.cutoff is not None and line.cutoff > timezone.now() + FURTHEST:
        raise LineError("its cutoff lies far in the future")
    return line


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or len(value) > 511 or "\0" in value:
        raise LineError(f"{name} is not a short text")
    return value


def _moment(values: Mapping[str, Any], name: str) -> datetime | None:
    value = values.get(name)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None or moment >= LATEST:
            raise ValueError
        return moment.astimezone(dt_timezone.utc)
    except (TypeError, ValueError, OverflowError) as error:
        raise LineError(f"{name} is not a time with an offset") from error


# Repetition


def replay(lines: Iterable[bytes], *, batch_size: int, dry_run: bool) -> Report:
    """
    Repeat the revocations in `lines` that the database lacks, in one transaction for each `batch_size` of them.

    Lines that can't be read are reported, and all others are repeated: too much is refused, never too little.
    """
    report = Report()
    batch: list[Line] = []
    for number, raw in enumerate(lines, start=1):
        report.lines = number
        try:
            line = read_line(raw, number)
        except LineError as error:
            report.errors.append((number, str(error)))
            continue
        if line is None:
            report.others += bool(raw.strip())
            continue
        batch.append(line)
        if len(batch) >= batch_size:
            _replay_batch(batch, report, dry_run)
            batch = []
    _replay_batch(batch, report, dry_run)
    return report


def _replay_batch(batch: list[Line], report: Report, dry_run: bool) -> None:
    with atomic():
        for event, (kind, plan) in _KINDS.items():
            lines = _latest(line for line in batch if line.event == event)
            for line, act in plan(lines, report) if lines else ():
                outcome = act if isinstance(act, str) else APPLY
                report.counts[kind, outcome] += 1
                # With the latest line about a subject, the others are in force.
                report.counts[kind, DONE if outcome == APPLY else outcome] += len(line.others)
                if not isinstance(act, str) and not dry_run:
                    _act(line, act, report)


def _act(line: Line, act: Callable[[], object], report: Report) -> None:
    try:
        act()
    except KeyStateError as error:
        report.errors.append((line.number, str(error)))


def _latest(lines: Iterable[Line]) -> list[Line]:
    """Return one line for each subject, which has the others: that with the latest cutoff, or the last one."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.subject, []).append(line)
    # Sorting keeps the order of lines without a cutoff. Lines of one kind all have one, or none has.
    groups = (sorted(group, key=lambda line: line.cutoff or LATEST) for group in found.values())
    return [replace(last, others=tuple(others)) for *others, last in groups]


# The operation that repeats a line, or the outcome if there is none.
Act: TypeAlias = Callable[[], object] | str

# A plan has the latest line for each subject, and asks one query for all of them.
Plan: TypeAlias = Iterator[tuple[Line, Act]]


def _sessions(lines: list[Line], report: Report) -> Plan:
    sids = {line.subject: parse_sid(line.subject) for line in lines}
    rows = UserSession.objects.filter(pk__in=[sid for sid in sids.values() if sid is not None])
    revoked = dict(rows.values_list("pk", "revoked_at"))
    for line in lines:
        sid = sids[line.subject]
        if sid is None or sid not in revoked:
            yield line, MISSING
        elif revoked[sid] is not None:
            yield line, DONE
        else:
            yield line, _later(revoke_session, sid, line)


def _users(lines: list[Line], report: Report) -> Plan:
    name = get_settings().USER_ID_FIELD
    keys = {line.subject: read_key(user_field(name), line.subject) for line in lines}
    rows = cutoff.users_with_cutoff().filter(**{f"{name}__in": [key for key in keys.values() if key is not None]})
    users = {user_id_of(user): user for user in rows}
    before = _cutoffs_before_replays(lines)
    for line in lines:
        user = users.get(line.subject)
        if user is None:
            yield line, MISSING
            continue
        known = cutoff.read(user)
        # After an earlier replay the row still has its former state, until somebody changes it.
        had = before.get((line.subject, known), known)
        for each in (*line.others, line):  # the last one may be a mere sign-out
            is_undone = each.cause in _OF_COLUMNS and not _is_later(had, each.cutoff)
            if each.cause == _DELETED or is_undone:
                report.users.setdefault(each.cause, {})[user.pk] = describe_user(user)
        yield line, DONE if _is_later(known, line.cutoff) else _later(revoke_user, user, line, at=line.at)


def _cutoffs_before_replays(lines: list[Line]) -> dict[tuple[str, datetime | None], datetime | None]:
    """Return, by the user and the latest cutoff that a replay has written, the latest cutoff by anything else."""
    events = RevocationEvent.objects.filter(scope=Scope.USER, subject__in=[line.subject for line in lines])
    replayed = Q(reason__startswith=REPLAYED)
    latest = events.values_list("subject").annotate(
        by_replays=Max("cutoff", filter=replayed), before=Max("cutoff", filter=~replayed)
    )
    return {(subject, moment): before for subject, moment, before in latest.order_by() if moment is not None}


def _everybody(lines: list[Line], report: Report) -> Plan:
    known = RevocationEvent.objects.filter(scope=Scope.ALL).aggregate(newest=Max("cutoff"))["newest"]
    for line in lines:
        is_done = _is_later(known, line.cutoff)
        yield line, DONE if is_done else partial(revoke_all, at=line.at, **line.record)


def _tokens(lines: list[Line], report: Report) -> Plan:
    rows = RevocationEvent.objects.filter(scope=Scope.TOKEN, subject__in=[line.subject for line in lines])
    known, now = set(rows.values_list("subject", flat=True)), timezone.now()
    for line in lines:
        if line.subject in known or (line.expires_at is not None and line.expires_at <= now):
            yield line, DONE
        else:
            yield line, _later(deny_token, line.subject, line, until=line.expires_at or now + longest_life())


def _clients(lines: list[Line], report: Report) -> Plan:
    clients = RegisteredClient.objects.in_bulk([line.subject for line in lines], field_name="client_id")
    for line in lines:
        client = clients.get(line.subject)
        if client is None:
            yield line, MISSING
        elif line.event == "client_disabled":
            yield line, _later(disable_client, client, line) if client.is_active else DONE
        else:
            is_done = _is_later(client.tokens_valid_after, line.cutoff)
            yield line, DONE if is_done else _later(revoke_client, client, line)


def _client_keys(lines: list[Line], report: Report) -> Plan:
    kids = {line.subject.partition(" ")[2] for line in lines}
    rows = ClientKey.objects.filter(kid__in=kids).select_related("client")
    keys = {f"{key.client.client_id} {key.kid}": key for key in rows}
    for line in lines:
        key = keys.get(line.subject)
        if key is None:
            yield line, MISSING
        else:
            yield line, DONE if key.revoked_at is not None else _later(revoke_client_key, key, line)


def _signing_keys(lines: list[Line], report: Report) -> Plan:
    issuer = get_settings().ISSUER
    keys = {f"{issuer} {key.kid}": key for key in SigningKey.objects.all()}
    for line in lines:
        key = keys.get(line.subject)
        if key is None:
            yield line, MISSING
        elif key.state == SigningKey.State.REVOKED:
            yield line, DONE
        else:
            yield line, _later(signing_keys.revoke, key.kid, line, emergency=True)


def _is_later(known: datetime | None, cutoff: datetime | None) -> bool:
    """Return whether the database's cutoff is not before that of a line, which has one."""
    return known is not None and cutoff is not None and known >= cutoff


def _later(operation: Callable[..., object], subject: Any, line: Line, **options: Any) -> Act:
    return partial(operation, subject, **options, **line.record)


# By the names of the events: the kind as a report names it, and its plan. A client's keys before the client, and
# signing keys last: their revocation may create a key.
_KINDS: Mapping[str, tuple[str, Callable[[list[Line], Report], Plan]]] = {
    "all_revoked": ("everybody", _everybody),
    "user_revoked": ("users", _users),
    "session_revoked": ("sessions", _sessions),
    "token_revoked": ("tokens", _tokens),
    "client_key_revoked": ("keys of clients", _client_keys),
    "client_revoked": ("clients' tokens", _clients),
    "client_disabled": ("clients", _clients),
    "key_revoked": ("signing keys", _signing_keys),
}
_WITH_CUTOFF = frozenset({"all_revoked", "user_revoked", "client_revoked"})
KINDS = tuple(kind for kind, _ in _KINDS.values())
