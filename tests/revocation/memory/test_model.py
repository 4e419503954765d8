"""
Both ways to look revocations up agree within the bound, whatever happens in whichever order.

A machine signs in, refreshes, revokes here and in other processes, commits late, and lets time pass and clocks step.
After each step it shows all tokens to both.
"""

import os
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models.signals import pre_save
from django.test import override_settings
from hypothesis import settings as hypothesis_settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from jwt_auth.exceptions import JWTAuthError
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.revocation.memory import view
from jwt_auth.sessions import refresh, start
from jwt_auth.verification import verify
from tests.support.clocks import NOW, Ticks
from tests.support.other_processes import by_another_process, end
from tests.support.selection import THOROUGH

BOUND = 1.0

PROFILE = hypothesis_settings(
    max_examples=300 if THOROUGH else 10,
    stateful_step_count=25,
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,  # the same where a change is accepted
)

who = st.integers(0, 1)
KINDS = ["session", "session", "token", "user", "user", "all", "activity"]
which = st.integers(0, 30)
where = st.sampled_from(["here", "elsewhere"])


def outcome(raw, *, ask_database=False):
    try:
        verify(raw, ask_database=ask_database)
    except JWTAuthError as error:
        return error.code
    return "good"


class Machine(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.patch = pytest.MonkeyPatch()
        self.clock = time_machine.travel(NOW, tick=False)
        self.traveller = self.clock.start()
        self.ticks = Ticks()
        view.forget()
        self.ticks.replace_clock(self.patch)
        self.number = 0
        pre_save.connect(self.give_number, sender=RevocationEvent)
        model = get_user_model()
        self.users = [
            model._default_manager.create_user(**{model.USERNAME_FIELD: f"user{i}@example.com"}, password="x")
            for i in range(2)
        ]
        self.pairs = []
        self.last_elsewhere = float("-inf")

    def teardown(self):
        pre_save.disconnect(self.give_number, sender=RevocationEvent)
        self.clock.stop()
        self.patch.undo()
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    def give_number(self, instance, **kwargs):
        """Numbers are assigned in order, on every database."""
        if instance.pk is None:
            self.number += 1
            instance.pk = self.number

    def do(self, place, operation, *arguments):
        if place == "here":
            operation(*arguments)
            return
        with by_another_process(self.patch):
            operation(*arguments)
        self.last_elsewhere = self.ticks.now

    def pair(self, index):
        return self.pairs[index % len(self.pairs)]

    @initialize()
    def begin(self):
        self.sign_in(0)
        self.sign_in(0)
        self.sign_in(1)

    @rule(user=who)
    def sign_in(self, user):
        if get_user_model()._default_manager.get(pk=self.users[user].pk).is_active:
            self.pairs.append(start(self.users[user]))

    @precondition(lambda self: self.pairs)
    @rule(index=which)
    def refresh(self, index):
        try:
            self.pairs.append(refresh(self.pair(index).refresh_token))
        except JWTAuthError:
            self.last_elsewhere = self.ticks.now  # this may be a reuse, which revokes

    @precondition(lambda self: self.pairs)
    @rule(kind=st.sampled_from(KINDS), user=who, index=which, place=where)
    def revoke(self, kind, user, index, place):
        pair = self.pair(index)
        if kind == "session":
            self.do(place, revoke_session, pair.session_id)
        elif kind == "user":
            self.do(place, revoke_user, self.users[user])
        elif kind == "all":
            self.do(place, revoke_all)
        elif kind == "token" and outcome(pair.access_token, ask_database=True) == "good":
            self.do(place, revoke_token, verify(pair.access_token, ask_database=True).claims)
        elif kind == "activity":
            self.users[user].is_active = not self.users[user].is_active
            self.do(place, self.users[user].save)

    @precondition(lambda self: self.pairs)
    @rule(first=which, second=which, seconds=st.sampled_from([0.1, 1, 3]))
    def commit_in_the_wrong_order(self, first, second, seconds):
        """
        The first event gets its number before the second, and is committed after it, and after both views have read.
        """
        self.number += 2
        number = self.number
        end({"session": str(self.pair(second).session_id)}, number)
        self.let_time_pass(seconds)
        outcome(self.pair(0).access_token)
        end({"session": str(self.pair(first).session_id)}, number - 1)
        self.last_elsewhere = self.ticks.now

    @rule(seconds=st.sampled_from([0.5, 0.8, 1, 1, 1, 3, 61, 430]))
    def let_time_pass(self, seconds):
        self.ticks.forward(seconds)
        self.traveller.shift(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from([-5, -0.5, 0.5, 5]))
    def step_the_clock(self, seconds):
        self.traveller.shift(timedelta(seconds=seconds))

    @invariant()
    def both_say_the_same(self):
        late = self.ticks.now - self.last_elsewhere < BOUND
        for pair in self.pairs:
            asked, known = outcome(pair.access_token, ask_database=True), outcome(pair.access_token)
            assert known == asked or (late and (asked, known) == ("token_revoked", "good"))


@pytest.mark.django_db
def test_both_ways_of_asking_agree_within_the_bound(settings):
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "REVOCATION": "memory"}):
        run_state_machine_as_test(Machine, settings=PROFILE)
