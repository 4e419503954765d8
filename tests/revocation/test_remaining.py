"""API clients that outlive the revocation of a user: they are counted, named, and ended on request."""

import pytest
from django.db import transaction
from django.utils import timezone

from jwt_auth import clients
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import clients as client_operations, disable_client, remaining, revoke_user, revoke_users
from jwt_auth.signals import client_disabled, client_key_revoked, user_revoked
from tests.support.api_clients import ApiClient
from tests.support.queries import count_queries

pytestmark = pytest.mark.usefixtures("clock")


@pytest.fixture
def robot(make_user):
    return make_user("robot")


@pytest.fixture
def clerk(make_user):
    """The member of staff whose token is stolen."""
    return make_user("clerk", is_staff=True)


def made(actor, user):
    """Register a client that acts as `user`, with a key."""
    client = clients.register("reports", user, "read write", actor=actor)
    new = clients.add_secret(client, actor=actor)
    return ApiClient(row=client, key=new.key, signing=new.secret)


def works(client, api):
    return client.get_me(api.token()).status_code == 200


def left(user):
    return remaining.count([user.pk], timezone.now())[user.pk]


def test_what_a_thief_made_with_a_staff_token_outlives_the_revocation_and_is_counted(client, clerk, robot, staff):
    registered, bystander = made(clerk, robot), made(staff, robot)
    entered = made(staff, robot)
    key = clients.add_secret(entered.row, actor=clerk)
    own = made(staff, clerk)
    done = revoke_user(clerk)
    assert (done.clients_left, done.clients_disabled, done.keys_revoked) == (3, 0, 0)
    clock_moves_on = ApiClient(row=entered.row, key=key.key, signing=key.secret)
    assert works(client, registered)
    assert works(client, clock_moves_on)
    page = remaining.page([clerk.pk], timezone.now())
    assert [row.client for row in page.rows] == [own.row, entered.row, registered.row]
    assert [row.keys for row in page.rows] == [[own.key], [key.key, entered.key], [registered.key]]
    assert bystander.row not in [row.client for row in page.rows]


@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize("several", [False, True])
def test_on_request_they_end_and_nothing_else_does(client, clerk, robot, staff, jwt_settings, mode, several):
    jwt_settings(REVOCATION=mode)
    registered, own, entered = made(clerk, robot), made(staff, clerk), made(staff, robot)
    new = clients.add_secret(entered.row, actor=clerk)
    planted = ApiClient(row=entered.row, key=new.key, signing=new.secret)
    assert all(works(client, api) for api in (registered, planted, entered))
    if several:
        done = revoke_users([clerk], with_clients=True, reason="stolen", actor=staff)
        assert done.clients_left == {}
    else:
        done = revoke_user(clerk, with_clients=True, reason="stolen", actor=staff)
        assert done.clients_left == 0
    assert (done.clients_disabled, done.keys_revoked) == (2, 1)
    assert not any(works(client, api) for api in (registered, own, planted))
    assert works(client, entered)
    assert not RegisteredClient.objects.filter(pk__in=[registered.row.pk, own.row.pk], is_active=True).exists()
    events = RevocationEvent.objects.exclude(scope="user").values_list("scope", "reason", "actor")
    assert sorted(events) == [("client", "stolen", str(staff.pk))] * 2 + [("key", "stolen", str(staff.pk))]


def test_in_one_transaction_with_the_revocation(clerk, robot):
    made(clerk, robot)
    with transaction.atomic():
        revoke_user(clerk, with_clients=True)
        transaction.set_rollback(True)
    assert RegisteredClient.objects.get().is_active
    assert not RevocationEvent.objects.exists()


def test_what_can_sign_nothing_any_more_is_not_counted(clerk, robot, staff, clock):
    disable_client(made(clerk, robot).row)
    entered = made(staff, robot)
    short = clients.add_secret(entered.row, actor=clerk, expires_at=timezone.now() + timezone.timedelta(hours=1)).key
    assert left(clerk) == 1
    clock.shift(3600)
    assert left(clerk) == 0
    assert remaining.page([clerk.pk], timezone.now()) == remaining.Page()
    revoke_user(clerk, with_clients=True)
    assert ClientKey.objects.get(pk=short.pk).revoked_at is None


