"""A server without a database, in a process of its own: settings can't be changed once the apps are loaded."""

import pytest

from tests.support.other_settings import run_tests


@pytest.mark.thorough
def test_a_server_without_a_database():
    run_tests("tests/no_database", "tests.no_database.settings")
