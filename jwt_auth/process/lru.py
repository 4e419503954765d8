"""
A cache of limited size that drops the least recently used entry first.
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class LRUCache(Generic[K, V]):
    """
    A mapping with at most `size` entries: if it is full, the least recently used entry is dropped.

    Threads share it without a lock. Each step is atomic, but another thread may drop an entry between two steps.
    """

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """Return the value that was last put under `key`; None if there is none, or it was dropped."""
        value = self._entries.get(key)
        if value is not None:
            try:  # noqa: SIM105  # suppress() would take longer than the rest of this method
                self._entries.move_to_end(key)
            except KeyError:
                pass
        return value

    def put(self, key: K, value: V) -> None:
        """Store `value`. A key that is there already keeps its place in the order."""
        self._entries[key] = value
        while len(self._entries) > self._size:
            with suppress(KeyError):
                self._entries.popitem(last=False)

    def items(self) -> list[tuple[K, V]]:
        """Return all entries, the least recently used first. Only for code that no other thread interrupts."""
        return list(self._entries.items())

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
