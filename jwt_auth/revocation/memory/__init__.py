"""Memory mode: the revocations that one process keeps in memory, and how it learns of new ones."""
