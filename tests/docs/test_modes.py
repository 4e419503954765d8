"""The table of what differs between the modes says what happens."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from jwt_auth.models import UserSession
from jwt_auth.verification import verify
from tests.support import ROOT
from tests.support.outages import outage

MODES = ("database", "memory")


def rows():
    section = (ROOT / "docs/how-to/choose-revocation-mode.md").read_text()
    section = section.partition("## What differs")[2].partition("\n## ")[0]
    lines = [line.strip("| \n").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {name: dict(zip(MODES, cells, strict=True)) for name, *cells in lines[2:]}


ROWS = rows()


def update_users(**values):
    get_user_model()._default_manager.update(**values)


def end_sessions():
    UserSession.objects.update(expires_at=timezone.now() - timedelta(hours=1))


# The changes that a request may or may not see.
CHANGES = {
    "`is_active=False` by `QuerySet.update()` or SQL": lambda: update_users(is_active=False),
    "a password changed by SQL": lambda: update_users(password="!"),
    "a session's row deleted without a revocation": lambda: UserSession.objects.all()._raw_delete("default"),
    "a session's row past its end": end_sessions,
}

ELSEWHERE = {
    "for": None,
    "a revocation reaches other processes": "tests/deployment/test_bound.py",
    "a user whom the project's manager has begun to hide": "tests/test_principals.py",
    "a leaked signing key": "tests/attacks",
    "a client's user promoted, or changed without an event": "tests/revocation/memory/test_clients.py",
    "`request.user` in asynchronous code": "tests/test_asynchronous_users.py",
    "tenants with tables of their own": "tests/checks/test_tenants.py",
}


@pytest.fixture(params=MODES)
def mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)
    return request.param


@pytest.fixture
def token(mode, client, user):
    pair = client.tokens(user)
    client.get_me(pair["access_token"])  # the process has read the revocations
    return pair["access_token"]


def status(client, token):
    """Return the status of a request that does not read the user."""
    return str(client.send("verify/", {"token": token}).status_code)


def test_each_row_is_tested():
    here = ("queries of a request", "the database down")
    of_the_user = ("`request.user`", "`type(request.user)`", "`session` of `verify()`")
    assert set(ROWS) == {*CHANGES, *ELSEWHERE, *here, *of_the_user}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_are_seen_as_the_table_says(client, token, mode, change):
    assert status(client, token) == "200"
    CHANGES[change]()
    cell = ROWS[change][mode]
    assert status(client, token) == cell[:3]
    if "401 if the request reads the user" in cell:
        assert client.get_me(token).status_code == 401


def test_a_request_costs_as_many_queries_as_the_table_says(client, token, mode, django_assert_num_queries):
    with django_assert_num_queries(int(ROWS["queries of a request"][mode][0])):
        verified = verify(token)
    with django_assert_num_queries(1 if "1 if the request reads" in ROWS["queries of a request"][mode] else 0):
        verified.user.get_username()


def test_an_outage_is_answered_as_the_table_says(ticks, client, token, mode):
    with outage():
        assert status(client, token) == ROWS["the database down"][mode][:3]
        ticks.forward(2)
        assert status(client, token) == ROWS["the database down"][mode][-3:]


def test_the_user_is_what_the_table_says(token, mode):
    verified = verify(token)
    update_users(is_staff=True)
    assert verified.user.is_staff is ("when the request first reads it" in ROWS["`request.user`"][mode])
    assert (verified.session is None) is (ROWS["`session` of `verify()`"][mode] == "`None`")
    fresh = verify(token).user
    assert (type(fresh) is get_user_model()) is (ROWS["`type(request.user)`"][mode] == "the user model")
    assert fresh.__class__ is get_user_model()
