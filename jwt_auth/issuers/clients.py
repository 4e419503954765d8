"""
API clients as issuers: each signs with keys of its own, and its tokens speak for the user whom it acts as.

A key and all that is judged with it come from one reading. In database mode that is the request's one query. In
memory mode what was read is kept by the process beside its view of the revocations, for as long as that view has no
news of the key, its client or its user, and a minute at most.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.db import connections, router

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims, Policy
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import InvalidClaimError, UnknownKeyError, UntrustedIssuerError
from jwt_auth.issuers import client_keys
from jwt_auth.issuers.base import Issuer, LookUps, Verified
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import CLIENT_ID, ClientKey, RegisteredClient, user_id_of
from jwt_auth.principals import lazy_user
from jwt_auth.process.clock import seconds
from jwt_auth.process.lru import LRUCache
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.verdict import State

# RFC 7523 asks for none, and its update (RFC 10070 section 4) for the last one.
TYPES = frozenset({None, "jwt", "client-authentication+jwt"})

_READ_AGAIN_AFTER = 60.0  # seconds; for what no event tells of
_KEYS = 4096  # made of rows, of the last used ones


def issuer_of_client(token: UnverifiedToken) -> Issuer:
    """
    The directory of clients. Whether there is one of that name turns out with its key.

    Raises:
        UntrustedIssuerError: when there can't be.
    """
    mode = get_settings().REVOCATION
    if mode == "none" or token.issuer is None or not CLIENT_ID.fullmatch(token.issuer):
        raise UntrustedIssuerError(f"issuer {token.issuer!r} is no client")
    asked = _AskedMemory(token) if mode == "memory" else _AskedDatabase(token)
    return Issuer(name=token.issuer, keys=asked, policy=_policy(), look_ups=asked.look_ups)


@cached_until_settings_change
def _policy() -> Policy:
    settings = get_settings()
    return Policy(
        types=TYPES,
        audiences=frozenset({settings.ISSUER}),
        sole_audience=True,  # RFC 10070: a token for several could be sent on by one of them
        max_lifetime=settings.CLIENT_TOKEN_MAX_LIFETIME,
        leeway=settings.LEEWAY,
        required=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """
    A row, the key in it, and the facts to judge by.

    Args:
        sub: the user's.
        marks: in memory mode, what the view knew of them when they were read.
        until: when they are to be read again, whatever the view knows.
    """

    row: ClientKey
    key: Key
    state: State
    sub: str
    marks: Any = None
    until: float = 0


class _AskedDatabase:
    """A client's key, as one request asks the database for it."""

    def __init__(self, token: UnverifiedToken) -> None:
        self._name = token.issuer or ""
        jti = token.claims.get("jti")
        # Unverified, and so maybe nothing that can be looked up; such a token is refused later.
        self._jti = jti if isinstance(jti, str) and len(jti) <= 255 and jti.isprintable() else ""
        self._found: _Found | None = None
        self.look_ups = LookUps(configured=self._look_up, database=self._look_up, last_known=self._look_up)

    def find(self, kid: str | None) -> Key:
        """See KeySource."""
        self._found = self._read(kid or "")
        return self._found.key

    def _read(self, kid: str) -> _Found:
        with outage_is_unavailable():
            row = client_keys.find(self._name, kid, token_subject(self._name, self._jti))
        if row is None:
            raise UnknownKeyError("the client, if there is one, has no key of that name")
        key = _key_of(row)
        return _Found(row=row, key=key, state=client_keys.state_of(row), sub=user_id_of(row.client.user))

    def _look_up(self, claims: Claims) -> tuple[State, Verified]:
        found = self._found or self._read(claims.kid or "")
        row = found.row
        counted = _as_they_count(claims, row.client)
        return found.state, Verified(claims=counted, user=row.client.user, client_key=row)


