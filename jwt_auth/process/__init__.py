"""The memory of one process: caches, locks, values that it polls, and their reset in a forked child."""
