"""
Refuse projects in which a token of one tenant would be valid at another.

All tenants have one ISSUER, one AUDIENCE and the same keys. Only the session, a row in one tenant's tables,
distinguishes their tokens. So each request has to read that row, and nothing that was read for one tenant may answer
for another.
"""

from django.contrib.auth import get_user_model
from django.db import router

from jwt_auth._django.table_sets import can_switch, each_tenant_has
from jwt_auth.conf import get_settings
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.models import UserSession


def refuse_to_confuse_tenants() -> None:
    """
    Refuse to verify tokens in a project in which a token of one tenant would be valid at another.

    Raises:
        ConfigurationError: see find_confusion().
    """
    fault = find_confusion()
    if fault is not None:
        raise fault


def find_confusion() -> ConfigurationError | None:
    """Return the reason why tokens of one tenant would be valid at another; None if there is none."""
    if not can_switch(router.db_for_write(UserSession)):
        return None
    tables, users = each_tenant_has(UserSession._meta.app_label), each_tenant_has(get_user_model()._meta.app_label)
    if users and not tables:
        return ConfigurationError(
            "E065",
            "All tenants share the sessions, but each has users of its own: a token of one tenant's user is valid for "
            "the user with the same key at every other tenant.",
            "Put jwt_auth and the app of the user model in the same list: the apps of tenants, or the shared ones.",
        )
    settings = get_settings()
    if not tables or (settings.REVOCATION == "database" and settings.KEYS == "settings"):
        return None
    return ConfigurationError(
        "E064",
        "Each tenant has sessions, revocations and keys of its own, but the process keeps those of one tenant in its "
        "memory: tokens of one tenant would be valid at another.",
        'Set REVOCATION to "database" and KEYS to "settings", or move jwt_auth and the users to the shared apps.',
    )


def has_tenants() -> bool:
    """Return whether each tenant has sessions of its own. If so, the process must not keep them in memory."""
    return can_switch(router.db_for_write(UserSession)) and each_tenant_has(UserSession._meta.app_label)
