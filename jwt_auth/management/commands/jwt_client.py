"""
`manage.py jwt_client`: registers API clients, manages their keys, and revokes their tokens and keys.
"""

import json
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth import clients, registrars
from jwt_auth._django.slices import ranges_of_keys
from jwt_auth._django.transactions import write_atomic
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import RegistrationError
from jwt_auth.http.text import printable
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.management.terminal import (
    NOTHING_DONE,
    ActionParser,
    add_reason,
    add_yes,
    confirm,
    describe_moment,
    describe_operator,
    describe_origin,
    describe_user,
    find_user,
    number,
    record,
    shorten,
    table,
)
from jwt_auth.models import CLIENT_ID, ClientKey, RegisteredClient
from jwt_auth.revocation import disable_client, remaining, revoke_client, revoke_client_key
from jwt_auth.user_model import adopt, has_visible_user
from jwt_auth.views.client_serializers import ClientKeySerializer, ClientSerializer

_AS_ONE = "Write --kid=KID, because an id may begin with a hyphen."

BATCH = 300  # keys that are judged at once

MAX_OVERLAP_HOURS = int(clients.MAX_OVERLAP.total_seconds()) // 3600


class Command(DatabaseCommand):
    help = (
        "Registers API clients, which sign their own tokens; adds, rotates and revokes their keys; and revokes their "
        "tokens. A secret is printed only once. Prefer a key pair that the client makes: it keeps the private key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=ActionParser)
        each = actions.add_parser("list", help="Show all clients.")
        each.add_argument(
            "--user",
            help="Only active clients that act as this user, that the user registered, or that have a usable key which "
            "the user added.",
        )
        each.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
        actions.add_parser("audit", help="Show usable keys whose issuer could not issue them any more.")
        each = actions.add_parser("create", help="Register a client and its first key.")
        each.add_argument("name", help="A name for people.")
        each.add_argument("--user", required=True, help="The user it acts as: primary key, or name to sign in with.")
        each.add_argument("--scopes", default="", help="The scopes that its tokens may have, separated by spaces.")
        each.add_argument("--requires-binding", action="store_true", help="Each token must be bound to one request.")
        _add_key_options(each)
        each = _add_action(actions, "keys", "Show the keys of a client.")
        each.add_argument("--json", action="store_true", help="Print JSON instead of a table.")
        _add_key_options(_add_action(actions, "add-key", "Add a key to a client."))
        each = _add_action(actions, "rotate", "Replace a key of a client; the old key expires after the overlap.")
        each.add_argument("--kid", help=f"The key to replace; not needed if the client has only one. {_AS_ONE}")
        each.add_argument(
            "--overlap-hours",
            type=number(0, MAX_OVERLAP_HOURS),
            default=int(clients.OVERLAP.total_seconds()) // 3600,
            metavar="HOURS",
            help="How long both keys are accepted; a week by default.",
        )
        _add_key_options(each)
        each = _add_action(actions, "revoke", "Refuse all tokens that a client has signed, or revoke one of its keys.")
        each.add_argument(
            "--kid", help=f"Revoke this key: all tokens that it has signed and will sign are refused. {_AS_ONE}"
        )
        add_reason(each)
        add_yes(each)
        each = _add_action(actions, "disable", "Disable a client permanently.")
        add_reason(each)
        add_yes(each)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        do: Mapping[str, Callable[..., None]] = {
            "list": self.list,
            "audit": self.audit,
            "create": self.create,
            "keys": self.keys,
            "add-key": self.add_key,
            "rotate": self.rotate,
            "revoke": self.revoke,
            "disable": self.disable,
        }
        try:
            do[action](**options)
        except RegistrationError as refusal:
            raise CommandError(printable(refusal), returncode=NOTHING_DONE) from None

    def list(self, *, user: str | None, json: bool, **options: Any) -> None:
        rows = RegisteredClient.objects.all()
        if user is not None:
            rows = remaining.clients_of([key_of(find_user(user))], timezone.now())
        rows = rows.select_related("user").order_by("pk")
        if json:
            self.show_json({"clients": ClientSerializer(rows, many=True).data})
        elif found := list(rows.iterator()):
            head = ("CLIENT", "NAME", "ACTS AS", "SCOPES", "MADE (UTC)", "BY", "ADDRESS", "LAST USED (UTC)", "STATE")
            adopt(found)
            self.stdout.write("\n".join(table([head, *map(_client_row, found)])))
        else:
            self.stdout.write("There are no clients.")

    def audit(self, **options: Any) -> None:
        usable = remaining.is_usable(timezone.now())
        total, found = 0, []
        for keys in ranges_of_keys(ClientKey.objects.all(), BATCH):
            batch = list(keys.filter(usable, client__is_active=True).select_related("client__user"))
            doubts = registrars.doubts(batch)
            total += len(batch)
            found += [_doubt_row(key, doubts[key.pk]) for key in batch if key.pk in doubts]
        if not found:
            self.stdout.write(f"{total:,} usable keys: their issuers could issue each of them again.")
            return
        head = ("CLIENT", "KEY", "ACTS AS", "MADE (UTC)", "BY", "ADDRESS", "DOUBT")
        self.stdout.write("\n".join(table([head, *found])))
        raise CommandError(f"{len(found):,} of {total:,} usable keys are in doubt.", returncode=NOTHING_DONE)

    @sensitive_variables()
    def create(self, *, name: str, user: str, scopes: str, requires_binding: bool, **options: Any) -> None:
        with write_atomic(router.db_for_write(RegisteredClient)):
            client = clients.register(
                name, find_user(user), scopes, requires_binding=requires_binding, actor=describe_operator()
            )
            new = _make_key(client, **options)
        self.show_new(new, json=options["json"])

    def keys(self, *, client_id: str, json: bool, **options: Any) -> None:
        client, now = _find_client(client_id), timezone.now()
        rows = client.keys.order_by("pk")
        if json:
            self.show_json({"client_id": client.client_id, "keys": ClientKeySerializer(rows, many=True).data})
            return
        self.stdout.write(_describe(client))
        made, by, address = describe_origin(client)
        self.stdout.write(f"Registered at {made} UTC, by {by}, from {address}.")
        if rows:
            head = ("KEY", "ALGORITHM", "MADE (UTC)", "BY", "ADDRESS", "LAST USED (UTC)", "STATE")
            self.stdout.write("\n".join(["", *table([head, *(_key_row(row, client, now) for row in rows)])]))
        else:
            self.stdout.write("It has no key, so it can't sign tokens.")

    @sensitive_variables()
    def add_key(self, *, client_id: str, **options: Any) -> None:
        self.show_new(_make_key(_find_client(client_id), **options), json=options["json"])

    @sensitive_variables()
    def rotate(self, *, client_id: str, kid: str | None, overlap_hours: int, **options: Any) -> None:
        old = _find_key(client_id, kid) if kid else _only_key(client_id)
        new = clients.rotate(
            old,
            _read_public_key(options["public_key"]),
            options["algorithm"],
            overlap=timedelta(hours=overlap_hours),
            expires_at=_end(options["expires_days"]),
            actor=describe_operator(),
        )
        self.show_new(new, json=options["json"])
        if not options["json"]:
            old.refresh_from_db()
            self.stdout.write(f"The old key {old.kid} is accepted until {describe_moment(old.expires_at)} UTC.")

    def revoke(self, *, client_id: str, kid: str | None, reason: str, yes: bool, **options: Any) -> None:
        operation = record(reason)
        if kid is not None:
            key = _find_key(client_id, kid)
            self.confirm(
                f"Key {kid} of {_name(key.client)}: all tokens that it has signed and will sign are refused. Tokens "
                "that the client was given for other servers continue; to end them, revoke the client's tokens, too, "
                "without --kid.",
                yes,
            )
            done = revoke_client_key(key, **operation)
            self.stdout.write(self.style.SUCCESS(f"Revoked key {kid}.") if done else "It was already revoked.")
            return
        client = _find_client(client_id)
        self.confirm(
            f"{_name(client)}: the tokens that it has signed are refused."
            + " It can sign new ones with the same keys; if a key was stolen, revoke it with --kid." * client.is_active,
            yes,
        )
        moment = describe_moment(revoke_client(client, **operation))
        self.stdout.write(self.style.SUCCESS(f"Tokens signed before {moment} UTC are refused."))

    def disable(self, *, client_id: str, reason: str, yes: bool, **options: Any) -> None:
        operation, client = record(reason), _find_client(client_id)
        self.confirm(f"{_name(client)}: all tokens that it has signed and will sign are refused permanently.", yes)
        done = disable_client(client, **operation)
        self.stdout.write(self.style.SUCCESS(f"Disabled {_name(client)}.") if done else "It was already disabled.")

    @sensitive_variables()
    def show_new(self, new: clients.NewKey, *, json: bool) -> None:
        key = ClientKeySerializer(new.key).data
        secret = {} if new.secret is None else {"client_secret": new.secret}
        if json:
            client = ClientSerializer(new.key.client).data
            self.show_json({**client, "audience": get_settings().ISSUER, "key": {**key, **secret}})
            return
        self.stdout.write(_describe(new.key.client))
        facts = [
            ("Key id (kid):", new.key.kid),
            ("Algorithm (alg):", new.key.algorithm),
            ("Issuer and subject (iss, sub):", new.key.client.client_id),
            ("Audience (aud):", get_settings().ISSUER),
        ]
        if new.secret is not None:
            facts.append(("Secret:", new.secret))
        self.stdout.write("\n".join(["", *table(facts)]))
        if new.secret is not None:
            self.stdout.write("The secret is shown only once. Store it where the client reads it, and nowhere else.")

    def show_json(self, document: Any) -> None:
        self.stdout.write(json.dumps(document, indent=2, default=str))

    def confirm(self, hits: str, yes: bool) -> None:
        self.stdout.write(hits)
        confirm(self, yes=yes)


def _add_action(actions: Any, name: str, help: str) -> ActionParser:
    parser: ActionParser = actions.add_parser(name, help=help)
    parser.add_argument("client_id", help="The client's id; list shows it.")
    return parser


def _add_key_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--public-key", metavar="FILE", help='A PEM or JWK file; "-" is standard input. Without it a secret is made.'
    )
    parser.add_argument("--algorithm", choices=ALGORITHMS, help="The key's algorithm; HS256 by default for a secret.")
    parser.add_argument("--expires-days", type=number(1, 36_500), metavar="DAYS", help="The key's lifetime in days.")
    parser.add_argument("--json", action="store_true", help="Print JSON, including the secret.")


