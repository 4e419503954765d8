"""`jwt_copy_cutoffs`: it copies between the table and the field, forward only, and keeps everything else."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError
from django.db import connection

from jwt_auth.base_models import TokenCutoffField
from jwt_auth.management.cutoff_copy import copy_in_batches
from jwt_auth.models import UserTokenCutoff
from jwt_auth.revocation import revoke_user
from tests.support.clocks import NOW
from tests.support.commands import run
from tests.support.queries import Queries

FIELDS = [field.name for field in get_user_model()._meta.concrete_fields if isinstance(field, TokenCutoffField)]

with_field = pytest.mark.skipif(not FIELDS, reason="this user model has no such field: run with TEST_USER=custom")

DAY = timedelta(days=1)
BEFORE, AFTER = NOW - DAY, NOW + DAY

# The cutoffs of the source and of the target, and the one that the target must have in the end.
CASES = [
    (None, None, None),
    (NOW, None, NOW),
    (NOW, BEFORE, NOW),
    (NOW, NOW, NOW),
    (NOW, AFTER, AFTER),
    (None, NOW, NOW),
]


def put(user, place, moment):
    if place != "table":
        get_user_model().objects.filter(pk=user.pk).update(**{place: moment})
    elif moment is not None:
        UserTokenCutoff.objects.create(user=user, tokens_valid_after=moment)


def get(user, place):
    if place != "table":
        return get_user_model().objects.values_list(place, flat=True).get(pk=user.pk)
    return UserTokenCutoff.objects.filter(user=user).values_list("tokens_valid_after", flat=True).first()


def ways():
    field = FIELDS[0] if FIELDS else "none"
    return pytest.mark.parametrize(("source", "target"), [("table", field), (field, "table")], ids=["in", "out"])


@with_field
@ways()
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_later_of_two_cutoffs_stands_in_the_target(make_user, source, target, batch_size):
    users = [make_user(f"user{number}") for number in range(len(CASES))]
    for user, (here, there, _) in zip(users, CASES, strict=True):
        put(user, source, here)
        put(user, target, there)
    arguments = [f"--from={source}", f"--to={target}", f"--batch-size={batch_size}"]
    assert run("jwt_copy_cutoffs", "--dry-run", *arguments).startswith("2 cutoffs would be copied from ")
    assert [get(user, target) for user in users] == [there for _, there, _ in CASES]
    assert run("jwt_copy_cutoffs", *arguments).startswith("2 cutoffs copied from ")
    assert [get(user, target) for user in users] == [wanted for *_, wanted in CASES]
    assert [get(user, source) for user in users] == [here for here, *_ in CASES]
    assert run("jwt_copy_cutoffs", *arguments).startswith("0 cutoffs copied")


@with_field
def test_without_options_it_copies_to_the_place_that_is_in_use(user, jwt_settings):
    field = FIELDS[0]
    put(user, "table", NOW)
    assert run("jwt_copy_cutoffs") == f"1 cutoffs copied from the app's table to {type(user).__name__}.{field}.\n"
    put(user, field, AFTER)
    jwt_settings(USER_CUTOFF_FIELD=None)
    assert run("jwt_copy_cutoffs") == f"1 cutoffs copied from {type(user).__name__}.{field} to the app's table.\n"
    assert get(user, "table") == AFTER


@with_field
def test_what_was_revoked_under_the_old_setting_stays_revoked_under_the_new(client, user, clock, jwt_settings):
    jwt_settings(USER_CUTOFF_FIELD=None)
    pair = client.tokens(user)
    revoke_user(user)
    user.jwt_sessions.update(revoked_at=None)  # so that only the cutoff refuses it
    assert client.is_dead(pair)
    run("jwt_copy_cutoffs", "--from=table", f"--to={FIELDS[0]}")
    jwt_settings(USER_CUTOFF_FIELD=FIELDS[0])
    assert client.is_dead(pair)


@with_field
@ways()
def test_a_revocation_that_comes_in_between_is_not_overwritten(user, source, target):
    put(user, source, NOW)
    put(user, target, BEFORE)

    done = []

    def meanwhile(execute, sql, *arguments):
        if sql.startswith("UPDATE") and not done:
            done.append(True)
            _revoke(user, target)
        return execute(sql, *arguments)

    with connection.execute_wrapper(meanwhile):
        assert list(copy_in_batches(source, target, 10)) == [0]
    assert get(user, target) == AFTER


def _revoke(user, place):
    if place == "table":
        UserTokenCutoff.objects.filter(user=user).update(tokens_valid_after=AFTER)
    else:
        put(user, place, AFTER)


@with_field
@ways()
def test_the_number_of_queries_grows_with_the_batches_alone(make_user, source, target):
    def queries_of(number, batch_size):
        for index in range(number):
            put(make_user(f"{batch_size}x{index}"), source, NOW)
        with Queries() as queries:
            assert sum(copy_in_batches(source, target, batch_size)) == number
        return len(queries.statements)

    one_batch = queries_of(2, 100)
    assert queries_of(20, 101) == one_batch
    # Of 42 users 22 are done, wherever their keys lie: a batch with nothing to copy costs two queries.
    assert 3 * one_batch <= queries_of(20, 10) <= 5 * one_batch


@with_field
def test_progress_is_shown_on_demand(make_user):
    for number in range(3):
        put(make_user(f"user{number}"), "table", NOW)
    lines = run("jwt_copy_cutoffs", "--batch-size=2", "--verbosity=2").splitlines()
    assert lines[:2] == ["2 so far", "3 so far"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--from=password", "--to=table"], "'password' does not hold cutoffs"),
        (["--from=table", "--to=nothing"], "'nothing' does not hold cutoffs"),
        (["--from=table", "--to=table"], "must differ"),
    ],
)
def test_another_place_is_refused(db, arguments, text):
    with pytest.raises(CommandError, match=text) as caught:
        run("jwt_copy_cutoffs", *arguments)
    assert caught.value.returncode == 2


@with_field
def test_a_batch_has_at_least_one_user(db):
    with pytest.raises(CommandError, match="between 1 and 1,000,000"):
        run("jwt_copy_cutoffs", "--from=table", f"--to={FIELDS[0]}", "--batch-size=0")


@pytest.mark.skipif(bool(FIELDS), reason="this user model has a field")
def test_without_a_field_there_is_nothing_to_copy_from(db):
    with pytest.raises(CommandError, match="The user model has no TokenCutoffField"):
        run("jwt_copy_cutoffs")
