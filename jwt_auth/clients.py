"""
Register programs that sign their own tokens (API clients), and manage their keys.

    added -> rotated -> expired      the client switches to the new key while both keys are valid
    added -> expired                 the key was added with an end
    any   -> revoked                 at once and permanently: `jwt_auth.revocation.revoke_client_key`

A key can be rotated only once. The client's row is the lock: of two concurrent rotations the first one succeeds.
A secret is in the returned value; after that it exists only in the database, encrypted.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.transactions import write_atomic
from jwt_auth.claims import LATEST
from jwt_auth.conf.arguments import require, require_text
from jwt_auth.conf.user_keys import key_of
from jwt_auth.exceptions import RegistrationError
from jwt_auth.http.peer import Peer
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import HMAC_ALGORITHMS
from jwt_auth.jose.keys import Key, hash_size, make_key
from jwt_auth.jose.public_keys import read_one
from jwt_auth.jose.scopes import is_scope
from jwt_auth.keyring.encryption import encrypt
from jwt_auth.lines import is_line
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.registrars import reach_of
from jwt_auth.revocation import user_rows
from jwt_auth.revocation.clients import lock_client
from jwt_auth.revocation.events import Actor, deny_client, name_of
from jwt_auth.signals import client_changed, client_key_added, client_registered, send_on_commit

__all__ = ["NewKey", "add_public_key", "add_secret", "change", "register", "rotate"]

OVERLAP = timedelta(days=7)  # time to deploy a new key to the client
MAX_OVERLAP = timedelta(days=90)
MAX_SCOPES = 1000  # characters, the size of the column


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just added. `secret` can't be retrieved later; it is None for a public key."""

    key: ClientKey
    secret: str | None = field(repr=False)


def register(
    name: str,
    user: AbstractBaseUser,
    scopes: str = "",
    *,
    requires_binding: bool = False,
    actor: Actor = None,
    peer: Peer | None = None,
) -> RegisteredClient:
    """
    Register a client. It can do nothing until it has a key.

    Args:
        name: a name for people.
        user: the user that the client acts as.
        scopes: the scopes that its tokens may have, separated by spaces (RFC 6749 section 3.3).
        requires_binding: whether each token must name the request that it is for.
        actor: the user who does it, or a name; None for the app itself.
        peer: where the request came from, for the record.

    Raises:
        RegistrationError: when the name or the scopes are invalid, or the user is inactive or no longer exists.
    """
    key_of(user)  # raises TypeError for anything that is no user
    if not user.is_active:
        raise RegistrationError("The user is inactive.")
    client = RegisteredClient(
        name=clean_name(name),
        user=user,  # type: ignore[misc]  # of the project's user model
        scopes=clean_scopes(scopes),
        requires_binding=requires_binding,
        created_by=name_of(actor),
        ip_address=(peer or Peer()).ip_address,
    )
    with _atomic():
        # Under the lock a deletion is either complete before this, or begins after it.
        if not user_rows.lock_user(key_of(user)):
            raise RegistrationError("The user no longer exists.")
        client.save(force_insert=True)
        send_on_commit(client_registered, RegisteredClient, client=client, actor=name_of(actor))
    return client


def change(
    client: RegisteredClient,
    *,
    name: str | None = None,
    scopes: str | None = None,
    requires_binding: bool | None = None,
    actor: Actor = None,
    now: datetime | None = None,
) -> RegisteredClient:
    """
    Change a client; None leaves a value as it is. The user that the client acts as never changes.

    Args:
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        The client as it is now.

    Raises:
        RegistrationError: when a value is invalid, or the client no longer exists.
    """
    wanted = {
        "name": None if name is None else clean_name(name),
        "scopes": None if scopes is None else clean_scopes(scopes),
        "requires_binding": requires_binding,
    }
    with _atomic():
        row = lock_client(client)
        changed = {field: value for field, value in wanted.items() if value not in (None, getattr(row, field))}
        for field_name, value in changed.items():
            setattr(row, field_name, value)
        if changed:
            row.save(update_fields=list(changed))
            deny_client(row.client_id, None, reason=f"changed: {', '.join(changed)}", actor=actor, now=now)
            send_on_commit(client_changed, RegisteredClient, client=row, changed=list(changed), actor=name_of(actor))
    return row