@sensitive_variables()
def _make_key(
    client: RegisteredClient, *, public_key: str | None, algorithm: str | None, expires_days: int | None, **options: Any
) -> clients.NewKey:
    facts: dict[str, Any] = {"expires_at": _end(expires_days), "actor": describe_operator()}
    source = _read_public_key(public_key)
    if source is None:
        return clients.add_secret(client, algorithm or "HS256", **facts)
    return clients.add_public_key(client, source, algorithm, **facts)


@sensitive_variables()
def _read_public_key(path: str | None) -> str | None:
    try:
        return path and (sys.stdin.read() if path == "-" else Path(path).read_text())
    except OSError as error:
        raise CommandError(f"{printable(path)} can't be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{printable(path)} is not a text file.") from None


def _end(days: int | None) -> datetime | None:
    return None if days is None else timezone.now() + timedelta(days=days)


def _find_client(client_id: str) -> RegisteredClient:
    rows = RegisteredClient.objects.select_related("user").filter(client_id=client_id)
    client = rows.first() if CLIENT_ID.fullmatch(client_id) else None
    if client is None:
        raise CommandError(f"There is no client {printable(client_id)!r}; jwt_client list shows the ids.")
    return client


def _find_key(client_id: str, kid: str) -> ClientKey:
    for key in _find_client(client_id).keys.select_related("client"):
        if key.kid == kid:
            return key
    raise CommandError(f"The client has no key {printable(kid)!r}; jwt_client keys {client_id} shows its keys.")


