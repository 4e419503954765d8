"""
Read a client's key from the database, with all the facts that its tokens are judged by.

One query, and one more if the project's manager has to be asked for the user.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from django.db import router
from django.db.models import Exists, QuerySet
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.compiled import CompiledQuery
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.jose import jwk
from jwt_auth.jose.keys import Key, make_key
from jwt_auth.jose.validation import WeakKeyError
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.registrars import reaches
from jwt_auth.revocation import cutoff
from jwt_auth.revocation.verdict import State
from jwt_auth.user_model import has_visible_user, manager_is_plain, only_visible


def find(client_id: str, kid: str, subject: str) -> ClientKey | None:
    """
    Return the key `kid` of a client, with the client and its user; None if there is no such key.

    Args:
        subject: the name of the token in the denylist, as `revocation.subjects.token_subject` makes it.
    """
    if manager_is_plain():
        query = _compiled(router.db_for_write(ClientKey))
        row: ClientKey | None = query.first(client_id=client_id, kid=kid, subject=subject)
    else:
        row = _rows(client_id, kid, subject).first()
    # Compared exactly, because some databases ignore case.
    if row is None or (row.client.client_id, row.kid) != (client_id, kid):
        return None
    return row if has_visible_user(row.client, shown=True) else None


@sensitive_variables()
def to_key(row: ClientKey) -> Key:
    """
    Return the verifying key in a row.

    Raises:
        DecryptionError: if none of ENCRYPTION_KEYS decrypts its secret.
        UnknownKeyError: if the key is weak: the row was written by other means, or before a rule was added.
        UnavailableError: if the row is broken, which is not the client's fault.
    """
    secret = decrypt(row.encrypted_secret) if row.encrypted_secret else None
    try:
        return make_key(secret or jwk.load(row.parsed_jwk), row.algorithm)
    except WeakKeyError as error:
        raise UnknownKeyError(f"client key {row.kid} is not used: {error}") from None
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise UnavailableError(f"the row of client key {row.kid} is broken: {error}") from None


def state_of(row: ClientKey) -> State:
    """Return the state of a row that `find` returned; `wall_clock` adapts its cutoffs to a token."""
    client, user = row.client, row.client.user
    return State(
        token_denied=row.token_denied,  # type: ignore[attr-defined]  # annotated
        session_revoked=False,
        session_ends_at=row.expires_at,
        cutoffs=(row.user_cutoff, client.tokens_valid_after, row.global_cutoff),  # type: ignore[attr-defined]  # annotated
        principal_active=client.is_active and user.is_active,
        credentials_stale=False,
        key_revoked=row.revoked_at is not None,
        key_outranked=not reaches(row, user),
        principal="user" if client.is_active else "client",
    )


def _rows(client_id: str, kid: str, subject: str) -> QuerySet[ClientKey]:
    denied = RevocationEvent.objects.filter(scope=RevocationEvent.Scope.TOKEN, subject=subject)
    rows = ClientKey.objects.filter(client__client_id=client_id, kid=kid)
    rows = rows.select_related("client__user").annotate(
        user_cutoff=cutoff.as_annotation("client__user"),
        global_cutoff=cutoff.global_cutoff(),
        token_denied=Exists(denied),
    )
    return only_visible(rows, "client__user")


_compiled_for = cached_until_settings_change(dict[str, CompiledQuery])


def _compiled(alias: str) -> CompiledQuery:
    """Return the compiled query of _rows()."""
    known = _compiled_for()
    if alias not in known:
        known[alias] = CompiledQuery(
            _rows,
            client_id=RegisteredClient._meta.get_field("client_id"),
            kid=ClientKey._meta.get_field("kid"),
            subject=RevocationEvent._meta.get_field("subject"),
        )
    return known[alias]
