"""A session that is kept at a new password, while it is refreshed or ended, or its user is revoked."""

from functools import partial
from threading import Event

import pytest
from django.contrib.auth import get_user_model

from jwt_auth import sessions
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from tests.support.clients import Client
from tests.support.races import new_client, rounds
from tests.support.threads import PATIENCE

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

TRIALS = rounds(100)


def load(user):
    return get_user_model()._default_manager.get(pk=user.pk)


def change(user, password):
    fresh = load(user)
    fresh.set_password(password)
    fresh.save()


def keep(user, pair, password="a new password"):
    """Return the new access token; None if the session had ended before."""
    try:
        with sessions.kept(pair.session_id) as kept:
            change(user, password)
    except RevokedTokenError:
        return None
    return kept.access_token.raw


def me(raw):
    return Client().get_me(raw).status_code


def refreshed(pair):
    return new_client().refresh(pair.refresh_token)


ENDS = {
    "user": lambda user, pair: revoke_user(load(user)),
    "session": lambda user, pair: revoke_session(pair.session_id),
    "logout": lambda user, pair: sessions.end(pair.refresh_token),
    "password": lambda user, pair: change(user, "a second password"),
}


@pytest.fixture(params=["database", "memory"])
def _mode(request, jwt_settings):
    jwt_settings(REVOCATION=request.param)


@pytest.mark.usefixtures("_mode")
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_an_end_of_the_session_comes_before_or_after_and_is_never_lost(user, at_once, end):
    for _ in range(TRIALS):
        pair = sessions.start(load(user))
        raw, _ = at_once(partial(keep, user, pair), partial(end, user, pair))
        assert me(pair.access_token) == 401
        assert raw is None or me(raw) == 401
        assert refreshed(pair).status_code == 401


@pytest.mark.usefixtures("_mode")
def test_the_control_of_the_test_above(user, at_once):
    pair = sessions.start(user)
    raw, _ = at_once(partial(keep, user, pair), partial(load, user))
    assert [me(pair.access_token), me(raw), refreshed(pair).status_code] == [401, 200, 200]


@pytest.mark.usefixtures("_mode")
def test_a_refresh_of_the_session_leaves_it_signed_in(user, at_once):
    for number in range(TRIALS):
        pair = sessions.start(load(user))
        raw, answer = at_once(partial(keep, user, pair, f"password {number}"), partial(refreshed, pair))
        assert me(raw) == 200
        # The refresh may have been the earlier one: its access token has ended, and its refresh token goes on.
        assert answer.status_code == 200
        assert me(answer.json()["access_token"]) in (200, 401)
        newest = new_client().refresh(answer.json()["refresh_token"])
        assert newest.status_code == 200
        assert me(newest.json()["access_token"]) == 200
        assert not UserSession.objects.get(pk=pair.session_id).has_stale_credentials


@pytest.mark.usefixtures("_mode")
def test_a_refresh_of_another_session_never_saves_it(user, at_once):
    for number in range(TRIALS):
        fresh = load(user)
        own, other = sessions.start(fresh), sessions.start(fresh)
        raw, answer = at_once(partial(keep, user, own, f"password {number}"), partial(refreshed, other))
        assert me(raw) == 200
        assert answer.status_code in (200, 401)
        if answer.status_code == 200:
            assert me(answer.json()["access_token"]) == 401
            assert new_client().refresh(answer.json()["refresh_token"]).status_code == 401
        assert refreshed(other).status_code == 401


def test_of_two_sessions_that_are_to_be_kept_the_later_change_keeps_its_own(user, at_once):
    for number in range(TRIALS):
        fresh = load(user)
        one, two = sessions.start(fresh), sessions.start(fresh)
        found = at_once(partial(keep, user, one, f"one {number}"), partial(keep, user, two, f"two {number}"))
        # The second one finds that it has ended by the first.
        assert sorted(raw is None for raw in found) == [False, True]
        assert sorted([refreshed(one).status_code, refreshed(two).status_code]) == [200, 401]


def test_two_changes_in_one_session_keep_it_twice(user, at_once):
    for number in range(TRIALS // 2):
        pair = sessions.start(load(user))
        found = at_once(partial(keep, user, pair, f"one {number}"), partial(keep, user, pair, f"two {number}"))
        assert sorted(me(raw) for raw in found) == [200, 401]
        assert refreshed(pair).status_code == 200


def test_a_revocation_of_the_user_waits_for_the_block_and_then_ends_the_session(user, at_once):
    pair = sessions.start(user)
    entered, revoking = Event(), Event()

    def keep_slowly():
        with sessions.kept(pair.session_id) as kept:
            entered.set()
            revoking.wait(PATIENCE)
            change(user, "a new password")
        return kept.access_token.raw

    def revoke():
        entered.wait(PATIENCE)
        found = load(user)
        revoking.set()
        return revoke_user(found).sessions_revoked

    raw, ended = at_once(keep_slowly, revoke)
    assert ended == 1
    assert [me(raw), refreshed(pair).status_code] == [401, 401]


def test_a_global_revocation_in_the_middle_of_the_block_ends_the_session(user, at_once):
    pair = sessions.start(user)
    entered, revoked = Event(), Event()

    def keep_slowly():
        with sessions.kept(pair.session_id) as kept:
            entered.set()
            revoked.wait(PATIENCE)
            change(user, "a new password")
        return kept.access_token

    def revoke():
        entered.wait(PATIENCE)
        revoke_all()
        revoked.set()

    assert at_once(keep_slowly, revoke) == [None, None]
    assert refreshed(pair).status_code == 401
