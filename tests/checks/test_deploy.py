"""Deployment checks: each reports its own fault alone, and none reports anything on a developer's machine."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.contrib.contenttypes.models import ContentType
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import ProgrammingError, connection, models
from django.db.migrations.recorder import MigrationRecorder
from django.test.utils import isolate_apps

from jwt_auth import clients, signing_keys
from jwt_auth.checks import deploy
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.models import ClientKey, SigningKey
from tests.support.keys import oct_jwk, pem
from tests.support.outages import outage

RANDOM = bytes(range(128, 192))
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
DATABASE_CACHE = "django.core.cache.backends.db.DatabaseCache"
FILE_CACHE = "django.core.cache.backends.filebased.FileBasedCache"
MANY = {"MAX_ENTRIES": 100_000}
AUTHENTICATION = "DEFAULT_AUTHENTICATION_CLASSES"


@pytest.fixture
def rest(settings):
    def change(**values):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, **values}

    return change


@pytest.fixture(autouse=True)
def _production(settings, jwt_settings):
    """A deployment without faults."""
    settings.SECRET_KEY = "a secret key of the tests, long enough for all checks to be content with"
    settings.SECURE_SSL_REDIRECT = True
    settings.CACHES = {
        "default": {"BACKEND": DATABASE_CACHE, "LOCATION": "cache", "OPTIONS": MANY},
    }
    jwt_settings(ISSUER="https://api.example.com", SIGNING_KEY=oct_jwk(RANDOM), REPLAY_CACHE=None)


def found(**options):
    messages = checks.run_checks(include_deployment_checks=True, **options)
    return [message for message in messages if message.id.startswith("jwt_auth.")]


def ids():
    return [message.id.removeprefix("jwt_auth.") for message in found()]


def test_a_sound_deployment_passes():
    assert found() == []


def test_on_a_developers_machine_nothing_is_said(settings):
    """The example project and similar projects, under plain `check`."""
    settings.JWT_AUTH = {**settings.JWT_AUTH, "ISSUER": "jwt_auth", "SIGNING_KEY": None}
    settings.SECURE_SSL_REDIRECT = False
    settings.SECRET_KEY = "django-insecure-" + "x" * 50
    settings.CACHES = {"default": {"BACKEND": LOCMEM}}
    assert len(found()) == 5
    assert [message for message in checks.run_checks() if message.id.startswith("jwt_auth.")] == []


FAULTS = {
    "W010": [
        {"SECRET_KEY": "short"},
        {"SECRET_KEY": "django-insecure-" + "abcdefghij" * 5},
        {"SECRET_KEY": b"abc" * 50},
    ],
    "W016": [
        {"CACHES": {"default": {"BACKEND": LOCMEM, "OPTIONS": MANY}}},
        {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}},
    ],
    "W017": [{"SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https")}, {"USE_X_FORWARDED_HOST": True}],
    "W019": [{"SECURE_SSL_REDIRECT": False}],
    "W020": [
        {"CACHES": {"default": {"BACKEND": DATABASE_CACHE, "OPTIONS": {**MANY, "IGNORE_EXCEPTIONS": True}}}},
        {"CACHES": {"default": {"BACKEND": DATABASE_CACHE, "OPTIONS": {**MANY, "ignore_exc": True}}}},
    ],
    "W024": [
        {"CACHES": {"default": {"BACKEND": DATABASE_CACHE}}},
        {"CACHES": {"default": {"BACKEND": DATABASE_CACHE, "OPTIONS": {"MAX_ENTRIES": 99_999}}}},
        {"CACHES": {"default": {"BACKEND": FILE_CACHE, "LOCATION": "/tmp/cache"}}},
    ],
}
OWN_FAULTS = {
    "W011": {"ISSUER": "jwt_auth"},
    "W012": {"SIGNING_KEY": None},
    "W014": {"ACCESS_TOKEN_LIFETIME": timedelta(hours=2)},
    "W015": {"SESSION_ABSOLUTE_TIMEOUT": timedelta(days=91)},
}


@pytest.mark.parametrize(("fault", "values"), [(fault, values) for fault in FAULTS for values in FAULTS[fault]])
def test_a_fault_of_the_project_is_named_alone(settings, fault, values):
    for name, value in values.items():
        setattr(settings, name, value)
    _is_named_alone(fault)


@pytest.mark.parametrize("fault", OWN_FAULTS)
def test_a_fault_of_our_settings_is_named_alone(jwt_settings, fault):
    jwt_settings(**OWN_FAULTS[fault])
    _is_named_alone(fault)


def _is_named_alone(fault):
    (message,) = found()
    assert (message.id, message.level) == (f"jwt_auth.{fault}", checks.WARNING)
    assert message.msg.endswith(".")
    assert message.hint.endswith(".")


@pytest.mark.parametrize("options", [{}, {"transaction_mode": None}, {"transaction_mode": "deferred"}])
def test_a_file_whose_transactions_begin_without_the_lock_is_named(monkeypatch, options):
    monkeypatch.setitem(connection.settings_dict, "NAME", "/srv/db.sqlite3")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {"transaction_mode": "IMMEDIATE"})
    assert found() == []
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    _is_named_alone("W031")


def test_without_a_default_cache_django_speaks(settings):
    settings.CACHES = {"other": {"BACKEND": LOCMEM}}
    assert found() == []
    assert "caches.E001" in [message.id for message in checks.run_checks()]


def test_with_the_number_of_proxies_a_proxy_is_no_fault(settings, rest):
    settings.USE_X_FORWARDED_HOST = True
    assert ids() == ["W017"]
    rest(NUM_PROXIES=1)
    assert ids() == []


def test_hsts_alone_is_enough(settings):
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = False, 3600
    assert ids() == []


SHARED = {
    "as bytes": RANDOM,
    "as the k of a JWK": base64url_encode(RANDOM),
    "with padding": base64url_encode(RANDOM) + "==",
}


def shared():
    """Return whether our check reports W013. Django's own check fails if SECRET_KEY is made of bytes."""
    messages = deploy.check_deployment()
    assert not [message for message in messages if base64url_encode(RANDOM)[:16] in f"{message.msg} {message.hint}"]
    return [message.id for message in messages] == ["jwt_auth.W013"]


