"""Recipes with other packages, in processes of their own: their apps would take part in all other tests."""

import pytest

from tests.support.other_settings import run_tests


def test_the_recipes_work():
    run_tests("tests/recipes", "tests.recipes.settings")


def test_the_recipes_work_in_a_project_with_allauth():
    pytest.importorskip("allauth")
    run_tests("tests/recipes/with_allauth", "tests.recipes.with_allauth.settings")
