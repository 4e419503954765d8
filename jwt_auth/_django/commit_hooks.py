"""
Commit hooks of the app, which run before those of the project.

If a hook of `transaction.on_commit` raises and is not robust, as by default, Django drops all that come later. Ours
must not be among them: a revocation that is committed has to be announced and logged.

Django does not document its list of hooks, and no other module of the app knows it. On Django 5.2, 6.0 and 6.1 its
entries are (savepoints, hook, robust), and run from the first to the last. A rollback removes the entries of its
savepoints, wherever they stand. If a release keeps hooks in another way, they stay where Django puts them.
"""

from bisect import bisect_left
from collections.abc import Callable
from itertools import count
from threading import local
from typing import Any
from weakref import WeakSet

from django.db import connections, transaction

from jwt_auth._django.differences import note_difference

# The errors of reading a list, or entries, of another shape.
_OTHER_SHAPE = (AttributeError, IndexError, TypeError, ValueError)

_numbers = count()


class _Hook:
    def __init__(self, do: Callable[[], Any], using: str) -> None:
        self.do = do
        self.using = using
        self.number = next(_numbers)
        # Django logs a robust hook that fails under this name. Instances and partials have none: that would raise an
        # AttributeError there, and the hooks after it would be lost.
        self.__qualname__ = getattr(do, "__qualname__", type(do).__qualname__)

    def __call__(self) -> None:
        # The traceback of a hook that fails holds the hook for as long as somebody keeps the error.
        _living().discard(self)
        self.do()


_of_thread = local()


def _living() -> WeakSet[_Hook]:
    """
    Return the hooks of this thread that have not run.

    Django's list, whatever it looks like, holds each until it runs or is rolled back.
    """
    hooks: WeakSet[_Hook] | None = getattr(_of_thread, "hooks", None)
    if hooks is None:
        hooks = _of_thread.hooks = WeakSet()
    return hooks


def on_commit(do: Callable[[], Any], *, using: str) -> None:
    """
    Call `do` on commit, after earlier hooks of the app and before the hooks of the project.

    Without a transaction it is called now; in a `TestCase` it keeps its place among the project's. Its errors are
    logged, not raised.
    """
    hook = _Hook(do, using)
    _living().add(hook)
    transaction.on_commit(hook, using=using, robust=True)
    # Without a transaction it has run already.
    if connections[using].in_atomic_block and not _is_test_case(using):
        try:
            _put_first(hook, connections[using].run_on_commit)
        except _OTHER_SHAPE as error:
            note_difference("a commit hook of the project that fails may stop those of the app", repr(error))


def waiting(using: str) -> list[Callable[[], Any]]:
    """Return the callables given to on_commit() in this thread's open transaction, without those rolled back."""
    try:
        entries: Any = connections[using].run_on_commit
        hooks = [hook for _, hook, _ in entries if isinstance(hook, _Hook)]
    except _OTHER_SHAPE:
        hooks = sorted((hook for hook in _living() if hook.using == using), key=lambda hook: hook.number)
    return [hook.do for hook in hooks]


def _put_first(hook: _Hook, hooks: list[Any]) -> None:
    _, last, _ = hooks[-1]
    if last is not hook:
        raise ValueError("the newest hook is not the last one")
    new = hooks.pop()
    # The hooks of the app are the front part of the list: bisect for its end, because there may be a hundred thousand.
    hooks.insert(bisect_left(hooks, True, key=lambda entry: not isinstance(entry[1], _Hook)), new)


def _is_test_case(using: str) -> bool:
    """
    Return whether a `TestCase` holds the transaction, which then is never committed.

    Its `captureOnCommitCallbacks` takes the hooks from a place in the list on: new ones have to stay at the end.
    """
    blocks = getattr(connections[using], "atomic_blocks", ())
    return any(getattr(block, "_from_testcase", False) for block in blocks)
