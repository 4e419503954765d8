"""Commit hooks: those of the app run before those of the project, which may fail."""

from functools import partial
from threading import Thread

import pytest
from django.db import connection, transaction

from jwt_auth._django.commit_hooks import on_commit, waiting
from jwt_auth._django.differences import note_difference

committing = pytest.mark.django_db(transaction=True)


class ProjectError(Exception):
    """Raised by a hook of the project."""


def fail():
    raise ProjectError


def failing():
    return pytest.raises(ProjectError)


@pytest.fixture
def done():
    return []


@pytest.fixture
def ours(done):
    """`ours(name)` registers a hook of the app."""
    return lambda name: on_commit(partial(done.append, name), using="default")


@pytest.fixture
def theirs(done):
    """`theirs(name)` registers a hook of the project."""
    return lambda name: transaction.on_commit(partial(done.append, name))


@committing
def test_a_hook_of_the_project_that_raises_stops_none_of_ours(done, ours, theirs):
    with failing(), transaction.atomic():
        ours("first")
        transaction.on_commit(fail)
        theirs("dropped")  # the control: that is what Django does
        ours("second")
    assert done == ["first", "second"]


@committing
def test_ours_come_first_and_all_keep_their_order(done, ours, theirs):
    with transaction.atomic():
        theirs("their first")
        ours("our first")
        with transaction.atomic():
            ours("our second")
            theirs("their second")
        ours("our third")
    assert done == ["our first", "our second", "our third", "their first", "their second"]


@committing
def test_what_is_rolled_back_is_not_followed_by_its_hooks(done, ours, theirs):
    with transaction.atomic():
        theirs("theirs")
        ours("outside")
        with failing(), transaction.atomic():
            theirs("their gone")
            ours("our gone")
            raise ProjectError
        ours("after")
        assert [hook.args for hook in waiting("default")] == [("outside",), ("after",)]
    assert done == ["outside", "after", "theirs"]
    assert waiting("default") == []


@committing
def test_without_a_transaction_it_is_done_at_once(done, ours):
    ours("at once")
    assert done == ["at once"]
    assert connection.run_on_commit == []


@committing
@pytest.mark.parametrize("hook", [fail, partial(fail), type("Callable", (), {"__call__": lambda self: fail()})()])
def test_one_of_ours_that_fails_is_logged_and_stops_nothing(done, ours, theirs, hook, caplog):
    with transaction.atomic():
        on_commit(hook, using="default")
        ours("ours")
        theirs("theirs")
    assert done == ["ours", "theirs"]
    assert len(caplog.records) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("execute", [True, False])
def test_a_test_case_captures_what_was_asked_for_in_its_block(
    done, ours, theirs, execute, django_capture_on_commit_callbacks
):
    theirs("before")
    with django_capture_on_commit_callbacks(execute=execute) as callbacks:
        ours("ours")
        theirs("theirs")
    assert len(callbacks) == 2
    if not execute:
        assert done == []
        for callback in callbacks:
            callback()
    assert done == ["ours", "theirs"]


@pytest.mark.django_db
def test_a_test_case_runs_each_hook_once_when_one_asks_for_another(done, ours, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        transaction.on_commit(lambda: ours("inner"))
    assert done == ["inner"]
    assert len(callbacks) == 2


# A Django that keeps its hooks in another way


class Hooks(list):
    """A list with entries of another shape, which Django's own code still understands."""

    def __iter__(self):
        return ((hook, savepoints) for savepoints, hook, _ in super().__iter__())

    def __getitem__(self, index):
        savepoints, hook, _ = super().__getitem__(index)
        return hook, savepoints


class NewestFirst(list):
    """A list of the known shape that grows at its beginning."""

    def append(self, entry):
        self.insert(0, entry)


@pytest.fixture
def failed(transactional_db, caplog):
    """A hook of the app that has failed. The log keeps its error, and the traceback of the error keeps the hook."""
    with transaction.atomic():
        on_commit(fail, using="default")
    (record,) = caplog.records
    assert record.exc_info
    caplog.clear()
    return record


@pytest.fixture(params=[Hooks, NewestFirst])
def other_django(request, transactional_db):
    note_difference.cache_clear()
    with transaction.atomic():
        connection.run_on_commit = request.param()
        yield
        connection.run_on_commit = []
    note_difference.cache_clear()


@committing
def test_with_other_insides_hooks_stay_where_django_puts_them_and_are_known(done, ours, theirs, other_django, caplog):
    theirs("theirs")
    ours("ours")
    ours("ours again")
    assert sorted(hook.args for hook in waiting("default")) == [("ours",), ("ours again",)]
    hooks = [hook for _, hook, _ in list.__iter__(connection.run_on_commit)]
    assert [getattr(hook, "args", ()) for hook in hooks].index(("theirs",)) in (0, 2)  # where Django has put it
    assert [record.event for record in caplog.records] == ["django_differs"]
    list.clear(connection.run_on_commit)  # as Django does when it is rolled back
    assert waiting("default") == []


@committing
def test_with_other_insides_a_hook_that_has_run_is_not_waiting(failed, ours, other_django):
    ours("ours")
    assert [hook.args for hook in waiting("default")] == [("ours",)]


@committing
def test_with_other_insides_each_thread_knows_its_own_hooks(ours, other_django):
    """Hooks of one thread are not in the way of another one that looks for its own."""
    known = []
    ours("ours")

    def look():
        connection.run_on_commit = [None]  # an entry of another shape
        known.extend(waiting("default"))

    thread = Thread(target=look)
    thread.start()
    thread.join()
    assert known == []
    assert len(waiting("default")) == 1
