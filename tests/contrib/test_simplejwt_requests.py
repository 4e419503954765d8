"""Requests to simplejwt and to its stand-in, compared in a process of its own, which has the apps of simplejwt."""

from tests.support.other_settings import run_tests


def test_clients_get_the_same_answers_as_from_simplejwt():
    run_tests("tests/contrib/simplejwt/compared", "tests.contrib.simplejwt.compared.settings")
