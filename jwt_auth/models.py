"""
The models: columns and constraints, but no procedures. `sessions` and `revocation` have the rules.

A `UserSession` is one sign-in on one device. Its id is the `sid` of its access tokens, its refresh tokens are one
family, and its one row is all that a session stores.

A `RegisteredClient` is a program that signs its own tokens, each with one of its `ClientKey`s. It has no
sessions: a program that signs a new token for each request has nothing to refresh.
"""

import re
import secrets
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from jwt_auth.abstract_models import Authenticated, Described, Handmade, MaybeShared, PrimaryManager
from jwt_auth.base_models import DatabaseNow, TokenCutoffField
from jwt_auth.conf.installed import require_apps
from jwt_auth.jose.algorithms import ALGORITHMS
from jwt_auth.jose.encoding import json_object

require_apps()

__all__ = ["ClientKey", "RegisteredClient", "RevocationEvent", "SigningKey", "UserSession"]

CLIENT_PREFIX = "client_"
# The form of ids from `new_client_id`. No other form can be in the database, so no other form is looked up.
CLIENT_ID = re.compile(f"{CLIENT_PREFIX}[0-9a-f]{{32}}")


def new_handle() -> str:
    """Return 128 random bits in hexadecimal: no collation takes two different ones for equal."""
    return secrets.token_hex(16)


class UserSession(Described, Authenticated, MaybeShared):
    """One sign-in on one device."""

    class Transport(models.TextChoices):
        BEARER = "bearer", _("Authorization header")
        COOKIE = "cookie", _("httpOnly cookie")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    # The index on both serves the foreign key too: a user's newest sessions are found among any number of them.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="jwt_sessions",
        verbose_name=_("user"),
        db_index=False,
    )
    handle = models.CharField(_("handle"), max_length=32, default=new_handle, editable=False)
    counter = models.PositiveIntegerField(_("refreshes"), default=0)
    # Counts the changes of what its tokens say, apart from refreshes; see sessions/updating.py.
    revision = models.PositiveIntegerField(_("revision"), default=0, editable=False)
    started_at = models.DateTimeField(_("signed in at"), help_text=_("“auth_time” in its tokens."))
    last_issued_at = models.DateTimeField(_("last used at"))
    # The newest use in an hour before that of `last_issued_at`; see sessions/shown.py.
    settled_at = models.DateTimeField(_("settled at"), null=True, blank=True, editable=False)
    rotated_at = models.DateTimeField(_("last refreshed at"), null=True, blank=True)
    idle_expires_at = models.DateTimeField(_("ends unless used before"))
    expires_at = models.DateTimeField(_("ends at the latest"), help_text=_("However often it is used."))
    auth_hash = models.CharField(_("auth hash"), max_length=128, editable=False)
    # The same password's hash after an upgrade; sessions/credentials.py says why there are two.
    upgraded_auth_hash = models.CharField(_("upgraded auth hash"), max_length=128, blank=True, editable=False)
    transport = models.CharField(_("transport"), max_length=16, choices=Transport, default=Transport.BEARER)
    label = models.CharField(_("label"), max_length=100, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=255, blank=True)
    # The peer of the newest rotation, or of the sign-in.
    last_ip_address = models.GenericIPAddressField(_("last IP address"), null=True, blank=True)
    last_user_agent = models.CharField(_("last user agent"), max_length=255, blank=True)
    retry_digest = models.UUIDField(_("retry digest"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    revoked_reason = models.CharField(_("reason"), max_length=255, blank=True)

    objects = PrimaryManager()

    DESCRIPTIVE = frozenset({"label", "ip_address", "user_agent"})

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        permissions = [("introspect", _("Can look into tokens"))]
        indexes = [
            models.Index(fields=["user", "started_at"], name="jwt_auth_session_user"),
            models.Index(fields=["started_at"], name="jwt_auth_session_started"),
            models.Index(fields=["expires_at"], name="jwt_auth_session_expires"),
        ]
        # With `unique=True` PostgreSQL would have to write a second index, for LIKE, with each session.
        constraints = [models.UniqueConstraint(fields=["handle"], name="jwt_auth_session_handle")]

    def __str__(self) -> str:
        return f"{self.label or self.get_transport_display()} ({self.id})"

    @property
    def sid(self) -> str:
        """The id in the form that tokens have."""
        return self.id.hex

    @property
    def ends_at(self) -> datetime:
        """The time when the session ends unless it is refreshed."""
        return min(self.idle_expires_at, self.expires_at)

    @property
    def has_stale_credentials(self) -> bool:
        """True if the user's password has changed since the sign-in; rotations of SECRET_KEY don't count."""
        known = (self.auth_hash, self.upgraded_auth_hash)
        current = self.user.get_session_auth_hash()
        if constant_time_compare(self.auth_hash, current):  # nearly always
            return False
        current_or_former = (current, *self.user.get_session_auth_fallback_hash())
        return not any(constant_time_compare(own, other) for other in current_or_former for own in known)


class UserTokenCutoff(models.Model):
    """The cutoff of a user, unless USER_CUTOFF_FIELD names a field of the user model."""

    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jwt_token_cutoff", verbose_name=_("user")
    )
    tokens_valid_after = TokenCutoffField()

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("token cutoff")
        verbose_name_plural = _("token cutoffs")
        permissions = [("revoke_user", _("Can revoke all tokens of a user"))]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.tokens_valid_after}"


