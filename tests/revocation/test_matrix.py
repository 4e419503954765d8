"""
Whatever revokes, the very next request with an old token is refused, and a new sign-in works at once.

Time stands still: the deed, the requests and the new sign-in all happen in one microsecond.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.verification import verify
from tests.conftest import PASSWORD

pytestmark = pytest.mark.usefixtures("clock")

NEW_PASSWORD = "a quite different password"


@dataclass
class Scene:
    """alice with two devices, bob with one, and staff."""

    revocation: str
    client: Any
    user: Any
    staff: Any
    phone: dict
    laptop: dict
    bob: dict

    def send(self, path, body=None, token=None, **options):
        return self.client.bearer(token or self.phone["access_token"]).send(path, body, **options)


@pytest.fixture(params=["database", "memory"])
def revocation(request, jwt_settings):
    """One contract for both ways of asking."""
    jwt_settings(REVOCATION=request.param)
    return request.param


@pytest.fixture
def scene(revocation, client, user, staff, make_user):
    bob = make_user("bob")
    return Scene(revocation, client, user, staff, client.tokens(user), client.tokens(user), client.tokens(bob))


def log_out_with_the_refresh_token(scene):
    assert scene.client.send("logout/", {"refresh_token": scene.phone["refresh_token"]}).status_code == 204


def log_out_with_the_access_token(scene):
    assert scene.send("logout/").status_code == 204


def revoke_the_access_token(scene):
    assert scene.client.send("revoke/", {"token": scene.phone["access_token"]}).status_code == 200


def revoke_the_refresh_token_by_form(scene):
    form = f"token={scene.phone['refresh_token']}&token_type_hint=access_token"  # a hint may be wrong
    answer = scene.client.post("/auth/revoke/", form, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def end_the_session_in_the_list(scene):
    path = f"sessions/{scene.phone['session']}/"
    assert scene.send(path, token=scene.laptop["access_token"], method="delete").status_code == 204


def end_all_others_from_the_laptop(scene):
    assert scene.send("sessions/", token=scene.laptop["access_token"], method="delete").status_code == 204


def revoke_the_session_in_code(scene):
    assert revoke_session(UserSession.objects.get(pk=scene.phone["session"]).pk)


def reuse_the_refresh_token(scene):
    """Ended by the app itself, and only after the grace period: the counter says so without a clock."""
    UserSession.objects.filter(pk=scene.phone["session"]).update(counter=7)
    assert scene.client.refresh(scene.phone["refresh_token"]).json()["code"] == "refresh_token_reused"


def log_out_everywhere(scene):
    assert scene.send("logout/all/").status_code == 204


def revoke_the_user_by_the_endpoint(scene):
    token = scene.client.tokens(scene.staff)["access_token"]
    assert scene.send("revoke/user/", {"user": str(scene.user.pk)}, token=token).status_code == 200


def revoke_the_user_by_name(scene):
    token = scene.client.tokens(scene.staff)["access_token"]
    assert scene.send("revoke/user/", {"username": scene.user.get_username()}, token=token).status_code == 200


def revoke_the_user_in_code(scene):
    revoke_user(scene.user)


def change_the_password(scene):
    scene.user.set_password(NEW_PASSWORD)
    scene.user.save()


def change_the_password_column_alone(scene):
    scene.user.set_password(NEW_PASSWORD)
    scene.user.save(update_fields=["password"])


def set_the_same_password_again(scene):
    scene.user.set_password(PASSWORD)
    scene.user.save()


def make_the_password_unusable(scene):
    scene.user.set_unusable_password()
    scene.user.save()


def deactivate(scene):
    scene.user.is_active = False
    scene.user.save()


def deactivate_and_activate_again(scene):
    deactivate(scene)
    scene.user.is_active = True
    scene.user.save()


def delete(scene):
    scene.user.delete()


def delete_by_query(scene):
    get_user_model().objects.filter(pk=scene.user.pk).delete()


def revoke_everything(scene):
    revoke_all()


# What goes around the signals.


def update_the_password_by_query(scene):
    get_user_model().objects.filter(pk=scene.user.pk).update(password=make_password(NEW_PASSWORD))


def deactivate_by_query(scene):
    get_user_model().objects.filter(pk=scene.user.pk).update(is_active=False)


def delete_by_sql(scene):
    user_model = get_user_model()
    name = connection.ops.quote_name(user_model._meta.get_field(user_model.USERNAME_FIELD).column)
    users, sessions = user_model._meta.db_table, UserSession._meta.db_table
    mine = f"(SELECT id FROM {users} WHERE {name} = %s)"
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {sessions} WHERE user_id IN {mine}", [scene.user.get_username()])
        cursor.execute(f"DELETE FROM {users} WHERE {name} = %s", [scene.user.get_username()])


def change_the_password_by_sql(scene):
    table = get_user_model()._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET password = %s", [make_password(NEW_PASSWORD)])


OF_A_SESSION = [
    log_out_with_the_refresh_token,
    log_out_with_the_access_token,
    revoke_the_access_token,
    revoke_the_refresh_token_by_form,
    end_the_session_in_the_list,
    end_all_others_from_the_laptop,
    revoke_the_session_in_code,
    reuse_the_refresh_token,
]
OF_A_USER = [
    log_out_everywhere,
    revoke_the_user_by_the_endpoint,
    revoke_the_user_by_name,
    revoke_the_user_in_code,
    change_the_password,
    change_the_password_column_alone,
    set_the_same_password_again,
    make_the_password_unusable,
    deactivate,
    deactivate_and_activate_again,
    delete,
    delete_by_query,
    update_the_password_by_query,
    deactivate_by_query,
    delete_by_sql,
]
OF_ALL = [revoke_everything, change_the_password_by_sql]

# With which password alice can sign in afterwards.
PASSWORD_AFTER = {
    make_the_password_unusable: None,
    deactivate: None,
    delete: None,
    delete_by_query: None,
    deactivate_by_query: None,
    delete_by_sql: None,
    change_the_password: NEW_PASSWORD,
    change_the_password_column_alone: NEW_PASSWORD,
    update_the_password_by_query: NEW_PASSWORD,
    change_the_password_by_sql: NEW_PASSWORD,
}

# In memory no request sees what goes around the signals.
UNSEEN_IN_MEMORY = [update_the_password_by_query, deactivate_by_query, delete_by_sql, change_the_password_by_sql]

ALL = [*OF_A_SESSION, *OF_A_USER, *OF_ALL]


def in_each_way(deeds):
    """Each deed with each way of asking that notices it."""
    cases = [
        pytest.param(revocation, deed, id=f"{revocation}-{deed.__name__}")
        for revocation in ("database", "memory")
        for deed in deeds
        if not (revocation == "memory" and deed in UNSEEN_IN_MEMORY)
    ]
    return pytest.mark.parametrize(("revocation", "deed"), cases, indirect=["revocation"])


deeds = in_each_way(ALL)


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
def test_verify_says_what_a_request_would_be_told(scene, deed):
    deed(scene)
    answer = scene.client.send("verify/", {"token": scene.phone["access_token"]})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


@deeds
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
