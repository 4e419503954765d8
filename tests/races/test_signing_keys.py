"""Several processes change keys at once: at most one key is active, nothing is done twice, and no wait is endless."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from jwt_auth import signing_keys
from jwt_auth.keyring.states import PUBLISHED_AFTER, KeyStateError
from jwt_auth.models import RevocationEvent, SigningKey
from tests.support.races import new_client, rounds

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

ROUNDS = rounds(10)
CROWD = 8


@pytest.fixture(autouse=True)
def _stored_keys(jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")


def attempt(action, *arguments, **options):
    """Do it, and return whether it was done, or refused because another was faster."""

    def run():
        try:
            action(*arguments, **options)
        except KeyStateError:
            return False
        return True

    return run


def states():
    return sorted(SigningKey.objects.values_list("state", flat=True))


def standby():
    """A key that was published long enough for verifiers to know it."""
    return signing_keys.create(now=timezone.now() - PUBLISHED_AFTER - timedelta(minutes=1))


def test_of_those_who_make_the_first_key_one_does(at_once):
    for _ in range(ROUNDS):
        done = at_once(*[attempt(signing_keys.create, activate=True)] * CROWD)
        assert sum(done) == 1
        assert states() == ["active"]
        SigningKey.objects.all().delete()


def test_keys_that_are_activated_at_once_take_over_one_after_the_other(at_once):
    for _ in range(ROUNDS):
        signing_keys.create(activate=True)
        first, second = standby(), standby()
        done = at_once(*[attempt(signing_keys.activate, key.kid) for key in (first, second)] * 3)
        assert sum(done) == 2
        assert states() == ["active", "retiring", "retiring"]
        SigningKey.objects.all().delete()


def test_a_leaked_key_is_revoked_once_and_one_key_takes_over(at_once):
    for _ in range(ROUNDS):
        leaked = signing_keys.create(activate=True)
        done = at_once(*[attempt(signing_keys.revoke, leaked.kid, emergency=True)] * CROWD)
        assert sum(done) == 1
        assert states() == ["active", "revoked"]
        assert RevocationEvent.objects.filter(subject=f"jwt_auth {leaked.kid}").count() == 1
        SigningKey.objects.all().delete()


def test_of_an_activation_and_a_revocation_at_once_one_is_done(at_once):
    """
    A standby key may be revoked at any time, the active one only in an emergency: the second of the two is refused.
    """
    for _ in range(ROUNDS):
        former, key = signing_keys.create(activate=True), standby()
        activated, revoked = at_once(attempt(signing_keys.activate, key.kid), attempt(signing_keys.revoke, key.kid))
        assert activated != revoked
        former.refresh_from_db()
        key.refresh_from_db()
        assert (former.state, key.state) == (("retiring", "active") if activated else ("active", "revoked"))
        SigningKey.objects.all().delete()


def test_rotations_at_once_make_one_key(at_once):
    signing_keys.create(activate=True)
    at_once(*[signing_keys.rotate] * CROWD)
    assert states() == ["active", "standby"]


def test_the_database_has_no_room_for_a_second_active_key():
    signing_keys.create(activate=True)
    key = signing_keys.create()
    for change in ({"state": "active", "signs": True}, {"state": "active"}, {"signs": True}):
        with pytest.raises(IntegrityError), transaction.atomic():
            SigningKey.objects.filter(pk=key.pk).update(**change)
    assert states() == ["active", "standby"]


def test_a_rotation_while_people_sign_in_and_refresh_loses_nobody(at_once, make_user):
    signing_keys.create(activate=True)
    user = make_user("alice")

    def come_and_go():
        client = new_client()
        pair, answers = client.tokens(user), []
        for _ in range(10):
            answers.append(client.get_me(pair["access_token"]).status_code)
            answer = client.refresh(pair["refresh_token"])
            pair = answer.json()
            answers.append(answer.status_code)
        return answers

    def rotate():
        for _ in range(5):
            signing_keys.activate(standby().kid)
        return []

    answers = at_once(*[come_and_go] * 4, rotate)
    assert {code for each in answers for code in each} == {200}
    assert states() == ["active", *["retiring"] * 5]
