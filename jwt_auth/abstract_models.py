"""
The manager and the abstract models that several of the models share.
"""

from typing import Any, ClassVar, TypeVar

from django.db import models, router
from django.utils.translation import gettext_lazy as _

Row = TypeVar("Row", bound=models.Model)


class PrimaryManager(models.Manager[Row]):
    """Reads from the database that is written to: a replica that lags behind would accept revoked tokens."""

    def get_queryset(self) -> models.QuerySet[Row]:
        return super().get_queryset().using(router.db_for_write(self.model))


class Described(models.Model):
    """
    A model whose `save()` writes only the DESCRIPTIVE columns of an existing row.

    The other columns are changed by conditional updates only: otherwise saving an instance that was loaded before a
    revocation or a rotation would undo it.
    """

    DESCRIPTIVE: ClassVar[frozenset[str]]

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            wanted = kwargs.get("update_fields")
            kwargs["update_fields"] = self.DESCRIPTIVE.intersection(self.DESCRIPTIVE if wanted is None else wanted)
        super().save(*args, **kwargs)


class Handmade(models.Model):
    """
    A model that records who made a row, and from which address.

    `created_by` is a text and no foreign key: it outlives the user, when it is needed most, and programs have one, too.
    """

    created_by = models.CharField(
        _("created by"),
        max_length=255,
        blank=True,
        editable=False,
        help_text=_("Primary key of the user who did it, or a name; empty for the app itself."),
    )
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class MaybeShared(models.Model):
    """
    A session that records the newest use of its refresh token by another peer than that of the rotation.

    `sessions/sharing.py` has the rule.
    """

    shared_at = models.DateTimeField(_("shared at"), null=True, blank=True)
    shared_ip_address = models.GenericIPAddressField(_("shared with IP address"), null=True, blank=True)
    shared_user_agent = models.CharField(_("shared with user agent"), max_length=255, blank=True)
    shared_counter = models.PositiveIntegerField(_("shared counter"), null=True, blank=True, editable=False)
    shared_rotations = models.PositiveSmallIntegerField(
        _("shared rotations"), default=0, help_text=_("The number of rotations in a row that two peers shared.")
    )
    # The peer that presented the refresh token whose misuse ended the session.
    misused_ip_address = models.GenericIPAddressField(_("misused from IP address"), null=True, blank=True)
    misused_user_agent = models.CharField(_("misused by user agent"), max_length=255, blank=True)

    class Meta:
        abstract = True

    @property
    def is_shared(self) -> bool:
        """True if a refresh token was ever used by another peer than that of its rotation."""
        return self.shared_at is not None


class Authenticated(models.Model):
    """A session that records how its user was authenticated, and the conditions under which it was started."""

    amr = models.CharField(
        _("methods"),
        max_length=255,
        blank=True,
        help_text=_("How the user was authenticated: values of “amr” (RFC 8176), separated by spaces."),
    )
    acr = models.CharField(_("level"), max_length=255, blank=True, help_text=_("“acr” in its tokens."))
    # None stands for the setting SESSION_IDLE_TIMEOUT.
    idle_timeout = models.DurationField(_("idle timeout"), null=True, blank=True)
    is_persistent = models.BooleanField(
        _("persistent"), default=True, help_text=_("Its cookies stay when the browser is closed.")
    )
    data = models.JSONField(_("data"), default=dict, blank=True, help_text=_("The project's own."))
    # The id of the Django session that it ends with, and that ends with it; see sessions/django_sessions.py.
    tied_to = models.CharField(_("tied to"), max_length=32, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def methods(self) -> tuple[str, ...]:
        """The values of `amr`."""
        return tuple(self.amr.split())
