"""The users that leave the app: what the project's manager makes, never more permissive than the verdict."""

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Permission
from django.core.management import CommandError
from django.db.models import Value
from django.test.utils import isolate_apps
from django.utils import timezone
from rest_framework.exceptions import NotFound

from jwt_auth import receivers, registrars, sessions, user_model
from jwt_auth.exceptions import RevokedTokenError, TokenError
from jwt_auth.management.terminal import find_user
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import database, user_rows
from jwt_auth.verification import verify
from jwt_auth.views.users import find_user_by_name
from tests.support.api_clients import register
from tests.support.user_models import managed_by

pytestmark = pytest.mark.django_db


PROXY = type("Meta", (), {"proxy": True, "app_label": "jwt_auth"})


def shown(rows):
    return rows.annotate(shown_as=Value("made"))


class Changing:
    """A change of the default manager: its second queryset, which gives the user, meets a change of the row."""

    def __init__(self, act):
        self.act, self.calls = act, 0

    def __call__(self, rows):
        self.calls += 1
        return shown(self.act(rows) if self.calls == 2 else rows)


def leave(rows):
    return rows


def hide(rows):
    return rows.none()


def deactivate(rows):
    rows.model._base_manager.update(is_active=False)
    return rows


@pytest.fixture
def ways(user):
    """The ways in which a user leaves the app, as functions that return the user."""
    pair, api = sessions.start(user), register(user)

    def refresh():
        session_id = sessions.refresh(pair.refresh_token).session_id
        return database.find_by_handle(UserSession.objects.get(pk=session_id).handle).user

    def start():
        session_id = sessions.start(user).session_id
        return database.find_by_handle(UserSession.objects.get(pk=session_id).handle).user

    return {
        "request": lambda: verify(pair.access_token).user,
        "client": lambda: verify(api.token(), issuers="clients").user,
        "refresh": refresh,
        "start": start,
    }


WAYS = ["request", "client", "refresh", "start"]


@pytest.mark.parametrize("way", WAYS)
def test_the_user_is_what_the_manager_makes(ways, user, way):
    assert not hasattr(ways[way](), "shown_as")
    with managed_by(shown):
        found = ways[way]()
    assert (found, found.shown_as) == (user, "made")


@pytest.mark.parametrize("act", [leave, hide, deactivate])
@pytest.mark.parametrize("way", WAYS)
def test_a_user_who_is_hidden_or_inactive_by_the_time_the_manager_is_asked_is_refused(ways, way, act):
    refused = nullcontext() if act is leave else pytest.raises((TokenError, sessions.CredentialsChangedError))
    changing = Changing(act)
    with managed_by(changing):
        changing.calls = 0
        with refused:
            ways[way]()
        assert changing.calls >= 2


def test_a_hidden_user_can_not_begin_a_session(user):
    with managed_by(lambda rows: rows.exclude(pk=user.pk)), pytest.raises(sessions.CredentialsChangedError):
        sessions.start(user)
    assert sessions.start(user)


def test_the_state_of_a_session_is_that_of_the_user_that_the_manager_makes(user):
    session = UserSession.objects.get(pk=sessions.start(user).session_id)
    rows = database.with_state(UserSession.objects.filter(pk=session.pk))
    with managed_by(shown):
        assert database.refusal_of(rows.get(), timezone.now()) is None
    for hiding in (lambda rows: shown(rows.exclude(pk=user.pk)), lambda rows: rows.exclude(pk=user.pk)):
        with managed_by(hiding):
            assert isinstance(database.refusal_of(rows.get(), timezone.now()), RevokedTokenError)


def test_the_manager_is_asked_once_for_the_users_of_many_sessions(user, django_assert_num_queries):
    for _ in range(3):
        sessions.start(user)
    for change, queries in ((leave, 0), (shown, 1), (lambda rows: rows.filter(is_active=True), 1)):
        with managed_by(change):
            rows = list(database.with_state(UserSession.objects.all()))
            with django_assert_num_queries(queries):
                user_model.adopt(rows)
                assert [database.refusal_of(row, timezone.now()) for row in rows] == [None] * 3
    rows = list(database.with_state(UserSession.objects.all()))
    with django_assert_num_queries(0):
        user_model.adopt(rows)
        assert database.refusal_of(rows[0], timezone.now()) is None


