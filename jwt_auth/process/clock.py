"""
The clock by which one process waits and polls.
"""

from time import monotonic


def seconds() -> float:
    """Seconds that only go forward."""
    # Looked up with each call, so that a test can stop the time of the whole process by replacing it here.
    return monotonic()
