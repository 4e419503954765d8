"""Helpers for the tests with races."""

from jwt_auth.sessions import start
from tests.support.clients import Client
from tests.support.selection import THOROUGH


def status_of(answers):
    """Return the set of the status codes."""
    return {answer.status_code for answer in answers}


def all_dead(client, pairs):
    return all(client.is_dead(pair) for pair in pairs)


def begin(user):
    """Return a pair of tokens as a sign-in does, without the time that a sign-in takes."""
    pair = start(user)
    return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}


def granted(*answers):
    """Return the pairs of tokens that were issued."""
    return [answer.json() for answer in answers if answer.status_code == 200]


def new_client():
    """Return a client for one thread; a shared one would share its headers and cookies."""
    return Client()


def rounds(number):
    """Return how often a race is run: `number` times in a thorough run, a fifth of that in the usual one."""
    return number if THOROUGH else max(number // 5, 4)