def test_a_client_counts_once_for_each_user_that_it_is_left_of(clerk, robot, staff):
    twice = made(clerk, robot)
    clients.add_secret(twice.row, actor=clerk)
    clients.add_secret(twice.row, actor=robot)
    clients.add_secret(twice.row, actor=staff)
    clients.add_secret(twice.row, actor=staff)
    clients.add_secret(made(None, robot).row, actor="a nightly job")
    found = remaining.count([clerk.pk, robot.pk, staff.pk], timezone.now())
    assert found == {clerk.pk: 1, robot.pk: 2, staff.pk: 1}
    done = revoke_users([clerk, robot, staff])
    assert done.clients_left == {clerk.pk: 1, robot.pk: 2, staff.pk: 1}


def test_the_page_is_bounded_and_has_the_total(clerk, robot, monkeypatch):
    monkeypatch.setattr(remaining, "SHOWN", 2)
    monkeypatch.setattr(remaining, "KEYS_SHOWN", 3)
    for _ in range(3):
        clients.add_secret(made(clerk, robot).row, actor=clerk)
    page = remaining.page([clerk.pk], timezone.now())
    assert (page.total, page.hidden) == (3, 1)
    assert [len(row.keys) for row in page.rows] == [2, 1]


def test_of_many_users_only_the_total_is_known(clerk, robot, staff, monkeypatch):
    made(clerk, robot)
    pks = [clerk.pk, robot.pk, staff.pk]
    assert remaining.summary(pks, timezone.now()).total == 1
    monkeypatch.setattr(remaining, "USERS", 2)
    assert remaining.summary(pks, timezone.now()) == remaining.Page(total=2)


def test_the_cost_does_not_depend_on_the_number_of_clients(clerk, robot, staff):
    counted = []
    revoke_user(clerk)  # from now on there is a row with the cutoff
    for number in (2, 40):
        for _ in range(number):
            made(clerk, robot)
            clients.add_secret(made(staff, robot).row, actor=clerk)
        counted.append((count_queries(revoke_user, clerk)[0], count_queries(revoke_user, clerk, with_clients=True)[0]))
    assert counted[0] == counted[1]
    plain, withdrawing = counted[0]
    assert withdrawing - plain <= 8


def test_batches_end_all_of_them(clerk, robot, monkeypatch):
    monkeypatch.setattr(client_operations, "BATCH", 2)
    for _ in range(5):
        made(clerk, robot)
    assert revoke_user(clerk, with_clients=True).clients_disabled == 5
    assert not RegisteredClient.objects.filter(is_active=True).exists()


@pytest.mark.django_db(transaction=True)
def test_signals_name_each_of_them_after_the_commit(clerk, robot, staff, heard):
    registered, entered = made(clerk, robot), made(staff, robot)
    planted = clients.add_secret(entered.row, actor=clerk).key
    sent = heard(user_revoked, client_disabled, client_key_revoked)
    revoke_user(clerk)
    ((signal, arguments),) = sent
    assert (signal, arguments["clients_left"]) == (user_revoked, 2)
    sent.clear()
    revoke_user(clerk, with_clients=True)
    told = dict(sent)
    assert told[user_revoked]["clients_left"] == 0
    assert told[client_disabled]["client"] == registered.row
    assert told[client_key_revoked]["client_key"] == planted


@pytest.mark.django_db(transaction=True)
def test_automatic_revocations_say_how_many_stay(clerk, robot, heard, caplog):
    caplog.set_level("INFO", "jwt_auth")
    made(clerk, robot)
    made(robot, clerk)
    users = heard(user_revoked)
    clerk.set_password("another one, as long")
    clerk.save()
    assert users[-1][1]["clients_left"] == 2
    assert caplog.records[-1].clients_left == 2
    assert caplog.messages[-1].endswith("API clients that stay: 2.")
    clerk.is_active = False
    clerk.save()
    assert users[-1][1]["clients_left"] == 2
    clerk.delete()
    assert users[-1][1]["clients_left"] == 1
    assert RegisteredClient.objects.get().user == robot
