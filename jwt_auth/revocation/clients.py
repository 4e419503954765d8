"""
The revocation operations for API clients: refuse a client's tokens, disable the client, revoke a key.

A cutoff stops only stolen tokens: anyone who has the key can sign new ones. Only its revocation stops a stolen
key. No operation can be undone; the client's row is the lock.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from jwt_auth._django.deletion import delete_rows
from jwt_auth._django.locks import lock_by_writing
from jwt_auth.claims import later
from jwt_auth.conf.arguments import require, require_record
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import RegistrationError
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import cutoff as cutoffs, remaining, user_rows
from jwt_auth.revocation.events import Actor, atomic, deny_client, deny_key, last_expiry, make_event, write_events
from jwt_auth.revocation.subjects import key_subject
from jwt_auth.signals import client_disabled, client_key_revoked, client_revoked, send_on_commit

Scope = RevocationEvent.Scope

# Only this server verifies by a client's key. Each of its processes has read the keys again long before.
KEYS_FORGOTTEN_AFTER = timedelta(days=1)

# Clients that `withdraw_clients` locks with one query: SQLite allows 999 parameters.
BATCH = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """The result of `withdraw_clients`: the numbers of clients that were disabled, and of keys that were revoked."""

    clients_disabled: int = 0
    keys_revoked: int = 0


def revoke_client(
    client: RegisteredClient, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> datetime:
    """
    Refuse all tokens that `client` has signed up to now; it can sign new ones with its keys.

    Args:
        client: the client.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        The cutoff in force.

    Raises:
        RegistrationError: when the client no longer exists.
    """
    _require_client(client)
    require_record(reason, now=now)
    with atomic():
        row = lock_client(client)
        now = now or timezone.now()  # after the lock: tokens that are signed during the wait are refused, too
        new = _next_cutoff(row.tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(tokens_valid_after=new)
        event = deny_client(client.client_id, new, reason=reason, actor=actor, now=now)
        send_on_commit(client_revoked, RevocationEvent, event=event, client=client, cutoff=new)
    return new


def disable_client(
    client: RegisteredClient, *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> bool:
    """
    Disable `client` permanently: tokens that it has signed or will sign are refused. See `revoke_client`.

    Returns:
        False if it was disabled before.
    """
    _require_client(client)
    require_record(reason, now=now)
    with atomic():
        row = lock_client(client)
        if not row.is_active:
            return False
        now = now or timezone.now()
        new = _next_cutoff(row.tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(is_active=False, tokens_valid_after=new)
        event = deny_client(client.client_id, new, reason=reason, actor=actor, now=now)
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)
    return True


def revoke_client_key(key: ClientKey, *, reason: str = "", actor: Actor = None, now: datetime | None = None) -> bool:
    """
    Refuse all tokens that `key` has signed or will sign; the client's other keys stay valid. See `revoke_client`.

    Returns:
        False if it was revoked before.
    """
    require(key, "key", ClientKey, "one of the client's keys")
    require_record(reason, now=now)
    with atomic():
        lock_client(key.client)
        now = now or timezone.now()
        if not ClientKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            return False
        until = now + KEYS_FORGOTTEN_AFTER
        event = deny_key(key.client.client_id, key.kid, until=until, reason=reason, actor=actor, now=now)
        send_on_commit(client_key_revoked, RevocationEvent, event=event, client_key=key)
    return True


def withdraw_clients(
    user_pks: Collection[Any], *, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> Withdrawal:
    """
    End what outlives the revocation of these users, at most some hundred; `remaining` has the definition.

    Clients that act as one of the users, or that one of them registered, are disabled. Of other clients only the keys
    that the users added are revoked. Five queries for each 300 clients.
    """
    now = now or timezone.now()
    with atomic():
        pks = list(remaining.clients_of(user_pks, now).order_by("pk").values_list("pk", flat=True))
        batches = [pks[start : start + BATCH] for start in range(0, len(pks), BATCH)]
        done = [_withdraw(batch, user_pks, reason, actor, now) for batch in batches]
    return Withdrawal(
        clients_disabled=sum(each.clients_disabled for each in done),
        keys_revoked=sum(each.keys_revoked for each in done),
    )


def _withdraw(pks: Sequence[int], user_pks: Collection[Any], reason: str, actor: Actor, now: datetime) -> Withdrawal:
    """Withdraw some clients, locked in the order of their keys, as all code does that locks several rows."""
    names = {str(pk) for pk in user_pks}
    rows = RegisteredClient.objects.filter(pk__in=pks, is_active=True).order_by("pk").select_for_update()
    locked = {client.pk: client for client in rows}
    ended = [client for client in locked.values() if {str(client.user_id), client.created_by} & names]
    _disable(ended, reason, actor, now)
    others = locked.keys() - {client.pk for client in ended}
    keys = list(remaining.usable_keys(now).filter(client_id__in=others, created_by__in=names).order_by("pk"))
    for key in keys:
        key.client = locked[key.client_id]
    _revoke_keys(keys, reason, actor, now)
    return Withdrawal(clients_disabled=len(ended), keys_revoked=len(keys))


def _disable(clients: Sequence[RegisteredClient], reason: str, actor: Actor, now: datetime) -> None:
    """Disable clients whose rows are locked. They share one cutoff, which is later than each of their former ones."""
    new = max((_next_cutoff(client.tokens_valid_after, now) for client in clients), default=now)
    rows = RegisteredClient.objects.filter(pk__in=[client.pk for client in clients])
    rows.update(is_active=False, tokens_valid_after=new)
    facts: dict[str, Any] = {"expires_at": last_expiry(now), "reason": reason, "actor": actor, "now": now}
    events = [make_event(Scope.CLIENT, client.client_id, cutoff=new, **facts) for client in clients]
    write_events(events)
    for client, event in zip(clients, events, strict=True):
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)


def _revoke_keys(keys: Sequence[ClientKey], reason: str, actor: Actor, now: datetime) -> None:
    """Revoke keys whose clients' rows are locked."""
    ClientKey.objects.filter(pk__in=[key.pk for key in keys]).update(revoked_at=now)
    facts: dict[str, Any] = {"expires_at": now + KEYS_FORGOTTEN_AFTER, "reason": reason, "actor": actor, "now": now}
    events = [make_event(Scope.KEY, key_subject(key.client.client_id, key.kid), **facts) for key in keys]
    write_events(events)
    for key, event in zip(keys, events, strict=True):
        send_on_commit(client_key_revoked, RevocationEvent, event=event, client_key=key)


