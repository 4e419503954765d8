"""Memory mode: the revocations that one process knows, and how it learns of new ones."""
