"""
The deed for programs that sign their own tokens: refuse what a client has signed, end it, take back a key.

A cutoff stops stolen tokens, and nothing more: whoever has the key signs new ones. What stops a stolen key
is its revocation, and only that. Nothing here can be undone; the client's row is the lock.
"""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jwt_auth._django.locks import lock_by_writing
from jwt_auth.exceptions import RegistrationError
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import cutoff as cutoffs
from jwt_auth.revocation.operations import atomic, deny_client, deny_key
from jwt_auth.signals import client_disabled, client_key_revoked, client_revoked, send_on_commit

# Only we verify by a client's key. Each of our processes has read the keys anew long before.
KEYS_FORGOTTEN_AFTER = timedelta(days=1)


def revoke_client(
    client: RegisteredClient, *, reason: str = "", actor: Any = None, now: datetime | None = None
) -> datetime:
    """
    Refuse all tokens that `client` has signed up to now; it signs new ones with the keys that it has.

    Args:
        client: the client.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or the name of what does; None for the app itself.

    Returns:
        The cutoff in force.

    Raises:
        RegistrationError: when the client is gone.
    """
    now = now or timezone.now()
    with atomic():
        new = _next_cutoff(lock(client).tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(tokens_valid_after=new)
        event = deny_client(client.client_id, new, reason=reason, actor=actor, now=now)
        send_on_commit(client_revoked, RevocationEvent, event=event, client=client, cutoff=new)
    return new


def disable_client(
    client: RegisteredClient, *, reason: str = "", actor: Any = None, now: datetime | None = None
) -> bool:
    """
    End `client` for good: what it has signed is refused, and so is what it signs from now on; see `revoke_client`.

    Returns:
        False when it was ended before.
    """
    now = now or timezone.now()
    with atomic():
        row = lock(client)
        if not row.is_active:
            return False
        new = _next_cutoff(row.tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(is_active=False, tokens_valid_after=new)
        event = deny_client(client.client_id, new, reason=reason, actor=actor, now=now)
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)
    return True


def revoke_client_key(key: ClientKey, *, reason: str = "", actor: Any = None, now: datetime | None = None) -> bool:
    """
    Refuse all that `key` has signed and will sign; the client's other keys live on. See `revoke_client`.

    Returns:
        False when it was revoked before.
    """
    now = now or timezone.now()
    with atomic():
        lock(key.client)
        if not ClientKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            return False
        until = now + KEYS_FORGOTTEN_AFTER
        event = deny_key(key.client.client_id, key.kid, until=until, reason=reason, actor=actor, now=now)
        send_on_commit(client_key_revoked, RevocationEvent, event=event, client_key=key)
    return True


def record_deletion(client: RegisteredClient, *, now: datetime | None = None) -> None:
    """Put the deletion of `client`, whose keys go with the row, on the record; the row is not active any more."""
    now = now or timezone.now()
    with atomic():
        new = _next_cutoff(lock(client).tokens_valid_after, now)
        RegisteredClient.objects.filter(pk=client.pk).update(is_active=False)
        event = deny_client(client.client_id, new, reason="client deleted", now=now)
        # Django deletes those that it has collected before this lock; one that was added since would stop it.
        keys = ClientKey.objects.filter(client_id=client.pk)
        keys._raw_delete(keys.db)
        send_on_commit(client_disabled, RevocationEvent, event=event, client=client)


def delete_latecomers(user: Any) -> None:
    """
    Delete the clients that were registered after Django had collected what goes with `user`, whose row is locked.

    They would stop the deletion. Those that it has collected are not active any more: `record_deletion` was there.
    """
    late = RegisteredClient.objects.filter(user_id=user.pk, is_active=True)
    for client in late.select_for_update():
        record_deletion(client)
        one = RegisteredClient.objects.filter(pk=client.pk)
        one._raw_delete(one.db)


def lock(client: RegisteredClient) -> RegisteredClient:
    """
    Hold the client's row until the end of the transaction, and give it as it is now. At most two queries.

    Raises:
        RegistrationError: when it is gone.
    """
    rows = RegisteredClient.objects.filter(pk=client.pk)
    lock_by_writing(rows, "name")
    row = rows.select_for_update().first()
    if row is None:
        raise RegistrationError("The client is not there any more.")
    return row


def _next_cutoff(old: datetime | None, now: datetime) -> datetime:
    return now if old is None else max(now, old + cutoffs.TICK)
