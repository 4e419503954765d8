"""
Rows: facts and queries, no flows. `sessions.py` and `revocation/` have the rules.

A `UserSession` is one sign-in on one device. It is the `sid` of its access tokens, the family of its
refresh tokens, and its one row is all that a session ever stores.
"""

import secrets
import uuid
from datetime import datetime
from typing import Any, TypeVar

from django.conf import settings
from django.db import models, router
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext_lazy as _

from jwt_auth.base_models import TokenCutoffField
from jwt_auth.conf import get_settings

Row = TypeVar("Row", bound=models.Model)


class PrimaryManager(models.Manager[Row]):
    """Reads where writes go: a replica that lags would un-revoke for as long as it does."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().using(router.db_for_write(self.model))


def new_handle() -> str:
    """128 random bits in hexadecimal, which no collation folds together."""
    return secrets.token_hex(16)


class UserSession(models.Model):
    """One sign-in on one device."""

    class Transport(models.TextChoices):
        BEARER = "bearer", _("Authorization header")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jwt_sessions", verbose_name=_("user")
    )
    handle = models.CharField(_("handle"), max_length=32, unique=True, default=new_handle, editable=False)
    counter = models.PositiveIntegerField(_("rotations"), default=0)
    started_at = models.DateTimeField(_("started at"), help_text=_("The auth_time of its tokens."))
    last_issued_at = models.DateTimeField(_("last used at"))
    rotated_at = models.DateTimeField(_("rotated at"), null=True, blank=True)
    idle_expires_at = models.DateTimeField(_("idle until"))
    expires_at = models.DateTimeField(_("expires at"), help_text=_("Never moved."))
    auth_hash = models.CharField(_("auth hash"), max_length=128, editable=False)
    # The same password's hash after an upgrade; credentials.py says why there are two.
    upgraded_auth_hash = models.CharField(_("upgraded auth hash"), max_length=128, blank=True, editable=False)
    transport = models.CharField(_("transport"), max_length=16, choices=Transport, default=Transport.BEARER)
    label = models.CharField(_("label"), max_length=100, blank=True)
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=255, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)
    revoked_reason = models.CharField(_("reason"), max_length=255, blank=True)

    objects = PrimaryManager()

    # What `save()` writes of a row that is there. The rest is moved by conditional updates alone: an
    # instance loaded before a revocation or a rotation would otherwise take it back.
    DESCRIPTIVE = frozenset({"label", "ip_address", "user_agent"})

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        indexes = [models.Index(fields=["expires_at"], name="jwt_auth_session_expires")]

    def __str__(self) -> str:
        return f"{self.label or self.get_transport_display()} ({self.id})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            wanted = kwargs.get("update_fields")
            kwargs["update_fields"] = self.DESCRIPTIVE.intersection(self.DESCRIPTIVE if wanted is None else wanted)
        super().save(*args, **kwargs)

    @property
    def sid(self) -> str:
        """The id as it stands in tokens."""
        return self.id.hex

    @property
    def ends_at(self) -> datetime:
        """When it ends unless it is used again."""
        return min(self.idle_expires_at, self.expires_at)

    @property
    def has_stale_credentials(self) -> bool:
        """Whether the user's password is no longer the one of the sign-in, SECRET_KEY rotations aside."""
        known = (self.auth_hash, self.upgraded_auth_hash)
        current = self.user.get_session_auth_hash()
        if any(constant_time_compare(own, current) for own in known):
            return False
        fallbacks = self.user.get_session_auth_fallback_hash()
        return not any(constant_time_compare(own, fallback) for fallback in fallbacks for own in known)


class UserTokenCutoff(models.Model):
    """The home of users' cutoffs, unless USER_CUTOFF_FIELD names a field of the user model."""

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
    One deed of taking back. The rows are the denylist, and the record of who did it; none is changed.

    `subject` is the session's `sid`, the user's `sub`, or for a token "<iss> <jti>" (never its
    text or hash: an ECDSA signature can be written in two ways). `expires_at` is when the last token
    that it refuses is dead by itself; None means never.
    """

    class Scope(models.TextChoices):
        TOKEN = "token", _("token")
        SESSION = "session", _("session")
        USER = "user", _("user")
        ALL = "all", _("everything")

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField(_("created at"), default=timezone.now, editable=False)
    scope = models.CharField(_("scope"), max_length=16, choices=Scope)
    subject = models.CharField(_("subject"), max_length=511, blank=True)
    cutoff = models.DateTimeField(_("cutoff"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    actor = models.CharField(
        _("actor"), max_length=255, blank=True, help_text=_("Primary key of the user who did it; empty: the app.")
    )
    reason = models.CharField(_("reason"), max_length=255, blank=True)

    objects = PrimaryManager()

    class Meta:
        verbose_name = _("revocation")
        verbose_name_plural = _("revocations")
        indexes = [
            models.Index(fields=["scope", "subject"], name="jwt_auth_event_subject"),
            models.Index(fields=["expires_at"], name="jwt_auth_event_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.subject}".strip()

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise TypeError("what happened can't be changed")
        super().save(*args, **kwargs)


def user_id_of(user: Any) -> str:
    """What stands in `sub` for `user`."""
    return str(getattr(user, get_settings().USER_ID_FIELD))
