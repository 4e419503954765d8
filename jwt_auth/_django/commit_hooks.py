"""
What is done when a transaction has been committed: ours before the project's.

When a hook of `transaction.on_commit` raises that is not robust, as by default, Django drops all that come
later. They must not be ours: a revocation that is committed has to be told and logged.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from django.db import connections, transaction


class _Hook:
    def __init__(self, do: Callable[[], Any]) -> None:
        self.do = do
        # Django names a robust hook that fails by this, and stops when it has none, as instances and partials.
        self.__qualname__ = getattr(do, "__qualname__", type(do).__qualname__)

    def __call__(self) -> None:
        self.do()


# Django's list of hooks is not public: nothing else in the app knows it. Its entries, on Django 5.2, 6.0 and 6.1,
# are (savepoints, hook, robust), run from the first to the last. What is rolled back is picked out by its
# savepoints, wherever it stands.


def on_commit(do: Callable[[], Any], *, using: str) -> None:
    """Have `do` called on commit, after what was asked for here before and before the hooks of the project."""
    hook = _Hook(do)
    transaction.on_commit(hook, using=using, robust=True)
    hooks = connections[using].run_on_commit
    # Without a transaction it has run already.
    if hooks and hooks[-1][1] is hook and not _is_test_case(using):
        new = hooks.pop()
        # Ours are in front already; there may be a hundred thousand of them.
        hooks.insert(bisect_left(hooks, True, key=lambda entry: not isinstance(entry[1], _Hook)), new)


def waiting(using: str) -> list[Callable[[], Any]]:
    """What on_commit() was given, and this thread's transaction has neither committed nor rolled back."""
    hooks = [entry[1] for entry in connections[using].run_on_commit]
    return [hook.do for hook in hooks if isinstance(hook, _Hook)]


def _is_test_case(using: str) -> bool:
    """
    Whether a `TestCase` holds the transaction, which then is never committed.

    Its `captureOnCommitCallbacks` takes the hooks from a place in the list on: new ones have to stay at the end.
    """
    return any(getattr(block, "_from_testcase", False) for block in connections[using].atomic_blocks)
