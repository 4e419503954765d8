"""What the races have in common."""

from jwt_auth.sessions import start
from tests.support.clients import Client
from tests.support.selection import THOROUGH


def status_of(answers):
    """The status codes that came, each once."""
    return {answer.status_code for answer in answers}


def all_dead(client, pairs):
    return all(client.is_dead(pair) for pair in pairs)


def begin(user):
    """A pair of tokens as a sign-in gives, without what a sign-in costs."""
    pair = start(user)
    return {"access_token": pair.access_token, "refresh_token": pair.refresh_token}


def granted(*answers):
    """The pairs of tokens that were handed out."""
    return [answer.json() for answer in answers if answer.status_code == 200]


def new_client():
    """A client for one thread; one that is shared would share its headers and cookies."""
    return Client()


def rounds(number):
    """How often a race is run: `number` times in a thorough run, a fifth of that in the usual one."""
    return number if THOROUGH else max(number // 5, 4)
