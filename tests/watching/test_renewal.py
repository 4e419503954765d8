"""A watch goes on with a later token of its session, and is at each moment what the table in `watching.watch` says."""

import random
from contextlib import ExitStack, nullcontext

import pytest
from asgiref.sync import async_to_sync
from django.utils import timezone

from jwt_auth import sessions
from jwt_auth.exceptions import (
    ExpiredTokenError,
    InvalidTokenError,
    MalformedTokenError,
    RefusedError,
    RevocationUnavailableError,
    RevokedTokenError,
)
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session, revoke_token
from jwt_auth.verification import verify
from jwt_auth.watching import Watch, watch as watching
from tests.support.outages import outage

pytestmark = pytest.mark.usefixtures("clock", "ticks", "mode")


def renew_in_async_code(watch, raw):
    async_to_sync(watch.arenew)(raw)


@pytest.fixture(params=[Watch.renew, renew_in_async_code], ids=["sync", "async"])
def renew(request):
    return request.param


def test_a_watch_goes_on_with_the_next_token(renew, pair, clock):
    watch = Watch(pair.access_token)
    clock.shift(200)
    renew(watch, sessions.refresh(pair.refresh_token).access_token)
    clock.shift(200)
    watch.check()
    clock.shift(200)
    with pytest.raises(ExpiredTokenError):
        watch.check()


def test_a_token_that_was_refused_may_have_a_successor(renew, pair, clock):
    watch = Watch(pair.access_token)
    revoke_token(watch.verified.claims)
    with pytest.raises(RevokedTokenError):
        watch.check()
    renew(watch, sessions.refresh(pair.refresh_token).access_token)
    watch.check()
    clock.shift(400)
    with pytest.raises(ExpiredTokenError):
        watch.check()


def test_no_other_token_takes_its_place(renew, pair, user, make_user, clock):
    first = Watch(pair.access_token)
    clock.shift(10)
    later = sessions.refresh(pair.refresh_token)
    others = [sessions.start(user), sessions.start(make_user("bob"))]
    for other in others:
        with pytest.raises(InvalidTokenError, match="not of the same issuer, user and session"):
            renew(first, other.access_token)
    with pytest.raises(MalformedTokenError):
        renew(first, "nonsense")
    renew(first, later.access_token)
    with pytest.raises(InvalidTokenError, match="earlier"):
        renew(first, pair.access_token)
    assert first.verified.claims == verify(later.access_token).claims
    first.check()


def test_a_revoked_token_takes_no_place(renew, pair):
    watch = Watch(pair.access_token)
    later = sessions.refresh(pair.refresh_token).access_token
    revoke_session(pair.session_id)
    with pytest.raises(RevokedTokenError):
        renew(watch, later)
    with pytest.raises(RevokedTokenError):
        watch.check()


def test_a_token_that_is_revoked_while_it_takes_the_place_is_refused(pair, monkeypatch):
    """Between its verification and the renewal, when the watcher has judged the old token by the new list."""
    watch = Watch(pair.access_token)
    later = sessions.refresh(pair.refresh_token).access_token
    replace = type(watch._watched).replace

    def revoke_and_replace(watched, token, read_at):
        revoke_token(token.verified.claims)
        replace(watched, token, read_at)

    monkeypatch.setattr(type(watch._watched), "replace", revoke_and_replace)
    with pytest.raises(RevokedTokenError):
        watch.renew(later)


@pytest.mark.parametrize("is_revoked", [True, False], ids=["revoked", "good"])
def test_the_present_token_stays_if_the_later_one_is_refused_at_last(pair, monkeypatch, is_revoked):
    def verify_and_revoke(raw, **options):
        verified = verify(raw, **options)
        if is_revoked:
            revoke_token(verified.claims)
        return verified

    watch, later = Watch(pair.access_token), sessions.refresh(pair.refresh_token).access_token
    present = watch.verified
    monkeypatch.setattr(watching, "verify", verify_and_revoke)
    with pytest.raises(RevokedTokenError) if is_revoked else nullcontext():
        watch.renew(later)
    watch.check()
    assert (watch.verified is present) == is_revoked


