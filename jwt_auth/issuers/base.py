"""
An issuer: its keys, the policy for its tokens, and the ways to look up their principals.

A key can be reached only through its issuer, together with the issuer's policy. So no token can choose the rules by
which it is judged (RFC 8725 section 3.8).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias

from jwt_auth._django.lazy_rows import aload_row
from jwt_auth.claims import Claims, Policy
from jwt_auth.jose.keys import Key
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import ClientKey, UserSession
from jwt_auth.revocation.verdict import State

ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105  # a media type: RFC 9068 section 2.1


class KeySource(Protocol):
    """The keys of an issuer, in the settings, in the database, or at the issuer."""

    def find(self, kid: str | None) -> Key:
        """Return the key named `kid`; raise UnknownKeyError if there is none."""


class Verified(NamedTuple):
    """
    A token that is valid now: its claims, as they count here, and its principal.

    `session` is the session of a user's token, if the database was asked. `client_key` is the key that signed an API
    client's token. A token with `one_time` is single-use, and not used up yet: the authentication classes do that, with
    `authentication.replay.burn`.
    """

    claims: Claims
    user: Any
    session: UserSession | None = None
    client_key: ClientKey | None = None
    one_time: bool = False

    async def auser(self) -> Any:
        """
        Load `user`, so that asynchronous code can read each attribute, and return it. At most one query.

        Raises:
            RevokedTokenError: if the user is deleted or inactive.
            UnavailableError: if the database can't be asked.
        """
        return await aload_row(self.user)


class LookUp(Protocol):
    """A way to find the principal of verified claims."""

    def __call__(self, claims: Claims, now: datetime) -> tuple[State | None, Verified]:
        """
        Return the state to judge by, None if the session does not exist, and the result if the state refuses nothing.

        Args:
            now: aware.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUps:
    """
    Three ways to find the principal of verified claims. They differ in the source of the revocations.

    Args:
        configured: uses the source that REVOCATION names.
        database: asks the database, regardless of REVOCATION.
        last_known: uses the last revocations that this process knew, even if they are too old. For safe methods in an
            outage, if REVOCATION_ON_STALE allows it.
    """

    configured: LookUp
    database: LookUp
    last_known: LookUp


class KnownState(Protocol):
    """A way to find the state of a token that was verified before, without a query for its rows."""

    def __call__(self, verified: Verified, now: datetime, *, last: bool) -> State | None:
        """
        Return the state; None if the process knows only a part of it, so that the rows have to be read.

        Args:
            now: aware.
            last: use the last known revocations, of any age.

        Raises:
            RevocationUnavailableError: if the known revocations are older than allowed, or none were ever read.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Recheck:
    """
    The way to judge a token again, long after it was verified; see `watching`.

    Args:
        known_state: see KnownState.
        has_rows: whether the token depends on rows, which may change without an event.
        uses_view: whether `known_state` asks the memory view.
        is_polled: whether the issuer's keys or revocations come from another server.
        knows_keys: whether the issuer's keys are found without a query.
        read_states: reads the rows of many tokens together; if None, they are read one by one.
    """

    known_state: KnownState
    has_rows: bool
    uses_view: bool
    is_polled: bool = False
    knows_keys: bool = True
    read_states: Callable[[Sequence[Claims]], Sequence[State | None]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """
    One party whose tokens are accepted.

    Args:
        name: the value of `iss`.
        keys: its keys, and nobody else's.
        policy: the rules for its tokens.
        look_ups: the ways to find the principal; `sub` has no meaning without `iss`.
        count: called with the `kid` of each signature that was verified.
        verify_signature: replaces `tokens.verify_signature`, for tokens that another package has signed here.
        recheck: the way to judge a token again; None if its state is in the rows only.
    """

    name: str
    keys: KeySource
    policy: Policy
    look_ups: LookUps
    count: Callable[[str], None] | None = None
    verify_signature: Callable[[UnverifiedToken, Key, Policy], Claims] | None = None
    recheck: Recheck | None = None


# Finds the issuer that an unverified token names, which may not have signed it; raises UntrustedIssuerError.
Directory: TypeAlias = Callable[[UnverifiedToken], Issuer]
