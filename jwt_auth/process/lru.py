"""
The last things that were used, up to a number of them.
"""

from collections import OrderedDict
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """
    A mapping that holds `size` entries at most: the least recently used goes first.

    Threads share it without a lock. Each step is atomic; what one thread looks for, another may just have dropped.
    """

    __slots__ = ("_entries", "_size")

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K) -> V | None:
        """What was put there last, unless it had to go."""
        value = self._entries.get(key)
        if value is not None:
            try:  # noqa: SIM105  # suppress() would take longer than all the rest
                self._entries.move_to_end(key)
            except KeyError:
                pass
        return value

    def put(self, key: K, value: V) -> None:
        """Remember `value`."""
        self._entries[key] = value
        while len(self._entries) > self._size:
            with suppress(KeyError):
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