def record_client_deletion(client: RegisteredClient, *, now: datetime | None = None) -> None:
    """
    Record the deletion of `client`, whose keys are deleted with the row, and mark the row as inactive.

    Nothing is done if the row is gone: with a user, Django may announce the deletion of the clients later than that of
    the user, when `delete_latecomers` has recorded them.
    """
    with atomic():
        # The user before the client, as `revoke_user` does: a deletion of the user locks both, too.
        user_rows.lock_user(client.user_id)
        row = _locked(client)
        if row is None:
            return
        now = now or timezone.now()
        new = _next_cutoff(row.tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(is_active=False)
        event = deny_client(client.client_id, new, reason="client deleted", now=now)
        # Django deletes the keys that it collected before this lock; a key that was added since would prevent that.
        delete_rows(ClientKey.objects.filter(client_id=client.pk))
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)


def record_key_deletion(key: ClientKey) -> None:
    """Record the deletion of `key`, which refuses its tokens; nothing is done if it was deleted with its client."""
    with atomic():
        # Before the client is read: Django's transaction may have begun without SQLite's lock.
        lock_by_writing(ClientKey.objects.filter(pk=key.pk), "kid")
        client = RegisteredClient.objects.filter(pk=key.client_id).first()
        if client is not None:
            user_rows.lock_user(client.user_id)  # before the client, as in `record_client_deletion`
            key.client = client
            revoke_client_key(key, reason="key deleted")


def delete_latecomers(user: AbstractBaseUser) -> None:
    """
    Delete the clients that were registered after Django collected the rows to delete with `user`.

    The user's row must be locked. Such clients would prevent the deletion. The clients that Django collected are no
    longer active: `record_client_deletion` was called for them.
    """
    late = RegisteredClient.objects.filter(user_id=key_of(user), is_active=True)
    for client in late.select_for_update():
        record_client_deletion(client)
        delete_rows(RegisteredClient.objects.filter(pk=client.pk))


def lock_client(client: RegisteredClient) -> RegisteredClient:
    """
    Lock the client's row until the end of the transaction, and return it as it is now. At most two queries.

    Raises:
        RegistrationError: when the client no longer exists.
    """
    _require_client(client)
    row = _locked(client)
    if row is None:
        raise RegistrationError("The client no longer exists.")
    return row


def _require_client(client: object) -> None:
    require(client, "client", RegisteredClient, "RegisteredClient.objects.get(client_id=...)")


def _locked(client: RegisteredClient) -> RegisteredClient | None:
    rows = RegisteredClient.objects.filter(pk=client.pk)
    lock_by_writing(rows, "name")
    return rows.select_for_update().first()


def _next_cutoff(old: datetime | None, now: datetime) -> datetime:
    return now if old is None else max(now, later(old, cutoffs.TICK))
