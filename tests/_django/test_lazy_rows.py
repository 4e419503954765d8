"""Lazy instances: two threads at once, and a Django whose undocumented parts differ."""

import asyncio
import copy
from contextlib import nullcontext
from threading import Event, Thread, current_thread

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, models
from django.db.models import base

from jwt_auth import principals, sessions
from jwt_auth._django import lazy_rows
from jwt_auth._django.differences import note_difference
from jwt_auth._django.lazy_rows import aload_row, before_waiting, refuse_to_wait
from jwt_auth.exceptions import RevokedTokenError
from jwt_auth.principals import _lazy_rows, lazy_user
from jwt_auth.process.blocking import on_loop
from jwt_auth.revocation import revoke_user


def not_made(*_):
    raise TypeError("a class of models has more arguments")


OTHERS = {
    "no such state": (base, "ModelState", None),
    "no such class": (lazy_rows, "_subclass", not_made),
    "not an instance of the model": (lazy_rows, "_subclass", lambda *arguments: type("Other", (), {})),
    "instances that differ": (models.Model, "__hash__", lambda self: id(self)),
    "instances that load": (models.Model, "__eq__", lambda self, other: self.date_of_last_change == other),
}


@pytest.fixture(params=OTHERS.values(), ids=OTHERS)
def other_django(request, monkeypatch):
    note_difference.cache_clear()
    _lazy_rows.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(*request.param)
        assert _lazy_rows().make(1, "default", {}) is None
    yield
    note_difference.cache_clear()
    _lazy_rows.cache_clear()


@pytest.fixture
def in_memory_mode(jwt_settings):
    jwt_settings(REVOCATION="memory")


