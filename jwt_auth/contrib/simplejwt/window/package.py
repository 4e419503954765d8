"""
The package itself: the settings that it has read, its token classes, and the signatures that it verifies.

It is imported when the first former token comes, and never if the window is closed. Parts of it keep the settings that
they found at their import, so they are read where the package has them, and not from SIMPLE_JWT.
"""

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import router
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from jwt_auth.authentication.replay import digest_of
from jwt_auth.claims import Claims, Policy, parse_claims
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.simplejwt import simplejwt
from jwt_auth.exceptions import (
    ConfigurationError,
    InvalidClaimError,
    InvalidTokenError,
    MalformedTokenError,
    RevokedTokenError,
)
from jwt_auth.jose.tokens import UnverifiedToken, peek_unverified
from jwt_auth.models import UserSession
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.user_model import user_field

if TYPE_CHECKING:
    from rest_framework_simplejwt.backends import TokenBackend
    from rest_framework_simplejwt.tokens import Token

# The name of simplejwt as an issuer, in claims and in the denylist, whatever `iss` its tokens have.
NAME = "simplejwt"

BLACKLIST = "rest_framework_simplejwt.token_blacklist"

# The leeway of a backend that is asked for the signature, and not for the times.
_ANY_AGE = timedelta(days=36_500)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    One type of former tokens.

    Args:
        token_class: simplejwt's class, or one of the project that is derived from it.
        backend: verifies signature, `iss` and `aud`, of tokens of any age: their times are checked with each request.
        leeway: simplejwt's tolerance for clocks that differ.
        is_access: whether it is accepted in requests.
        is_exchanged: whether it can be exchanged for a session.
    """

    token_class: "type[Token]"
    backend: "TokenBackend"
    leeway: timedelta
    is_access: bool
    is_exchanged: bool

    @property
    def policy(self) -> Policy:
        """The rules for the claims. simplejwt does not limit lifetimes, and its backend has checked `aud`."""
        return Policy(
            types=frozenset(),  # simplejwt does not read the header's `typ`
            audiences=frozenset({get_settings().AUDIENCE}),
            max_lifetime=timedelta.max,
            leeway=self.leeway,
            required=(),
            default_scope=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The settings that simplejwt has read from the project, and its tokens by their types."""

    settings: Any
    kinds: Mapping[str, Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerToken:
    """A former token with a valid signature; its times are not checked yet."""

    kind: Kind
    claims: Claims

    @property
    def subject(self) -> str:
        """The token's name in the denylist."""
        return token_subject(NAME, str(self.claims.jti))

    @property
    def digest(self) -> UUID:
        """
        The key of the token among the used ones, and the id of the session that it may be exchanged for.

        With the user, because the project may give its tokens a `jti` of its own: two users must never share a session.
        """
        return digest_of(f"{NAME} {self.claims.sub}", str(self.claims.jti))

    def as_token(self, now: datetime) -> Any:
        """Return it as an object of simplejwt at the time `now`, without a check."""
        token = self.kind.token_class()
        token.payload = dict(self.claims.all)
        token.current_time = now
        return token


def is_open(now: datetime | None = None) -> bool:
    """Return whether former tokens are accepted."""
    options = simplejwt()
    return options is not None and options.accepts_former_tokens(now or timezone.now())


def kept_until(claims: Claims) -> datetime:
    """Return how long the record of a former token's use is kept: until it has expired, and the window is closed."""
    options = simplejwt()
    end = None if options is None else options.ACCEPT_UNTIL
    return claims.expires_at if end is None else max(claims.expires_at, end)


# The package


@cached_until_settings_change
def package() -> Package:
    """
    Return the package, which is imported here.

    Raises:
        ConfigurationError: for the first fault that `manage.py check` would report.
    """
    for problem in find_package_problems():
        raise problem
    return _read()


def find_package_problems() -> Iterator[ConfigurationError]:
    """Yield the faults that prevent simplejwt from checking its tokens."""
    try:
        settings = _read().settings
    except Exception as error:  # noqa: BLE001  # at its import the package reads settings, and imports what they name
        yield ConfigurationError(
            "E104",
            f"djangorestframework-simplejwt can't be used: {type(error).__name__}: {error}.",
            'Keep the package and its settings until SIMPLEJWT["ACCEPT_UNTIL"], or remove ACCEPT_UNTIL.',
        )
        return
    for name in ("TOKEN_TYPE_CLAIM", "JTI_CLAIM"):
        if getattr(settings, name) is None:
            yield ConfigurationError(
                "E105",
                f"SIMPLE_JWT[\"{name}\"] is None: types of tokens can't be distinguished, or tokens can't be used up.",
                "Remove ACCEPT_UNTIL: users sign in again.",
            )
    yield from _find_wrong_values(settings)


def _find_wrong_values(settings: Any) -> Iterator[ConfigurationError]:
    try:
        user_field(settings.USER_ID_FIELD)
    except FieldDoesNotExist:
        yield ConfigurationError(
            "E106",
            f'SIMPLE_JWT["USER_ID_FIELD"] is {settings.USER_ID_FIELD!r}, which is not a field of the user model.',
            "Set it to the field whose value is in the tokens.",
        )
    if settings.JWK_URL is not None:
        yield ConfigurationError(
            "E107",
            'SIMPLE_JWT["JWK_URL"] is set: another server issues the tokens.',
            "Add that server to TRUSTED_ISSUERS, and remove ACCEPT_UNTIL.",
        )


def _read() -> Package:
    from rest_framework_simplejwt import tokens

    settings = tokens.api_settings  # type: ignore[attr-defined]  # the object that the token classes ask
    kinds = {}
    for token_class in settings.AUTH_TOKEN_CLASSES:
        # A refresh token is never an access token, whatever the setting says.
        if token_class.token_type not in (None, "refresh") and not issubclass(token_class, tokens.RefreshToken):
            is_sliding = issubclass(token_class, tokens.SlidingToken)
            kinds[token_class.token_type] = _kind(token_class, is_access=True, is_exchanged=is_sliding)
    kinds["refresh"] = _kind(tokens.RefreshToken, is_access=False, is_exchanged=True)
    return Package(settings=settings, kinds=kinds)


def _kind(token_class: "type[Token]", *, is_access: bool, is_exchanged: bool) -> Kind:
    used = token_class().get_token_backend()
    timeless = copy(used)
    timeless.leeway = _ANY_AGE
    return Kind(
        token_class=token_class,
        backend=timeless,
        leeway=used.get_leeway(),
        is_access=is_access,
        is_exchanged=is_exchanged,
    )


# Its tokens


@sensitive_variables("raw")
def former_of(raw: str) -> FormerToken | None:
    """
    Return the former token in `raw`, even if it has expired; None if it is not one of simplejwt.

    Raises:
        InvalidTokenError: as `read`.
    """
    try:
        token = peek_unverified(raw)
    except MalformedTokenError:
        return None
    kind = kind_of(token)
    return None if kind is None else read(token, kind)


def kind_of(token: UnverifiedToken) -> Kind | None:
    """Return the kind that a token claims to have; None if it is not one of simplejwt."""
    # simplejwt never writes a `kid`. Trusted issuers may omit it too, but their tokens have a known `iss`.
    if token.kid is not None or token.issuer in get_settings().TRUSTED_ISSUERS:
        return None
    found = package()
    token_type = token.claims.get(found.settings.TOKEN_TYPE_CLAIM)
    return found.kinds.get(token_type) if isinstance(token_type, str) else None


def read(token: UnverifiedToken, kind: Kind) -> FormerToken:
    """
    Return a former token, even if it has expired. simplejwt checks its signature, issuer and audience.

    Raises:
        InvalidTokenError: if simplejwt refuses it, or a claim is missing or has the wrong type.
    """
    from rest_framework_simplejwt.exceptions import TokenBackendError

    try:
        payload = kind.backend.decode(token.raw)  # type: ignore[arg-type]  # annotated as a Token, and given as text
    except TokenBackendError as error:
        raise InvalidTokenError(f"simplejwt refuses the token: {error}: {error.__cause__}") from error
    return FormerToken(kind=kind, claims=_claims_of(payload))


def _claims_of(payload: Mapping[str, Any]) -> Claims:
    """
    Return the claims that this app needs, under their registered names.

    A token from before simplejwt wrote `iat` counts as issued at the epoch: each cutoff refuses it.
    """
    settings = package().settings
    user_id = payload.get(settings.USER_ID_CLAIM)
    if type(user_id) not in (str, int):
        raise InvalidClaimError(settings.USER_ID_CLAIM, "identifies no user")
    document = {
        "iss": NAME,
        "aud": get_settings().AUDIENCE,
        "sub": str(user_id),
        "iat": payload.get("iat", 0),
        "jti": payload.get(settings.JTI_CLAIM),
        **{name: payload[name] for name in ("exp", "nbf") if name in payload},
    }
    return replace(parse_claims(document, default_scope=None), all=payload)


def check_by_package(token: Any) -> None:
    """
    Have simplejwt check a token with a valid signature: times, type, blacklist, and checks that the project has added.

    Raises:
        RevokedTokenError: if it refuses the token. Times and type were checked before: the blacklist is what remains.
    """
    from rest_framework_simplejwt.exceptions import TokenError

    try:
        token.verify()
    except TokenError as error:
        raise RevokedTokenError(f"simplejwt refuses the token: {error}") from error


def blacklist(token: Any) -> None:
    """
    Put a refresh token or a sliding token on simplejwt's blacklist, in the caller's transaction.

    Do nothing if that app is not installed, or has a database of its own, with which there is no common transaction.
    """
    if has_blacklist():
        token.blacklist()


def has_blacklist() -> bool:
    """Return whether simplejwt's blacklist is installed, in the database of the sessions."""
    if not apps.is_installed(BLACKLIST):
        return False
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

    return router.db_for_write(BlacklistedToken) == router.db_for_write(UserSession)
