"""Helpers that several test modules share. Fixtures live in conftest.py."""

from pathlib import Path

# Of the project: the folder that has jwt_auth, tests and docs.
ROOT = Path(__file__).resolve().parents[2]
