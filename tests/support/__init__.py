"""Helpers that several test modules share. Fixtures live in conftest.py."""

from pathlib import Path

# The folder of the project, with jwt_auth, tests and docs.
ROOT = Path(__file__).resolve().parents[2]
