"""What an attack costs."""

import pytest

from tests.support.queries import Queries


@pytest.fixture
def queries() -> Queries:
    """`with queries:` counts what the database is asked."""
    return Queries()
