"""dj-rest-auth, djoser, authtoken and knox, in a process of its own: their apps would take part in all other tests."""

import pytest

from tests.support.other_settings import run_tests


@pytest.mark.thorough
def test_projects_that_come_from_other_packages():
    run_tests("tests/contrib/packages", "tests.contrib.packages.settings")
