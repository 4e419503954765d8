"""Counting the queries of an attack."""

import pytest

from tests.support.queries import Queries


@pytest.fixture
def queries() -> Queries:
    """`with queries:` counts the queries of the block."""
    return Queries()
