"""How the tables are emptied after a test that commits."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.management import create_contenttypes
from django.contrib.contenttypes.models import ContentType
from django.core.management.commands import flush
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.signals import post_migrate


def empty_quickly(connection: BaseDatabaseWrapper) -> None:
    """
    Have `flush` delete rows on PostgreSQL, as it does on the other databases.

    TRUNCATE writes new files for each table and each index, and waits for the disk: for most tests that takes longer
    than the test. As TRUNCATE does, this waits until no other transaction uses a table: one that is left open is found.
    """
    if connection.vendor != "postgresql":
        return
    truncate, quote = connection.ops.sql_flush, connection.ops.quote_name

    def sql_flush(
        style: Any, tables: Sequence[str], *, reset_sequences: bool = False, allow_cascade: bool = False
    ) -> list[str]:
        if reset_sequences or allow_cascade or not tables:
            return truncate(style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade)
        names = [quote(table) for table in tables]
        return [f"LOCK TABLE {', '.join(names)}", *(f"DELETE FROM {name}" for name in names)]

    connection.ops.sql_flush = sql_flush  # type: ignore[method-assign]  # of this run's connection only


_PERMISSIONS = "django.contrib.auth.management.create_permissions"  # as Django connects it


def restore_quickly(connection: BaseDatabaseWrapper) -> None:
    """
    Have `flush` put the permissions and content types back as they are now.

    Otherwise Django would look for each of them, app by app: for most tests that takes longer than the test.
    """
    kept = [(model, list(model._base_manager.using(connection.alias))) for model in (ContentType, Permission)]
    make_anew = flush.emit_post_migrate_signal

    def restore(verbosity: int, interactive: bool, db: str, **options: Any) -> None:
        if db != connection.alias:
            return make_anew(verbosity, interactive, db, **options)
        for model, rows in kept:
            model._base_manager.using(db).bulk_create(rows)
        ContentType.objects.clear_cache()
        post_migrate.disconnect(create_contenttypes)
        post_migrate.disconnect(dispatch_uid=_PERMISSIONS)
        try:
            make_anew(verbosity, interactive, db, **options)
        finally:
            post_migrate.connect(create_contenttypes)
            post_migrate.connect(create_permissions, dispatch_uid=_PERMISSIONS)

    flush.emit_post_migrate_signal = restore
