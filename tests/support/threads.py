"""The limits for threads that start at once."""

MAX_THREADS = 20
PATIENCE = 60  # seconds, after which a deadlock fails the test instead of hanging it
