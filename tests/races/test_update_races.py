"""A session that becomes one for something else, while it is refreshed, updated or ended."""

from functools import partial

import pytest

from jwt_auth import sessions
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session, revoke_user
from tests.support.clients import Client
from tests.support.forge import claims_of
from tests.support.races import new_client, rounds

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

TRIALS = rounds(100)


@pytest.fixture(autouse=True)
def _claims(jwt_settings):
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: session.data)


def org_of(raw):
    return claims_of(raw)["org"]


def test_no_rotation_that_follows_an_update_answers_with_the_former_data(user, at_once):
    """The row has the order: the data of a rotation is that of the row at its write."""
    for number in range(TRIALS):
        pair = sessions.start(user, data={"org": "former"})
        update = partial(sessions.update, pair.session_id, data={"org": number})
        refresh = partial(sessions.refresh, pair.refresh_token)
        *refreshed, access = at_once(refresh, refresh, update)
        assert org_of(access.raw) == number
        assert {org_of(each.access_token) for each in refreshed} <= {"former", number}
        row = UserSession.objects.get(pk=pair.session_id)
        assert (row.data, row.revision, row.counter) == ({"org": number}, 1, 1)
        assert org_of(sessions.refresh(refreshed[0].refresh_token).access_token) == number


def test_of_many_updates_at_once_each_gets_its_own_token_and_one_is_the_last(user, at_once):
    for _ in range(TRIALS // 4):
        pair = sessions.start(user, data={})
        given = at_once(*[partial(sessions.update, pair.session_id, data={"org": n, n: n}) for n in "abcd"])
        assert [org_of(access.raw) for access in given] == list("abcd")
        row = UserSession.objects.get(pk=pair.session_id)
        assert row.data in [{"org": n, n: n} for n in "abcd"]
        assert row.revision == 4


ENDS = {
    "session": lambda user, pair: revoke_session(pair.session_id),
    "logout": lambda user, pair: sessions.end(pair.refresh_token),
    "user": lambda user, pair: revoke_user(type(user)._default_manager.get(pk=user.pk)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_update_that_races_the_end_of_its_session_leaves_no_usable_token(user, at_once, end):
    def update(pair):
        try:
            return sessions.update(pair.session_id, data={"org": 8}).raw
        except RevokedTokenError:
            return None

    for _ in range(TRIALS // 2):
        pair = sessions.start(user, data={"org": 7})
        raw, _ = at_once(partial(update, pair), partial(end, user, pair))
        assert raw is None or Client().get_me(raw).status_code == 401
        assert new_client().refresh(pair.refresh_token).status_code == 401


def test_the_control_of_the_test_above(user):
    pair = sessions.start(user, data={"org": 7})
    raw = sessions.update(pair.session_id, data={"org": 8}).raw
    assert Client().get_me(raw).status_code == 200
    assert new_client().refresh(pair.refresh_token).status_code == 200
