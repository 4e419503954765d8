"""
A mark of the last revocation that this process has written. What was read before it may be outdated.
"""


class _Mark:
    """An object that equals only itself."""

    __slots__ = ()


_last = _Mark()


def note_change() -> None:
    """Note that this process has just written a revocation."""
    # One assignment, which is atomic; a counter would need a lock.
    global _last  # noqa: PLW0603  # the value belongs to the process
    _last = _Mark()


def last_change() -> object:
    """Return the mark of the last revocation: the same object, until this process writes another one."""
    return _last
