"""The operations of the revocation matrix, and the scene in which they happen."""

from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from tests.support.clients import PASSWORD

NEW_PASSWORD = "a quite different password"


@dataclass
class Scene:
    """alice with two devices, bob with one, and a member of staff."""

    revocation: str
    client: Any
    user: Any
    staff: Any
    phone: dict
    laptop: dict
    bob: dict

    def send(self, path, body=None, token=None, **options):
        return self.client.bearer(token or self.phone["access_token"]).send(path, body, **options)


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
    """The app itself ends the session, but only after the grace period: the counter stands for it, without a clock."""
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


# The password with which alice can sign in afterwards.
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


# In memory no request sees changes that send no signals.
UNSEEN_IN_MEMORY = [update_the_password_by_query, deactivate_by_query, delete_by_sql, change_the_password_by_sql]


ALL = [*OF_A_SESSION, *OF_A_USER, *OF_ALL]


def in_each_way(operations):
    """Combine each operation with each way to look revocations up that notices it."""
    cases = [
        pytest.param(revocation, operation, id=f"{revocation}-{operation.__name__}")
        for revocation in ("database", "memory")
        for operation in operations
        if not (revocation == "memory" and operation in UNSEEN_IN_MEMORY)
    ]
    return pytest.mark.parametrize(("revocation", "operation"), cases, indirect=["revocation"])


operations = in_each_way(ALL)
