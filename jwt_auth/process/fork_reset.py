"""
What a forked child must not take over as it is: a lock may be held by a thread that is not there.
"""

import os
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakSet

T = TypeVar("T")


class Instances(Generic[T]):
    """
    The living instances of a class, each of which begins anew in a forked child.

    Args:
        reset: the method that makes one begin anew.
    """

    def __init__(self, reset: Callable[[T], None]) -> None:
        self._reset = reset
        self._living: WeakSet[T] = WeakSet()
        os.register_at_fork(after_in_child=self.reset)

    def add(self, instance: T) -> None:
        """Count `instance` among them, for as long as it lives."""
        self._living.add(instance)

    def reset(self) -> None:
        """Have all begin anew."""
        for instance in self._living:
            self._reset(instance)