@sensitive_variables()
def add_secret(
    client: RegisteredClient,
    algorithm: str = "HS256",
    *,
    expires_at: datetime | None = None,
    actor: Actor = None,
    peer: Peer | None = None,
    now: datetime | None = None,
) -> NewKey:
    """
    Generate a secret for `client`, with as many random bits as the algorithm's hash has.

    The HMAC key is the secret's text in UTF-8, as libraries encode a secret that is a text.

    Raises:
        RegistrationError: when the algorithm is not an HMAC algorithm, `expires_at` has passed or is too far away,
            or the client is disabled or no longer exists.
    """
    key, secret = _make_secret(algorithm)
    with _atomic():
        row = _add(lock_client(client), key, expires_at, actor=actor, peer=peer, now=now or timezone.now())
    return NewKey(key=row, secret=secret)


@sensitive_variables()
def add_public_key(
    client: RegisteredClient,
    source: str | Mapping[str, Any],
    algorithm: str | None = None,
    *,
    expires_at: datetime | None = None,
    actor: Actor = None,
    peer: Peer | None = None,
    now: datetime | None = None,
) -> NewKey:
    """
    Add the public half of a key pair that `client` made itself.

    Args:
        source: a PEM, or a JWK as text or parsed. A `kid` in it is ignored: see ClientKey.
        algorithm: None uses the JWK's `alg`, or the usual algorithm for the kind of key.

    Raises:
        RegistrationError: when the key can't be read, is private, weak, already known, or for another algorithm;
            and as in `add_secret`.
    """
    key = _read(source, algorithm)
    with _atomic():
        row = _add(lock_client(client), key, expires_at, actor=actor, peer=peer, now=now or timezone.now())
    return NewKey(key=row, secret=None)


@sensitive_variables()
def rotate(
    old: ClientKey,
    source: str | Mapping[str, Any] | None = None,
    algorithm: str | None = None,
    *,
    overlap: timedelta = OVERLAP,
    expires_at: datetime | None = None,
    actor: Actor = None,
    peer: Peer | None = None,
    now: datetime | None = None,
) -> NewKey:
    """
    Add a key that replaces `old`. The old key stays valid for `overlap`, but not beyond its own end.

    Args:
        source: the new public key; None for a new secret, if `old` is a secret.
        algorithm: for a secret, None for the algorithm of `old`; for a public key as in `add_public_key`.
        overlap: between 0 and 90 days.
        expires_at: the end of the new key.

    Raises:
        RegistrationError: when `overlap` is out of range, or `old` has expired or was revoked or rotated before;
            and as in `add_secret` and `add_public_key`.
    """
    require(old, "old", ClientKey, "one of the client's keys")
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise RegistrationError(f"The overlap must be between 0 and {MAX_OVERLAP.days} days.")
    key, secret = _make_successor(old, source, algorithm)
    with _atomic():
        client = lock_client(old.client)
        now = now or timezone.now()
        replaced = _end(old, now + overlap, now)
        added = _add(client, key, expires_at, actor=actor, peer=peer, now=now, replaced=replaced)
        deny_client(client.client_id, None, reason=f"rotated: {replaced.kid}", actor=actor, now=now)
    return NewKey(key=added, secret=secret)


def _atomic() -> Any:
    # With a savepoint: the caller reports an error that is raised here, and the caller's own transaction goes on.
    return write_atomic(router.db_for_write(RegisteredClient))


@sensitive_variables()
def _make_successor(
    old: ClientKey, source: str | Mapping[str, Any] | None, algorithm: str | None
) -> tuple[Key, str | None]:
    if source is not None:
        return _read(source, algorithm), None
    if old.public_jwk:
        raise RegistrationError("A new public key is needed: the client makes the key pair.")
    return _make_secret(algorithm or old.algorithm)


