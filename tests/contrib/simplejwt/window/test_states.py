"""The state table of the window, as a model: every sequence of a few steps answers as the table says."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import product

import pytest

from jwt_auth.exceptions import RefreshTokenReusedError, RevokedTokenError
from jwt_auth.revocation import revoke_user
from jwt_auth.sessions import end, refresh
from jwt_auth.verification import verify
from tests.support.former import former_access, former_pair
from tests.support.selection import THOROUGH

GRACE, PAUSE = 60, 130  # seconds; after a pause a refresh token rotates again

GOOD, REUSED, REFUSED, NOTHING = "good", "reused", "refused", "nothing"

STEPS = ("exchange", "refresh", "use", "sign out", "wait", "revoke")


@dataclass
class Model:
    """The states of one former refresh token, of its session and of an access token that came with it."""

    now: int = 0
    used: bool = False
    live: bool = False
    revoked: bool = False
    orphaned: bool = False
    counter: int = 0
    rotated_at: int = 0
    has_tokens: bool = False

    def exchange(self):
        if self.revoked:
            return REFUSED
        if not self.used:
            self.used = self.live = self.has_tokens = True
            self.rotated_at = self.now
            return GOOD
        if not self.live:
            return REFUSED
        if self.counter == 0 and self.now - self.rotated_at < GRACE:
            return GOOD
        self.live, self.orphaned = False, True
        return REUSED

    def refresh(self):
        if not self.has_tokens:
            return NOTHING
        if self.revoked or not self.live:
            return REFUSED
        if self.now - self.rotated_at >= 2 * GRACE:
            self.counter, self.rotated_at = self.counter + 1, self.now
        return GOOD

    def use(self):
        return REFUSED if self.revoked or self.orphaned else GOOD

    def sign_out(self):
        if not self.used or self.live:
            self.orphaned = True
        self.used, self.live = True, False
        return NOTHING

    def wait(self):
        self.now += PAUSE
        return NOTHING

    def revoke(self):
        self.revoked, self.live = True, False
        return NOTHING


class Real:
    """The same steps at the app."""

    def __init__(self, user, clock):
        self.user, self.clock = user, clock
        self.former = former_pair(user)["refresh"]
        self.access = former_access(user, life=timedelta(days=1))
        self.newest = None
        clock.shift(1)

    def exchange(self):
        return self.tried(lambda: self.keep(refresh(self.former)))

    def refresh(self):
        return NOTHING if self.newest is None else self.tried(lambda: self.keep(refresh(self.newest)))

    def use(self):
        return self.tried(lambda: verify(self.access))

    def sign_out(self):
        end(self.former)
        return NOTHING

    def wait(self):
        self.clock.shift(PAUSE)
        return NOTHING

    def revoke(self):
        revoke_user(self.user)
        return NOTHING

    def keep(self, pair):
        self.newest = pair.refresh_token

    def tried(self, action):
        try:
            action()
        except RefreshTokenReusedError:
            return REUSED
        except RevokedTokenError:
            return REFUSED
        return GOOD


@pytest.mark.parametrize("first", STEPS)
def test_every_sequence_answers_as_the_table_says(make_user, clock, first):
    for number, rest in enumerate(product(STEPS, repeat=4 if THOROUGH else 3)):
        real, model = Real(make_user(f"user{number}"), clock), Model()
        seen = []
        for step in (first, *rest):
            name = step.replace(" ", "_")
            seen.append((step, getattr(real, name)()))
            assert seen[-1][1] == getattr(model, name)(), seen