class RevocationEvent(models.Model):
    """
    One revocation. The rows are the denylist, and the record of who revoked what; they are never changed.

    `subject` is the session's `sid`, the user's `sub`, the client's id, "<iss> <jti>" for a token (never its text or
    hash: an ECDSA signature can be written in two ways), or "<iss> <kid>" for a key; the issuer of a client's tokens is
    the client. `expires_at` is the time when the last token that the event refuses has expired; None means never. `sub`
    is the user that a session's or a token's event is about: the feed counts events by it.

    A client's event without a cutoff refuses no token: it tells the processes that hold the client's row and keys
    in memory that these were narrowed.
    """

    class Scope(models.TextChoices):
        TOKEN = "token", _("Token")
        SESSION = "session", _("Session")
        USER = "user", _("User")
        CLIENT = "client", _("Client")
        KEY = "key", _("Key")
        ALL = "all", _("Everything")

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    # The clock of the database gives this time. `created_at` is from the machine that wrote the row, and may be wrong.
    recorded_at = models.DateTimeField(_("recorded at"), db_default=DatabaseNow(), editable=False)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope)
    subject = models.CharField(_("subject"), max_length=511, blank=True)
    sub = models.CharField(_("user"), max_length=511, blank=True, editable=False)
    cutoff = models.DateTimeField(_("cutoff"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    actor = models.CharField(
        _("actor"),
        max_length=255,
        blank=True,
        help_text=_("Primary key of the user who did it, or a name; empty for the app itself."),
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("revocation")
        verbose_name_plural = _("revocations")
        permissions = [("revoke_all", _("Can revoke the tokens of everybody"))]
        indexes = [
            models.Index(fields=["scope", "subject"], name="jwt_auth_event_subject"),
            models.Index(fields=["expires_at", "id"], name="jwt_auth_event_expires"),
            models.Index(fields=["recorded_at", "id"], name="jwt_auth_event_recorded"),
            models.Index(fields=["sub", "expires_at"], name="jwt_auth_event_sub"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a revocation can't be changed")
        super().save(*args, **kwargs)


def new_client_id() -> str:
    """
    Return an id that no issuer and no user has: a prefix, and 128 random bits in hexadecimal.

    As `sub` and `iss` it can't be mistaken for those of another party (RFC 9700 section 4.15).
    """
    return CLIENT_PREFIX + new_handle()


class RegisteredClient(Described, Handmade):
    """A program that signs its own tokens. It acts as `user`, within `scopes`."""

    client_id = models.CharField(_("client id"), max_length=64, unique=True, default=new_client_id, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    name = models.CharField(_("name"), max_length=100)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="jwt_clients",
        verbose_name=_("user"),
        help_text=_("The client acts as this user, with the user's permissions."),
    )
    scopes = models.CharField(
        _("scopes"),
        max_length=1000,
        blank=True,
        help_text=_("The scopes that the client may use, separated by spaces."),
    )
    requires_binding = models.BooleanField(
        _("requires binding"), default=False, help_text=_("Each token must name the request that it is for.")
    )
    is_active = models.BooleanField(_("active"), default=True, editable=False)
    tokens_valid_after = TokenCutoffField()
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    objects = PrimaryManager()

    DESCRIPTIVE = frozenset({"name", "scopes", "requires_binding"})

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        permissions = [("revoke_client", _("Can revoke the tokens and keys of a client"))]
        indexes = [models.Index(fields=["created_by"], name="jwt_auth_client_created_by")]

    def __str__(self) -> str:
        return f"{self.name} ({self.client_id})"


class ClientKey(Handmade):
    """
    A key that a client signs with: the public half of its key pair, or a secret that it shares with us.

    `kid` is always the one from `make_key`, so that a key has one name. A row is written once; the times that end
    the key (`expires_at`, `rotated_at`, `revoked_at`) are changed by conditional updates only.

    A key acts only as users for whom its issuer could issue it. If the user is promoted beyond that, the key is
    suspended, and a new one has to be issued by somebody who may do so now.
    """

    class Reach(models.TextChoices):
        ANYONE = "anyone", _("any user")
        STAFF = "staff", _("users who are not superusers")
        ORDINARY = "ordinary", _("users who are not staff")

    client = models.ForeignKey(
        RegisteredClient, on_delete=models.CASCADE, related_name="keys", verbose_name=_("client")
    )
    kid = models.CharField(_("key id"), max_length=64, editable=False)
    algorithm = models.CharField(_("algorithm"), max_length=16, choices=[(name, name) for name in ALGORITHMS])
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    public_jwk = models.TextField(_("public key"), blank=True, help_text=_("A JWK."))
    encrypted_secret = models.TextField(_("encrypted secret"), blank=True, editable=False)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    rotated_at = models.DateTimeField(_("rotated at"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)
    reach = models.CharField(_("acts as"), max_length=16, choices=Reach, default=Reach.ANYONE, editable=False)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("client key")
        verbose_name_plural = _("client keys")
        indexes = [models.Index(fields=["created_by"], name="jwt_auth_key_created_by")]
        constraints = [
            models.UniqueConstraint(fields=["client", "kid"], name="jwt_auth_client_kid"),
            models.CheckConstraint(
                condition=models.Q(public_jwk="") ^ models.Q(encrypted_secret=""), name="jwt_auth_client_key_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.algorithm} {self.kid}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("a key can't be changed; rotate or revoke it")
        super().save(*args, **kwargs)

    def is_usable(self, now: datetime) -> bool:
        """Return whether tokens that the key signed are accepted at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    @property
    def parsed_jwk(self) -> Mapping[str, str]:
        """The public key, as a JWK."""
        return json_object(self.public_jwk.encode())


class UsedToken(models.Model):
    """A single-use token that was used; authentication/replay.py computes its `digest` from `iss` and `jti`."""

    # Part of a SHA-256 digest, in a third of the bytes that its hexadecimal digits and their indexes would need.
    digest = models.UUIDField(_("digest"), primary_key=True)
    expires_at = models.DateTimeField(_("expires at"))

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("used token")
        verbose_name_plural = _("used tokens")
        indexes = [models.Index(fields=["expires_at"], name="jwt_auth_used_expires")]

    def __str__(self) -> str:
        return self.digest.hex


class SigningKey(models.Model):
    """
    A key that signs our own tokens, for KEYS = "database"; `signing_keys` moves it from state to state.

    The public half is not secret. The private half is encrypted, and deleted as soon as the key stops signing.
    The row of a revoked key stays, so that the key can't be used again.
    """

    class State(models.TextChoices):
        STANDBY = "standby", _("Standby")
        ACTIVE = "active", _("Active")
        RETIRING = "retiring", _("Retiring")
        REVOKED = "revoked", _("Revoked")

    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    kid = models.CharField(_("key id"), max_length=64, unique=True)
    algorithm = models.CharField(_("algorithm"), max_length=16)
    public_jwk = models.TextField(_("public key"), help_text=_("A JWK."))
    encrypted_private_jwk = models.TextField(_("private key"), blank=True, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.STANDBY)
    # True for the active key and NULL for all others: on every database a unique column allows only one True.
    signs = models.BooleanField(null=True, default=None, unique=True, editable=False)
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True)
    retired_at = models.DateTimeField(_("retired at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    # Unique in the table, so that the newest value tells whether any key has changed.
    changed_at = models.DateTimeField(_("changed at"), editable=False)
    verified = models.PositiveBigIntegerField(_("signatures verified"), default=0, editable=False)
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True, editable=False)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        permissions = [("rotate_signingkey", _("Can activate, retire and revoke signing keys"))]
        constraints = [
            models.CheckConstraint(
                # IS NOT NULL, because NULL = True is not False, and a constraint allows all that is not False.
                condition=(
                    models.Q(state="active", signs=True, signs__isnull=False)
                    | (~models.Q(state="active") & models.Q(signs=None))
                ),
                name="jwt_auth_signingkey_active_signs",
            )
        ]

    def __str__(self) -> str:
        return f"{self.short_kid} ({self.get_state_display()})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("only signing_keys moves a key from state to state")
        super().save(*args, **kwargs)

    @property
    def short_kid(self) -> str:
        """The beginning of the key id, long enough for people to tell keys apart."""
        return f"{self.kid[:12]}\N{HORIZONTAL ELLIPSIS}"
