"""
System checks of a deployment: `manage.py check --deploy`. None of these faults matters on a developer's machine.

The checks that query the database only run if it is named: `manage.py check --deploy --database default`.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections, router
from django.db.migrations.executor import MigrationExecutor
from rest_framework.settings import api_settings

from jwt_auth._django.caches import backend_of
from jwt_auth._django.outages import has_database
from jwt_auth.checks.database import check_encoding, check_uuids, unless_down
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import Settings, settings_are_valid
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.jose.encoding import base64url_decode
from jwt_auth.keyring.configured import HMAC_HINT, configured_keys
from jwt_auth.keyring.reencryption import COLUMNS, reencrypt_rows
from jwt_auth.keyring.stored import GUIDE, NO_ACTIVE_KEY, StoredKeys
from jwt_auth.models import SigningKey, UserSession
from jwt_auth.views.metadata import has_address

LONG_TOKEN = timedelta(hours=1)
LONG_SESSION = timedelta(days=90)

DJANGOS_ENTRIES, FEW_ENTRIES = 300, 100_000  # Django's default, and what a cache of counts needs at least

BATCH = 100  # number of secrets that a check decrypts

# The same values as for SECRET_KEY in django.core.checks.security.base.
MIN_LENGTH, MIN_UNIQUE, INSECURE_PREFIX = 50, 5, "django-insecure-"


def check_deployment(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check valid settings for weaknesses in production."""
    if not settings_are_valid():
        return []  # `checks.settings` reports it
    settings = get_settings()
    return [
        *_check_identity(settings),
        *_check_audiences(settings),
        *_check_secrets(),
        *_check_lifetimes(settings),
        *_check_surroundings(),
        *_check_log(),
        *_check_caches(settings),
        *_check_sqlite(),
    ]


