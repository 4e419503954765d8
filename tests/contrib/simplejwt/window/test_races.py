"""A former refresh token that many exchange at once, or that is exchanged while it is revoked."""

from contextlib import suppress
from functools import partial
from threading import Event

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.models import UsedToken, UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.sessions import end, refresh
from jwt_auth.verification import verify
from tests.support.clients import PASSWORD
from tests.support.former import former_pair, rolled_back_refresh
from tests.support.races import rounds
from tests.support.threads import PATIENCE

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

TRIALS = rounds(50)


@pytest.fixture(params=["read committed", "repeatable read"])
def trials(request, transactional_db, monkeypatch):
    """The number of trials, at Django's default isolation and at MariaDB's own."""
    if request.param == "repeatable read":
        if connection.vendor != "mysql":
            pytest.skip("at this level PostgreSQL answers a lost race with an error")
        connection.close()
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "isolation_level", request.param)
    yield TRIALS
    connection.close()


def tried(action):
    """Return the result of `action`, or the error by which a token is refused."""
    try:
        return action()
    except RevokedTokenError as error:
        return error


def same(user):
    """Return the user as another process reads it."""
    return get_user_model().objects.get(pk=user.pk)


def test_six_at_once_get_six_answers_and_one_session(user, at_once, trials):
    for _ in range(trials):
        raw = former_pair(user)["refresh"]
        pairs = at_once(*[partial(refresh, raw)] * 6)
        assert len({pair.refresh_token for pair in pairs}) == 1
        assert len({pair.access_token for pair in pairs}) == 6
        [session] = UserSession.objects.filter(pk=pairs[0].session_id)
        assert (session.counter, session.revoked_at) == (0, None)
        assert not rolled_back_refresh(raw)
    assert UserSession.objects.count() == UsedToken.objects.count() == trials


def test_an_exchange_and_a_sign_out_leave_nothing_alive(user, at_once, trials):
    for _ in range(trials):
        raw = former_pair(user)["refresh"]
        pair, _ = at_once(partial(tried, partial(refresh, raw)), partial(end, raw))
        if not isinstance(pair, RevokedTokenError):
            assert isinstance(tried(partial(verify, pair.access_token)), RevokedTokenError)
            assert isinstance(tried(partial(refresh, pair.refresh_token)), RevokedTokenError)
        assert isinstance(tried(partial(refresh, raw)), RevokedTokenError)
        assert not rolled_back_refresh(raw)
        assert not UserSession.objects.filter(revoked_at=None).exists()


def test_an_exchange_and_a_revocation_of_the_user_leave_nothing_alive(make_user, at_once, trials):
    for number in range(trials):
        user = make_user(f"user{number}")
        pair = former_pair(user)
        new, _ = at_once(partial(tried, partial(refresh, pair["refresh"])), partial(revoke_user, same(user)))
        if not isinstance(new, RevokedTokenError):
            assert isinstance(tried(partial(verify, new.access_token)), RevokedTokenError)
        assert isinstance(tried(partial(verify, pair["access"])), RevokedTokenError)
        assert isinstance(tried(partial(refresh, pair["refresh"])), RevokedTokenError)


def test_an_exchange_and_a_new_password_leave_no_session_of_the_old_one(make_user, at_once, trials):
    def change(user):
        user.set_password(PASSWORD[::-1])
        user.save()

    for number in range(trials):
        user = make_user(f"user{number}")
        raw = former_pair(user)["refresh"]
        new, _ = at_once(partial(tried, partial(refresh, raw)), partial(change, same(user)))
        if not isinstance(new, RevokedTokenError):
            assert isinstance(tried(partial(verify, new.access_token)), RevokedTokenError)
            assert isinstance(tried(partial(refresh, new.refresh_token)), RevokedTokenError)


@pytest.mark.parametrize("first", ["exchange", "end"])
def test_one_waits_for_the_other(user, at_once, first):
    """The transaction of the first is open while the second comes: it has to wait, and to see what was committed."""
    raw = former_pair(user)["refresh"]
    actions = {"exchange": partial(refresh, raw), "end": partial(end, raw)}
    second = actions["end" if first == "exchange" else "exchange"]
    done, waited = Event(), Event()

    def begin():
        with transaction.atomic():
            actions[first]()
            done.set()
            waited.wait(0.5)

    def follow():
        assert done.wait(PATIENCE)
        result = tried(second)
        waited.set()
        return result

    _, result = at_once(begin, follow)
    assert isinstance(result, RevokedTokenError) == (first == "end")
    assert not UserSession.objects.filter(revoked_at=None).exists()
    with suppress(RevokedTokenError):
        pytest.fail(f"{refresh(raw)}")
