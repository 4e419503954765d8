"""Packages for asynchronous APIs, in a process of its own: their views and settings are for no other test."""

import pytest

from tests.support.other_settings import run_tests


@pytest.mark.thorough
def test_packages_for_asynchronous_apis():
    run_tests("tests/contrib/asynchronous", "tests.contrib.asynchronous.settings")
