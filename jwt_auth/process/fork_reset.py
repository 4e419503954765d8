"""
Reset objects in a forked child: a lock may be held by a thread of the parent, which does not exist in the child.
"""

import os
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class ForkReset(Generic[T]):
    """
    The live instances of a class, each of which is reset in a forked child.

    The references are weak: an instance that nothing else refers to is not kept alive by being added.

    Args:
        reset: the method that resets one instance.
    """

    def __init__(self, reset: Callable[[T], None]) -> None:
        self._reset = reset
        self._living: WeakSet[T] = WeakSet()
        os.register_at_fork(after_in_child=self.reset)

    def add(self, instance: T) -> None:
        """Reset `instance` too, for as long as it exists."""
        self._living.add(instance)

    def reset(self) -> None:
        """Reset all instances now."""
        for instance in self._living:
            self._reset(instance)
