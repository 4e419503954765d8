"""
The cutoff as a field for the project's own user model.

The module has only fields and abstract models: a `models.py` can import it while the apps are being loaded, and even
if `jwt_auth` is not in INSTALLED_APPS.
"""

from typing import Any

from django.db import models
from django.db.models.functions import Coalesce, Greatest, Now
from django.utils.translation import gettext_lazy as _

__all__ = ["TokenCutoffField", "TokensValidAfterMixin"]


class TokenCutoffField(models.DateTimeField):  # type: ignore[type-arg]  # set by django-stubs' plugin
    """
    A nullable datetime: a token is refused if its session began before it.

    `save()` keeps the later of the stored and the new value. Otherwise an instance that was loaded before a
    revocation would write the old value back, and make revoked tokens valid again. `QuerySet.update()` and
    `bulk_update()` write the given value.
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
        # Coalesce, because in SQLite and MariaDB GREATEST is NULL if one argument is NULL.
        return Greatest(Coalesce(models.F(self.attname), moment), moment)


class DatabaseNow(Now):
    """
    The time by the database's clock, which is one for all machines. For `db_default`.

    In MariaDB and MySQL `Now` itself is in the time zone of the connection, and Django stores UTC.
    """

    def as_mysql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # In the spelling that Django gives to a parameter, because SQLite compares them as texts.
        moment = "REPLACE(STRFTIME('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f', 'NOW') || '000', '.000000', '')"
        return self.as_sql(compiler, connection, template=moment, **context)


class TokensValidAfterMixin(models.Model):
    """Add the field `tokens_valid_after`. To use it, set JWT_AUTH["USER_CUTOFF_FIELD"] to its name."""

    tokens_valid_after = TokenCutoffField()

    class Meta:
        abstract = True
