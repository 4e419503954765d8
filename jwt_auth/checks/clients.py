"""
System checks of views that accept tokens of API clients, and of the store for used tokens.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.db import connections, router

from jwt_auth.authentication import ClientJWTAuthentication, JWTAuthentication, JWTCookieAuthentication
from jwt_auth.authentication.replay import shared_cache
from jwt_auth.checks.views import lists_of_classes
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.models import UsedToken


def check_client_authentication(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check lists of authentication classes, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    return list(_check_lists())


def check_used_tokens(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check the replay protection. For `--deploy`: a developer's machine has no shared cache."""
    if not settings_are_valid() or not _clients_are_let_in():
        return []
    return [*_check_protection(), *_check_transactions(), *_check_cache()]


def _check_lists() -> Iterator[checks.CheckMessage]:
    for where, classes in lists_of_classes():
        issuers = {found.issuers for found in classes if _reads_the_header(found)}
        if len(issuers) > 1:
            yield checks.Error(
                f"{where} has classes for users' and for clients' tokens: the first one refuses the other's tokens.",
                hint="Use jwt_auth.authentication.UserOrClientJWTAuthentication instead of both.",
                id="jwt_auth.E053",
            )
        if get_settings().REVOCATION == "none" and _lets_clients_in(classes):
            yield checks.Error(
                f'{where} has a class for clients\' tokens, but REVOCATION is "none", which looks up no client keys: '
                "these tokens are refused.",
                hint='Set REVOCATION to "database" or "memory", or remove the class.',
                id="jwt_auth.E054",
            )


def _check_transactions() -> Iterator[checks.CheckMessage]:
    if _in_the_database() and connections[router.db_for_write(UsedToken)].settings_dict["ATOMIC_REQUESTS"]:
        yield checks.Warning(
            "ATOMIC_REQUESTS is on, and used tokens are rows: if a request ends in an error, its token can be used "
            "again.",
            hint="Set REPLAY_CACHE to a cache that all machines share, such as Redis or Memcached.",
            id="jwt_auth.W053",
        )


def _check_cache() -> Iterator[checks.CheckMessage]:
    name = get_settings().REPLAY_CACHE
    backend = "" if name is None else django_settings.CACHES[name]["BACKEND"].rpartition(".")[2]
    # The table of a DatabaseCache would be no better than ours.
    if _in_the_database() and backend not in ("", "DatabaseCache"):
        yield checks.Warning(
            f"REPLAY_CACHE is {name!r}, which can't detect a second use on all machines ({backend}): "
            "used tokens are rows of the database instead, with one write for each token.",
            hint="Set it to a cache that all machines share, such as Redis or Memcached, or to None to use rows.",
            id="jwt_auth.W054",
        )


def _check_protection() -> Iterator[checks.CheckMessage]:
    if get_settings().CLIENT_REPLAY_PROTECTION == "off":
        yield checks.Warning(
            'CLIENT_REPLAY_PROTECTION is "off": an attacker who intercepts a client\'s request can send it again.',
            hint='Set it to "unsafe_methods".',
            id="jwt_auth.W055",
        )


def _in_the_database() -> bool:
    """Return whether used tokens are stored as rows."""
    used = get_settings().CLIENT_REPLAY_PROTECTION != "off" and _clients_are_let_in()
    return used and shared_cache() is None


def _clients_are_let_in() -> bool:
    return any(_lets_clients_in(classes) for _, classes in lists_of_classes())


def _lets_clients_in(classes: Sequence[Any]) -> bool:
    return any(issubclass(found, ClientJWTAuthentication) for found in classes)


def _reads_the_header(found: type) -> bool:
    return issubclass(found, JWTAuthentication) and not issubclass(found, JWTCookieAuthentication)
