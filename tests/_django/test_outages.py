"""A database that is down signs nobody out; a missing table is not an outage."""

import pytest
from django.db import InterfaceError, OperationalError, ProgrammingError

from jwt_auth.exceptions import UnavailableError
from jwt_auth.verification import verify
from tests.support.outages import outage


@pytest.mark.parametrize("error", [OperationalError("server closed the connection"), InterfaceError("already closed")])
def test_an_outage_is_503_at_every_entry_point(client, user, error):
    pair = client.tokens(user)
    with outage(error):
        for answer in (client.get_me(pair["access_token"]), client.refresh(pair["refresh_token"]), client.login(user)):
            assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")
        with pytest.raises(UnavailableError):
            verify(pair["access_token"])
    assert client.get_me(pair["access_token"]).status_code == 200


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("no such table: jwt_auth_usersession"),
        OperationalError(1054, "Unknown column 'jwt_auth_usersession.label' in 'SELECT'"),
        ProgrammingError('relation "jwt_auth_usersession" does not exist'),
    ],
)
def test_a_migration_that_was_forgotten_is_a_crash_that_says_so(client, user, error):
    pair = client.tokens(user)
    client.raise_request_exception = True
    with outage(error):
        with pytest.raises(type(error)):
            client.refresh(pair["refresh_token"])
        with pytest.raises(type(error)):
            verify(pair["access_token"])
