"""The limit of sessions, with sign-ins at the same moment."""

from functools import partial

import pytest
from django.utils import timezone

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.revocation.database import live_sessions
from tests.support.races import granted, new_client, rounds, status_of

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

LIMIT = 2


@pytest.fixture(autouse=True)
def _limit(jwt_settings, _many_requests):
    jwt_settings(SESSION_LIMIT=LIMIT)


def test_sign_ins_at_once_never_leave_more_than_the_limit(client, user, at_once):
    for _ in range(rounds(15)):
        answers = at_once(*[partial(new_client().login, user)] * 6)
        assert status_of(answers) == {200}
        assert len(live_sessions(user, timezone.now())) == LIMIT
    assert UserSession.objects.count() == 6 * rounds(15)


def test_without_the_limit_they_all_stay(user, at_once, jwt_settings):
    """The control: it is the limit that ends them."""
    jwt_settings(SESSION_LIMIT=None)
    at_once(*[partial(new_client().login, user)] * 6)
    assert len(live_sessions(user, timezone.now())) == 6


def test_a_limit_that_races_other_ways_to_end_sessions_waits_for_nobody_in_a_circle(client, user, at_once):
    for _ in range(rounds(15)):
        pairs = [client.tokens(user) for _ in range(LIMIT)]
        answers = at_once(
            *[partial(new_client().login, user)] * 2,
            partial(client.bearer(pairs[0]["access_token"]).send, "sessions/", method="delete"),
            partial(new_client().send, "logout/", {"refresh_token": pairs[1]["refresh_token"]}),
            partial(new_client().refresh, pairs[1]["refresh_token"]),
            partial(revoke_user, user),
        )
        assert status_of(answers[:-1]) <= {200, 204, 401}
        assert granted(*answers[:2])
        assert len(live_sessions(user, timezone.now())) <= LIMIT
