"""Revocations at the same moment, and sign-ins during them."""

from functools import partial

import pytest

from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_user, revoke_users
from tests.support.races import begin, granted, new_client, rounds, status_of

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]


def test_revocations_of_one_user_at_once_each_move_the_cutoff_on(client, make_user, at_once):
    for trial in range(rounds(10)):
        user = make_user(f"user{trial}")  # the first revocation of a user can only lock the user's row
        pair = client.tokens(user)
        done = at_once(*[partial(revoke_user, user)] * 8)
        assert sum(result.sessions_revoked for result in done) == 1
        recorded = RevocationEvent.objects.filter(subject=str(user.pk)).order_by("pk").values_list("cutoff", flat=True)
        assert len(set(recorded)) == 8
        assert list(recorded) == sorted(recorded) == sorted(result.tokens_valid_after for result in done)
        assert client.is_dead(pair)
        assert not client.is_dead(client.tokens(user))


def test_a_sign_in_that_races_a_revocation_is_wholly_before_or_wholly_after_it(client, user, at_once):
    for _ in range(rounds(50)):
        answer, done = at_once(partial(new_client().login, user), partial(revoke_user, user))
        assert answer.status_code == 200  # a sign-in that met the revocation checked the password once more
        [pair] = granted(answer)
        began_before = UserSession.objects.get(pk=pair["session"]).started_at < done.tokens_valid_after
        assert client.is_dead(pair) == began_before


def test_a_revocation_of_everything_spares_no_session_begun_before_it(client, user, make_user, at_once):
    bob = make_user("bob")
    for _ in range(rounds(50)):
        phone = client.tokens(user)
        refreshed, signed_in, cutoff = at_once(
            partial(new_client().refresh, phone["refresh_token"]), partial(new_client().login, bob), revoke_all
        )
        assert refreshed.status_code in (200, 401)
        assert signed_in.status_code == 200
        assert all(client.is_dead(pair) for pair in [phone, *granted(refreshed)])
        [pair] = granted(signed_in)
        assert client.is_dead(pair) == (UserSession.objects.get(pk=pair["session"]).started_at < cutoff)


def test_users_who_are_revoked_for_the_first_time_at_once_while_signing_in_do_not_block_each_other(make_user, at_once):
    for trial in range(rounds(15)):
        users = [make_user(f"user{trial}x{i}") for i in range(4)]
        sign_ins = [partial(new_client().login, user) for user in users]
        answers = at_once(*sign_ins, *[partial(revoke_user, user) for user in users])
        assert status_of(answers[:4]) == {200}


def test_revocations_that_race_the_deletion_of_the_user_neither_fail_nor_prevent_it(client, make_user, staff, at_once):
    pair = begin(staff)
    for trial in range(rounds(15)):
        user = make_user(f"user{trial}")
        own = begin(user)
        clients = [new_client().bearer(tokens["access_token"]) for tokens in (pair, own)]
        by_staff, by_user, _ = at_once(
            partial(clients[0].send, "revoke/user/", {"user": str(user.pk)}),
            partial(clients[1].send, "logout/all/"),
            user.delete,
        )
        assert by_staff.status_code in (200, 404)
        assert by_user.status_code in (204, 401)
        assert client.is_dead(own)


def test_sessions_that_are_ended_from_all_sides_at_once_end(client, user, at_once):
    """Each of two devices ends the other, while a third ends all: rows are locked in more than one order."""
    for _ in range(rounds(20)):
        pairs = [client.tokens(user) for _ in range(4)]
        clients = [client.bearer(pair["access_token"]) for pair in pairs]
        answers = at_once(
            partial(clients[0].send, "sessions/", method="delete"),
            partial(clients[1].send, "sessions/", method="delete"),
            partial(clients[2].send, "logout/all/"),
            partial(clients[3].send, "logout/"),
        )
        # A device whose session was ended first gets 401.
        assert status_of(answers) <= {204, 401}
        assert all(client.is_dead(pair) for pair in pairs) or answers[2].status_code == 401


def test_many_users_revoked_from_several_sides_at_once_do_not_block_each_other(client, make_user, at_once):
    """
    The same users are revoked in different orders, for the first time and again, while one signs in and one is revoked
    alone.
    """
    for trial in range(rounds(10)):
        users = [make_user(f"user{trial}x{i}") for i in range(6)]
        pairs = [client.tokens(user) for user in users]
        *done, one, answer = at_once(
            partial(revoke_users, users),
            partial(revoke_users, users[::-1]),
            partial(revoke_users, users[3:] + users[:3]),
            partial(revoke_user, users[2]),
            partial(new_client().login, users[4]),
        )
        assert [result.users_revoked for result in done] == [6, 6, 6]
        ended = sum(result.sessions_revoked for result in (*done, one))
        assert ended - 6 in (0, 1)  # the sign-in may have come before a revocation
        assert answer.status_code == 200
        assert all(client.is_dead(pair) for pair in pairs)
        for user in users:
            recorded = RevocationEvent.objects.filter(subject=str(user.pk)).order_by("pk")
            cutoffs = list(recorded.values_list("cutoff", flat=True))
            assert cutoffs == sorted(set(cutoffs))
            assert len(cutoffs) == (4 if user == users[2] else 3)
