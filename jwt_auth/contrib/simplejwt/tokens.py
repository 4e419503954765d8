"""
The token classes of simplejwt, for the code and the tests of a project that uses them.

    refresh = RefreshToken.for_user(user)
    refresh["role"] = "editor"
    body = {"refresh": str(refresh), "access": str(refresh.access_token)}

`for_user()` prepares a session. It starts when a token is first written as text, or when a claim is read that only a
session has. So the claims of a refresh token are stored with the session, and all its access tokens have them, also
those of later refreshes. A claim that is set on an access token is in that token only. See `lazy_sessions`.
"""

from datetime import datetime, timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any, ClassVar

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from jwt_auth.claims import REGISTERED, moment
from jwt_auth.conf import get_settings
from jwt_auth.conf.simplejwt import simplejwt_or_default
from jwt_auth.contrib.simplejwt.causes import OF_ANOTHER_TYPE, REVOKED
from jwt_auth.contrib.simplejwt.claims import id_of, kept_in, own_claims
from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, TokenError
from jwt_auth.contrib.simplejwt.lazy_sessions import FormerLazySession, LazySession, lazy_session_of
from jwt_auth.contrib.simplejwt.payloads import TIMED, DesiredState, Payload, SetLifetime, lifetime_is_set
from jwt_auth.contrib.simplejwt.reading import (
    read_access_token,
    read_former_token,
    read_refresh_token,
)
from jwt_auth.issuers.base import ACCESS_TOKEN_TYPE
from jwt_auth.jose import tokens
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UserSession
from jwt_auth.sessions.refresh_tokens import is_shaped_like_a_refresh_token
from jwt_auth.user_model import is_user, read_key, user_field, visible_users

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AccessToken", "RefreshToken", "Token", "UntypedToken"]

_ABSENT = object()

# Seconds that may pass between the computation of an end and the start of the session.
_SLACK = 60


