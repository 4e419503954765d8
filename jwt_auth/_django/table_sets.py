"""
Detect several sets of tables in one database: multi-tenant packages that switch schemas between requests.

They are django-tenants, django-tenant-schemas, django-pgschemas and those built on them. Their database backends keep
the name of the schema in use on the connection.
"""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connections

# The packages whose backends switch schemas or databases, and what other backends of that kind are recognised by.
_PACKAGES = frozenset(("django_tenants", "tenant_schemas", "django_pgschemas", "db_multitenant"))
_METHODS = ("set_tenant", "set_schema")


def can_switch(alias: str) -> bool:
    """Return whether the database of this name may have several sets of tables."""
    connection = connections[alias]
    package = str(connection.settings_dict["ENGINE"]).partition(".")[0]
    return package in _PACKAGES or any(hasattr(connection, name) for name in _METHODS)


def current_set(alias: str) -> str:
    """Return the name of the set of tables that this thread's connection uses; "" if there is only one."""
    return getattr(connections[alias], "schema_name", None) or ""


def each_tenant_has(app_label: str) -> bool:
    """Return whether each tenant has tables of this app; True if no setting says which apps those are."""
    lists = list(_apps_of_tenants())
    if not lists:
        return True
    config = apps.get_app_config(app_label)
    names = {config.name, f"{type(config).__module__}.{type(config).__qualname__}"}
    return any(names.intersection(each) for each in lists)


def _apps_of_tenants() -> Iterator[list[str]]:
    of_each: list[str] | None = getattr(settings, "TENANT_APPS", None)
    if of_each is not None:
        yield of_each
    # Several kinds of tenants: of django-tenants, and of django-pgschemas.
    shared = getattr(settings, "PUBLIC_SCHEMA_NAME", "public")
    kinds: dict[str, Any] = {**getattr(settings, "TENANT_TYPES", {}), **getattr(settings, "TENANTS", {})}
    yield from (kind.get("APPS", []) for name, kind in kinds.items() if name != shared)