@pytest.mark.parametrize("how", SHARED)
def test_a_secret_key_that_also_signs_tokens_is_named(settings, how):
    settings.SECRET_KEY = SHARED[how]
    assert shared()
    settings.SECRET_KEY = base64url_encode(bytes(reversed(RANDOM)))
    assert not shared()


def test_a_former_secret_key_counts_as_well(settings):
    settings.SECRET_KEY_FALLBACKS = [SHARED["as bytes"]]
    assert shared()


def test_of_keys_that_can_not_be_read_another_check_speaks(jwt_settings, ec_key):
    jwt_settings(SIGNING_KEY="no-such-file.pem")
    assert ids() == ["E010"]


def test_of_settings_that_can_not_be_read_another_check_speaks(db, jwt_settings, settings):
    jwt_settings(ISUER="x")
    settings.SECURE_SSL_REDIRECT = False
    assert ids() == ["E002"]
    assert found(databases=["default"]) == found()


# The database


def with_database():
    return [message.id for message in found(databases=["default"])]


def test_tables_that_are_as_they_should_be_pass(db, settings):
    assert with_database() == []
    settings.SILENCED_SYSTEM_CHECKS = ["mail.E001"]  # since Django 6.1: tests send no mail
    call_command("check", "--deploy", "--database=default", "--fail-level=ERROR")


@pytest.fixture
def unmigrated(db):
    MigrationRecorder(connection).record_unapplied("jwt_auth", "0001_initial")


def test_a_migration_that_is_not_applied_is_an_error(unmigrated):
    (message,) = found(databases=["default"])
    assert (message.id, message.level) == ("jwt_auth.E030", checks.ERROR)
    assert "jwt_auth.0001_initial" in message.msg
    with pytest.raises(SystemCheckError, match="E030"):
        call_command("check", "--deploy", "--database=default")


