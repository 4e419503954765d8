"""What one process holds: caches, locks, and what a forked child must not inherit."""