class _AskedMemory(_AskedDatabase):
    """A client's key, as one request asks this process for it, and the database for what the process has not."""

    def __init__(self, token: UnverifiedToken) -> None:
        super().__init__(token)
        self._view = view.view()
        self.look_ups = LookUps(
            configured=self._look_up_now, database=self._look_up, last_known=self._look_up_in_last_known
        )

    def find(self, kid: str | None) -> Key:
        """See KeySource. However old what is kept may be, it can tell a signature; `look_ups` ask for more."""
        return self._kept_or_read(kid or "").key

    def _look_up_now(self, claims: Claims) -> tuple[State, Verified]:
        return self._look_up_by(self._view.state_of, claims, seconds())

    def _look_up_in_last_known(self, claims: Claims) -> tuple[State, Verified]:
        return self._look_up_by(view.last_known_state_of, claims, 0)

    def _look_up_by(self, state_of: Callable[[Claims], State], claims: Claims, oldest: float) -> tuple[State, Verified]:
        kid = claims.kid or ""
        found = self._kept_or_read(kid)
        # First the view: it may learn by this question that the kept entry is not true any more.
        listed = state_of(replace(claims, sub=found.sub, client_id=self._name, sid=None))
        if found.until < oldest or found.marks != self._view.marks_of(self._name, kid, found.sub):
            found = self._read_and_keep(kid)
        state = found.state.joined(replace(listed, cutoffs=client_keys.late(listed.cutoffs)))
        counted = _as_they_count(claims, found.row.client)
        return state, Verified(claims=counted, user=lazy_user(found.sub), client_key=found.row)

    def _kept_or_read(self, kid: str) -> _Found:
        return self._view.kept.get((self._name, kid)) or self._read_and_keep(kid)

    def _read_and_keep(self, kid: str) -> _Found:
        kept, before = self._view.kept, self._view.additions
        found = self._read(kid)
        marks = self._view.marks_of(self._name, kid, found.sub)
        # Whether this one token was denied is no fact about the key: the view knows it of each token.
        vars(found.row).pop("token_denied")
        state = replace(found.state, token_denied=False)
        found = replace(found, state=state, marks=marks, until=seconds() + _READ_AGAIN_AFTER)
        found.row.client._state.fields_cache.pop("user")  # a request gets a user of its own
        # What came while it was read, or is hidden from a transaction that began before, may be missing in it.
        if self._view.additions == before and not (_in_transaction() and any(marks)):
            kept.put((self._name, kid), found)
        return found


@cached_until_settings_change
def _keys() -> LRUCache[tuple[str, str, str], Key]:
    return LRUCache(_KEYS)


def _key_of(row: ClientKey) -> Key:
    """The key in a row. To decrypt a secret, or to check that a point is on its curve, takes longer than the query."""
    cells = (row.algorithm, row.public_jwk, row.encrypted_secret)
    key = _keys().get(cells)
    if key is None:
        key = client_keys.to_key(row)
        _keys().put(cells, key)
    return key


def _as_they_count(claims: Claims, client: RegisteredClient) -> Claims:
    """
    The claims of a client's token, without what only we can know of a session, and with the scopes that it has.

    Raises:
        InvalidClaimError: when they are about another than the client.
    """
    if claims.sub != claims.iss:
        raise InvalidClaimError("sub", "is not the client's own id")
    if claims.client_id not in (None, claims.iss):
        raise InvalidClaimError("client_id", "is not the client's own id")
    return replace(claims, client_id=claims.iss, sid=None, auth_time=None, scope=_scope_of(claims, client))


def _scope_of(claims: Claims, client: RegisteredClient) -> str:
    """What the client was given; a token may name less of it, and gets nothing by naming more."""
    if claims.scope is None:
        return client.scopes
    given = client.scopes.split()
    return " ".join(scope for scope in claims.scope.split() if scope in given)


def _in_transaction() -> bool:
    return connections[router.db_for_write(ClientKey)].in_atomic_block