def test_the_row_is_read_at_once_with_one_warning(user, caplog, other_django, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = lazy_user(str(user.pk))
    assert type(found) is get_user_model()
    assert found == user
    lazy_user(str(user.pk))
    assert [record.event for record in caplog.get_records("setup")] == ["django_differs"]
    assert caplog.records == []


def test_a_user_who_is_gone_is_refused(user, other_django):
    sub = str(user.pk)
    assert lazy_user(sub)  # the control
    user.delete()
    with pytest.raises(RevokedTokenError):
        lazy_user(sub)


@pytest.mark.django_db(transaction=True)
def test_requests_are_answered_as_ever(client, user, in_memory_mode, other_django):
    pair = sessions.start(user)
    assert client.get_me(pair.access_token).status_code == 200
    revoke_user(user)
    assert client.get_me(pair.access_token).status_code == 401


# Two threads


@pytest.fixture
def slow(monkeypatch):
    """The row is read by the first thread only when `go_on` is set; `reading` says that it has begun."""
    reading, go_on = Event(), Event()
    read = principals._read

    def read_slowly(sub):
        reading.set()
        assert go_on.wait(60)
        return read(sub)

    monkeypatch.setattr(principals, "_read", read_slowly)
    return reading, go_on


def test_what_another_thread_assigns_during_a_load_is_kept(user, slow, monkeypatch):
    """The second thread waits for the first, and then finds an ordinary instance. No connection is shared."""
    reading, go_on = slow
    found = Found(user)
    monkeypatch.setattr(principals, "visible_users", lambda: found)
    lazy, done = lazy_user(str(user.pk)), []
    first = Thread(target=lambda: done.append(lazy.get_username()))
    second = Thread(target=lambda: setattr(lazy, "password", "changed"))
    first.start()
    assert reading.wait(60)
    second.start()
    second.join(0.05)  # it has time to go on, if nothing holds it
    assert not is_ordinary(lazy)
    go_on.set()
    first.join()
    second.join()
    assert done == [user.get_username()]
    assert is_ordinary(lazy)
    assert vars(lazy)["password"] == "changed"
    assert found.reads == 1


def is_ordinary(user):
    return type(user) is get_user_model()


class Found:
    """The answer of the database, for threads that must not ask it."""

    def __init__(self, user):
        self.user, self.reads = user, 0

    def filter(self, **_):
        return self

    def first(self):
        self.reads += 1
        return copy.copy(self.user)


def test_a_model_that_tracks_its_changes_sees_those_of_the_project_alone(user, monkeypatch):
    changed = []

    def track(self, name, value):
        changed.append(name)
        object.__setattr__(self, name, value)

    lazy = lazy_user(str(user.pk))
    monkeypatch.setattr(get_user_model(), "__setattr__", track)
    lazy.password = "changed"
    assert lazy.password == "changed"
    assert "password" in changed
    assert not {"__dict__", "__class__"} & set(changed)


@pytest.mark.parametrize(("name", "fails"), [("pk", False), ("password", True)])
def test_code_that_loads_the_row_may_read_the_key_and_never_waits_for_itself(user, monkeypatch, name, fails):
    """A database router may, for example, know the user of the request."""
    lazy = lazy_user(str(user.pk))
    visible = principals.visible_users

    def read():
        assert getattr(lazy, name)
        return visible()

    with monkeypatch.context() as patched:
        patched.setattr(principals, "visible_users", read)
        with pytest.raises(RecursionError) if fails else nullcontext():
            assert lazy.get_username() == user.get_username()
    assert lazy.get_username() == user.get_username()


def test_a_thread_that_comes_between_row_and_class_waits_for_the_class(user):
    lazy, seen, row = lazy_user(str(user.pk)), [], vars(copy.copy(user))
    object.__setattr__(lazy, "__dict__", row)
    thread = Thread(target=lambda: seen.append(lazy.get_username()))
    thread.start()
    thread.join(0.05)
    assert seen == []
    object.__setattr__(lazy, "__class__", get_user_model())
    thread.join()
    assert seen == [user.get_username()]


# Event loops


@pytest.mark.usefixtures("threads_connect")
@pytest.mark.parametrize(("name", "fails"), [("pk", False), ("password", True)])
def test_code_that_loads_the_row_for_a_loop_never_waits_for_the_loop(user, monkeypatch, name, fails):
    """The loop waits for the thread that loads the row, and must not hold the lock of the instance meanwhile."""
    lazy = lazy_user(str(user.pk))
    visible = principals.visible_users

    def read():
        assert getattr(lazy, name)
        return visible()

    async def look():
        with pytest.raises(RecursionError) if fails else nullcontext():
            assert lazy.get_username() == user.get_username()

    monkeypatch.setattr(principals, "visible_users", read)
    async_to_sync(look)()


@pytest.mark.usefixtures("threads_connect")
def test_what_a_loop_may_query_it_queries_itself(user, monkeypatch):
    """As in a notebook, by DJANGO_ALLOW_ASYNC_UNSAFE."""
    threads, waits, visible = [], [], principals.visible_users

    def read():
        threads.append(current_thread())
        return visible()

    async def look():
        lazy = lazy_user(str(user.pk))
        before_waiting(lazy, lambda: waits.append(lazy))
        return lazy.get_username(), current_thread()

    async def look_and_close():
        seen = await look()
        connections.close_all()
        return seen

    monkeypatch.setattr(principals, "visible_users", read)
    name, loop = async_to_sync(look)()
    assert name == user.get_username()
    assert threads.pop() is not loop
    assert len(waits) == 1
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    name, loop = async_to_sync(look_and_close)()
    assert name == user.get_username()
    assert threads.pop() is loop
    assert len(waits) == 1


def test_a_loop_does_not_wait_for_a_row_if_that_is_refused(user, django_assert_num_queries):
    async def look():
        lazy = lazy_user(str(user.pk))
        refuse_to_wait(lazy)
        assert (lazy.pk, lazy.is_authenticated) == (user.pk, True)
        with pytest.raises(SynchronousOnlyOperation, match="is not loaded"):
            lazy.get_username()
        with pytest.raises(SynchronousOnlyOperation):
            lazy.first_name = "A"
        return lazy

    with django_assert_num_queries(0):
        lazy = async_to_sync(look)()
    assert lazy.get_username() == user.get_username()  # and here no loop runs


@pytest.mark.usefixtures("threads_connect")
def test_a_loop_does_not_wait_either_for_a_row_that_a_thread_is_loading(user, monkeypatch):
    begun, go_on, visible = Event(), Event(), principals.visible_users

    def read():
        begun.set()
        assert go_on.wait(10)
        return visible()

    async def look():
        lazy = lazy_user(str(user.pk))
        refuse_to_wait(lazy)
        loading = asyncio.ensure_future(aload_row(lazy))
        while not begun.is_set():
            await asyncio.sleep(0)
        with pytest.raises(SynchronousOnlyOperation):
            lazy.get_username()
        go_on.set()
        return (await loading).get_username()

    monkeypatch.setattr(principals, "visible_users", read)
    assert async_to_sync(look)() == user.get_username()


def test_a_call_that_can_go_to_a_thread_never_has_the_loop_wait(user):
    async def look():
        lazy = lazy_user(str(user.pk))
        before_waiting(lazy, pytest.fail)
        return await on_loop(lambda: (lazy.get_username(), current_thread())), current_thread()

    (name, thread), loop = async_to_sync(look)()
    assert name == user.get_username()
    assert thread is not loop


def test_a_row_is_loaded_by_awaiting(user):
    async def look():
        lazy = await aload_row(lazy_user(str(user.pk)))
        assert await aload_row(lazy) is lazy  # the second time without a query
        return lazy.get_username()

    assert async_to_sync(look)() == user.get_username()