def check_database(
    app_configs: Sequence[Any] | None = None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Check migrations, columns, the stored keys, the encryption of secrets and the encoding of texts."""
    alias = router.db_for_write(UserSession)
    if alias not in (databases or ()) or not has_database(alias) or not settings_are_valid():
        return []
    return unless_down(alias, _of_database)


def _of_database(alias: str) -> list[checks.CheckMessage]:
    return [
        *_check_migrations(alias),
        *_check_cutoff_column(alias),
        *check_uuids(connections[alias]),
        *_check_stored_keys(alias),
        *_check_encryption(alias),
        *check_encoding(connections[alias]),
    ]


def _check_identity(settings: Settings) -> Iterator[checks.CheckMessage]:
    if settings.ISSUER == Settings().ISSUER:
        yield checks.Warning(
            f"ISSUER is still {settings.ISSUER!r}: tokens of another deployment with the same key would be valid here.",
            hint='Name this deployment, preferably by its URL: JWT_AUTH = {"ISSUER": "https://api.example.com"}.',
            id="jwt_auth.W011",
        )


def _check_audiences(settings: Settings) -> Iterator[checks.CheckMessage]:
    if settings.SERVICE_AUDIENCES and not has_address(settings.ISSUER):
        yield checks.Warning(
            f"ISSUER is {settings.ISSUER!r}, not an https URL: other servers can't find the metadata of this server.",
            hint="Set ISSUER to the URL of this server, without query and fragment, before others use the name.",
            id="jwt_auth.W085",
        )


def _check_secrets() -> Iterator[checks.CheckMessage]:
    secret = django_settings.SECRET_KEY
    text = secret.decode("latin-1") if isinstance(secret, bytes) else secret
    if len(text) < MIN_LENGTH or len(set(text)) < MIN_UNIQUE or text.startswith(INSECURE_PREFIX):
        yield checks.Warning(
            "SECRET_KEY is short, or made by startproject: refresh tokens are signed with keys derived from it.",
            hint="Generate a key of at least 50 random characters, and keep it out of the repository.",
            id="jwt_auth.W010",
        )
    if get_settings().KEYS == "database":
        return
    if get_settings().SIGNING_KEY is None:
        yield checks.Warning(
            "SIGNING_KEY is not set: access tokens are signed with a key derived from SECRET_KEY, and leak with it.",
            hint=f"{HMAC_HINT} Silence this if one key for all is intended.",
            id="jwt_auth.W012",
        )
    elif _shared_with_secret_key():
        yield checks.Warning(
            "SIGNING_KEY, or one of its fallbacks, is SECRET_KEY itself: one leak exposes both.",
            hint=HMAC_HINT,
            id="jwt_auth.W013",
        )


def _shared_with_secret_key() -> bool:
    secrets: set[bytes] = set()
    for secret in (django_settings.SECRET_KEY, *django_settings.SECRET_KEY_FALLBACKS):
        raw = secret.encode() if isinstance(secret, str) else secret
        secrets.add(raw)
        with suppress(ValueError):  # as the `k` of a JWK
            secrets.add(base64url_decode(raw.decode().rstrip("=")))
    try:
        keys = configured_keys().verifying.values()
    except ConfigurationError:
        return False  # `checks.settings` reports it
    return any(key.verifying in secrets for key in keys if isinstance(key.verifying, bytes))


def _check_lifetimes(settings: Settings) -> Iterator[checks.CheckMessage]:
    if settings.ACCESS_TOKEN_LIFETIME > LONG_TOKEN:
        yield checks.Warning(
            f"ACCESS_TOKEN_LIFETIME is {settings.ACCESS_TOKEN_LIFETIME}: a stolen token is valid for this long.",
            hint="Use minutes: clients refresh automatically.",
            id="jwt_auth.W014",
        )
    if settings.SESSION_ABSOLUTE_TIMEOUT > LONG_SESSION:
        yield checks.Warning(
            f"SESSION_ABSOLUTE_TIMEOUT is {settings.SESSION_ABSOLUTE_TIMEOUT}: nobody signs in again for this long.",
            hint="NIST SP 800-63B requires 30 days at most; choose a value that fits your users' accounts.",
            id="jwt_auth.W015",
        )


def _check_surroundings() -> Iterator[checks.CheckMessage]:
    behind_proxy = django_settings.SECURE_PROXY_SSL_HEADER or django_settings.USE_X_FORWARDED_HOST
    if behind_proxy and api_settings.NUM_PROXIES is None:
        yield checks.Warning(
            "There is a proxy, but no NUM_PROXIES: all clients have its address, and share one budget of sign-ins.",
            hint="Set REST_FRAMEWORK['NUM_PROXIES'] to the number of your own proxies that a request passes.",
            id="jwt_auth.W017",
        )
    if not django_settings.SECURE_SSL_REDIRECT and not django_settings.SECURE_HSTS_SECONDS:
        yield checks.Warning(
            "Nothing prevents tokens from being requested and sent over plain http.",
            hint="Set SECURE_SSL_REDIRECT and SECURE_HSTS_SECONDS, or silence this if the proxy does it.",
            id="jwt_auth.W019",
        )


def _check_log() -> Iterator[checks.CheckMessage]:
    if not logging.getLogger("jwt_auth").isEnabledFor(logging.WARNING):
        yield checks.Warning(
            "The logger 'jwt_auth' drops warnings: nobody learns that a refresh token was stolen, or a cache failed.",
            hint='In LOGGING, set "disable_existing_loggers" to False, and the level of "jwt_auth" to "INFO".',
            id="jwt_auth.W023",
        )


def _check_caches(settings: Settings) -> Iterator[checks.CheckMessage]:
    # Django's own check reports a missing default cache.
    there = set(django_settings.CACHES)
    if DEFAULT_CACHE_ALIAS in there and issubclass(backend_of(DEFAULT_CACHE_ALIAS), LocMemCache | DummyCache):
        yield checks.Warning(
            "The default cache is not shared: each process counts sign-ins separately, or they are not counted at all.",
            hint="Use Redis, Memcached or the database for CACHES['default'], which the throttles use.",
            id="jwt_auth.W016",
        )
    if DEFAULT_CACHE_ALIAS in there and (entries := _entries_kept()):
        yield checks.Warning(
            f"The default cache deletes entries as soon as it has {entries}: sign-ins with many names delete counts of "
            "failed ones.",
            hint=f'Set "OPTIONS": {{"MAX_ENTRIES": {FEW_ENTRIES}}} or more in CACHES["default"], or use Redis.',
            id="jwt_auth.W024",
        )
    used = {DEFAULT_CACHE_ALIAS, settings.REPLAY_CACHE, settings.REVOCATION_CACHE}
    for alias in sorted(there.intersection(used)):
        if not _hides_errors(django_settings.CACHES[alias]):
            continue
        yield checks.Warning(
            f"The cache {alias!r} hides its errors: while it is down, writes are lost, reads find nothing, and nothing "
            "is logged.",
            hint="Remove IGNORE_EXCEPTIONS, or ignore_exc, from its OPTIONS, or name another cache for this app.",
            id="jwt_auth.W020",
        )


def _entries_kept() -> int | None:
    """Return the number of entries of the default cache, if it deletes the others and the number is small."""
    if not issubclass(backend_of(DEFAULT_CACHE_ALIAS), BaseDatabaseCache | FileBasedCache):
        return None  # a LocMemCache is the wrong one altogether
    entries = int(django_settings.CACHES[DEFAULT_CACHE_ALIAS].get("OPTIONS", {}).get("MAX_ENTRIES", DJANGOS_ENTRIES))
    return entries if entries < FEW_ENTRIES else None


def _hides_errors(cache: Mapping[str, Any]) -> bool:
    """Return whether the options of django-redis, or of a client of Memcached, say so."""
    options = cache.get("OPTIONS", {})
    everywhere = cache["BACKEND"].startswith("django_redis.") and getattr(
        django_settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False
    )
    return bool(options.get("IGNORE_EXCEPTIONS", everywhere) or options.get("ignore_exc"))


def _check_sqlite() -> Iterator[checks.CheckMessage]:
    alias = router.db_for_write(UserSession)
    connection = connections[alias]
    if connection.vendor != "sqlite" or "memory" in str(connection.settings_dict["NAME"]):
        return
    mode = connection.settings_dict["OPTIONS"].get("transaction_mode") or "DEFERRED"
    if mode.upper() == "DEFERRED":
        yield checks.Warning(
            f"The transactions of the SQLite database {alias!r} do not take the write lock when they begin. "
            "Transactions of your own code and of Django fail at once if they read first and another process writes "
            "in between.",
            hint='Set "OPTIONS": {"transaction_mode": "IMMEDIATE"} in DATABASES.',
            id="jwt_auth.W031",
        )


def _check_migrations(alias: str) -> Iterator[checks.CheckMessage]:
    executor = MigrationExecutor(connections[alias])
    labels = {UserSession._meta.app_label, get_user_model()._meta.app_label}
    targets = [key for key in executor.loader.graph.leaf_nodes() if key[0] in labels]
    if plan := executor.migration_plan(targets):
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[:5])
        yield checks.Error(
            f"The database {alias!r} lacks migrations: {names}.", hint="Run manage.py migrate.", id="jwt_auth.E030"
        )


def _check_cutoff_column(alias: str) -> Iterator[checks.CheckMessage]:
    name, model = get_settings().USER_CUTOFF_FIELD, get_user_model()
    connection = connections[alias]
    for field in (field for field in model._meta.concrete_fields if field.name == name):
        owner = field.model  # a parent model, if the user model uses multi-table inheritance
        with connection.cursor() as cursor:
            if owner._meta.db_table not in connection.introspection.table_names(cursor):
                return  # migrations are lacking
            columns = connection.introspection.get_table_description(cursor, owner._meta.db_table)
        if field.column not in {column.name for column in columns}:
            yield checks.Error(
                f"The table of {owner.__name__} has no column {field.column!r}, which USER_CUTOFF_FIELD names.",
                hint="Run manage.py makemigrations, and migrate.",
                id="jwt_auth.E031",
            )


def _check_stored_keys(alias: str) -> Iterator[checks.CheckMessage]:
    if get_settings().KEYS != "database":
        return
    if SigningKey._meta.db_table not in connections[alias].introspection.table_names():
        return  # migrations are lacking
    problem = StoredKeys().newest().problem
    if problem == NO_ACTIVE_KEY:
        yield checks.Error("No signing key is active: nobody can sign in or refresh.", hint=GUIDE, id="jwt_auth.E073")
    elif problem:
        yield checks.Error(
            "The active signing key can't be decrypted: nobody can sign in or refresh.",
            hint="Restore the key that ENCRYPTION_KEYS lacks. If it is lost, run manage.py jwt_keys retire KEY "
            "--emergency.",
            id="jwt_auth.E074",
        )


def _check_encryption(alias: str) -> Iterator[checks.CheckMessage]:
    tables = connections[alias].introspection.table_names()
    columns = [column for column in COLUMNS if column[0]._meta.db_table in tables]
    # One batch of each is enough to see that a key is missing.
    seen = [batch for column in columns for batch in islice(reencrypt_rows(*column, BATCH, dry_run=True), 1)]
    if lost := sum(len(batch.unreadable) for batch in seen):
        yield checks.Error(
            f"{lost} of the secrets in the database can't be decrypted: requests that need them are answered with 503.",
            hint="Restore the key that ENCRYPTION_KEYS or SECRET_KEY_FALLBACKS lacks; manage.py jwt_reencrypt names "
            "the rows.",
            id="jwt_auth.E051",
        )
    if seen and get_settings().ENCRYPTION_KEYS is None:
        yield checks.Warning(
            "ENCRYPTION_KEYS is not set: secrets in the database are encrypted with keys derived from SECRET_KEY.",
            hint="Set ENCRYPTION_KEYS to a list: a new key from Fernet.generate_key(), then the lines that manage.py "
            "jwt_reencrypt --print-derived-keys prints. Run manage.py jwt_reencrypt, then remove all but the first.",
            id="jwt_auth.W050",
        )
