"""
A client's key, read from the database with all that the client's tokens are judged by. One query.
"""

from collections.abc import Iterable
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from django.db import router
from django.db.models import Exists, QuerySet
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.compiled import CompiledQuery
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import UnavailableError
from jwt_auth.jose import jwk
from jwt_auth.jose.keys import Key, make_key
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.principals import users_are_all_visible, visible_users
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.database import global_cutoff
from jwt_auth.revocation.verdict import State


def find(client_id: str, kid: str, subject: str) -> ClientKey | None:
    """The key `kid` of a client, with the client and its user, for a token that the denylist calls `subject`."""
    if users_are_all_visible():
        query = _compiled(router.db_for_write(ClientKey))
        row: ClientKey | None = query.first(client_id=client_id, kid=kid, subject=subject)
    else:
        row = _rows(client_id, kid, subject).first()
    # To the letter, whatever a database makes of case.
    return row if row is not None and (row.client.client_id, row.kid) == (client_id, kid) else None


@sensitive_variables()
def to_key(row: ClientKey) -> Key:
    """
    The key in a row, which verifies.

    Raises:
        DecryptionError: when no encryption key fits its secret.
        UnavailableError: when the row is broken, which is no fault of the client's.
    """
    secret = decrypt(row.encrypted_secret) if row.encrypted_secret else None
    try:
        return make_key(secret or jwk.load(row.parsed_jwk), row.algorithm)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UnavailableError(f"the row of client key {row.kid} is broken: {error}") from None


def state_of(row: ClientKey) -> State:
    """What `verdict` wants to know of a key that was found here."""
    client, user = row.client, row.client.user
    cutoffs = (row.user_cutoff, client.tokens_valid_after, row.global_cutoff)  # type: ignore[attr-defined]  # annotated
    return State(
        token_denied=row.token_denied,  # type: ignore[attr-defined]  # annotated
        session_revoked=False,
        session_ends_at=row.expires_at,
        cutoffs=late(cutoffs),
        principal_active=client.is_active and user.is_active,
        credentials_stale=False,
        key_revoked=row.revoked_at is not None,
        principal="user" if client.is_active else "client",
    )


def late(cutoffs: Iterable[datetime | None]) -> tuple[datetime | None, ...]:
    """Cutoffs for a token of which only `iat` says when it was made, by a clock that may be ahead by the leeway."""
    leeway = get_settings().LEEWAY
    return tuple(each and each + leeway for each in cutoffs)


def _rows(client_id: str, kid: str, subject: str) -> QuerySet[ClientKey]:
    denied = RevocationEvent.objects.filter(scope=RevocationEvent.Scope.TOKEN, subject=subject)
    rows = ClientKey.objects.filter(client__client_id=client_id, kid=kid)
    rows = rows.select_related("client__user").annotate(
        user_cutoff=cutoff.as_annotation("client__user"), global_cutoff=global_cutoff(), token_denied=Exists(denied)
    )
    visible = visible_users().all()
    return rows.filter(client__user__in=visible.values("pk")) if visible.query.where else rows


_compiled_for = cached_until_settings_change(dict[str, CompiledQuery])


def _compiled(alias: str) -> CompiledQuery:
    """See _rows()."""
    known = _compiled_for()
    if alias not in known:
        known[alias] = CompiledQuery(
            _rows,
            client_id=RegisteredClient._meta.get_field("client_id"),
            kid=ClientKey._meta.get_field("kid"),
            subject=RevocationEvent._meta.get_field("subject"),
        )
    return known[alias]