# In memory mode


@pytest.fixture
def in_memory_mode(jwt_settings):
    jwt_settings(REVOCATION="memory")


def test_the_class_of_a_lazy_user_is_known_if_the_manager_is_plain(user, in_memory_mode, django_assert_num_queries):
    token = sessions.start(user).access_token
    verify(token)
    lazy = verify(token).user
    with django_assert_num_queries(0):
        assert lazy.__class__ is get_user_model()
    with managed_by(shown):
        verify(token)
        lazy = verify(token).user
        with django_assert_num_queries(0):
            assert lazy == user
        with django_assert_num_queries(1):
            assert lazy.__class__ is get_user_model()
            assert lazy.shown_as == "made"


@pytest.mark.parametrize("end", ["hidden", "another hash", "none"])
def test_a_save_that_hides_the_user_or_changes_the_hash_is_an_event(user, in_memory_mode, monkeypatch, end):
    with managed_by(lambda rows: rows.exclude(last_login__isnull=False) if end == "hidden" else shown(rows)):
        token = sessions.start(user).access_token
        assert verify(token).user == user
        if end == "another hash":
            own = type(user).get_session_auth_hash
            monkeypatch.setattr(type(user), "get_session_auth_hash", lambda self: f"{own(self)}{self.last_login}")
            token = sessions.start(user).access_token
        user.last_login = timezone.now()
        user.save()
        if end == "none":
            assert verify(token).user == user
        else:
            with pytest.raises(RevokedTokenError):
                verify(token)


@pytest.mark.parametrize("way", ["save", "delete"])
def test_the_concrete_model_of_a_proxy_writes_users_too(user, in_memory_mode, monkeypatch, way):
    """The user model of this run is concrete, so a proxy takes its place where signals are received."""
    with isolate_apps("jwt_auth"):
        proxy = type("Proxy", (type(user),), {"__module__": __name__, "Meta": PROXY})
    token = sessions.start(user).access_token
    assert verify(token).user == user
    monkeypatch.setattr(receivers, "get_user_model", lambda: proxy)
    user.is_active = False
    getattr(user, way)()
    with pytest.raises(RevokedTokenError):
        verify(token)


def test_if_is_active_is_no_column_a_save_is_compared_as_a_whole(user, count, monkeypatch, jwt_settings):
    jwt_settings(LEEWAY=timedelta(0))
    usual, _ = count(user.save, update_fields=["last_login"])
    whole, _ = count(user.save)
    meta = vars(get_user_model()._meta)
    left = [field for field in meta["concrete_fields"] if field.name != "is_active"]
    model = SimpleNamespace(
        _meta=SimpleNamespace(concrete_fields=left),
        is_active=property(lambda self: True),
        get_session_auth_hash=AbstractBaseUser.get_session_auth_hash,
    )
    monkeypatch.setattr(receivers, "get_user_model", lambda: model)
    jwt_settings(LEEWAY=timedelta(seconds=1))
    assert not receivers._is_usual()
    monkeypatch.undo()
    assert count(user.save)[0] == whole + 1
    assert count(user.save, update_fields=["last_login"])[0] == usual  # as Django does at each sign-in


def test_a_save_that_shows_a_hidden_user_ends_nothing(user, in_memory_mode):
    """Nobody knows the session hash of a hidden user, so it has not changed either."""
    hidden, moment = user_model.all_users().filter(pk=user.pk), timezone.now()
    hidden.update(last_login=moment)
    with managed_by(lambda rows: rows.filter(last_login__isnull=False)):
        token = sessions.start(user).access_token
        hidden.update(last_login=None)
        with pytest.raises(RevokedTokenError):
            verify(token, ask_database=True)
        again = hidden.get()
        again.last_login = moment
        again.save()
        assert not RevocationEvent.objects.exists()
        assert verify(token, ask_database=True).user == user
        again.last_login = None
        again.save()
        assert RevocationEvent.objects.get().reason == "user deactivated"