@sensitive_variables()
def _make_secret(algorithm: str) -> tuple[Key, str]:
    if algorithm not in HMAC_ALGORITHMS:
        raise RegistrationError(f"Secrets are for {', '.join(HMAC_ALGORITHMS)}; the client makes a key pair itself.")
    key = make_key((secret := secrets.token_urlsafe(hash_size(algorithm))).encode(), algorithm)
    while key.kid.startswith("-"):  # which a command line would read as an option
        key = make_key((secret := secrets.token_urlsafe(hash_size(algorithm))).encode(), algorithm)
    return key, secret


def _end(key: ClientKey, end: datetime, now: datetime) -> ClientKey:
    """Mark `key` as rotated, and return its row as it is now. The client must be locked."""
    rows = ClientKey.objects.filter(pk=key.pk)
    row = rows.select_for_update().first()
    if row is None or row.rotated_at is not None or not row.is_usable(now):
        raise RegistrationError("The key was rotated or revoked before, or it has expired.")
    row.rotated_at, row.expires_at = now, min(end, row.expires_at or end)
    rows.update(rotated_at=row.rotated_at, expires_at=row.expires_at)
    return row


@sensitive_variables()
def _add(
    client: RegisteredClient,
    key: Key,
    expires_at: datetime | None,
    *,
    actor: Actor,
    peer: Peer | None,
    now: datetime,
    replaced: ClientKey | None = None,
) -> ClientKey:
    """Add `key` to `client`, which must be locked."""
    if not client.is_active:
        raise RegistrationError("The client was disabled.")
    if expires_at is not None and not now < expires_at < LATEST:
        raise RegistrationError("The end of the key has passed, or is too far away.")
    if ClientKey.objects.filter(client=client, kid=key.kid).exists():
        raise RegistrationError("The client has or had this key. A revoked key can't be added again.")
    material = key.verifying
    row = ClientKey(
        client=client,
        kid=key.kid,
        algorithm=key.algorithm,
        public_jwk="" if isinstance(material, bytes) else json.dumps(jwk.dump_public(material)),
        encrypted_secret=encrypt(material) if isinstance(material, bytes) else "",
        created_at=now,
        expires_at=expires_at,
        created_by=name_of(actor),
        ip_address=(peer or Peer()).ip_address,
        reach=reach_of(actor, client.user_id),
    )
    row.save(force_insert=True)
    send_on_commit(client_key_added, ClientKey, client_key=row, replaced=replaced, actor=name_of(actor))
    return row


@sensitive_variables()
def _read(source: str | Mapping[str, Any], algorithm: str | None) -> Key:
    try:
        return read_one(source, algorithm)
    except ValueError as error:
        # From None: the chained error would carry the document, which may be a private key that was sent by mistake.
        raise RegistrationError(f"The public key can't be used: {error}.") from None


def clean_name(name: str) -> str:
    """Return `name` without surrounding spaces; raise RegistrationError if it is invalid."""
    require_text(name, "name")
    name = name.strip()
    if not 0 < len(name) <= 100 or not is_line(name):
        raise RegistrationError("A name is one line of 1 to 100 characters.")
    return name


def clean_scopes(text: str) -> str:
    """Return the scopes in `text`, each once, with single spaces; raise RegistrationError."""
    require(text, "scopes", str, 'scopes with a space between them, such as " ".join(scopes)')
    names = dict.fromkeys(filter(None, text.split(" ")))
    for name in names:
        if not is_scope(name):
            allowed = "at most 255 printable ASCII characters without quotes and backslashes"
            raise RegistrationError(f"The scopes can't be used: {name!r} is not a scope: {allowed}.")
    scopes = " ".join(names)
    if len(scopes) > MAX_SCOPES:
        raise RegistrationError(f"The scopes have more than {MAX_SCOPES} characters.")
    return scopes
