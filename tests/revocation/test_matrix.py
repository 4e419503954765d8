"""
Whatever revokes, the very next request with an old token is refused, and a new sign-in works at once.

Time stands still: the deed, the requests and the new sign-in all happen in one microsecond.
"""

import pytest

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.verification import verify
from tests.support.clients import PASSWORD
from tests.support.matrix import (
    ALL,
    OF_A_SESSION,
    OF_A_USER,
    OF_ALL,
    PASSWORD_AFTER,
    UNSEEN_IN_MEMORY,
    Scene,
    change_the_password,
    change_the_password_column_alone,
    deeds,
    in_each_way,
    revoke_everything,
)

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def scene(revocation, client, user, staff, make_user):
    bob = make_user("bob")
    return Scene(revocation, client, user, staff, client.tokens(user), client.tokens(user), client.tokens(bob))


# What goes around the signals.


@deeds
def test_the_next_request_with_the_access_token_is_refused(scene, deed):
    deed(scene)
    answer = scene.client.get_me(scene.phone["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


@pytest.mark.parametrize("deed", ALL, ids=lambda deed: deed.__name__)
def test_the_next_refresh_is_refused(scene, deed):
    deed(scene)
    answer = scene.client.refresh(scene.phone["refresh_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


@deeds
@pytest.mark.thorough
def test_verify_says_what_a_request_would_be_told(scene, deed):
    deed(scene)
    answer = scene.client.send("verify/", {"token": scene.phone["access_token"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


@deeds
@pytest.mark.thorough
def test_tokens_from_an_earlier_refresh_of_the_session_are_refused_too(scene, deed):
    newer = scene.client.refresh(scene.phone["refresh_token"]).json()
    deed(scene)
    assert scene.client.is_dead(newer)


@deeds
def test_a_sign_in_in_the_same_microsecond_works_where_there_may_be_one(scene, deed):
    deed(scene)
    password = PASSWORD_AFTER.get(deed, PASSWORD)
    if password is None:
        assert scene.client.login(scene.user).status_code == 401
        return
    fresh = scene.client.login(scene.user, password).json()
    assert not scene.client.is_dead(fresh)
    assert scene.client.send("verify/", {"token": fresh["access_token"]}).json() == {"active": True}
    assert scene.client.is_dead(scene.phone)


@deeds
@pytest.mark.thorough
def test_others_go_on_working_as_far_as_the_deed_does_not_reach(scene, deed):
    deed(scene)
    assert scene.client.is_dead(scene.laptop) == (deed not in OF_A_SESSION)
    assert scene.client.is_dead(scene.bob) == (deed in OF_ALL)


@in_each_way(
    [
        *OF_A_SESSION,
        *(deed for deed in OF_A_USER if deed not in PASSWORD_AFTER),
        change_the_password,
        change_the_password_column_alone,
        revoke_everything,
    ]
)
@pytest.mark.thorough
def test_the_deed_reaches_in_the_same_microsecond_what_began_after_it_was_done_before(scene, deed):
    deed(scene)
    password = PASSWORD_AFTER.get(deed, PASSWORD)
    scene.phone = scene.client.login(scene.user, password).json()
    scene.laptop = scene.client.login(scene.user, password).json()
    deed(scene)
    assert scene.client.is_dead(scene.phone)


@pytest.mark.parametrize("deed", UNSEEN_IN_MEMORY, ids=lambda deed: deed.__name__)
@pytest.mark.parametrize("revocation", ["memory"], indirect=True)
def test_what_goes_around_the_signals_is_seen_in_memory_by_the_next_refresh_alone(scene, deed):
    deed(scene)
    token = scene.phone["access_token"]
    assert scene.client.send("verify/", {"token": token}).json() == {"active": True}
    assert scene.client.refresh(scene.phone["refresh_token"]).status_code == 401
    with pytest.raises(RevokedTokenError):  # a view that asks for it sees it at once
        verify(token, ask_database=True)


def test_without_a_deed_everything_works(scene):
    """The control of the whole matrix."""
    for pair in (scene.phone, scene.laptop, scene.bob):
        assert scene.client.send("verify/", {"token": pair["access_token"]}).status_code == 200
        assert not scene.client.is_dead(pair)