# Permissions


class OnlyAsked:
    """A user with `has_perm` alone, as in Django's documentation of custom users."""

    is_active = True

    def __init__(self, pk, *names):
        self.pk = self.id = pk
        self.names = names

    def has_perm(self, name, obj=None):
        return name in self.names


@pytest.mark.parametrize("nobody", [AnonymousUser(), SimpleNamespace()])
def test_a_user_without_permissions_has_none(nobody):
    assert not user_model.has_permission(nobody, "jwt_auth.introspect")
    assert user_model.permissions_of(nobody) == set()
    assert user_model.has_permissions(nobody, ())


def test_a_user_with_has_perm_alone_is_asked_for_each_permission():
    known = Permission.objects.get(codename="introspect")
    name = f"{known.content_type.app_label}.{known.codename}"
    assert user_model.permissions_of(OnlyAsked(1, name, "no.such")) == {name}


def test_nobody_hands_out_more_than_they_may_whatever_their_class(user, monkeypatch):
    monkeypatch.setattr(registrars, "key_of", lambda one: one.pk)
    monkeypatch.setattr(registrars, "as_made", lambda one: one)
    name = "jwt_auth.introspect"
    assert registrars.may_hand_out(OnlyAsked(1, name), OnlyAsked(2, name))
    assert not registrars.may_hand_out(OnlyAsked(1), OnlyAsked(2, name))
    assert not registrars.may_hand_out(OnlyAsked(1), OnlyAsked(1), "introspect")


# Names and columns


def test_a_manager_need_not_know_natural_keys(user, monkeypatch):
    for each in type(get_user_model()._default_manager).__mro__:
        if "get_by_natural_key" in vars(each):
            monkeypatch.delattr(each, "get_by_natural_key")
    assert find_user_by_name(user.get_username()) == user


def test_a_name_of_two_users_in_two_spellings_names_neither(user, make_user):
    users = get_user_model()._default_manager
    other, field = make_user("other"), user.USERNAME_FIELD
    stored = "\ufb01sh"
    users.filter(pk=other.pk).update(**{field: stored})
    assert find_user_by_name(stored) == find_user(stored) == other
    users.filter(pk=user.pk).update(**{field: "fish"})
    with pytest.raises(NotFound, match="Two users"):
        find_user_by_name(stored)
    with pytest.raises(CommandError, match=f'two users: write "pk:{user.pk}" or "pk:{other.pk}"'):
        find_user(stored)
    assert find_user_by_name("fish") == find_user("fish") == user


@pytest.mark.parametrize("generated", [0, 1, None])
def test_the_column_that_is_written_to_lock_a_row_is_one_that_can_be_written(monkeypatch, generated):
    meta = get_user_model()._meta
    fields = [field for field in meta.concrete_fields if field.primary_key or field.name in ("password", "last_login")]
    others = [field for field in fields if not field.primary_key]
    for field in others if generated is None else others[:generated]:
        monkeypatch.setattr(field, "generated", True, raising=False)
    monkeypatch.setitem(vars(meta), "concrete_fields", fields)
    wanted = meta.pk.attname if generated is None else others[generated].attname
    assert user_rows.some_column() == wanted


def test_the_sub_may_be_the_key_of_another_row(user, monkeypatch, jwt_settings):
    """The text form of an instance says nothing about its key."""
    jwt_settings(USER_ID_FIELD=get_user_model()._meta.pk.name)
    assert verify(sessions.start(user).access_token).claims.sub == str(user.pk)


@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize(("name", "is_accepted"), [("علی\u200cرضا", True), ("a\u00a0b", True), ("a\u202eb", False)])
def test_a_sub_may_be_any_line_of_text(user, jwt_settings, mode, name, is_accepted):
    jwt_settings(REVOCATION=mode, USER_ID_FIELD=user.USERNAME_FIELD)
    setattr(user, user.USERNAME_FIELD, name)
    user.save()
    token = sessions.start(user).access_token
    with nullcontext() if is_accepted else pytest.raises(TokenError):
        assert verify(token).user == user
