"""Two transactions change one client at the same moment: one of them succeeds."""

from copy import copy
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from jwt_auth import clients
from jwt_auth.exceptions import RegistrationError
from jwt_auth.keyring.encryption import decrypt
from jwt_auth.keyring.reencryption import reencrypt_rows
from jwt_auth.models import ClientKey, RegisteredClient, RevocationEvent
from jwt_auth.revocation import disable_client, revoke_client, revoke_client_key, revoke_user
from tests.support.keys import public_pem
from tests.support.races import begin, new_client, rounds

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

ROUNDS = rounds(20)


@pytest.fixture
def reports(user):
    return clients.register("reports", user)


def attempt(action):
    """Return a function that returns the result of `action`, or the error that refused it."""

    def run():
        try:
            return action()
        except RegistrationError as error:
            return error

    return run


def refusals(results):
    return [result for result in results if isinstance(result, RegistrationError)]


def test_of_four_rotations_of_one_key_one_is_done(at_once, reports):
    for _ in range(ROUNDS):
        old = clients.add_secret(reports).key
        before = ClientKey.objects.count()
        results = at_once(*[attempt(lambda old=old: clients.rotate(old))] * 4)
        assert len(refusals(results)) == 3, results
        (new,) = (result for result in results if not isinstance(result, RegistrationError))
        assert ClientKey.objects.count() == before + 1
        assert ClientKey.objects.get(pk=old.pk).expires_at is not None
        row = ClientKey.objects.get(pk=new.key.pk)
        assert row.is_usable(timezone.now())
        assert decrypt(row.encrypted_secret).decode() == new.secret


def test_a_rotation_and_a_revocation_leave_the_key_revoked(at_once, reports):
    for _ in range(ROUNDS):
        key = clients.add_secret(reports).key
        rotated, revoked = at_once(
            attempt(lambda key=key: clients.rotate(key)), attempt(lambda key=key: revoke_client_key(key))
        )
        row = ClientKey.objects.get(pk=key.pk)
        assert revoked is True
        assert row.revoked_at is not None
        assert (row.rotated_at is None) == isinstance(rotated, RegistrationError)


def test_a_disabled_client_gets_no_key_afterwards(at_once, user, reports):
    for _ in range(ROUNDS):
        client = clients.register("reports", user)
        added, disabled = at_once(
            attempt(lambda client=client: clients.add_secret(client)),
            attempt(lambda client=client: disable_client(client)),
        )
        assert disabled is True
        assert ClientKey.objects.filter(client=client).count() == (not isinstance(added, RegistrationError))
        assert not RegisteredClient.objects.get(pk=client.pk).is_active


def test_a_client_is_disabled_once(at_once, user, reports):
    assert sorted(at_once(*[lambda: disable_client(reports)] * 4)) == [False, False, False, True]
    assert RevocationEvent.objects.count() == 1


def test_one_key_is_revoked_once(at_once, reports):
    key = clients.add_secret(reports).key
    assert sorted(at_once(*[lambda: revoke_client_key(key)] * 4)) == [False, False, False, True]
    assert RevocationEvent.objects.count() == 1


def test_cutoffs_of_one_client_are_all_different_and_the_last_one_stays(at_once, reports):
    cutoffs = at_once(*[lambda: revoke_client(reports)] * 8)
    assert len(set(cutoffs)) == 8
    assert RegisteredClient.objects.get().tokens_valid_after == max(cutoffs)
    assert set(RevocationEvent.objects.values_list("cutoff", flat=True)) == set(cutoffs)


def test_one_public_key_is_added_once(at_once, reports, ec_key):
    results = at_once(*[attempt(lambda: clients.add_public_key(reports, public_pem(ec_key)))] * 4)
    assert len(refusals(results)) == 3
    assert ClientKey.objects.count() == 1


def test_two_changes_of_different_fields_both_stay(at_once, reports):
    for number in range(ROUNDS):
        at_once(
            lambda number=number: clients.change(reports, name=f"reports {number}"),
            lambda number=number: clients.change(reports, scopes=f"read{number}"),
        )
        row = RegisteredClient.objects.get()
        assert (row.name, row.scopes) == (f"reports {number}", f"read{number}")


def test_keys_that_are_rotated_while_their_user_is_deleted_go_with_the_user(at_once, make_user, reports):
    for number in range(ROUNDS):
        user = make_user(f"leaver{number}")
        client = clients.register("reports", user)
        key = clients.add_secret(client).key
        at_once(user.delete, attempt(lambda key=key: clients.rotate(key, overlap=timedelta(days=1))))
        assert not RegisteredClient.objects.filter(pk=client.pk).exists()
        assert not ClientKey.objects.filter(client_id=client.pk).exists()


def delete(user):
    return get_user_model().objects.get(pk=user.pk).delete()


