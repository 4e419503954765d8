"""Parties that hold refresh tokens of one session, and the requests that they send: in short, `phone@train 1 key a`."""

import re
from dataclasses import dataclass
from datetime import timedelta

from tests.support.clients import Client

# One address in each network; all that matters is that the networks differ.
ADDRESSES = {
    "home": "192.0.2.7",
    "office": "198.51.100.7",
    "train": "203.0.113.7",
    "bus": "2001:db8:1::7",
    "elsewhere": "2001:db8:2::7",
    "socket": "",  # a Unix socket, or a proxy that tells nothing
}

_REQUEST = re.compile(r"(?:(?P<times>\d+) x )?(?P<agent>\w+)@(?P<network>\w+) (?P<token>\d+)(?: key (?P<key>\w))?")
_WAIT = re.compile(r"\+(?P<seconds>\d+) s")


@dataclass(frozen=True, kw_only=True)
class Request:
    """A refresh with the token of this number. The sign-in gives number 0, and each rotation the next."""

    agent: str
    network: str
    token: int
    key: str | None = None
    times: int = 1

    @property
    def headers(self):
        """The request's headers and environment, for Django's test client."""
        found = {"REMOTE_ADDR": ADDRESSES[self.network], "HTTP_USER_AGENT": self.agent}
        return found if self.key is None else {**found, "HTTP_IDEMPOTENCY_KEY": self.key * 22}


def parse(steps):
    """Return the requests and waits of a scenario: `phone@home 0, +5 s, phone@train 0`."""
    return [_parse(step.strip()) for step in steps.split(",")]


def _parse(step):
    if wait := _WAIT.fullmatch(step):
        return timedelta(seconds=int(wait["seconds"]))
    found = _REQUEST.fullmatch(step)
    assert found, step
    return Request(
        agent=found["agent"],
        network=found["network"],
        token=int(found["token"]),
        key=found["key"],
        times=int(found["times"] or 1),
    )


class OverHTTP:
    """The real endpoint, for one session whose tokens are known by their numbers."""

    def __init__(self, user, clock, path="refresh/"):
        self._client, self._clock, self._path = Client(), clock, path
        self.tokens = [self._client.tokens(user)["refresh_token"]]

    def play(self, steps):
        """Send the requests of a scenario; return the answers."""
        answers = []
        for step in steps:
            if isinstance(step, timedelta):
                self._clock.shift(step)
            else:
                answers += [self.send(step) for _ in range(step.times)]
        return answers

    def send(self, request):
        body = {"refresh_token": self.tokens[request.token]}
        answer = self._client.send(self._path, body, **request.headers)
        if answer.status_code == 200 and answer.json()["refresh_token"] not in self.tokens:
            self.tokens.append(answer.json()["refresh_token"])
        return answer
