"""Revocations that wait for the database: the time that counts is the one after the wait."""

import pytest
from django.db import connection

from jwt_auth.revocation import revoke_all, revoke_client, revoke_user, revoke_users

REVOCATIONS = {
    "everybody": lambda api, user: revoke_all(),
    "the user": lambda api, user: revoke_user(user),
    "users": lambda api, user: revoke_users([user]),
    "the client": lambda api, user: revoke_client(api.row),
}


@pytest.mark.parametrize("revoke", REVOCATIONS.values(), ids=REVOCATIONS)
def test_a_token_that_is_signed_while_its_revocation_waits_is_refused(client, user, api, clock, revoke):
    """The last token is the control: it is signed after the revocation."""
    signed = []

    def wait(execute, sql, params, many, context):
        if not signed:
            clock.shift(13)
            signed.append(api.token())
        return execute(sql, params, many, context)

    assert client.get_me(api.token()).status_code == 200
    with connection.execute_wrapper(wait):
        revoke(api, user)
    assert client.get_me(signed[0]).status_code == 401
    clock.shift(12)  # LEEWAY and more
    assert client.get_me(api.token()).status_code == 200