class Token:
    """
    Base of the token classes.

    Args:
        token: the text of a token, which is verified as a request with it would be: signature, times, revocation and
            user. Without it, this is a new token; `for_user()` names its user.
        verify: False for a token that may have expired, or be revoked. Its signature is verified in any case.

    Raises:
        TokenError: if the token is refused.
        ServiceUnavailable: of DRF, if the database can't be asked (503).
    """

    token_type: ClassVar[str | None] = None
    lifetime: Any = None

    # The types of tokens that can be made, or read, by the class.
    _types: ClassVar[tuple[str, ...]] = ()

    @sensitive_variables("token")
    def __init__(self, token: str | bytes | None = None, verify: bool = True) -> None:
        if self.token_type not in self._types or self.lifetime is None:
            # Nothing at the endpoints tells a token of the project's own type from an access token.
            raise TokenError(_("Cannot create token with no type or lifetime"))
        self.current_time = timezone.now()
        self.token = token.decode(errors="replace") if isinstance(token, bytes) else token
        self.payload = Payload(self._fill)
        # The claims in the payload that nobody has set on this token.
        self._known: dict[str, Any] = {}
        self._lazy_session: LazySession | None = None
        if self.token is not None:
            self._read(self.token, verify)
            if verify:
                self.verify()
            return
        if (claim := simplejwt_or_default().TOKEN_TYPE_CLAIM) is not None:
            self._know({claim: self.token_type})
        if not lifetime_is_set(type(self)):
            self.set_exp()

    @classmethod
    def for_user(cls, user: Any) -> "Self":
        """
        Return a token for `user`. The session starts later: see the top of this module.

        Raises:
            AuthenticationFailed: if the user is inactive.
            TypeError: for anything but a saved user.
        """
        lazy = lazy_session_of(user)
        if not user.is_active:
            raise AuthenticationFailed(_("User is inactive"), "user_inactive")
        token = cls()
        token._bind(lazy)
        return token

    def __repr__(self) -> str:
        return repr(self.payload)

    def __getitem__(self, name: str) -> Any:
        return self.payload[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.payload[name] = value

    def __delitem__(self, name: str) -> None:
        del self.payload[name]

    def __contains__(self, name: str) -> bool:
        return name in self.payload

    def get(self, name: str, default: Any = None) -> Any:
        """Return the claim `name`, or `default` if there is none."""
        return self.payload.get(name, default)

    def __str__(self) -> str:
        return self.token or ""

    def set_jti(self) -> None:
        """Give the token a new id."""
        self.payload["jti"] = token_urlsafe(16)

    def set_exp(self, claim: str = "exp", from_time: datetime | None = None, lifetime: timedelta | None = None) -> None:
        """Set the end of the token, or the time in another `claim`, to `lifetime` after `from_time`, or now."""
        ends_at = (from_time or self.current_time) + (self.lifetime if lifetime is None else lifetime)
        self.payload[claim] = int(ends_at.timestamp())

    def set_iat(self, claim: str = "iat", at_time: datetime | None = None) -> None:
        """Set the time when the token was issued, or that in another `claim`."""
        self.payload[claim] = int((at_time or self.current_time).timestamp())

    def verify(self) -> None:
        """Check the end and the type of the token. An override can add checks; it is called when a token is read."""
        self.check_exp()
        self.verify_token_type()

    def verify_token_type(self) -> None:
        """Raise TokenError if the token is of another type than its class."""
        claim = simplejwt_or_default().TOKEN_TYPE_CLAIM
        if claim is not None and self.payload.get(claim, self.token_type) != self.token_type:
            raise TokenError(OF_ANOTHER_TYPE)

    def check_exp(self, claim: str = "exp", current_time: datetime | None = None) -> None:
        """Raise TokenError if the time in `claim` has passed, or is missing."""
        ends = self.payload.get(claim)
        if ends is None:
            raise TokenError(_("Token has no '{}' claim").format(claim))
        if moment(ends) <= (current_time or self.current_time) - get_settings().LEEWAY:
            raise TokenError(_("Token '{}' claim has expired").format(claim))

    def outstand(self) -> None:
        """Do nothing: the session itself is the record of its tokens."""

    @sensitive_variables()
    def _read(self, raw: str, verify: bool) -> None:
        """Read the claims of the text of a token, of any type."""
        if (content := read_former_token(raw, verifies=verify)) is not None:
            named = (
                own_claims(content.user, simplejwt_or_default(), content.token_type) if content.user is not None else {}
            )
            self._know({**content.claims, **named})
            return
        if not is_shaped_like_a_refresh_token(raw):
            self._know(_claims_of_access_token(raw, verify))
            return
        session = read_refresh_token(raw, verifies=verify)
        named = own_claims(session.user, simplejwt_or_default(), "refresh")
        self._know({**kept_in(session.data), **named, **_times_of(session)})

    def _times(self) -> dict[str, Any]:
        """Return the claims of TIMED as the session's token has them."""
        return {}

    def _fill(self) -> None:
        times = self._times()
        self._know({name: times[name] for name in TIMED if name in times and self.payload.present(name) is None})

    def _know(self, claims: dict[str, Any]) -> None:
        self.payload.update(claims)
        self._known.update(claims)

    def _bind(self, lazy: LazySession) -> None:
        self._lazy_session = lazy
        if lazy.user is not None:  # as that of a former token may be
            self._know(own_claims(lazy.user, simplejwt_or_default(), str(self.token_type)))

    def _bound_session(self) -> LazySession:
        """Return the session of the token. A new token without one may name its user by USER_ID_CLAIM."""
        if self._lazy_session is None:
            self._bind(lazy_session_of(self._named_user()))
        assert self._lazy_session is not None  # noqa: S101  # for mypy
        return self._lazy_session

    def _named_user(self) -> Any:
        options = simplejwt_or_default()
        name = self.payload.present(options.USER_ID_CLAIM)
        if name is None:
            kind = type(self).__name__
            raise TypeError(f"{kind}() has no user: {kind}.for_user(user) names one")
        key = read_key(user_field(options.USER_ID_FIELD), str(name))
        user = None if key is None else visible_users().filter(**{options.USER_ID_FIELD: key}).first()
        if user is None:
            raise AuthenticationFailed(_("User not found"), "user_not_found")
        return user

    def _changed(self) -> dict[str, Any]:
        """Return the claims that were set on this token, without those that the app sets."""
        options = simplejwt_or_default()
        changed = {name: value for name, value in self.payload.items() if self._known.get(name, _ABSENT) != value}
        user_id = changed.pop(options.USER_ID_CLAIM, None)
        bound = self._lazy_session
        if user_id is not None and bound is not None and str(user_id) != id_of(bound.user, options):
            raise ValueError(f"the claim {options.USER_ID_CLAIM!r} names another user than the token has")
        changed.pop(str(options.TOKEN_TYPE_CLAIM), None)
        if taken := sorted(REGISTERED.intersection(changed).difference(TIMED)):
            raise ValueError(f"the app itself sets {', '.join(taken)}: choose other names for these claims")
        return changed


class AccessToken(Token):
    """
    An access token.

    Claims that are set on it are in this token alone. It can't live longer than ACCESS_TOKEN_LIFETIME says.
    """

    token_type = "access"  # noqa: S105  # a type
    lifetime = SetLifetime("ACCESS_TOKEN_LIFETIME")
    _types = ("access",)

    @sensitive_variables()
    def __str__(self) -> str:
        """
        Return the text of the token.

        Raises:
            ValueError: if a claim was set that only the app sets, or the token is to live too long.
        """
        if self.token is not None:
            return self._unchanged(self.token)
        raw = self._bound_session().access()
        issued = dict(tokens.peek_unverified(raw).claims)
        changed = self._changed()
        if "exp" in changed:
            changed["exp"] = _end(changed["exp"], issued)
        removed = {name for name in self._known if name not in self.payload and name not in REGISTERED}
        claims = {**{name: value for name, value in issued.items() if name not in removed}, **changed}
        return raw if claims == issued else tokens.encode(claims, own_keys().signing, ACCESS_TOKEN_TYPE)

    def _unchanged(self, raw: str) -> str:
        """Return the text that was read. A new one could escape the revocation of the first."""
        if self.payload != self._known:
            raise ValueError("the claims of an access token that was read can't be changed")
        return raw

    @sensitive_variables()
    def _read(self, raw: str, verify: bool) -> None:
        self._know(_claims_of_access_token(raw, verify))

    def _times(self) -> dict[str, Any]:
        return {} if self.token is not None else dict(tokens.peek_unverified(self._bound_session().access()).claims)


class RefreshToken(Token):
    """
    A refresh token. Its claims are kept in the session, and all access tokens of the session have them.

    Set claims before the token is written as text: then they go into the row when it is made, and each later change
    is one query more. `set_exp()` sets the end of the session, within SESSION_MAX_TIMEOUT.
    """

    token_type = "refresh"  # noqa: S105  # a type
    lifetime = SetLifetime("SESSION_IDLE_TIMEOUT")
    access_token_class = AccessToken
    # Claims that access tokens do not get. They are not kept.
    no_copy_claims: ClassVar[tuple[str, ...]] = ("token_type", *TIMED)
    _types = ("refresh",)
    # Claims of a token of simplejwt that its session does not keep.
    _dropped: tuple[str, ...] = ()

    @sensitive_variables()
    def __str__(self) -> str:
        """
        Return the text of the token.

        Raises:
            TokenError: if the session has ended.
            ValueError: if the claims have too many characters, or one was set that only the app sets.
            ImproperlyConfigured: if there are claims, and SIMPLEJWT is not set.
        """
        return self._bound_session().refresh()

    @property
    def access_token(self) -> AccessToken:
        """A new access token of the session, with the claims that the refresh token has now."""
        access = self.access_token_class()
        access._bind(self._bound_session())
        access._know(self._kept_claims())
        return access

    def set_jti(self) -> None:
        """Have a token that was read exchanged for its successor when it is written as text."""
        self._bound_session().rotates = self.token is not None

    def blacklist(self) -> tuple[UserSession | None, bool]:
        """
        End the session.

        Returns:
            The row of the session, and whether it had not ended before.
        """
        lazy = self._bound_session()
        if lazy.session_id is None:
            lazy.settle()
        is_new = lazy.end("logout")
        return UserSession.objects.filter(pk__in=[lazy.session_id]).first(), is_new

    def check_blacklist(self) -> None:
        """Raise TokenError if the session has ended. One query."""
        if self._bound_session().has_ended():
            raise TokenError(REVOKED)

    @sensitive_variables()
    def _read(self, raw: str, verify: bool) -> None:
        if (content := read_former_token(raw, verifies=verify)) is not None:
            self._know({**content.claims})
            self._dropped = tuple(name for name in content.claims if name not in content.kept)
            self._bind(FormerLazySession(content=content, raw=raw))
            return
        session = read_refresh_token(raw, verifies=verify)
        lazy = LazySession(user=session.user, session=session, raw=raw)
        self._know({**lazy.claims})
        self._bind(lazy)

    def _bind(self, lazy: LazySession) -> None:
        super()._bind(lazy)
        lazy.desired = self._desired_state

    def _desired_state(self) -> DesiredState:
        ends = self.payload.present("exp")
        is_own = ends is not None and ends != self._known.get("exp")
        return DesiredState(claims=self._kept_claims(), ends_at=moment(ends) if is_own else None)

    def _kept_claims(self) -> dict[str, Any]:
        self._changed()  # refuses some
        options = simplejwt_or_default()
        others = {options.USER_ID_CLAIM, options.TOKEN_TYPE_CLAIM, *TIMED, *self.no_copy_claims, *self._dropped}
        return {name: value for name, value in self.payload.items() if name not in others}

    def _times(self) -> dict[str, Any]:
        return _times_of(self._bound_session().session())


class UntypedToken(Token):
    """A token of either type, which was read; nothing can be changed."""

    token_type = "untyped"  # noqa: S105  # a type
    lifetime = timedelta(0)
    _types = ("untyped",)

    def verify_token_type(self) -> None:
        """Accept each type."""


@sensitive_variables()
def _claims_of_access_token(raw: str, verify: bool) -> dict[str, Any]:
    """Return the claims of an access token. One from before SIMPLEJWT was set gets those that name its user."""
    claims, user = read_access_token(raw, verifies=verify)
    return {**(own_claims(user, simplejwt_or_default(), "access") if is_user(user) else {}), **claims}


def _times_of(session: UserSession) -> dict[str, Any]:
    """Return the claims of TIMED of the refresh tokens of `session`, which have one id."""
    ends, began = session.ends_at, session.created_at
    return {"exp": int(ends.timestamp()), "iat": int(began.timestamp()), "jti": session.sid}


def _end(desired: float, issued: dict[str, Any]) -> float:
    """Return the end of an access token: as desired, or that of the issued one if the difference is its random part."""
    longest = issued["iat"] + get_settings().ACCESS_TOKEN_LIFETIME.total_seconds()
    if desired > longest + _SLACK:
        raise ValueError("an access token can't live longer than ACCESS_TOKEN_LIFETIME says")
    return min(desired, issued["exp"])  # type: ignore[no-any-return]  # JSON
