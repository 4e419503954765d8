"""Recipes with other packages, in processes of their own: their apps would take part in all other tests."""

from tests.support.other_settings import run_tests


def test_the_recipes_work():
    run_tests("tests/recipes", "tests.recipes.settings")
