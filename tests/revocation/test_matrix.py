"""
Every revocation: the very next request with an old token is refused, and a new sign-in works at once.

Time stands still: the operation, the requests and the new sign-in all happen in one microsecond.
"""

import pytest

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.verification import verify
from tests.support.answers import challenge
from tests.support.clients import PASSWORD
from tests.support.matrix import (
    OF_A_SESSION,
    OF_A_USER,
    OF_ALL,
    PASSWORD_AFTER,
    UNSEEN_IN_MEMORY,
    Scene,
    change_the_password,
    change_the_password_column_alone,
    in_each_way,
    operations,
    revoke_everything,
)

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def scene(revocation, client, user, staff, make_user):
    bob = make_user("bob")
    return Scene(revocation, client, user, staff, client.tokens(user), client.tokens(user), client.tokens(bob))


# Operations without signals


@operations
def test_the_next_request_with_the_access_token_is_refused(scene, operation):
    operation(scene)
    answer = scene.client.get_me(scene.phone["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"] == challenge("token_revoked")


@operations
@pytest.mark.thorough
def test_verify_says_what_a_request_would_be_told(scene, operation):
    operation(scene)
    answer = scene.client.send("verify/", {"token": scene.phone["access_token"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


@operations
@pytest.mark.thorough
def test_tokens_from_an_earlier_refresh_of_the_session_are_refused_too(scene, operation):
    newer = scene.client.refresh(scene.phone["refresh_token"]).json()
    operation(scene)
    assert scene.client.is_dead(newer)


@operations
def test_the_next_refresh_is_refused_and_a_sign_in_in_the_same_microsecond_works(scene, operation):
    operation(scene)
    answer = scene.client.refresh(scene.phone["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    password = PASSWORD_AFTER.get(operation, PASSWORD)
    if password is None:
        assert scene.client.login(scene.user).status_code == 401
        return
    fresh = scene.client.login(scene.user, password).json()
    assert not scene.client.is_dead(fresh)
    assert scene.client.send("verify/", {"token": fresh["access_token"]}).json() == {"active": True}
    assert scene.client.is_dead(scene.phone)


@operations
@pytest.mark.thorough
def test_others_go_on_working_as_far_as_the_operation_does_not_reach(scene, operation):
    operation(scene)
    assert scene.client.is_dead(scene.laptop) == (operation not in OF_A_SESSION)
    assert scene.client.is_dead(scene.bob) == (operation in OF_ALL)


@in_each_way(
    [
        *OF_A_SESSION,
        *(operation for operation in OF_A_USER if operation not in PASSWORD_AFTER),
        change_the_password,
        change_the_password_column_alone,
        revoke_everything,
    ]
)
@pytest.mark.thorough
def test_the_operation_reaches_in_the_same_microsecond_what_began_after_it_was_done_before(scene, operation):
    operation(scene)
    password = PASSWORD_AFTER.get(operation, PASSWORD)
    scene.phone = scene.client.login(scene.user, password).json()
    scene.laptop = scene.client.login(scene.user, password).json()
    operation(scene)
    assert scene.client.is_dead(scene.phone)


@pytest.mark.parametrize("operation", UNSEEN_IN_MEMORY, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("revocation", ["memory"], indirect=True)
def test_what_goes_around_the_signals_is_seen_in_memory_by_the_next_refresh_alone(scene, operation):
    operation(scene)
    token = scene.phone["access_token"]
    assert scene.client.send("verify/", {"token": token}).json() == {"active": True}
    assert scene.client.refresh(scene.phone["refresh_token"]).status_code == 401
    with pytest.raises(RevokedTokenError):  # a view that asks the database sees it at once
        verify(token, ask_database=True)


def test_without_an_operation_everything_works(scene):
    """The control of the whole matrix."""
    for pair in (scene.phone, scene.laptop, scene.bob):
        assert scene.client.send("verify/", {"token": pair["access_token"]}).status_code == 200
        assert not scene.client.is_dead(pair)
