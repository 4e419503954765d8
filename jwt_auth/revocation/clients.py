"""
The revocation operations for API clients: refuse a client's tokens, disable the client, revoke a key.

A cutoff stops only stolen tokens: anyone who has the key can sign new ones. Only its revocation stops a stolen
key. No operation can be undone; the client's row is the lock.
"""

from datetime import datetime, timedelta

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone

from jwt_auth._django.deletion import delete_rows
from jwt_auth._django.locks import lock_by_writing
from jwt_auth.claims import later
from jwt_auth.exceptions import RegistrationError
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import cutoff as cutoffs
from jwt_auth.revocation.operations import Actor, atomic, deny_client, deny_key
from jwt_auth.signals import client_disabled, client_key_revoked, client_revoked, send_on_commit

# Only this server verifies by a client's key. Each of its processes has read the keys again long before.
KEYS_FORGOTTEN_AFTER = timedelta(days=1)


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
    now = now or timezone.now()
    with atomic():
        new = _next_cutoff(lock_client(client).tokens_valid_after, now)
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
    now = now or timezone.now()
    with atomic():
        row = lock_client(client)
        if not row.is_active:
            return False
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
    now = now or timezone.now()
    with atomic():
        lock_client(key.client)
        if not ClientKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            return False
        until = now + KEYS_FORGOTTEN_AFTER
        event = deny_key(key.client.client_id, key.kid, until=until, reason=reason, actor=actor, now=now)
        send_on_commit(client_key_revoked, RevocationEvent, event=event, client_key=key)
    return True


def record_client_deletion(client: RegisteredClient, *, now: datetime | None = None) -> None:
    """Record the deletion of `client`, whose keys are deleted with the row, and mark the row as inactive."""
    now = now or timezone.now()
    with atomic():
        new = _next_cutoff(lock_client(client).tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(is_active=False)
        event = deny_client(client.client_id, new, reason="client deleted", now=now)
        # Django deletes the keys that it collected before this lock; a key that was added since would prevent that.
        delete_rows(ClientKey.objects.filter(client_id=client.pk))
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)


def delete_latecomers(user: AbstractBaseUser) -> None:
    """
    Delete the clients that were registered after Django collected the rows to delete with `user`.

    The user's row must be locked. Such clients would prevent the deletion. The clients that Django collected are no
    longer active: `record_client_deletion` was called for them.
    """
    late = RegisteredClient.objects.filter(user_id=user.pk, is_active=True)
    for client in late.select_for_update():
        record_client_deletion(client)
        delete_rows(RegisteredClient.objects.filter(pk=client.pk))


def lock_client(client: RegisteredClient) -> RegisteredClient:
    """
    Lock the client's row until the end of the transaction, and return it as it is now. At most two queries.

    Raises:
        RegistrationError: when the client no longer exists.
    """
    rows = RegisteredClient.objects.filter(pk=client.pk)
    lock_by_writing(rows, "name")
    row = rows.select_for_update().first()
    if row is None:
        raise RegistrationError("The client no longer exists.")
    return row


def _next_cutoff(old: datetime | None, now: datetime) -> datetime:
    return now if old is None else max(now, later(old, cutoffs.TICK))