def test_nobody_is_asked_unless_the_database_is_named(unmigrated, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert found() == []


def test_migrate_itself_is_not_disturbed(unmigrated):
    assert [message for message in checks.run_checks(databases=["default"]) if "jwt_auth" in message.id] == []


def test_a_column_that_is_not_there_is_an_error(db, jwt_settings, django_user_model, monkeypatch):
    jwt_settings(USER_CUTOFF_FIELD="last_login")
    assert "jwt_auth.E031" not in with_database()
    monkeypatch.setattr(django_user_model._meta.get_field("last_login"), "column", "no_such_column")
    assert "jwt_auth.E031" in with_database()


def test_a_field_that_is_not_there_is_for_another_check(db, jwt_settings):
    jwt_settings(USER_CUTOFF_FIELD="nothing")
    assert with_database() == ["jwt_auth.E020"]


def test_without_the_users_table_only_migrations_are_lacking(db, jwt_settings, django_user_model, monkeypatch):
    jwt_settings(USER_CUTOFF_FIELD="last_login")
    monkeypatch.setattr(django_user_model._meta, "db_table", "no_such_table")
    assert "jwt_auth.E031" not in with_database()


@pytest.mark.parametrize(("column", "problems"), [("last_login", []), ("no_such_column", ["E031"])])
@isolate_apps("tests")
def test_a_column_that_is_inherited_is_in_the_table_of_the_parent(
    db, jwt_settings, django_user_model, monkeypatch, column, problems
):
    class Person(models.Model):  # noqa: DJ008
        last_login = models.DateTimeField(db_column=column)

        class Meta:
            app_label = "tests"
            db_table = django_user_model._meta.db_table

    class Employee(Person):  # noqa: DJ008
        class Meta:
            app_label = "tests"
            db_table = ContentType._meta.db_table  # any table that exists

    jwt_settings(USER_CUTOFF_FIELD="last_login")
    monkeypatch.setattr(deploy, "get_user_model", lambda: Employee)
    messages = [message for message in found(databases=["default"]) if message.id == "jwt_auth.E031"]
    assert [message.id.removeprefix("jwt_auth.") for message in messages] == problems
    assert all("The table of Person" in message.msg for message in messages)


def test_without_an_active_key_nobody_can_sign_in(db, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256", SIGNING_KEY=None, ENCRYPTION_KEYS=[Fernet.generate_key()])
    assert with_database() == ["jwt_auth.E073"]
    active = signing_keys.create(activate=True)
    assert with_database() == []
    SigningKey.objects.filter(pk=active.pk).update(encrypted_private_jwk="lost")
    assert with_database() == ["jwt_auth.E074", "jwt_auth.E051"]


def test_without_the_table_of_keys_only_migrations_are_lacking(db, jwt_settings, monkeypatch):
    jwt_settings(KEYS="database", ALGORITHM="ES256", SIGNING_KEY=None)
    monkeypatch.setattr(SigningKey._meta, "db_table", "no_such_table")
    assert with_database() == []


@pytest.mark.parametrize(("keys", "said"), [("database", True), ("settings", False)])
def test_migrate_says_that_a_key_is_needed_first(db, jwt_settings, ec_key, keys, said):
    jwt_settings(KEYS=keys, ALGORITHM="ES256", SIGNING_KEY=None if said else pem(ec_key))
    assert ("jwt_keys create --activate" in migrate()) == said
    assert migrate(verbosity=0) == ""


def test_migrate_says_nothing_when_there_is_an_active_key(db, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256", SIGNING_KEY=None)
    signing_keys.create(activate=True)
    assert "jwt_keys" not in migrate()


def migrate(**options):
    call_command("migrate", stdout=(out := StringIO()), **options)
    return out.getvalue()


def test_secrets_under_derived_keys_are_worth_keys_of_their_own(user, jwt_settings):
    client = clients.register("reports", user)
    assert with_database() == []
    clients.add_secret(client)
    assert with_database() == ["jwt_auth.W050"]
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key()])
    assert with_database() == ["jwt_auth.E051"]


def test_secrets_that_no_key_opens_are_an_error(user, jwt_settings):
    key = Fernet.generate_key()
    jwt_settings(ENCRYPTION_KEYS=[key])
    clients.add_secret(clients.register("reports", user))
    assert with_database() == []
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key()])
    (message,) = found(databases=["default"])
    assert (message.id, message.level) == ("jwt_auth.E051", checks.ERROR)
    assert "1 of the secrets" in message.msg
    jwt_settings(ENCRYPTION_KEYS=[Fernet.generate_key(), key])
    assert with_database() == []


def test_without_the_tables_of_secrets_only_migrations_are_lacking(db, monkeypatch):
    for model in (ClientKey, SigningKey):
        monkeypatch.setattr(model._meta, "db_table", "no_such_table")
    assert with_database() == []


def test_only_the_caches_that_this_app_uses_must_tell_their_errors(settings, jwt_settings):
    silent = {"BACKEND": DATABASE_CACHE, "OPTIONS": {"ignore_exc": True}}
    settings.CACHES = {
        "default": {"BACKEND": DATABASE_CACHE, "OPTIONS": MANY},
        "pages": silent,
        "tokens": silent,
        "marker": silent,
    }
    assert ids() == []
    jwt_settings(REPLAY_CACHE="tokens", REVOCATION_CACHE="marker", REVOCATION="memory")
    assert ids() == ["W020", "W020"]


def test_django_redis_has_a_setting_for_all_caches(settings):
    redis = {"BACKEND": "django_redis.cache.RedisCache"}
    assert not deploy._hides_errors(redis)
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = True
    assert deploy._hides_errors(redis)
    assert not deploy._hides_errors({**redis, "OPTIONS": {"IGNORE_EXCEPTIONS": False}})
    assert not deploy._hides_errors({"BACKEND": DATABASE_CACHE})


def test_a_database_that_is_down_is_a_message_and_no_traceback(db):
    with outage():
        (message,) = found(databases=["default"])
    assert (message.id, message.level) == ("jwt_auth.E032", checks.ERROR)
    assert "server closed the connection" in message.msg
    with outage(ProgrammingError("a wrong query")), pytest.raises(ProgrammingError):
        found(databases=["default"])


def test_a_logger_that_drops_warnings_is_w023(monkeypatch):
    logger = logging.getLogger("jwt_auth")
    assert "W023" not in ids()
    with monkeypatch.context() as patch:
        patch.setattr(logger, "disabled", True)  # as LOGGING does that disables existing loggers
        assert "W023" in ids()
    level = logger.level
    try:
        for set_to, expected in ((logging.ERROR, True), (logging.WARNING, False)):
            logger.setLevel(set_to)
            assert ("W023" in ids()) is expected
    finally:
        logger.setLevel(level)
