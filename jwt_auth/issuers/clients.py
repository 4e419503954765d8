"""
API clients as issuers: each client signs with keys of its own, and its tokens act as the client's user.

A key and all the facts that are judged with it come from one reading. In database mode that is the one query of the
request. In memory mode the process keeps the result next to its memory view.

    kept                          where                        for how long               read or made again, if
    --------------------------    -------------------------    -----------------------    ---------------------------
    the row of the key, with      `kept_rows()`, by client     60 s; 4096 rows at most    - an event names the client,
    its client, the user's        id and `kid`; in memory                                 its key or its user
    `sub`, and their state        mode only                                               - a new view starts: after a
                                                                                            fork, or new settings
    the `Key` made of a row:      `_keys()`, by the cells      until settings change;     - a cell has changed
    parsed or decrypted           that it is made of           4096 keys at most

An event is noticed by the marks: `View.marks_of` then returns other marks than when the row was read. The limit of 60 s
is for changes that write no event, such as `QuerySet.update()`.

Two facts are never kept with a row. That a token is denied belongs to this token alone, and the view knows it. The user
object belongs to one request.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import router

from jwt_auth._django.connections import in_transaction
from jwt_auth._django.instances import copy_with
from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.claims import Claims, Policy, shown
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.exceptions import InvalidClaimError, UnknownKeyError, UntrustedIssuerError
from jwt_auth.issuers import client_keys
from jwt_auth.issuers.base import Issuer, LookUps, Recheck, Verified
from jwt_auth.issuers.tenants import has_tenants, refuse_to_confuse_tenants
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import CLIENT_ID, ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.principals import lazy_user
from jwt_auth.process.clock import seconds
from jwt_auth.process.lru import LRUCache
from jwt_auth.revocation import wall_clock
from jwt_auth.revocation.memory import view
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.verdict import State

# RFC 7523 requires no type; its update (RFC 10070 section 4) requires the last one.
TYPES = frozenset({None, "jwt", "client-authentication+jwt"})

Scope = RevocationEvent.Scope

_READ_AGAIN_AFTER = 60.0  # seconds; for changes that write no event
_ROWS = 4096
_KEYS = 4096  # the most keys made of rows; the least recently used one is dropped


def issuer_of_client(token: UnverifiedToken) -> Issuer:
    """
    Return the client that a token names, as an issuer. Its existence is only checked when its key is looked up.

    Raises:
        UntrustedIssuerError: if no client can have that name, or REVOCATION is "none".
    """
    mode = get_settings().REVOCATION
    if mode == "none" or token.issuer is None or not CLIENT_ID.fullmatch(token.issuer):
        named = "it names no issuer" if token.issuer is None else f"its issuer {shown([token.issuer])} is not a client"
        raise UntrustedIssuerError(f"{named}; users' tokens are read by JWTAuthentication")
    asked = _AskedMemory(token) if mode == "memory" else _AskedDatabase(token)
    return Issuer(name=token.issuer, keys=asked, policy=_policy(), look_ups=asked.look_ups, recheck=_recheck())


def _known_state(verified: Verified, now: datetime, *, last: bool) -> State | None:
    """See KnownState. A change of the client's row or of its key's row is found only by reading the rows."""
    claims, sub = verified.claims, user_id_of(verified.user)
    of_view = view.last_known_state_of if last else view.state_of
    state = of_view(replace(claims, sub=sub, client_id=claims.iss, sid=None))
    return state and _judged_by_another_clock(state, claims.iss, sub, now)


@cached_until_settings_change
def _recheck() -> Recheck | None:
    return None if has_tenants() else Recheck(known_state=_known_state, has_rows=True, uses_view=True, knows_keys=False)


def _judged_by_another_clock(state: State, name: str, sub: str, now: datetime) -> State:
    subjects = {Scope.USER: sub, Scope.CLIENT: name, Scope.ALL: ""}
    return wall_clock.judged_by_another_clock(state, now, subjects)


@cached_until_settings_change
def _policy() -> Policy:
    refuse_to_confuse_tenants()
    settings = get_settings()
    return Policy(
        types=TYPES,
        audiences=frozenset({settings.ISSUER}),
        sole_audience=True,  # RFC 10070: of several audiences, one could pass the token on to another
        max_lifetime=settings.CLIENT_TOKEN_MAX_LIFETIME,
        leeway=settings.LEEWAY,
        required=(),
        default_scope=None,  # see _scope_of()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """
    A row, the key in it, and the state to judge by.

    Args:
        sub: the `sub` of the client's user.
        marks: in memory mode, the view's marks at the time of the reading; see View.marks_of().
        until: the time at which the row is read again, even if the marks are the same; by the clock of the process.
    """

    row: ClientKey
    key: Key
    state: State
    sub: str
    marks: Any = None
    until: float = 0


class _AskedDatabase:
    """The key of a client for one request, read from the database."""

    def __init__(self, token: UnverifiedToken) -> None:
        self._name = token.issuer or ""
        jti = token.claims.get("jti")
        # Not verified yet, so it may be a value that can't be looked up. Such a token is refused later.
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

    def _look_up(self, claims: Claims, now: datetime) -> tuple[State, Verified]:
        found = self._found or self._read(claims.kid or "")
        row = found.row
        counted = _as_they_count(claims, row.client)
        state = self._judged(found.state, found, now)
        return state, Verified(claims=counted, user=row.client.user, client_key=row)

    def _judged(self, state: State, found: _Found, now: datetime) -> State:
        return _judged_by_another_clock(state, self._name, found.sub, now)


class _AskedMemory(_AskedDatabase):
    """The key of a client for one request, from the memory of this process, or else from the database."""

    def __init__(self, token: UnverifiedToken) -> None:
        super().__init__(token)
        self._view = view.view()
        self.look_ups = LookUps(
            configured=self._look_up_now, database=self._look_up, last_known=self._look_up_in_last_known
        )

    def find(self, kid: str | None) -> Key:
        """See KeySource. A kept row of any age is good enough to check the signature; `look_ups` check the rest."""
        return self._kept_or_read(kid or "").key

    def _look_up_now(self, claims: Claims, now: datetime) -> tuple[State, Verified]:
        return self._look_up_by(self._view.state_of, claims, seconds(), now)

    def _look_up_in_last_known(self, claims: Claims, now: datetime) -> tuple[State, Verified]:
        return self._look_up_by(view.last_known_state_of, claims, 0, now)

    def _look_up_by(
        self, state_of: Callable[[Claims], State | None], claims: Claims, oldest: float, now: datetime
    ) -> tuple[State, Verified]:
        kid = claims.kid or ""
        found = self._kept_or_read(kid)
        # The view is asked first: it may read new events now, which show that the kept row is outdated.
        listed = state_of(replace(claims, sub=found.sub, client_id=self._name, sid=None))
        if listed is None:
            self._found = None  # the kept row may be outdated
            return self._look_up(claims, now)
        if found.until < oldest or found.marks != self._view.marks_of(self._name, kid, found.sub):
            found = self._read_and_keep(kid)
        state = self._judged(found.state.joined(listed), found, now)
        counted = _as_they_count(claims, found.row.client)
        # Each request gets objects of its own, in database mode too.
        user = lazy_user(found.sub)
        row = copy_with(found.row, client=copy_with(found.row.client, user=user))
        return state, Verified(claims=counted, user=user, client_key=row)

    def _kept_or_read(self, kid: str) -> _Found:
        return kept_rows().get((self._view.generation, self._name, kid)) or self._read_and_keep(kid)

    def _read_and_keep(self, kid: str) -> _Found:
        generation, before = self._view.generation, self._view.additions
        found = self._read(kid)
        marks = self._view.marks_of(self._name, kid, found.sub)
        # That this one token is denied is not a fact about the key. The view knows it for each token.
        vars(found.row).pop("token_denied")
        state = replace(found.state, token_denied=False)
        row = copy_with(found.row, client=copy_with(found.row.client, user=None))  # _look_up_by() sets the user
        found = replace(found, row=row, state=state, marks=marks, until=seconds() + _READ_AGAIN_AFTER)
        # The row may lack changes whose events the view received during the reading. It may also lack changes that the
        # view knows and that a transaction which began earlier does not see. In both cases it is used, but not kept.
        if self._view.additions == before and not (_in_transaction() and any(marks)):
            kept_rows().put((generation, self._name, kid), found)
        return found


@cached_until_settings_change
def kept_rows() -> LRUCache[tuple[object, str, str], _Found]:
    """The rows that this process keeps in memory mode, by the view's generation, the client's id and the `kid`."""
    return LRUCache(_ROWS)


@cached_until_settings_change
def _keys() -> LRUCache[tuple[str, str, str], Key]:
    return LRUCache(_KEYS)


def _key_of(row: ClientKey) -> Key:
    """
    Return the key in a row, from the cache if its cells are the same.

    Decrypting a secret, or checking that a point is on its curve, takes longer than the query.
    """
    cells = (row.algorithm, row.public_jwk, row.encrypted_secret)
    key = _keys().get(cells)
    if key is None:
        key = client_keys.to_key(row)
        _keys().put(cells, key)
    return key


def _as_they_count(claims: Claims, client: RegisteredClient) -> Claims:
    """
    Return the claims of a client's token as they count here: with the scopes that it has, and no claims of a session.

    Only this server may say of a token that it belongs to a session, and how its user signed in, so `sid`, `auth_time`,
    `amr` and `acr` are dropped.

    Raises:
        InvalidClaimError: if they name another subject than the client.
    """
    if claims.sub != claims.iss:
        raise InvalidClaimError("sub", "is not the client's own id")
    if claims.client_id not in (None, claims.iss):
        raise InvalidClaimError("client_id", "is not the client's own id")
    scope = _scope_of(claims, client)
    return replace(claims, client_id=claims.iss, sid=None, auth_time=None, amr=(), acr=None, scope=scope)


def _scope_of(claims: Claims, client: RegisteredClient) -> str:
    """Return the client's scopes, limited to those that the token names, if it names any."""
    if claims.scope is None:
        return client.scopes
    given = client.scopes.split()
    return " ".join(scope for scope in claims.scope.split() if scope in given)


def _in_transaction() -> bool:
    return in_transaction(router.db_for_write(ClientKey))
