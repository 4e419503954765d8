"""System checks of the conditions that memory mode depends on, each beside a control that passes."""

import pytest
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import connections

from jwt_auth.checks import revocation
from tests.support.user_models import managed_by

REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://localhost"}


def found(deploy=False):
    messages = checks.run_checks(tags=["security"], include_deployment_checks=deploy)
    return [message.id for message in messages if message.id in IDS]


IDS = (
    *("jwt_auth.E060", "jwt_auth.E061", "jwt_auth.E062", "jwt_auth.E063", "jwt_auth.E066", "jwt_auth.E067"),
    *("jwt_auth.W060", "jwt_auth.W061"),
)


class Router:
    def __init__(self, name):
        self.name = name

    def db_for_write(self, model, **hints):
        return "elsewhere" if model.__name__ == self.name else None


def test_sessions_and_revocations_are_written_to_one_database(settings):
    settings.DATABASE_ROUTERS = [Router("Group")]
    assert found() == []
    settings.DATABASE_ROUTERS = [Router("RevocationEvent")]
    assert found() == ["jwt_auth.E060"]


class UsersElsewhere:
    def db_for_write(self, model, **hints):
        return "users" if model._meta.label == get_user_model()._meta.label else None


@pytest.mark.parametrize(("name", "ids"), [("another", ["jwt_auth.E066"]), (None, [])], ids=["another", "the same"])
def test_users_and_sessions_are_written_to_one_database(settings, monkeypatch, name, ids):
    """Two aliases may lead to one database, such as one through a pool and one without."""
    own = connections["default"].settings_dict
    other = type("Connection", (), {"settings_dict": {**own, "NAME": name or own["NAME"]}})
    settings.DATABASE_ROUTERS = [UsersElsewhere()]
    monkeypatch.setattr(revocation, "connections", {"default": connections["default"], "users": other})
    assert found() == ids


@pytest.mark.parametrize(
    ("change", "ids"),
    [
        (lambda rows: rows.filter(is_active=True), []),
        (lambda rows: rows[:5], ["jwt_auth.E067"]),
        (lambda rows: rows.union(rows), ["jwt_auth.E067"]),
    ],
    ids=["a filter", "a slice", "a union"],
)
def test_the_default_manager_of_users_can_be_filtered(change, ids):
    with managed_by(change):
        assert found() == ids


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_what_follows_a_commit_needs_autocommit(jwt_settings, monkeypatch, mode):
    jwt_settings(REVOCATION=mode)
    assert found() == []
    monkeypatch.setitem(connections["default"].settings_dict, "AUTOCOMMIT", False)
    assert found() == ["jwt_auth.E063"]


@pytest.mark.parametrize(
    "backend", ["django.core.cache.backends.locmem.LocMemCache", "django.core.cache.backends.dummy.DummyCache"]
)
def test_notifications_are_in_a_cache_that_all_processes_share(settings, jwt_settings, backend):
    settings.CACHES = {**settings.CACHES, "private": {"BACKEND": backend}, "shared": REDIS}
    jwt_settings(REVOCATION_CACHE="shared")
    assert found() == []
    jwt_settings(REVOCATION_CACHE="private")
    assert found() == ["jwt_auth.E061"]


def test_messages_need_redis_py(jwt_settings, monkeypatch):
    jwt_settings(REVOCATION_PUSH="redis://localhost")
    assert found() == []
    monkeypatch.setattr(revocation, "find_spec", lambda name: None)
    assert found() == ["jwt_auth.E062"]


@pytest.mark.parametrize(
    ("vendor", "options"),
    [
        ("postgresql", {"connect_timeout": 2}),
        ("mysql", {"connect_timeout": 2, "read_timeout": 5}),
        ("sqlite", {}),
    ],
)
def test_a_wait_for_a_database_server_has_a_limit(jwt_settings, monkeypatch, vendor, options):
    connection = connections["default"]
    monkeypatch.setattr(connection, "vendor", vendor)
    jwt_settings(REVOCATION="memory")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
    assert found(deploy=True) == []
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {})
    assert found(deploy=True) == (["jwt_auth.W060"] if options else [])
    assert found() == []
    jwt_settings(REVOCATION="database")
    assert found(deploy=True) == []


@pytest.fixture
def level_of():
    """`level_of(vendor, name)` returns the isolation level in the form that Django expects."""

    def find(vendor, name):
        if vendor != "postgresql" or name is None:
            return name
        levels = pytest.importorskip("psycopg").IsolationLevel
        return int(levels[name[1:]]) if name.startswith("#") else getattr(levels, name, name)

    return find


@pytest.mark.parametrize(
    ("vendor", "name", "expected"),
    [
        ("mysql", "repeatable read", True),
        ("mysql", "SERIALIZABLE", True),
        ("mysql", None, True),
        ("mysql", "read committed", False),
        ("mysql", "READ UNCOMMITTED", False),
        ("postgresql", "REPEATABLE_READ", True),
        ("postgresql", "SERIALIZABLE", True),
        ("postgresql", "#SERIALIZABLE", True),
        ("postgresql", "READ_COMMITTED", False),
        ("postgresql", "READ_UNCOMMITTED", False),
        ("postgresql", "#READ_COMMITTED", False),
        ("postgresql", "there is no such level", False),
        ("sqlite", "serializable", False),
    ],
)
def test_who_asks_for_others_sees_the_present(jwt_settings, monkeypatch, level_of, vendor, name, expected):
    connection = connections["default"]
    timeouts = {"connect_timeout": 2, "read_timeout": 5}
    monkeypatch.setattr(connection, "vendor", vendor)
    jwt_settings(REVOCATION="memory")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", timeouts)
    assert found(deploy=True) == []
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", {**timeouts, "isolation_level": level_of(vendor, name)})
    assert found(deploy=True) == (["jwt_auth.W061"] if expected else [])
    assert found() == []
    jwt_settings(REVOCATION="database")
    assert found(deploy=True) == []


def test_settings_that_cannot_be_read_are_named_by_their_own_check(jwt_settings):
    jwt_settings(REVOCATION="memory", LEEWAY=10)
    assert found(deploy=True) == []
