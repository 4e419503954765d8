"""Tenants with tables of their own: no project in which a token of one is valid at another starts, or verifies any."""

import pytest
from django.contrib.auth import get_user_model
from django.core import checks
from django.db import connections

from jwt_auth import sessions
from jwt_auth.checks.revocation import check_revocation
from jwt_auth.exceptions import ConfigurationError
from jwt_auth.verification import verify
from tests.support.api_clients import register

USERS = get_user_model()._meta.app_config.name
PER_TENANT, SHARED, SHARED_SESSIONS = [USERS, "jwt_auth"], [], [USERS]


def lists(apps):
    """Return what each package calls the list of a tenant's apps."""
    shared = {"APPS": ["jwt_auth", USERS]}
    return {
        "django_tenants.postgresql_backend": {"TENANT_APPS": apps},
        "tenant_schemas.postgresql_backend": {"TENANT_APPS": apps},
        "django_pgschemas.postgresql": {"TENANTS": {"public": shared, "default": {"APPS": apps}}},
        "our_own.backend": {"TENANT_TYPES": {"public": {"APPS": []}, "shop": {"APPS": []}, "bank": {"APPS": apps}}},
    }


@pytest.fixture(params=lists([]))
def engine(request, monkeypatch):
    connection = connections["default"]
    monkeypatch.setitem(connection.settings_dict, "ENGINE", request.param)
    if request.param == "our_own.backend":
        monkeypatch.setattr(type(connection), "set_schema", lambda self, name: None, raising=False)
    return request.param


@pytest.fixture
def project(engine, settings, jwt_settings):
    """`project(apps, NAME=value)` says which apps have tables for each tenant, and sets JWT_AUTH."""

    def be(apps, **values):
        for name, value in lists(apps)[engine].items():
            setattr(settings, name, value)
        jwt_settings(**values)
        messages = checks.run_checks(tags=["security"])
        return [message.id for message in messages if message.id in ("jwt_auth.E064", "jwt_auth.E065")]

    return be


@pytest.fixture
def own_keys(ec_settings):
    return {name: value for name, value in ec_settings.items() if name != "SIGNING_KEY"} | {"KEYS": "database"}


@pytest.mark.parametrize("mode", ["memory", "none"])
def test_what_is_kept_for_one_tenant_must_not_answer_for_another(project, mode):
    assert project(PER_TENANT, REVOCATION=mode) == ["jwt_auth.E064"]
    assert project(SHARED, REVOCATION=mode) == []


def test_keys_of_one_tenant_must_not_answer_for_another(project, own_keys):
    assert project(PER_TENANT, **own_keys) == ["jwt_auth.E064"]
    assert project(SHARED, **own_keys) == []


def test_with_a_query_per_request_each_tenant_has_its_own_sessions(project):
    assert project(PER_TENANT, REVOCATION="database") == []


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_sessions_of_all_tenants_must_not_name_the_users_of_each(project, mode):
    assert project(SHARED_SESSIONS, REVOCATION=mode) == ["jwt_auth.E065"]
    assert project(SHARED, REVOCATION=mode) == []


def test_the_path_of_an_app_config_names_the_app_too(project):
    assert project(["jwt_auth.apps.JWTAuthConfig"], REVOCATION="memory") == ["jwt_auth.E064"]


@pytest.mark.parametrize("engine", ["django_tenants.postgresql_backend"], indirect=True)
def test_where_no_setting_says_which_apps_are_shared_none_is(engine, jwt_settings):
    assert check_revocation() == []
    jwt_settings(REVOCATION="memory")
    assert [message.id for message in check_revocation()] == ["jwt_auth.E064"]


def test_one_set_of_tables_is_no_fault_whatever_the_settings_are_called(settings, jwt_settings):
    settings.TENANT_APPS = PER_TENANT
    jwt_settings(REVOCATION="memory")
    assert check_revocation() == []


@pytest.mark.django_db
@pytest.mark.parametrize("engine", ["our_own.backend"], indirect=True)
def test_no_token_is_verified_where_check_finds_a_fault(project, user):
    token, api = sessions.start(user).access_token, register(user)
    project(SHARED, REVOCATION="memory")
    for _ in range(2):
        assert verify(token).user == user
        assert verify(api.token(), issuers="clients").user == user
        project(PER_TENANT, REVOCATION="database")
    project(PER_TENANT, REVOCATION="memory")
    for raw, issuers in ((token, "users"), (api.token(), "clients"), (api.token(), "anyone")):
        with pytest.raises(ConfigurationError, match="E064"):
            verify(raw, issuers=issuers)
