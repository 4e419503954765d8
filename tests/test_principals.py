"""A user of whom only the key is known: the attributes that cost no query, those that load the row, and the result."""

import copy
import pickle
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.test.utils import isolate_apps
from rest_framework.exceptions import AuthenticationFailed

from example_project.notes.models import Note
from jwt_auth import principals, user_model
from jwt_auth._django import lazy_rows
from jwt_auth.exceptions import InvalidClaimError, RevokedTokenError, UnavailableError
from jwt_auth.principals import lazy_user, refuse_with
from tests.support.outages import outage


@pytest.fixture
def lazy(user):
    return lazy_user(str(user.pk))


def loaded(user):
    return type(user) is get_user_model()


FREE = {
    "pk": lambda lazy, user: lazy.pk == user.pk,
    "id": lambda lazy, user: lazy.id == user.id,
    "is_authenticated": lambda lazy, user: lazy.is_authenticated is True,
    "is_anonymous": lambda lazy, user: lazy.is_anonymous is False,
    "is_active": lambda lazy, user: lazy.is_active is True,
    "isinstance": lambda lazy, user: isinstance(lazy, get_user_model()) and isinstance(lazy, models.Model),
    "not another class": lambda lazy, user: not isinstance(lazy, AnonymousUser | Note | str),
    "equal": lambda lazy, user: lazy == user and user == lazy and lazy == lazy_user(str(user.pk)),
    "not equal": lambda lazy, user: lazy != AnonymousUser() and lazy != type(user)() and lazy is not None,
    "hash": lambda lazy, user: hash(lazy) == hash(user) and len({lazy, user}) == 1,
    "true": lambda lazy, user: bool(lazy),
    "filter": lambda lazy, user: str(Note.objects.filter(owner=lazy).query).count("owner_id") == 2,
    "exclude": lambda lazy, user: bool(str(Note.objects.exclude(owner=lazy).query)),
    "in": lambda lazy, user: bool(str(Note.objects.filter(owner__in=[lazy, user]).query)),
    "Q": lambda lazy, user: bool(str(Note.objects.filter(models.Q(owner=lazy) | models.Q(text="x")).query)),
    "by key": lambda lazy, user: bool(str(get_user_model()._default_manager.filter(pk=lazy.pk).query)),
    "Value": lambda lazy, user: bool(str(Note.objects.annotate(mine=models.Q(owner=lazy)).query)),
    "constructor": lambda lazy, user: Note(owner=lazy).owner is lazy and Note(owner=lazy).owner_id == user.pk,
    "assignment": lambda lazy, user: setattr(Note(), "owner", lazy) is None,
}


def test_the_key_of_a_user_is_parsed_once(user, monkeypatch):
    lazy_user(str(user.pk))
    monkeypatch.setattr(user_model, "read_key", None)  # not called
    assert lazy_user(str(user.pk)) == user


def test_a_text_that_is_no_key_is_refused_each_time():
    for _ in range(2):
        with pytest.raises(InvalidClaimError):
            lazy_user(" no key\n")