class Model:
    """The state of a watch by the table, if each wait is longer than the bound of the list."""

    def __init__(self, mode, is_held):
        self.mode, self.is_held = mode, is_held
        self.now = self.rows_read_at = 0.0
        self.read_at = None  # when the list was read
        self.expires_at = 0.0
        self.final = None
        self.is_revoked = self.is_denied = self.is_raw = self.is_out = False

    def check(self):
        """Return the class of the error that check() raises, or None."""
        if self.final is None and self.now >= self.expires_at:
            self.final = ExpiredTokenError
        if self.final is not None:
            return self.final
        is_fresh = self.read_at == self.now
        if not self.is_out:
            self.read_at = self.now
        elif not is_fresh:
            return self.refused_by_memory() if self.is_held else RevocationUnavailableError
        if self.is_revoked or self.is_denied:
            self.final = RevokedTokenError
        elif self.mode == "database" and self.now >= self.rows_read_at + 22.5 and not self.is_out:
            self.rows_read_at = self.now
            self.final = RevokedTokenError if self.is_raw else None
        return self.final

    def refused_by_memory(self):
        # Nobody can revoke in an outage, and all earlier revocations were this process's own.
        if self.is_revoked or self.is_denied:
            self.final = RevokedTokenError
        return self.final


@pytest.mark.parametrize("on_stale", ["deny", "allow_safe_methods"])
def test_a_watch_is_what_the_table_says(mode, on_stale, jwt_settings, user, clock, ticks):
    jwt_settings(REVOCATION_ON_STALE=on_stale)
    seen = set()
    for seed in range(15):
        chance = random.Random(seed)
        play(chance, Model(mode, on_stale != "deny"), user, clock, ticks, seen)
    usual = {None, ExpiredTokenError, RevokedTokenError}
    assert seen == (usual | {RevocationUnavailableError} if on_stale == "deny" else usual)


def play(chance, model, user, clock, ticks, seen):
    ticks.forward(5)  # no pause after an outage of the last play
    pair = sessions.start(user)
    watch = Watch(pair.access_token)
    model.expires_at = watch.verified.claims.exp + 10 - timezone.now().timestamp()
    watch.check()
    model.check()
    story = []
    with ExitStack() as stack:
        for _ in range(14):
            event = chance.choice(["wait", "wait", "wait long", "renew", "revoke", "deny", "raw", "outage", "end"])
            story.append(event)
            pair = happen(event, model, watch, pair, stack, (clock, ticks))
            expected, got = model.check(), outcome(watch)
            assert got is expected, (story, got, expected)
            seen.add(got)


def happen(event, model, watch, pair, stack, clocks):
    if event in ("wait", "wait long", "end"):
        if event == "end":
            stack.close()
            model.is_out = False
        length = 100 if event == "wait long" else 5
        for each in (clocks[0].shift, clocks[1].forward):
            each(length)
        model.now += length
    elif model.is_out:
        return pair  # nothing else happens without the database
    elif event == "outage":
        stack.enter_context(outage())
        model.is_out = True
    elif event == "renew":
        return renew_in(model, watch, pair)
    elif event == "revoke":
        model.is_revoked |= revoke_session(pair.session_id)
    elif event == "deny":
        revoke_token(watch.verified.claims)
        model.is_denied = True
    elif event == "raw" and not model.is_revoked:
        UserSession.objects.filter(pk=pair.session_id).update(revoked_at=timezone.now())
        model.is_raw = True
    return pair


def renew_in(model, watch, pair):
    try:
        pair = sessions.refresh(pair.refresh_token)
    except RefusedError:
        assert model.is_revoked or model.is_raw
        return pair
    watch.renew(pair.access_token)
    model.final, model.is_denied, model.rows_read_at, model.read_at = None, False, model.now, model.now
    model.expires_at = model.now + watch.verified.claims.exp + 10 - timezone.now().timestamp()
    return pair


def outcome(watch):
    try:
        watch.check()
    except (ExpiredTokenError, RevokedTokenError, RevocationUnavailableError) as error:
        return type(error)
    return None
