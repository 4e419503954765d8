"""A project with a replica: revocations are read from the database that they are written to."""

import pytest
from django.db.utils import ConnectionDoesNotExist

from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user, revoke_users
from jwt_auth.revocation.memory import view as memory
from jwt_auth.verification import verify
from tests.support.races import begin


class ReplicaIsBroken:
    """A router whose replica does not exist, so every read from it fails."""

    def db_for_read(self, model, **hints):
        return "replica"

    def db_for_write(self, model, **hints):
        return "default"


OPERATIONS = {
    "token": lambda verified: revoke_token(verified.claims),
    "session": lambda verified: revoke_session(verified.session.pk),
    "user": lambda verified: revoke_user(verified.user),
    "users": lambda verified: revoke_users([verified.user]),
    "all": lambda verified: revoke_all(),
}


@pytest.fixture
def routed(settings):
    settings.DATABASE_ROUTERS = [ReplicaIsBroken()]


@pytest.fixture
def lets_in(client):
    def ask(pair):
        status = client.get_me(pair["access_token"]).status_code
        assert status in (200, 401)
        return status == 200

    return ask


def test_a_read_from_the_replica_would_show(user, routed):
    """The control of all other tests here."""
    with pytest.raises(ConnectionDoesNotExist):
        type(user)._default_manager.get(pk=user.pk)
    assert RevocationEvent.objects.all().db == UserSession.objects.all().db == "default"


def test_a_user_whom_the_replica_does_not_know_yet_can_be_revoked(client, user, staff, lets_in, routed):
    asker = client.bearer(begin(staff)["access_token"])
    for path, body in {
        "revoke/user/": {"user": str(user.pk)},
        "/auth/revoke/user/": {"username": user.get_username()},
        "revoke/global/": {"sub_id": {"format": "opaque", "id": str(user.pk)}},
    }.items():
        pair = begin(user)
        assert lets_in(pair)
        assert asker.send(path, body).status_code in (200, 204)
        assert not lets_in(pair)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_memory_is_read_where_revocations_are_written(in_memory, ticks, user, lets_in, elsewhere, routed, operation):
    view = in_memory()
    pair = begin(user)  # the project's backend would read users from the replica
    verified = verify(pair["access_token"], ask_database=True)
    assert lets_in(pair)
    with elsewhere():
        OPERATIONS[operation](verified)
    assert lets_in(pair)
    ticks.forward(1)
    assert not lets_in(pair)
    memory.forget()  # as a new process
    assert not view.was_ever_read
    assert not lets_in(pair)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_database_that_is_asked_is_the_one_that_is_written(client, user, lets_in, routed, operation):
    pair = begin(user)
    assert lets_in(pair)
    pair = client.refresh(pair["refresh_token"]).json()
    OPERATIONS[operation](verify(pair["access_token"]))
    assert not lets_in(pair)
    assert client.refresh(pair["refresh_token"]).status_code == (200 if operation == "token" else 401)
