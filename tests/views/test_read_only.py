"""A database that refuses to write, as in a failover: reading goes on, and everything else is 503, never 500."""

import pytest
from django.db import OperationalError, connection

from jwt_auth.models import UserSession
from tests.support.api_clients import register
from tests.support.browser import Browser
from tests.support.outages import assert_unavailable, outage, read_only
from tests.support.own_connections import execute

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def signed_in(client, staff):
    return client.bearer(client.tokens(staff)["access_token"])


def test_what_only_reads_goes_on(client, staff):
    pair = client.tokens(staff)
    signed_in = client.bearer(pair["access_token"])
    with read_only():
        for path in ("me/", "me/clients/", "sessions/", "clients/", ".well-known/jwks.json"):
            assert signed_in.get(f"/auth/{path}").status_code == 200, path
        assert client.send("verify/", {"token": pair["access_token"]}).status_code == 200


def test_what_writes_is_unavailable_and_counts_afterwards(client, user, staff, signed_in):
    pair, row = client.tokens(user), register(user).row
    own, url = client.bearer(pair["access_token"]), f"clients/{row.client_id}/"
    browser = Browser().sign_in(user)
    asked = [
        lambda: client.login(user),
        lambda: client.refresh(pair["refresh_token"]),
        lambda: client.send("logout/", {"refresh_token": pair["refresh_token"]}),
        lambda: own.send("logout/"),
        lambda: own.send("logout/all/"),
        lambda: own.send("sessions/", method="delete"),
        lambda: own.send(f"sessions/{pair['session']}/", method="delete"),
        lambda: client.send("revoke/", {"token": pair["access_token"]}),
        lambda: signed_in.send("revoke/user/", {"user": str(user.pk)}),
        lambda: signed_in.send("clients/", {"client_name": "x", "user": str(user.pk), "scope": "read", "key": {}}),
        lambda: signed_in.send(url, {"client_name": "y"}, method="patch"),
        lambda: signed_in.send(f"{url}revoke/"),
        lambda: signed_in.send(f"{url}keys/", {}),
        lambda: signed_in.send(url, method="delete"),
        lambda: browser.renew(),
        lambda: browser.send("logout/"),
        lambda: browser.send("logout/all/"),
    ]
    with read_only():
        for ask in asked:
            assert_unavailable(ask())
    assert own.get("/auth/me/").status_code == 200
    assert UserSession.objects.filter(revoked_at=None).count() == 3
    assert client.refresh(pair["refresh_token"]).status_code == 200
    assert browser.renew().status_code == 200
    row.refresh_from_db()
    assert row.is_active
    assert own.send("logout/all/").status_code == 204


def test_what_mariadb_says_about_such_characters_is_no_outage(client, user):
    with outage(OperationalError(1267, "Illegal mix of collations for operation '='"), of=lambda sql: "WHERE" in sql):
        nobody = client.login(user)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "invalid_credentials")
    with outage(OperationalError(1366, "Incorrect string value"), of=lambda sql: sql.startswith("INSERT")):
        refused = client.login(user)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    with outage(OperationalError(1290, "running with the --read-only option")):
        assert client.login(user).status_code == 503
    assert client.login(user).status_code == 200


@pytest.mark.skipif(connection.vendor != "mysql", reason="only here a table may have an encoding of its own")
def test_characters_that_an_old_table_lacks_are_refused_and_are_no_outage(client, user):
    users = type(user)._meta.db_table
    name = type(user)._meta.get_field(user.USERNAME_FIELD).column
    execute(connection, f"ALTER TABLE {users} MODIFY {name} varchar(150) CHARACTER SET utf8mb3")
    execute(connection, "ALTER TABLE jwt_auth_usersession MODIFY label varchar(100) CHARACTER SET utf8mb3 NOT NULL")
    try:
        nobody = client.send("login/", {user.USERNAME_FIELD: "alice\N{GRINNING FACE}", "password": "x"})
        assert (nobody.status_code, nobody.json()["code"]) == (401, "invalid_credentials")
        refused = client.login(user, label="phone \N{GRINNING FACE}")
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
        assert client.login(user, label="phone").status_code == 200
    finally:
        execute(connection, f"ALTER TABLE {users} MODIFY {name} varchar(150) CHARACTER SET utf8mb4 NOT NULL")
        execute(connection, "ALTER TABLE jwt_auth_usersession MODIFY label varchar(100) CHARACTER SET utf8mb4 NOT NULL")
