"""Sign-ins while the password changes, while its hash is upgraded, or while others sign in."""

from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connection, transaction

from jwt_auth.models import RevocationEvent, UserSession
from tests.support.clients import PASSWORD
from tests.support.races import all_dead, granted, new_client, rounds, status_of

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

TRIALS = rounds(200)


def change_password(user, password):
    fresh = get_user_model().objects.get(pk=user.pk)
    fresh.set_password(password)
    fresh.save()


def change_password_in_a_transaction(user, password):
    with transaction.atomic():
        change_password(user, password)


def change_password_with_update(user, password):
    get_user_model().objects.filter(pk=user.pk).update(password=make_password(password))


@pytest.mark.parametrize("change", [change_password, change_password_in_a_transaction, change_password_with_update])
def test_a_sign_in_with_the_old_password_that_races_a_change_gives_no_usable_token(client, user, at_once, change):
    old = PASSWORD
    for trial in range(TRIALS // 2):
        new = f"password {trial}"
        answer, _ = at_once(partial(new_client().login, user, old), partial(change, user, new))
        assert answer.status_code in (200, 401)
        assert all_dead(client, granted(answer))
        assert client.login(user, old).status_code == 401
        old = new
    assert client.login(user, old).status_code == 200


def deactivate(user):
    fresh = get_user_model().objects.get(pk=user.pk)
    fresh.is_active = False
    fresh.save()


def delete(user):
    get_user_model().objects.get(pk=user.pk).delete()


@pytest.mark.parametrize("operation", [deactivate, delete])
def test_a_sign_in_that_races_the_end_of_the_account_neither_outlives_nor_prevents_it(
    client, make_user, at_once, operation
):
    for trial in range(rounds(40)):
        user = make_user(f"user{trial}")
        answer, _ = at_once(partial(new_client().login, user), partial(operation, user))
        assert answer.status_code in (200, 401)
        assert all_dead(client, granted(answer))
        assert client.login(user).status_code == 401


def test_sign_ins_of_one_user_at_once_all_succeed(client, user, at_once):
    for _ in range(rounds(10)):
        answers = at_once(*[partial(new_client().login, user)] * 10)
        assert status_of(answers) == {200}
    assert UserSession.objects.count() == 10 * rounds(10)
    assert not client.is_dead(answers[0].json())


def test_sign_ins_that_upgrade_the_hash_at_once_all_succeed_and_sign_nobody_out(client, make_user, at_once):
    for trial in range(rounds(20)):
        user = make_user(f"user{trial}")
        phone = client.tokens(user)
        outdate_hash(user, phone)
        answers = at_once(*[partial(new_client().login, user)] * 4)
        assert status_of(answers) == {200}
        assert not any(client.is_dead(pair) for pair in [phone, *granted(*answers)])
    assert not RevocationEvent.objects.exists()


def outdate_hash(user, pair):
    """Give both rows the hash that a formerly preferred hasher would have left at the last sign-in."""
    user.password = make_password(PASSWORD, hasher="old")
    get_user_model().objects.filter(pk=user.pk).update(password=user.password)
    UserSession.objects.filter(pk=pair["session"]).update(auth_hash=user.get_session_auth_hash())


def test_there_is_no_moment_of_an_upgrade_in_which_another_device_is_refused(client, user, at_once):
    """Another connection looks right before the sessions get the new hash."""
    phone = client.tokens(user)
    outdate_hash(user, phone)
    seen = []

    def look(execute, sql, *arguments):
        if sql.startswith("UPDATE") and "auth_hash" in sql:
            seen.extend(at_once(partial(new_client().get_me, phone["access_token"])))
        return execute(sql, *arguments)

    with connection.execute_wrapper(look):
        client.tokens(user)
    assert status_of(seen) <= {200}
    assert client.get_me(phone["access_token"]).status_code == 200


def test_a_refresh_that_races_the_upgrade_of_the_hash_is_not_refused(client, make_user, at_once):
    for trial in range(rounds(40)):
        user = make_user(f"user{trial}")
        phone = client.tokens(user)
        outdate_hash(user, phone)
        answers = at_once(partial(new_client().login, user), partial(new_client().refresh, phone["refresh_token"]))
        assert status_of(answers) == {200}
        assert not any(client.is_dead(pair) for pair in granted(*answers))


def test_a_change_right_after_an_upgrade_signs_out_the_sessions_of_the_old_password(client, user, at_once):
    """Another connection changes the password between Django's write of the upgrade and our look at it."""
    phone = client.tokens(user)
    outdate_hash(user, phone)
    changes = []

    def change(execute, sql, *arguments):
        result = execute(sql, *arguments)
        if not changes and sql.startswith("UPDATE") and get_user_model()._meta.db_table in sql and "password" in sql:
            changes.extend(at_once(partial(change_password_with_update, user, "another password")))
        return result

    with connection.execute_wrapper(change):
        get_user_model().objects.get(pk=user.pk).check_password(PASSWORD)  # as in a sign-in that is not ours
    assert changes
    assert client.is_dead(phone)
    assert not client.is_dead(client.login(user, "another password").json())