@pytest.mark.parametrize("look", FREE.values(), ids=FREE)
def test_what_needs_only_the_key_costs_no_query(user, lazy, look, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert look(lazy, user)
    assert not loaded(lazy)


def save_a_note(lazy):
    Note(owner=lazy, text="mine").save()


WRITES = {
    "save": (save_a_note, 1),
    "create": (lambda lazy: Note.objects.create(owner=lazy, text="mine"), 1),
    "update": (lambda lazy: Note.objects.filter(owner=lazy).update(owner=lazy), 1),
    "bulk_create": (lambda lazy: Note.objects.bulk_create([Note(owner=lazy)]), 1),
    "exists": (lambda lazy: Note.objects.filter(owner=lazy).exists(), 1),
    "related": (lambda lazy: list(Note.objects.filter(owner=lazy).select_related("owner")), 1),
}


@pytest.mark.parametrize(("act", "number"), WRITES.values(), ids=WRITES)
def test_queries_about_the_user_are_the_only_queries(lazy, act, number, django_assert_num_queries):
    with django_assert_num_queries(number):
        act(lazy)
    assert not loaded(lazy)


COLUMNS = {
    "a column": lambda user: user.password,
    "a method": lambda user: user.get_username(),
    "a permission": lambda user: user.is_superuser,
    "str": str,
    "repr": repr,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda user: pickle.loads(pickle.dumps(user)),
    "session hash": lambda user: user.get_session_auth_hash(),
}


@pytest.mark.parametrize("look", COLUMNS.values(), ids=COLUMNS)
def test_anything_else_loads_the_row_once_and_makes_an_ordinary_user_of_it(user, lazy, look, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert look(lazy) == look(user)
        assert look(lazy) == look(user)
    assert loaded(lazy)
    assert not loaded(lazy_user(str(user.pk)))
    assert {**vars(lazy), "_state": 0} == {**vars(type(user).objects.get(pk=user.pk)), "_state": 0}
    assert (lazy._state.db, lazy._state.adding) == ("default", False)


def test_permissions_are_the_rows(lazy, staff, user):
    assert not lazy.has_perm("jwt_auth.revoke_user")
    assert lazy_user(str(staff.pk)).has_perm("jwt_auth.revoke_user")


def test_an_attribute_that_nobody_has_is_missing_as_ever(lazy):
    with pytest.raises(AttributeError, match="no_such_thing"):
        lazy.no_such_thing  # noqa: B018
    assert loaded(lazy)


def test_what_is_assigned_is_kept_and_can_be_saved(user, lazy):
    lazy.password = "!"
    lazy.note_of_a_middleware = 1
    lazy.save()
    del lazy.note_of_a_middleware
    user.refresh_from_db()
    assert user.password == "!"


def test_an_attribute_can_be_deleted_as_from_any_instance(user, lazy):
    del lazy.password
    assert lazy.password == user.password


def test_a_new_password_on_a_lazy_user_revokes_like_any_other(client, user, lazy):
    """Its signals are those of the user model."""
    pair = client.tokens(user)
    lazy.set_password("a quite different password")
    lazy.save()
    assert client.is_dead(pair)


def test_a_lazy_user_can_be_deleted(user, lazy):
    assert lazy.delete()[0] >= 1
    assert not get_user_model().objects.filter(pk=user.pk).exists()


def test_what_points_to_the_user_is_still_known_when_it_is_loaded(user, lazy):
    lazy._state.fields_cache["a_one_to_one_relation"] = user
    assert lazy.get_username()
    assert lazy._state.fields_cache["a_one_to_one_relation"] is user


def test_of_two_threads_the_second_finds_the_row_loaded(lazy, django_assert_num_queries):
    """The second may be about to call a method of the class that the instance no longer has."""
    on_its_way = type(lazy).__getattribute__
    with django_assert_num_queries(1):
        assert lazy.get_username()
        assert on_its_way(lazy, "password") == lazy.password


# Users who are gone


@pytest.fixture(params=["gone", "inactive", "hidden"])
def lost(request, user, monkeypatch):
    lazy = lazy_user(str(user.pk))
    if request.param == "gone":
        get_user_model().objects.filter(pk=user.pk).delete()
    elif request.param == "inactive":
        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    else:
        hidden = get_user_model()._default_manager.none()
        monkeypatch.setattr(get_user_model()._default_manager, "get_queryset", lambda: hidden)
        monkeypatch.setattr(principals, "visible_users", lambda: hidden)
    return lazy


@pytest.mark.parametrize("look", COLUMNS.values(), ids=COLUMNS)
def test_a_user_who_is_not_there_is_refused_when_looked_at(lost, look):
    for _ in range(2):
        with pytest.raises(RevokedTokenError, match="the user is"):
            look(lost)


def test_no_template_and_no_hasattr_takes_the_refusal_for_a_missing_attribute(lost):
    with pytest.raises(RevokedTokenError):
        hasattr(lost, "profile")
    with pytest.raises(RevokedTokenError):
        getattr(lost, "profile", None)


def test_each_entry_point_has_its_own_way_to_refuse(lost):
    refuse_with(lost, lambda error: AuthenticationFailed(str(error)))
    with pytest.raises(AuthenticationFailed, match="the user is"):
        lost.get_username()


def test_an_ordinary_user_needs_none(user):
    before = dict(vars(user))
    refuse_with(user, AuthenticationFailed)
    assert vars(user) == before


def test_an_outage_is_no_missing_user(lazy):
    with outage(), pytest.raises(UnavailableError):
        lazy.get_username()
    assert lazy.get_username()


# Values of `sub`

SPELLINGS = ["", " ", "x", "0x1", "1.0", "01", "+1", " 1", "1 ", "١", "1e0", "None", "true", "9" * 19, "9" * 255]


@pytest.mark.parametrize("sub", SPELLINGS)
@pytest.mark.django_db
def test_a_sub_that_is_not_exactly_a_users_key_is_nobodys(sub):
    try:
        lazy = lazy_user(sub)
    except InvalidClaimError:
        return
    with pytest.raises(RevokedTokenError):
        lazy.get_username()


@pytest.mark.parametrize("pattern", ["{{{}}}", "urn:uuid:{}", " {}", "0{}", "{}\n"])
def test_another_spelling_of_a_users_key_is_nobodys(user, pattern):
    with pytest.raises(InvalidClaimError, match="'sub' names no user"):
        lazy_user(pattern.format(user.pk))


def test_a_collation_that_folds_letters_finds_nobody_else(user, jwt_settings):
    """MariaDB compares `ALICE` and `alice` as equal."""
    name = get_user_model().USERNAME_FIELD
    jwt_settings(USER_ID_FIELD=name)
    with pytest.raises(RevokedTokenError, match="gone"):
        lazy_user(user.get_username().upper()).get_username()
    assert lazy_user(user.get_username()) == user


def test_with_another_field_in_sub_it_is_free_and_the_key_costs_the_row(user, jwt_settings, django_assert_num_queries):
    name = get_user_model().USERNAME_FIELD
    jwt_settings(USER_ID_FIELD=name)
    lazy = lazy_user(user.get_username())
    with django_assert_num_queries(0):
        assert getattr(lazy, name) == user.get_username()
        assert lazy.is_authenticated
    with django_assert_num_queries(1):
        assert lazy == user
        assert lazy.pk == user.pk
    with django_assert_num_queries(2):
        assert not Note.objects.filter(owner=lazy_user(user.get_username())).exists()


@isolate_apps("tests")
def test_a_user_model_that_inherits_from_another_table_has_two_names_for_its_key():
    class Person(models.Model):  # noqa: DJ008  # nobody prints it
        class Meta:
            app_label = "tests"

    class Employee(Person):  # noqa: DJ008  # nobody prints it
        class Meta:
            app_label = "tests"

    class Badge(models.Model):  # noqa: DJ008  # nobody prints it
        employee = models.OneToOneField(Employee, models.CASCADE, primary_key=True)

        class Meta:
            app_label = "tests"

    attributes = lazy_rows._attributes
    assert attributes(Employee._meta.pk) == ["person_ptr_id", "id"]
    assert attributes(Person._meta.pk) == ["id"]
    assert attributes(Badge._meta.pk) == ["employee_id"]


def test_its_class_is_no_model_of_its_own(lazy):
    """The registry, migrations and receivers do not know it."""
    model = get_user_model()
    assert type(lazy) is not model
    assert type(lazy)._meta is model._meta
    assert model._meta.app_config.get_model(model._meta.model_name) is model
    assert (type(lazy).__name__, type(lazy).__module__) == (model.__name__, model.__module__)
    assert not model.__subclasses__() or type(lazy) in model.__subclasses__()


def test_the_rows_are_read_where_sessions_are_written(user, lazy, monkeypatch, settings):
    class Primary:
        def db_for_read(self, model, **hints):
            return "replica"

        def db_for_write(self, model, **hints):
            return "default"

    settings.DATABASE_ROUTERS = [Primary()]
    read = partial(lazy_user, str(user.pk))
    assert read()._state.db == "default"
    assert read().get_username() == user.get_username()
