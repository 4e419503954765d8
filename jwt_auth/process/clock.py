"""
The clock that a process uses to wait and to poll.
"""

from time import monotonic


def seconds() -> float:
    """Return the time of a monotonic clock, in seconds."""
    # The name is looked up at each call: a test that replaces it here stops the time of the whole process.
    return monotonic()
