"""A user's cutoff in both places: it moves forward, and no save moves it back."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.forms import modelform_factory
from django.utils import timezone

from jwt_auth.conf import get_settings
from jwt_auth.models import UserTokenCutoff
from jwt_auth.revocation import cutoff, revoke_user, user_rows

pytestmark = pytest.mark.usefixtures("clock")

US = timedelta(microseconds=1)
HOUR = timedelta(hours=1)


def in_own_table():
    return get_settings().USER_CUTOFF_FIELD is None


def name():
    return get_settings().USER_CUTOFF_FIELD or "tokens_valid_after"


def load_holder(user):
    """Return a fresh copy of the row that holds the cutoff of `user`."""
    if in_own_table():
        return UserTokenCutoff.objects.get(user=user)
    return get_user_model().objects.get(pk=user.pk)


def stored(user):
    return getattr(load_holder(user), name())


@pytest.fixture
def stale(user):
    """The row as it was loaded after a first revocation, while a second one is in force."""
    revoke_user(user)
    holder = load_holder(user)
    revoke_user(user)
    assert getattr(holder, name()) < stored(user)
    return holder


def test_it_lives_where_the_settings_say_and_nowhere_else(user):
    done = revoke_user(user)
    assert stored(user) == done.tokens_valid_after
    assert UserTokenCutoff.objects.exists() == in_own_table()


def test_a_user_who_was_never_revoked_has_none(user):
    fresh = cutoff.users_with_cutoff().get(pk=user.pk)
    assert cutoff.read(fresh) is None
    assert cutoff.read_locked(user.pk) is None
    assert user_rows.users().filter(**{cutoff.path_from(): None}).get() == user


def test_all_ways_to_read_agree(user, django_assert_num_queries):
    moment = revoke_user(user).tokens_valid_after
    fresh = cutoff.users_with_cutoff().get(**{cutoff.path_from(): moment})
    with django_assert_num_queries(0):
        assert cutoff.read(fresh) == moment
    assert cutoff.read_locked(user.pk) == moment


@pytest.mark.parametrize("options", [{}, {"force_update": True}, {"update_fields": "cutoff"}])
def test_saving_a_stale_instance_does_not_move_it_back(user, stale, options):
    current = stored(user)
    if "update_fields" in options:
        options = {"update_fields": [name()]}
    stale.save(**options)
    assert stored(user) == current


@pytest.mark.parametrize(
    ("value", "moves"),
    [(HOUR, True), (US, True), (timedelta(0), False), (-US, False), (-HOUR, False), (None, False)],
)
def test_an_assigned_value_counts_only_when_it_is_later(user, value, moves):
    revoke_user(user)
    current = stored(user)
    holder = load_holder(user)
    setattr(holder, name(), None if value is None else current + value)
    holder.save()
    assert stored(user) == (current + value if moves else current)


def test_a_first_value_can_be_assigned(user):
    moment = timezone.now() - HOUR
    if in_own_table():
        UserTokenCutoff.objects.create(user=user, tokens_valid_after=moment)
    else:
        setattr(user, name(), moment)
        user.save()
    assert stored(user) == moment


def test_it_can_be_none_from_the_start_and_set_later(user):
    if in_own_table():
        UserTokenCutoff.objects.create(user=user)
    assert stored(user) is None
    moment = revoke_user(user).tokens_valid_after
    assert stored(user) == moment


def test_a_form_over_all_fields_neither_shows_it_nor_moves_it_back(user, stale):
    current = stored(user)
    form_class = modelform_factory(type(stale), fields="__all__")
    assert name() not in form_class.base_fields
    form = form_class(form_class(instance=stale).initial, instance=stale)
    form.is_valid()
    form.instance.save()
    assert stored(user) == current


def test_update_or_create_keeps_the_later(user, stale):
    current = stored(user)
    model = type(stale)
    model._default_manager.update_or_create(pk=stale.pk, defaults={name(): current - HOUR})
    assert stored(user) == current
    model._default_manager.update_or_create(pk=stale.pk, defaults={name(): current + HOUR})
    assert stored(user) == current + HOUR


@pytest.mark.parametrize("bulk", ["bulk_update", "update"])
def test_writing_other_columns_in_bulk_leaves_it_alone(user, stale, bulk):
    current = stored(user)
    users, stale_user = get_user_model()._default_manager, getattr(stale, "user", stale)
    if bulk == "bulk_update":
        users.bulk_update([stale_user], ["password"])
    else:
        users.filter(pk=user.pk).update(password="")
    assert stored(user) == current


def test_an_instance_can_be_saved_twice(user, stale):
    """Django 6 reads the written value back if the database returns it; older versions leave the instance unchanged."""
    loaded, current = getattr(stale, name()), stored(user)
    stale.save()
    stale.save()
    assert getattr(stale, name()) in {loaded, current}
    assert stored(user) == current


def test_a_row_that_is_restored_keeps_the_later_cutoff(user, stale):
    """A fixture, or a package that keeps versions, writes a row as it was saved once."""
    current = stored(user)
    stale.save_base(raw=True)
    assert stored(user) == current
    setattr(stale, name(), current + timedelta(seconds=1))
    stale.save_base(raw=True)
    assert stored(user) == current + timedelta(seconds=1)


@pytest.mark.parametrize("save", [Model.save, partial(Model.save_base, raw=True)], ids=["save", "raw"])
def test_the_tokens_stay_refused_after_a_stale_save(client, user, save):
    pair = client.tokens(user)
    before = get_user_model().objects.get(pk=user.pk)
    revoke_user(user)
    save(before)
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))


def test_a_value_of_the_project_refuses_what_began_before_it(client, user, clock):
    """A project may set the field itself: the join reads any value."""
    pair = client.tokens(user)
    clock.shift(60)
    revoke_user(user, at=timezone.now() - timedelta(seconds=61))  # makes a row to write to
    assert not client.is_dead(pair)
    holder = load_holder(user)
    setattr(holder, name(), timezone.now())
    holder.save()
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))
