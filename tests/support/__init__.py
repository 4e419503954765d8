"""Helpers that several test modules share. Fixtures live in conftest.py."""
