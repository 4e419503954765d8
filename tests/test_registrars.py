"""Registrars: what a key may still do when its user was promoted, and when its registrar lost permissions."""

from contextlib import nullcontext

import pytest
from django.contrib.auth.models import Permission
from django.db.models import Value
from django.utils import timezone

from jwt_auth import clients, registrars
from jwt_auth.models import ClientKey
from jwt_auth.registrars import Doubt
from jwt_auth.revocation import remaining
from tests.support.api_clients import ApiClient
from tests.support.commands import look
from tests.support.queries import Queries
from tests.support.user_models import managed_by

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def robot(make_user):
    return make_user("robot")


@pytest.fixture
def clerk(make_user):
    return make_user("clerk")


@pytest.fixture
def officer(make_user):
    return make_user("officer", is_staff=True)


def made(user, actor, scopes=""):
    row = clients.register("reports", user, scopes, actor=actor)
    new = clients.add_secret(row, actor=actor)
    return ApiClient(row=row, key=new.key, signing=new.secret)


def promote(user, **ranks):
    for name, value in ranks.items():
        setattr(user, name, value)
    user.save()


def status(client, api):
    return client.get_me(api.token()).status_code


def doubt(api):
    keys = list(remaining.usable_keys(timezone.now()).filter(client=api.row).select_related("client__user"))
    return registrars.doubts(keys).get(api.key.pk)


@pytest.mark.parametrize(
    ("actor", "rank", "expected"),
    [
        ("clerk", {}, 200),
        ("clerk", {"is_staff": True}, 401),
        ("clerk", {"is_superuser": True}, 401),
        ("officer", {"is_staff": True}, 200),
        ("officer", {"is_superuser": True}, 401),
        ("staff", {"is_staff": True, "is_superuser": True}, 200),
        ("robot", {"is_staff": True, "is_superuser": True}, 200),
        (None, {"is_superuser": True}, 200),
        ("a nightly job", {"is_superuser": True}, 200),
    ],
)
def test_a_key_acts_only_as_users_for_whom_it_could_be_issued(client, request, robot, actor, rank, expected):
    registrar = request.getfixturevalue(actor) if actor in ("clerk", "officer", "staff", "robot") else actor
    api = made(robot, registrar)
    assert status(client, api) == 200
    promote(robot, **rank)
    assert status(client, api) == expected
    assert (doubt(api) is Doubt.SUSPENDED) == (expected == 401)


def test_a_suspended_key_works_again_when_the_user_is_demoted_or_one_who_may_issues_another(
    client, robot, clerk, staff
):
    api = made(robot, clerk)
    promote(robot, is_superuser=True)
    refused = client.get_me(api.token())
    assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")
    text, end = look(api.token())
    assert "FAIL  user not promoted since: the key was issued before its user was promoted" in text
    assert "token_revoked" in end
    new = clients.rotate(api.key, actor=staff)
    assert status(client, ApiClient(row=api.row, key=new.key, signing=new.secret)) == 200
    promote(robot, is_superuser=False)
    assert status(client, api) == 200


def test_in_memory_mode_the_user_is_looked_at_again_within_a_minute(client, robot, clerk, jwt_settings, ticks):
    jwt_settings(REVOCATION="memory")
    api = made(robot, clerk)
    assert status(client, api) == 200
    promote(robot, is_superuser=True)
    ticks.forward(61)
    assert status(client, api) == 401


def test_the_rule_costs_no_query(client, robot, staff, clerk):
    counted = []
    for actor in (staff, clerk):
        api = made(robot, actor)
        status(client, api)
        with Queries() as queries:
            assert status(client, api) == 200
        counted.append(len(queries))
    assert counted[0] == counted[1]


def test_a_registrar_who_may_not_any_more_is_named(robot, clerk):
    robot.user_permissions.add(permission := Permission.objects.get(codename="introspect"))
    clerk.user_permissions.add(permission)
    api = made(robot, clerk, "introspect")
    assert doubt(api) is None
    clerk.user_permissions.clear()
    assert doubt(api) is Doubt.FORBIDDEN
    clerk.is_active = False
    clerk.save()
    assert doubt(api) is Doubt.INACTIVE
    clerk.delete()
    assert doubt(api) is Doubt.GONE
    assert ClientKey.objects.get().created_by == api.key.created_by != ""


@pytest.mark.parametrize("actor", [None, "", "command line: olga"])
def test_programs_and_operators_are_not_in_doubt(robot, actor):
    assert doubt(made(robot, actor)) is None


def test_a_name_that_can_be_no_key_is_a_program(robot):
    assert doubt(made(robot, "a nightly job, run by nobody")) is None


def test_many_keys_of_one_registrar_are_judged_once(robot, clerk):
    apis = [made(robot, clerk) for _ in range(5)]
    keys = list(ClientKey.objects.select_related("client__user"))
    with Queries() as queries:
        assert registrars.doubts(keys) == {}
    assert len(apis) == 5
    assert len(queries) <= 5


def hiding(user):
    return managed_by(lambda rows: rows.exclude(pk=user.pk))


def annotated(rows):
    return rows.annotate(more=Value(1))


@pytest.mark.parametrize(("change", "more"), [(None, 0), (annotated, 1)], ids=["plain", "annotating"])
def test_the_manager_is_asked_once_for_all_registrars_and_once_for_all_users(make_user, staff, change, more):
    users = [make_user(f"user{number}") for number in range(3)]
    for user in users:
        made(user, staff)
    staff.is_superuser = True
    staff.save()
    with nullcontext() if change is None else managed_by(change):
        keys = list(ClientKey.objects.select_related("client__user"))
        with Queries() as queries:
            assert registrars.find(str(user.pk) for user in users).keys() == {str(user.pk) for user in users}
        assert len(queries) == 1
        with Queries() as queries:
            assert registrars.doubts(keys) == {}
        assert len(queries) == 1 + more


def test_a_hidden_registrar_is_gone(robot, clerk):
    api = made(robot, clerk)
    with hiding(clerk):
        assert doubt(api) is Doubt.GONE
    assert doubt(api) is None


def test_nobody_but_superusers_hands_out_keys_for_a_hidden_user(robot, clerk, staff):
    api = made(robot, clerk)
    staff.is_superuser = True
    with hiding(robot):
        assert doubt(api) is Doubt.FORBIDDEN
        assert not registrars.may_hand_out(clerk, robot)
        assert registrars.may_hand_out(staff, robot)
    assert registrars.may_hand_out(clerk, robot)
