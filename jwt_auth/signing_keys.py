"""
Create signing keys and move them from state to state, for KEYS = "database". `keyring/states.py` has the rules.

In an emergency `revoke` does not wait, and another key takes over in the same transaction. Concurrent moves run one
after another: each locks the rows of all keys, of which there are few.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from json import dumps
from typing import Any

from django.db import DatabaseError, IntegrityError, router
from django.db.models import Q
from django.utils import timezone

from jwt_auth._django.commit_hooks import on_commit
from jwt_auth._django.driver_errors import is_of_conflict
from jwt_auth._django.locks import lock_by_writing
from jwt_auth._django.slices import Counted
from jwt_auth._django.transactions import write_atomic
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import MAX_LEEWAY
from jwt_auth.jose import jwk
from jwt_auth.jose.algorithms import PUBLIC_KEY_ALGORITHMS
from jwt_auth.jose.keys import Key, generate, make_key
from jwt_auth.keyring import stored
from jwt_auth.keyring.configured import configured_keys
from jwt_auth.keyring.encryption import encrypt
from jwt_auth.keyring.states import (
    KeyStateError,
    Step,
    check_activation,
    check_is_active,
    check_revocation,
    next_step,
    no_successor,
)
from jwt_auth.keyring.stored import JWKS_MAX_AGE
from jwt_auth.models import RevocationEvent, SigningKey
from jwt_auth.revocation import counting, wall_clock
from jwt_auth.revocation.events import Actor, deny_key
from jwt_auth.signals import key_activated, key_created, key_revoked, send_on_commit

State = SigningKey.State

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlastRadius:
    """
    The effects of revoking a key early.

    Args:
        sessions: the number of live sessions whose access token the key may have signed, so that they must refresh.
        own_bound: the longest time until our own processes refuse its tokens.
        others_bound: the longest time until servers that fetch our JWK Set refuse them.
    """

    sessions: Counted
    own_bound: timedelta
    others_bound: timedelta


def blast_radius(key: SigningKey, now: datetime) -> BlastRadius:
    """Return the effects of revoking `key` at `now`."""
    settings = get_settings()
    # A token may be issued a little later than `last_issued_at` says.
    since = now - settings.ACCESS_TOKEN_LIFETIME - MAX_LEEWAY
    if key.activated_at is not None and not wall_clock.is_ahead(key.activated_at, now):
        since = max(since, key.activated_at)
    used = Q(last_issued_at__gte=since)
    if key.retired_at is not None:
        used &= Q(last_issued_at__lte=key.retired_at + settings.REVOCATION_MAX_STALENESS)
    in_memory = settings.REVOCATION == "memory"
    return BlastRadius(
        sessions=counting.live_sessions(now, used),
        own_bound=settings.REVOCATION_MAX_STALENESS if in_memory else timedelta(0),
        others_bound=JWKS_MAX_AGE,
    )


# Moves


def create(*, algorithm: str | None = None, activate: bool = False, now: datetime | None = None) -> SigningKey:
    """
    Create a key, and publish it.

    Args:
        algorithm: an asymmetric algorithm; None for the setting ALGORITHM.
        activate: sign with the key at once, which is only possible while there is no active key.

    Raises:
        KeyStateError: when `activate` is set, but there is already an active key, or when the algorithm is symmetric.
    """
    if algorithm is not None and algorithm not in PUBLIC_KEY_ALGORITHMS:
        raise KeyStateError(f"{algorithm!r} is none of {', '.join(PUBLIC_KEY_ALGORITHMS)}.")
    with _turn(now) as turn:
        row = turn.make(algorithm)
        if activate:
            turn.activate(row, emergency=False)
    return row


def activate(kid: str, *, emergency: bool = False, now: datetime | None = None) -> SigningKey:
    """
    Sign with a standby key from now on; the key that signed until now retires.

    Args:
        emergency: don't wait until every verifier can know the key. Verifiers that don't know it refuse its tokens.

    Raises:
        KeyStateError: when the key is in another state, or was published too recently.
    """
    with _turn(now) as turn:
        row = turn.find(kid)
        turn.activate(row, emergency=emergency)
    return row


def retire(kid: str, *, emergency: bool = False, now: datetime | None = None) -> SigningKey:
    """
    Stop signing with the active key: the standby key that was published first takes over.

    Args:
        emergency: don't wait until every verifier can know that key, and create one if there is none.

    Returns:
        The key that took over.

    Raises:
        KeyStateError: when the key is in another state, or no other key can take over yet.
    """
    with _turn(now) as turn:
        row = turn.find(kid)
        check_is_active(row)
        return turn.hand_over(emergency=emergency)


def revoke(
    kid: str, *, emergency: bool = False, reason: str = "", actor: Actor = None, now: datetime | None = None
) -> SigningKey | None:
    """
    Permanently refuse all tokens that a key has signed. Sessions continue: their clients refresh.

    Args:
        emergency: don't wait until the key's last token has expired; if the key is active, another one takes over.
        reason: for the record, at most 255 characters.
        actor: the user who does it, or a name; None for the app itself.

    Returns:
        The key that took over, if the revoked key was active.

    Raises:
        KeyStateError: when the key is already revoked, is active, or may have signed tokens that are still valid.
    """
    with _turn(now) as turn:
        row = turn.find(kid)
        check_revocation(row, emergency=emergency, now=turn.now)
        successor = turn.hand_over(emergency=True) if row.state == State.ACTIVE else None
        turn.revoke(row, reason, actor)
    return successor


def import_configured(*, now: datetime | None = None) -> list[SigningKey]:
    """
    Store SIGNING_KEY as the active key and SIGNING_KEY_FALLBACKS as retiring ones, while KEYS is still "settings".

    Returns:
        The keys that were not stored before. Symmetric fallbacks are left out.

    Raises:
        ConfigurationError: when a key in the settings can't be used.
        KeyStateError: when SIGNING_KEY is symmetric, another key is active, or a key is stored for another algorithm.
    """
    _require_mode("settings")
    keys = configured_keys()
    if isinstance(keys.signing.signing, bytes | None):
        raise KeyStateError(
            f"ALGORITHM is {keys.signing.algorithm}, and a symmetric key stays in the settings. Start with a new key: "
            'set ALGORITHM to "ES256" and KEYS to "database", and run jwt_keys create --activate. Tokens that the old '
            "key signed are then refused, and clients refresh."
        )
    with _turn(now, keys="settings") as turn:
        known = set(turn.rows)
        for kid in known.intersection(keys.verifying):
            if turn.rows[kid].algorithm != keys.verifying[kid].algorithm:
                raise KeyStateError(f"Key {kid} is stored already, for {turn.rows[kid].algorithm}. Use another key.")
        if keys.signing.kid not in known:
            row = turn.add(keys.signing, encrypted_private_jwk=_encrypt(keys.signing.signing))
            turn.activate(row, emergency=False)
        for key in keys.verifying.values():
            if key.kid not in turn.rows and not isinstance(key.verifying, bytes):
                turn.add(key, state=State.RETIRING, retired_at=turn.now)
        return [row for kid, row in turn.rows.items() if kid not in known]


def rotate(
    *, every: timedelta = timedelta(0), actor: Actor = None, now: datetime | None = None
) -> tuple[Step, SigningKey | None]:
    """
    Do the next step of a rotation, if it is due.

    Args:
        every: the age of the active key at which another rotation begins.

    Returns:
        The step, and the key that was moved; None instead of the key if the step is not due yet.
    """
    with _turn(now) as turn:
        step = next_step(turn.rows.values(), turn.now, every)
        if not step.is_due(turn.now):
            return step, None
        row = step.key or turn.make()
        if step.move == "revoke":
            turn.revoke(row, "rotation", actor)
        elif step.move == "activate" or turn.active is None:
            turn.activate(row, emergency=False)
    return step, row


# Turns


class _Turn:
    """The moves of one transaction, which has locked the rows of all keys. `rows` are by kid."""

    def __init__(self, rows: dict[str, SigningKey], now: datetime) -> None:
        self.rows = rows
        self.now = now
        self._changed_at = max((row.changed_at + _TICK for row in rows.values()), default=now)

    @property
    def active(self) -> SigningKey | None:
        return next((row for row in self.rows.values() if row.state == State.ACTIVE), None)

    def find(self, kid: str) -> SigningKey:
        try:
            return self.rows[kid]
        except KeyError:
            raise KeyStateError(f"There is no key {kid!r}; list shows all.") from None

    def make(self, algorithm: str | None = None) -> SigningKey:
        """Create a standby key."""
        algorithm = algorithm or get_settings().ALGORITHM
        key = make_key(private := generate(algorithm), algorithm)
        while key.kid.startswith("-"):  # which a command line would read as an option
            key = make_key(private := generate(algorithm), algorithm)
        return self.add(key, encrypted_private_jwk=_encrypt(private))

    def add(self, key: Key, **columns: Any) -> SigningKey:
        row = SigningKey.objects.create(
            created_at=self.now,
            changed_at=self._tick(),
            kid=key.kid,
            algorithm=key.algorithm,
            public_jwk=dumps(jwk.dump_public(key.verifying)),  # type: ignore[arg-type]  # never symmetric
            **columns,
        )
        self.rows[row.kid] = row
        send_on_commit(key_created, SigningKey, key=row)
        return row

    def activate(self, row: SigningKey, *, emergency: bool) -> None:
        former = self.active
        check_activation(row, former, emergency=emergency, now=self.now)
        if former is not None:
            self._move(former, State.RETIRING, signs=None, retired_at=self.now, encrypted_private_jwk="")
        self._move(row, State.ACTIVE, signs=True, activated_at=self.now)
        send_on_commit(key_activated, SigningKey, key=row, former=former)

    def hand_over(self, *, emergency: bool) -> SigningKey:
        """Activate the standby key that was published first; in an emergency create one if none can be activated."""
        standby = sorted((row for row in self.rows.values() if row.state == State.STANDBY), key=_age)
        for row in standby:
            with suppress(KeyStateError):
                self.activate(row, emergency=emergency)
                return row
        if emergency:
            row = self.make()
            self.activate(row, emergency=True)
            return row
        if standby:
            check_activation(standby[0], self.active, emergency=False, now=self.now)
        raise no_successor(self.now)

    def revoke(self, row: SigningKey, reason: str, actor: Actor) -> None:
        self._move(row, State.REVOKED, revoked_at=self.now, encrypted_private_jwk="")
        # No end: a leaked key can always sign, and another server may have our public keys in its settings.
        event = deny_key(get_settings().ISSUER, row.kid, until=None, reason=reason, actor=actor, now=self.now)
        send_on_commit(key_revoked, RevocationEvent, event=event, key=row)

    def _move(self, row: SigningKey, state: str, **columns: Any) -> None:
        changes = {"state": state, "changed_at": self._tick(), **columns}
        SigningKey.objects.filter(pk=row.pk, state=row.state).update(**changes)
        vars(row).update(changes)

    def _tick(self) -> datetime:
        self._changed_at = max(self.now, self._changed_at + _TICK)
        return self._changed_at


def _encrypt(private: jwk.PrivateKey) -> str:
    return encrypt(dumps(jwk.dump_private(private)).encode())


def _age(row: SigningKey) -> datetime:
    return row.created_at


def _require_mode(keys: str) -> None:
    if keys != get_settings().KEYS:
        raise KeyStateError(_WRONG_MODE[keys])


_WRONG_MODE = {
    "database": 'KEYS is "settings": tokens are signed with SIGNING_KEY, or with a key derived from SECRET_KEY, and '
    'the keys in the database are not used. For this, set KEYS to "database".',
    "settings": 'KEYS is "database", so the keys of the settings are not read. For this, set KEYS to "settings" again, '
    "and SIGNING_KEY; or start with a new key: jwt_keys create --activate.",
}


@contextmanager
def _turn(now: datetime | None, *, keys: str = "database") -> Iterator[_Turn]:
    """Open a transaction in which no one else can move a key. After the commit this process reads its keys again."""
    _require_mode(keys)
    alias = router.db_for_write(SigningKey)
    try:
        with write_atomic(alias):
            yield _Turn(_lock_all(), now or timezone.now())
            on_commit(stored.expire, using=alias)
    except DatabaseError as error:
        if not isinstance(error, IntegrityError) and not is_of_conflict(error):
            raise
        raise KeyStateError("Another key was created or activated at the same moment. Try again.") from error


def _lock_all() -> dict[str, SigningKey]:
    rows = SigningKey.objects.order_by("pk")
    lock_by_writing(rows, "kid")
    # Read again once the rows are locked: the transaction that held them before may have added a row, which a query
    # that had already begun does not see.
    list(rows.select_for_update().values_list("pk"))
    return {row.kid: row for row in rows.select_for_update()}
