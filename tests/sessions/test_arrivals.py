"""The limit of sessions, and the rule for new devices."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password

from jwt_auth import sessions
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.sessions import Peer, arrivals
from jwt_auth.signals import new_device_seen, session_revoked
from tests.support.clients import PASSWORD
from tests.support.queries import Queries
from tests.support.rows import begin
from tests.support.user_agents import FIREFOX, NEWER_FIREFOX, SAFARI

# The limit


def alive(client, *pairs):
    return [not client.is_dead(pair) for pair in pairs]


def sign_in(client, clock, user, times=1):
    """Sign in this often, one second apart."""
    pairs = []
    for _ in range(times):
        clock.shift(1)
        pairs.append(client.tokens(user))
    return pairs


def test_a_sign_in_beyond_the_limit_ends_the_session_that_began_first(client, clock, user, jwt_settings):
    jwt_settings(SESSION_LIMIT=2)
    first, second = sign_in(client, clock, user, 2)
    client.refresh(first["refresh_token"])  # the last one used, but still the oldest
    assert alive(client, first, second) == [True, True]
    (third,) = sign_in(client, clock, user)
    assert alive(client, first, second, third) == [False, True, True]
    answer = client.get_me(first["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason, event.actor) == ("session", "session limit", "")
    assert UserSession.objects.get(pk=first["session"]).revoked_reason == "session limit"


def test_without_a_limit_nothing_ends(client, clock, user, jwt_settings):
    jwt_settings(SESSION_LIMIT=None)
    pairs = sign_in(client, clock, user, 5)
    assert alive(client, *pairs) == [True] * 5


def test_a_limit_of_one_is_one_device_at_a_time(client, clock, user, jwt_settings):
    jwt_settings(SESSION_LIMIT=1)
    first, second = sign_in(client, clock, user, 2)
    assert alive(client, first, second) == [False, True]


def test_a_limit_that_was_lowered_ends_all_that_are_too_many_at_the_next_sign_in(client, clock, user, jwt_settings):
    pairs = sign_in(client, clock, user, 4)
    jwt_settings(SESSION_LIMIT=2)
    assert alive(client, *pairs) == [True] * 4
    pairs += sign_in(client, clock, user)
    assert alive(client, *pairs) == [False, False, False, True, True]


def test_the_limit_is_each_users_own(client, clock, user, make_user, jwt_settings):
    jwt_settings(SESSION_LIMIT=1)
    (bobs,) = sign_in(client, clock, make_user("bob"))
    sign_in(client, clock, user, 2)
    assert alive(client, bobs) == [True]


def revoke_it(user, session):
    revoke_session(session.pk)


def cut_it_off(user, session):
    """Refuse the session by a cutoff alone, as in a database whose sessions were restored."""
    revoke_user(user)
    UserSession.objects.filter(pk=session.pk).update(revoked_at=None)


def cut_everybody_off(user, session):
    revoke_all()


def let_it_expire(user, session):
    UserSession.objects.filter(pk=session.pk).update(idle_expires_at=session.started_at)


def change_the_password_beside_the_app(user, session):
    get_user_model().objects.filter(pk=user.pk).update(password=make_password("a new one"))


@pytest.mark.parametrize(
    "operation", [revoke_it, cut_it_off, cut_everybody_off, let_it_expire, change_the_password_beside_the_app]
)
def test_what_is_dead_does_not_count(clock, user, jwt_settings, operation):
    jwt_settings(SESSION_LIMIT=2)
    dead = UserSession.objects.get(pk=sessions.start(user).session_id)
    operation(user, dead)
    events = RevocationEvent.objects.count()
    user.refresh_from_db()
    for _ in range(2):
        clock.shift(1)
        sessions.start(user)
    assert RevocationEvent.objects.count() == events
    clock.shift(1)
    sessions.start(user)
    assert RevocationEvent.objects.count() == events + 1


@pytest.mark.django_db(transaction=True)
def test_each_session_that_ends_is_announced(client, clock, user, jwt_settings):
    seen = []

    def note(event, session_id, **kwargs):
        seen.append((str(session_id), event.reason))

    session_revoked.connect(note)
    try:
        jwt_settings(SESSION_LIMIT=1)
        first, _ = sign_in(client, clock, user, 2)
    finally:
        session_revoked.disconnect(note)
    assert seen == [(first["session"], "session limit")]


def test_a_sign_in_that_is_refused_ends_nothing(client, clock, user, jwt_settings):
    jwt_settings(SESSION_LIMIT=1)
    (pair,) = sign_in(client, clock, user)
    assert client.login(user, "wrong").status_code == 401
    stale = get_user_model().objects.get(pk=user.pk)
    get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    with pytest.raises(sessions.CredentialsChangedError):
        sessions.start(stale)
    get_user_model().objects.filter(pk=user.pk).update(is_active=True)
    assert alive(client, pair) == [True]


def test_the_limit_costs_no_query_and_four_when_something_ends(client, user, jwt_settings, count):
    jwt_settings(SESSION_LIMIT=None)
    without, _ = count(client.login, user)
    jwt_settings(SESSION_LIMIT=5)
    assert count(client.login, user)[0] == without
    ended = []
    for surplus in (6, 60):
        begin(user, surplus)
        ended.append(count(client.login, user)[0])
    assert ended == [without + 4] * 2
    assert UserSession.objects.filter(revoked_at=None).count() == 5


# New devices


@pytest.fixture
def seen():
    """(device, first) for each time that the signal was sent."""
    found = []

    def note(session, device, first, **kwargs):
        found.append((device, first))

    new_device_seen.connect(note)
    yield found
    new_device_seen.disconnect(note)


def begin_with(user, user_agent):
    return sessions.start(user, peer=Peer(user_agent=user_agent))


@pytest.mark.django_db(transaction=True)
def test_a_device_is_new_once(user, seen):
    for user_agent in (FIREFOX, FIREFOX, NEWER_FIREFOX, SAFARI, FIREFOX, ""):
        begin_with(user, user_agent)
    assert seen == [("Firefox on Linux", True), ("Mobile Safari on iOS", False), ("", False)]


@pytest.mark.django_db(transaction=True)
def test_over_http_it_is_the_header_that_counts(client, user, seen):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    assert client.send("login/", body, HTTP_USER_AGENT=SAFARI).status_code == 200
    assert seen == [("Mobile Safari on iOS", True)]


@pytest.mark.django_db(transaction=True)
def test_a_device_is_known_while_a_session_of_it_is_kept_and_to_its_user_alone(user, make_user, seen):
    pair = begin_with(user, FIREFOX)
    revoke_session(pair.session_id)
    begin_with(user, FIREFOX)
    assert len(seen) == 1
    begin_with(make_user("bob"), FIREFOX)
    assert len(seen) == 2
    UserSession.objects.all().delete()
    begin_with(user, FIREFOX)
    assert seen[2:] == [("Firefox on Linux", True)]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_refuses_nobody(client, user):
    def fail(**kwargs):
        raise LookupError("no mail today")

    new_device_seen.connect(fail)
    try:
        assert client.login(user).status_code == 200
    finally:
        new_device_seen.disconnect(fail)


@pytest.mark.django_db(transaction=True)
def test_it_is_looked_for_only_when_somebody_listens(user, request):
    def statements():
        with Queries() as queries:
            begin_with(user, SAFARI)
        return len(queries)

    without = statements()
    request.getfixturevalue("seen")
    assert statements() == without + 1


@pytest.mark.django_db(transaction=True)
def test_a_sign_in_is_compared_with_a_bounded_number_of_headers(user, seen, monkeypatch):
    """A client can send another header each time, and each has to be parsed."""
    monkeypatch.setattr(arrivals, "SESSIONS_COMPARED", 3)
    monkeypatch.setattr(arrivals, "AGENTS_COMPARED", 2)
    for user_agent in (FIREFOX, "one", "two", NEWER_FIREFOX):
        begin_with(user, user_agent)
    assert [device for device, _ in seen] == ["Firefox on Linux", "one", "two", "Firefox on Linux"]
    begin_with(user, FIREFOX)
    assert len(seen) == 4