def before_the_first_lock(action):
    """Run `action` right before this thread locks a row for the first time."""
    done = []

    def watch(execute, sql, *arguments):
        if "FOR UPDATE" in sql and not done:
            done.append(True)
            action()
        return execute(sql, *arguments)

    return connection.execute_wrapper(watch)


def test_a_registration_that_comes_after_the_deletion_of_its_user_is_refused(at_once, make_user, staff, ed_key):
    boss = new_client().bearer(begin(staff)["access_token"])
    for number in range(2):
        user = make_user(f"leaver{number}")
        body = {"client_name": "reports", "user": str(user.pk), "key": {"pem": public_pem(ed_key)}}
        with before_the_first_lock(lambda user=user, number=number: number and at_once(lambda: delete(user))):
            answer = boss.send("clients/", body)
        assert answer.status_code == (400 if number else 201), answer.content
    assert answer.json() == {"detail": "The user no longer exists.", "code": "invalid_request"}
    assert RegisteredClient.objects.count() == 1


def test_a_client_that_is_registered_after_its_user_s_were_looked_for_goes_with_them(at_once, user, reports):
    """Django collects the rows to delete before it locks the user's row."""

    def register():
        late.extend(at_once(lambda: clients.add_secret(clients.register("late", user)).key.client))

    late = []
    with before_the_first_lock(register):
        delete(user)
    assert not RegisteredClient.objects.exists()
    assert not ClientKey.objects.exists()
    denied = RevocationEvent.objects.filter(scope="client", reason="client deleted")
    assert set(denied.values_list("subject", flat=True)) == {reports.client_id, late[0].client_id}


def test_registrations_that_race_the_deletion_of_their_user_neither_outlive_nor_prevent_it(at_once, make_user):
    for number in range(ROUNDS):
        user = make_user(f"leaver{number}")
        at_once(*[attempt(lambda user=user: clients.register("reports", user))] * 3, lambda user=user: delete(user))
        assert not RegisteredClient.objects.exists()
        assert not get_user_model().objects.filter(pk=user.pk).exists()


def test_a_reencryption_and_those_who_change_keys_meanwhile_do_not_disturb_each_other(at_once, reports, jwt_settings):
    old, new = (Fernet.generate_key() for _ in range(2))
    jwt_settings(ENCRYPTION_KEYS=[old])
    made = [clients.add_secret(reports) for _ in range(12)]
    jwt_settings(ENCRYPTION_KEYS=[new, old])

    def reencrypt():
        return sum(batch.changed for batch in reencrypt_rows(ClientKey, "encrypted_secret", 2))

    rotations = [lambda each=each: clients.rotate(each.key) for each in made[:4]]
    revocations = [lambda each=each: revoke_client_key(each.key) for each in made[4:8]]
    one, other, *done = at_once(reencrypt, reencrypt, *rotations, *revocations)
    assert one + other == 12  # each row once; the rows that were added are under the new key already
    assert reencrypt() == 0
    jwt_settings(ENCRYPTION_KEYS=[new])
    secrets = {each.key.pk: each.secret for each in (*made, *done[:4])}
    rows = {row.pk: row for row in ClientKey.objects.all()}
    assert {pk: decrypt(row.encrypted_secret).decode() for pk, row in rows.items()} == secrets
    assert all(rows[each.key.pk].rotated_at for each in made[:4])
    assert all(rows[each.key.pk].revoked_at for each in made[4:8])


def test_a_user_is_deleted_and_revoked_with_clients_at_the_same_time(at_once, make_user, staff):
    for number in range(ROUNDS):
        user = make_user(f"user{number}")
        for actor in (staff, user):
            clients.add_secret(clients.register("reports", user, actor=actor), actor=user)
        same = copy(user)  # each request has an instance of its own: a deletion takes the key away from its own
        _, done, _ = at_once(
            user.delete,
            lambda same=same: revoke_user(same, with_clients=True),
            lambda: revoke_user(staff, with_clients=True),
        )
        assert done.clients_disabled in (0, 1, 2)
        assert not RegisteredClient.objects.exists()
        user_revocations = RevocationEvent.objects.filter(scope="user")
        assert user_revocations.count() == 3
        RevocationEvent.objects.all()._raw_delete("default")


def test_a_client_that_two_revocations_end_is_disabled_once(at_once, make_user, staff):
    users = [make_user(f"user{number}") for number in range(2)]
    for _ in range(ROUNDS):
        row = clients.register("reports", users[0], actor=users[1])
        done = at_once(*(lambda user=user: revoke_user(user, with_clients=True) for user in users))
        assert sorted(each.clients_disabled for each in done) == [0, 1]
        assert RevocationEvent.objects.filter(subject=row.client_id).count() == 1