def _only_key(client_id: str) -> ClientKey:
    """Return the client's only key that can be rotated; raise CommandError if there is none, or more than one."""
    now = timezone.now()
    rows = _find_client(client_id).keys.select_related("client").filter(rotated_at=None)
    found = [key for key in rows if key.is_usable(now)]
    if len(found) != 1:
        text = "Name the key with --kid" if found else "The client has no key to rotate; see jwt_client add-key"
        raise CommandError(f"{text}. jwt_client keys {client_id} shows its keys.")
    return found[0]


def _name(client: RegisteredClient) -> str:
    return f"{printable(client.name)} ({client.client_id})"


def _describe(client: RegisteredClient) -> str:
    names = client.scopes.split()
    counted = "the scope" if len(names) == 1 else f"{len(names)} scopes:"
    scopes = f"with {counted} {printable(client.scopes)}" if names else "without scopes"
    return f"{_name(client)} acts as {describe_user(client.user)}, {scopes}."


def _client_row(client: RegisteredClient) -> tuple[str, ...]:
    return (
        client.client_id,
        shorten(printable(client.name), 24),
        shorten(printable(client.user.get_username()), 24),
        shorten(printable(client.scopes), 32) or "-",
        *describe_origin(client),
        describe_moment(client.last_used_at),
        _end_of_client(client) or "active",
    )


def _end_of_client(client: RegisteredClient) -> str:
    """Return why all tokens of a client are refused; "" if they are not."""
    if not client.is_active:
        return "disabled"
    if not has_visible_user(client):
        return "the user is hidden"
    return "" if client.user.is_active else "the user is inactive"


def _key_row(key: ClientKey, client: RegisteredClient, now: datetime) -> tuple[str, ...]:
    return (
        key.kid,
        key.algorithm,
        *describe_origin(key),
        describe_moment(key.last_used_at),
        _state_of(key, client, now),
    )


def _doubt_row(key: ClientKey, doubt: registrars.Doubt) -> tuple[str, ...]:
    name = shorten(printable(key.client.user.get_username()), 24)
    return (key.client.client_id, key.kid, name, *describe_origin(key), str(doubt.label))


def _state_of(key: ClientKey, client: RegisteredClient, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked at {describe_moment(key.revoked_at)}"
    if key.is_usable(now) and (end := _end_of_client(client)):
        return f"refused: {'the client is ' * (not client.is_active)}{end}"
    if not registrars.reaches(key, client.user):
        return "suspended: the user was promoted"
    if key.expires_at is None:
        return "active"
    ends = "active until" if key.is_usable(now) else "expired at"
    rotated = "rotated, " if key.rotated_at else ""
    return f"{rotated}{ends} {describe_moment(key.expires_at)}"
