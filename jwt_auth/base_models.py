"""
The cutoff as a field for the project's own user model.

Abstract things only: a `models.py` can import this module while the apps are being loaded, and when
`jwt_auth` is not in INSTALLED_APPS.
"""

from typing import Any

from django.db import models
from django.db.models.functions import Coalesce, Greatest
from django.utils.translation import gettext_lazy as _


class TokenCutoffField(models.DateTimeField):  # type: ignore[type-arg]  # set by django-stubs' plugin
    """
    A nullable moment: a token whose session began before it is refused.

    Saving only moves it forward. An instance that was loaded before a revocation would write the old
    moment back, and revive what was taken back; so `save()` keeps the later of the two. `QuerySet.update()`
    and `bulk_update()` that name the field write what they are told.
    """

    description = _("Cutoff of tokens (date with time)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["null"] = kwargs["blank"] = True
        kwargs["editable"] = False
        kwargs.setdefault("verbose_name", _("tokens valid after"))
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for implied in ("null", "blank", "editable"):
            kwargs.pop(implied, None)
        return name, path, args, kwargs

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if add:
            return value
        if value is None:
            return models.F(self.attname)
        moment = models.Value(value, output_field=self)
        # Coalesce, because GREATEST is NULL in SQLite and MariaDB when one argument is.
        return Greatest(Coalesce(models.F(self.attname), moment), moment)


class TokensValidAfterMixin(models.Model):
    """Adds `tokens_valid_after`; name it in JWT_AUTH["USER_CUTOFF_FIELD"] to have it used."""

    tokens_valid_after = TokenCutoffField()

    class Meta:
        abstract = True
