"""
The signed feed of another server, over real HTTP: its revocations count here, a wrong feed is refused, and outages have
limits.

The other server is this app under other settings: its tokens, keys and feeds are real.
"""

import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import override_settings
from jwt.api_jws import PyJWS

from jwt_auth import sessions
from jwt_auth.claims import Claims
from jwt_auth.exceptions import RevocationUnavailableError, RevokedTokenError, UnavailableError, UnknownKeyError
from jwt_auth.issuers.directory import find_issuer
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.jose.public_keys import read_configured
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import RevocationEvent
from jwt_auth.revocation import revoke_all, revoke_session, revoke_token, revoke_user
from jwt_auth.revocation.feed import cursors, pieces
from jwt_auth.revocation.verdict import verdict
from jwt_auth.verification import identify_only
from tests.support.http_endpoint import HeldAnswer, body, document, raw, serving, silence
from tests.support.keys import pem

NAME = "https://server1.example"
FEED = "Content-Type: application/revocations+jwt"

pytestmark = pytest.mark.django_db


@pytest.fixture
def server1(settings, ec_key):
    """`with server1():` runs the block as the other server."""

    @contextmanager
    def there(**changes):
        values = {"ISSUER": NAME, "ALGORITHM": "ES256", "SIGNING_KEY": pem(ec_key), **changes}
        before = {name: settings.JWT_AUTH[name] for name in ("USER_CUTOFF_FIELD",) if name in settings.JWT_AUTH}
        with override_settings(JWT_AUTH={**before, **values}):
            yield

    return there


@pytest.fixture
def endpoint():
    with serving(body(b"", status="503 Service Unavailable")) as endpoint:
        yield endpoint


@pytest.fixture
def publish(server1, endpoint):
    """
    Make the endpoint answer with the current feed, or with 304 if the client has the piece, and return the answer.

    It knows the pieces that follow the cursors of all feeds so far. Subscriptions of this process start again.
    """
    known = {None}

    def answer():
        answers, waiting = {}, list(known)
        with server1():
            while waiting:
                cursor = waiting.pop()
                if cursor not in answers:
                    piece = pieces.publish(cursor)
                    answers[cursor] = piece
                    waiting.append(jwt.decode(piece.document, options={"verify_signature": False})["next"])
        known.update(answers)

        def send(wire):
            asked = re.search(r"[?]after=(\S+) ", endpoint.requests[-1])
            piece = answers[asked[1] if asked else None]
            if f'"{piece.etag}"' in endpoint.requests[-1]:
                body(b"", f'ETag: "{piece.etag}"', status="304 Not Modified")(wire)
            else:
                body(piece.document.encode(), FEED, f'ETag: "{piece.etag}"')(wire)

        endpoint.answer = send
        return send

    return answer


@pytest.fixture
def subscribe(settings, jwt_settings, server1, endpoint, ticks, monkeypatch):
    """Trust the other server and its feed."""
    settings.DEBUG = True

    def trust(**options):
        with server1():
            keys = {"keys": own_keys().public_jwks()}
        entry = {"KEYS": keys, "ALGORITHMS": ["ES256"], "AUDIENCE": NAME, "REVOCATIONS_URL": endpoint.url}
        jwt_settings(TRUSTED_ISSUERS={NAME: {**entry, **options}})

    return trust


@pytest.fixture
def sign_in(server1):
    def start(user):
        with server1():
            return sessions.start(user)

    return start


# Revoked there, refused here


def end_session(pair, user):
    revoke_session(pair.session_id)


def deny_token(pair, user):
    revoke_token(identify_only(pair.access_token))


def cut_off_user(pair, user):
    revoke_user(user)


def cut_off_everybody(pair, user):
    revoke_all()


@pytest.mark.parametrize("revoke", [end_session, deny_token, cut_off_user, cut_off_everybody])
def test_what_is_revoked_there_is_refused_here_within_the_bound(
    client, user, sign_in, server1, publish, subscribe, endpoint, ticks, revoke
):
    pair, other = sign_in(user), sign_in(user)
    before = publish()
    with server1():
        revoke(pair, user)
    after = publish()
    subscribe()
    endpoint.answer = before
    assert client.get_me(pair.access_token).status_code == 200
    endpoint.answer = after
    ticks.now += 7.4
    assert client.get_me(pair.access_token).status_code == 200  # the control: the feed was not requested again yet
    ticks.now += 0.1
    assert client.get_me(pair.access_token).json()["code"] == "token_revoked"
    others = 200 if revoke in (end_session, deny_token) else 401
    assert client.get_me(other.access_token).status_code == others


def test_ours_are_not_theirs(client, user, sign_in, publish, subscribe, ticks, server1):
    """A user, a session or a global cutoff of the other server has no effect on the one with the same id here."""
    ours = sessions.start(user).access_token
    theirs = sign_in(user)
    with server1():
        revoke_all()
    publish()
    subscribe()
    RevocationEvent.objects.all().delete()  # in this test both servers share one table
    assert client.get_me(theirs.access_token).status_code == 401
    assert client.get_me(ours).status_code == 200


def test_users_of_ours_are_judged_by_both(client, user, sign_in, publish, subscribe, server1, ticks):
    pair, other = sign_in(user), sign_in(user)
    publish()
    subscribe(PRINCIPAL="user", USER_FIELD="pk")
    assert client.get_me(pair.access_token).json()["user"]["id"] == str(user.pk)
    with server1():
        revoke_session(pair.session_id)
    publish()
    ticks.now += 8
    assert client.get_me(pair.access_token).status_code == 401
    assert client.get_me(other.access_token).status_code == 200
    revoke_user(user)
    assert client.get_me(other.access_token).json()["code"] == "token_revoked"


# Requests


def asked(endpoint):
    return [('"' in request.partition("If-None-Match")[2]) for request in endpoint.requests]


def test_it_is_asked_once_per_interval_and_mostly_unchanged(client, user, sign_in, publish, subscribe, ticks, endpoint):
    token = sign_in(user).access_token
    publish()
    subscribe()
    for _ in range(4):
        assert [client.get_me(token).status_code for _ in range(3)] == [200] * 3
        ticks.now += 7.5
    assert asked(endpoint) == [False, False, True, True]  # the second request is the first for what follows


def test_unchanged_is_not_believed_for_longer_than_a_feed_lives(
    client, user, sign_in, publish, subscribe, ticks, endpoint, clock
):
    token = sign_in(user).access_token
    publish()
    subscribe()
    for _ in range(2):
        assert client.get_me(token).status_code == 200
        ticks.now += 8
    clock.shift(timedelta(seconds=71))
    assert client.get_me(token).status_code == 200  # within the bound by the other clock
    assert asked(endpoint) == [False, False, False]  # the third request would have had an ETag
    ticks.now += 3
    assert client.get_me(token).json()["code"] == "revocation_unavailable"  # the same feed came again, and is too old


def test_nothing_is_asked_for_other_tokens(client, user, publish, subscribe, endpoint):
    publish()
    subscribe()
    assert client.get_me(sessions.start(user).access_token).status_code == 200
    assert endpoint.requests == []


@pytest.mark.usefixtures("impatient")
def test_others_go_on_while_one_asks_and_wait_when_it_is_too_old(
    user, sign_in, publish, subscribe, ticks, endpoint, monkeypatch
):
    publish()
    subscribe()
    claims = Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0)
    subscription = _subscription(endpoint, ticks)
    subscription.state_of(claims)
    endpoint.answer = held = HeldAnswer(endpoint.answer)
    ticks.now += 8
    with ThreadPoolExecutor(2) as pool:
        asking = pool.submit(subscription.state_of, claims)
        assert held.arrived.wait(10)
        subscription.state_of(claims)
        assert not asking.done()  # nothing waited for the answer
        ticks.now += 3
        with pytest.raises(RevocationUnavailableError):
            subscription.state_of(claims)
        ticks.now -= 3  # so that there is time to wait for it
        waiting = pool.submit(subscription.state_of, claims)
        held.go_on.set()
        assert asking.result(10)
        assert waiting.result(10)
    assert len(endpoint.requests) == 2


def _subscription(endpoint, ticks, keys=None):
    keys = keys or find_issuer(NAME).keys
    return Subscription(NAME, feed_source(endpoint.url), keys, timedelta(seconds=10), max_lifetime=timedelta(minutes=5))


def test_a_cutoff_from_the_future_refuses_tokens_without_auth_time_from_before_it_was_seen(
    client, clock, subscribe, endpoint, ec_key, claims
):
    """A machine of the issuer was ahead. Tokens with `auth_time` are judged by the cutoff, as at the issuer."""
    subscribe()
    (kid,) = find_issuer(NAME).keys.named
    now = claims["iat"]
    event = {"scope": "all", "subject": "", "cutoff": now + 6 * 3600, "exp": now + 7 * 3600}
    headers = {"typ": "revocations+jwt", "kid": kid}
    endpoint.answer = body(jwt.encode({**claims, "events": [event]}, ec_key, "ES256", headers=headers).encode(), FEED)

    def status(**more):
        second = int(datetime.now(timezone.utc).timestamp())
        given = {"iss": NAME, "aud": NAME, "sub": "alice", "iat": second, "exp": second + 60, **more}
        raw = jwt.encode(given, ec_key, "ES256", headers={"typ": "at+jwt", "kid": kid})
        return client.get_me(raw).status_code

    assert status() == 401
    clock.shift(2)
    assert status() == 200
    assert status(iat=now) == 401
    assert status(auth_time=now + 1) == 401
    assert status(auth_time=now + 6 * 3600) == 200


# Outages

OUTAGES = {
    "down": body(b"", status="500 Internal Server Error"),
    "moved": body(b"", "Location: https://elsewhere.example/", status="302 Found"),
    "gone at once": raw(b""),
    "HTML": body(b"<html>", "Content-Type: text/html"),
    "unsigned": body(b'{"events": []}', FEED),
    "nothing": body(b"", FEED),
    "no ASCII": body(b"\xff.\xfe.\xfd", FEED),
    "unchanged, unasked": body(b"", status="304 Not Modified"),
    "too long": body(b"", FEED, length=9 * 2**20),
}


@pytest.mark.parametrize("answer", OUTAGES.values(), ids=OUTAGES)
def test_before_it_was_read_nobody_is_let_in(client, user, sign_in, subscribe, endpoint, answer):
    endpoint.answer = answer
    subscribe()
    token = sign_in(user).access_token
    for _ in range(3):
        refused = client.get_me(token)
        assert (refused.status_code, refused.json()["code"]) == (503, "revocation_unavailable")
        assert refused["Retry-After"] == "1"
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize("answer", OUTAGES.values(), ids=OUTAGES)
def test_an_outage_is_bridged_for_as_long_as_the_bound(
    client, user, sign_in, publish, subscribe, ticks, endpoint, answer
):
    token = sign_in(user).access_token
    publish()
    subscribe()
    assert client.get_me(token).status_code == 200
    good, endpoint.answer = endpoint.answer, answer
    if answer is OUTAGES["unchanged, unasked"]:
        return  # a request with an ETag allows this answer
    ticks.now += 9.9
    assert client.get_me(token).status_code == 200
    ticks.now += 0.1
    assert client.get_me(token).status_code == 503
    endpoint.answer = good
    ticks.now += 1
    assert client.get_me(token).status_code == 200


def test_a_silent_one_is_not_waited_for(client, user, sign_in, subscribe, endpoint, monkeypatch):
    monkeypatch.setattr("jwt_auth.issuers.remote.fetching.TIMEOUT", 0.2)
    endpoint.answer = silence
    subscribe()
    assert client.get_me(sign_in(user).access_token).status_code == 503


def test_reading_may_go_on_when_the_project_says_so(
    client, user, sign_in, publish, subscribe, ticks, endpoint, jwt_settings
):
    token = sign_in(user).access_token
    jwt_settings(REVOCATION_ON_STALE="allow_safe_methods")
    subscribe()
    assert client.get_me(token).status_code == 503  # it was never read
    publish()
    ticks.now += 1
    assert client.get_me(token).status_code == 200
    endpoint.answer = OUTAGES["down"]
    ticks.now += 11
    assert client.get_me(token).status_code == 200
    assert client.bearer(token).send("logout/all/").status_code == 503


def test_failures_are_paused_after_and_logged_once(subscribe, ticks, endpoint, publish, caplog):
    subscribe()
    subscription = _subscription(endpoint, ticks)
    for pause in (0.5, 1, 2, 4, 5, 5):
        with pytest.raises(RevocationUnavailableError):
            subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
        before = len(endpoint.requests)
        ticks.now += pause - 0.1
        with pytest.raises(RevocationUnavailableError):
            subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
        assert len(endpoint.requests) == before
        ticks.now += 0.1
    publish()
    subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
    assert [record.event for record in caplog.records] == ["feed_unread", "feed_read_again"]
    ticks.now += 10
    subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
    assert len(caplog.records) == 2
    # The next outage is a new one: it is logged, and the pauses start again.
    good, endpoint.answer = endpoint.answer, body(b"", status="503 Service Unavailable")
    ticks.now += 10
    with pytest.raises(RevocationUnavailableError):
        subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
    assert [record.event for record in caplog.records][2:] == ["feed_unread"]
    endpoint.answer = good
    ticks.now += 0.5
    assert subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))


# Wrong feeds


@pytest.fixture
def claims():
    now = int(datetime.now(timezone.utc).timestamp())
    return {"iss": NAME, "iat": now, "exp": now + 60, "after": None, "next": "one", "more": False, "events": []}


@pytest.fixture
def judge(subscribe, endpoint, ticks, ec_key):
    """`judge(claims, ...)` returns whether a feed of these claims is accepted."""
    subscribe()
    subscription = _subscription(endpoint, ticks, read_configured(_jwk(ec_key), ["ES256"]))

    def taken(claims, key=ec_key, algorithm="ES256", **headers):
        headers = {"typ": "revocations+jwt", "kid": "one", **headers}
        signed = PyJWS().encode(json.dumps(claims).encode(), key, algorithm, headers=headers)
        endpoint.answer = body(signed.encode(), FEED)
        ticks.now += 11
        try:
            subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
        except RevocationUnavailableError:
            return False
        return True

    taken.subscription = subscription
    return taken


def _jwk(key):
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "one"}


EVENT = {"scope": "user", "subject": "1", "exp": 4_000_000_000, "cutoff": 1.5}
GOOD = {
    "nothing revoked": {},
    "all kinds": {"events": [EVENT, {"scope": "session", "subject": "x", "exp": 4_000_000_000}]},
    "a kind that is not known": {"events": [{**EVENT, "scope": "planet"}]},
    "times after the end of time": {"events": [{**EVENT, "cutoff": 1e300, "exp": 10**400}]},
    "times at the end of time": {"events": [{**EVENT, "cutoff": 253402300799.9, "exp": 253402300800}]},
    "members that are not known": {"events": [{**EVENT, "other": 1}], "other": 1},
}
BAD = {
    "another issuer": {"iss": "https://server3.example"},
    "no issuer": {"iss": None},
    "no events": {"events": None},
    "events by name": {"events": {"user": EVENT}},
    "an event that is none": {"events": ["user 1"]},
    "no scope": {"events": [{**EVENT, "scope": None}]},
    "no subject": {"events": [{**EVENT, "subject": 1}]},
    "no end": {"events": [{"scope": "user", "subject": "1"}]},
    "a cutoff that is a text": {"events": [{**EVENT, "cutoff": "now"}]},
    "a cutoff that is null": {"events": [{**EVENT, "cutoff": None}]},
    "a cutoff that is true": {"events": [{**EVENT, "cutoff": True}]},
    "a cutoff before the epoch": {"events": [{**EVENT, "cutoff": -1}]},
    "no iat": {"iat": None},
    "an iat that is a text": {"iat": "now"},
    "no cursor": {"next": None},
    "a cursor that is a number": {"next": 7},
    "a cursor with a space": {"next": "one two"},
    "a cursor that is too long": {"next": "x" * (cursors.MAX_LENGTH + 1)},
    "an end that is not known": {"more": None},
    "another cursor": {"after": "another"},
    "an empty cursor": {"after": ""},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_a_feed_that_is_taken(judge, claims, changes):
    assert judge({**claims, **changes})


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_a_feed_that_is_not(judge, claims, changes):
    assert not judge({**claims, **changes})
    assert judge(claims)


@pytest.mark.parametrize("cutoff", [253402300799.9, 253402300800, 10**30])
def test_a_cutoff_at_the_end_of_time_refuses_what_has_only_iat_too(judge, claims, cutoff):
    token = Claims(iss=NAME, aud=(), sub="1", iat=claims["iat"], exp=claims["exp"])
    assert judge({**claims, "events": [{**EVENT, "cutoff": cutoff}]})
    with pytest.raises(RevokedTokenError):
        verdict(token, judge.subscription.state_of(token), NOON)
    verdict(replace(token, sub="2"), judge.subscription.state_of(replace(token, sub="2")), NOON)


def test_its_times_are_judged(judge, claims):
    now = claims["iat"]
    assert not judge({**claims, "exp": now + 61})
    assert not judge({**claims, "iat": now + 60, "exp": now + 120})
    assert not judge({**claims, "iat": now - 120, "exp": now - 60})
    assert judge({**claims, "iat": now - 50, "exp": now + 5})


def test_its_times_are_judged_to_the_second(clock, judge, claims, ec_key):
    """The leeway is ten seconds: in its last second a feed has expired, in its first one it is valid."""
    clock.move_to(datetime.fromtimestamp(claims["iat"], timezone.utc))
    now = claims["iat"]
    assert not judge({**claims, "iat": now - 70, "exp": now - 10})
    assert judge({**claims, "iat": now - 69, "exp": now - 9})
    assert not judge({**claims, "iat": now + 11, "exp": now + 60})
    assert judge({**claims, "iat": now + 10, "exp": now + 60})


def test_another_kind_of_token_is_no_feed(judge, claims):
    for typ in ("at+jwt", "JWT", None):
        assert not judge(claims, typ=typ)
    assert judge(claims, typ="application/revocations+jwt")


def test_another_key_or_algorithm_is_not_theirs(judge, claims, ed_key):
    assert not judge(claims, key=ec.generate_private_key(ec.SECP256R1()))
    assert not judge(claims, key=ed_key, algorithm="EdDSA")
    assert not judge(claims, kid="two")
    assert judge(claims)


def test_an_access_token_with_events_is_no_feed_and_a_feed_no_token(client, judge, claims, ec_key, subscribe):
    second = claims["iat"]
    both = {**claims, "aud": NAME, "sub": "alice", "exp": second + 60, "jti": "x", "client_id": "x"}
    headers = {"typ": "revocations+jwt", "kid": "one"}
    assert judge(both)
    assert client.get_me(jwt.encode(both, ec_key, "ES256", headers=headers)).status_code == 401


def test_an_old_feed_that_is_shown_again_undoes_nothing(subscribe, endpoint, ticks, claims, judge):
    older = {**claims, "iat": claims["iat"] - 31, "exp": claims["exp"] - 31}
    assert judge(older)
    newer = {**claims, "events": [{"scope": "session", "subject": "theirs", "exp": claims["exp"] + 600}]}
    assert judge(newer)
    assert not judge(older)
    assert judge({**newer, "events": []})  # a newer feed without the event is accepted
    # Within a slice, and the difference between two machines' clocks, two processes may have signed in any order.
    assert judge({**claims, "iat": claims["iat"] - 30, "exp": claims["exp"] - 30})


def test_what_was_learned_stays_until_its_time_is_over(subscribe, endpoint, ticks, ec_key, claims, clock):
    subscribe()
    subscription = _subscription(endpoint, ticks, read_configured(_jwk(ec_key), ["ES256"]))
    theirs = Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0, sid="theirs")

    def revoked(*events):
        now = int(datetime.now(timezone.utc).timestamp())
        values = {**claims, "iat": now, "exp": now + 60, "events": list(events)}
        signed = jwt.encode(values, ec_key, "ES256", headers={"typ": "revocations+jwt", "kid": "one"})
        endpoint.answer = body(signed.encode(), FEED)
        ticks.now += 11
        return subscription.state_of(theirs).session_revoked

    until = int(datetime.now(timezone.utc).timestamp()) + 300
    assert not revoked()
    assert revoked({"scope": "session", "subject": "theirs", "exp": until})
    assert revoked()
    clock.shift(timedelta(seconds=359))  # by another server's clock and leeway its tokens may live that long
    assert revoked()
    clock.shift(timedelta(seconds=31))  # what is over is dropped every thirty seconds
    assert not revoked()


# Pieces


@pytest.fixture
def chain(subscribe, endpoint, ticks, ec_key, claims):
    """
    `chain(piece, ...)` has the subscription read these pieces in a row, and returns the cursors that it asked with.

    `chain.knows(sid)` tells whether it knows of the session.
    """
    subscribe()
    subscription = _subscription(endpoint, ticks, read_configured(_jwk(ec_key), ["ES256"]))

    def sign(values):
        return jwt.encode(values, ec_key, "ES256", headers={"typ": "revocations+jwt", "kid": "one"})

    def read(*answers):
        prepared = []
        for answer in answers:
            is_piece = isinstance(answer, dict)
            prepared.append(body(sign({**claims, **answer}).encode(), FEED) if is_piece else answer)
        before, following = len(endpoint.requests), iter(prepared)
        endpoint.answer = lambda wire: next(following)(wire)
        ticks.now += 11
        try:
            subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
            read.failed = False
        except RevocationUnavailableError:
            read.failed = True
        found = (re.search(r"[?]after=(\S+) ", request) for request in endpoint.requests[before:])
        return [match and match[1] for match in found]

    def knows(sid):
        return subscription.last_known_state_of(
            Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0, sid=sid)
        ).session_revoked

    read.knows, read.sign, read.claims = knows, sign, claims
    return read


def piece(after, following, *sids, more=False):
    events = [{"scope": "session", "subject": sid, "exp": 4_000_000_000} for sid in sids]
    return {"after": after, "next": following, "more": more, "events": events}


def test_a_large_feed_is_read_piece_by_piece(chain):
    three = piece(None, "c1", "a", more=True), piece("c1", "c2", "b", more=True), piece("c2", "c3", "c")
    assert chain(*three) == [None, "c1", "c2"]
    assert [chain.knows(sid) for sid in "abcd"] == [True, True, True, False]
    assert chain(piece("c3", "c4", "d")) == ["c3"]
    assert chain.knows("d")


def test_pieces_that_were_read_are_not_read_again_after_an_outage(chain):
    assert chain(piece(None, "c1", "a", more=True), body(b"", status="503 Service Unavailable")) == [None, "c1"]
    assert chain.failed  # it was not read to its end, so that it may lack anything
    with pytest.raises(RevocationUnavailableError):
        chain.knows("a")
    assert chain(piece("c1", "c2", "b")) == ["c1"]
    assert not chain.failed
    assert chain.knows("a")


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(piece("c0", "c1", "x"), id="shown before"),
        pytest.param(piece("c2", "c3", "x"), id="one before it is missing"),
        pytest.param({**piece("c1", "c2", "x"), "iat": 0, "exp": 60}, id="not valid now"),
        pytest.param({**piece("c1", "c2"), "events": None}, id="not a piece"),
        pytest.param(body(b"", status="400 Bad Request"), id="the cursor is refused"),
    ],
)
def test_after_a_break_of_the_chain_it_starts_from_the_beginning_and_forgets_nothing(chain, broken):
    chain(piece(None, "c1", "a"))
    assert chain(broken) == ["c1"]
    assert chain.failed
    assert not chain.knows("x")
    assert chain(piece(None, "c5", "b")) == [None]
    assert not chain.failed
    assert [chain.knows(sid) for sid in "ab"] == [True, True]
    assert chain(piece("c5", "c6")) == ["c5"]


def test_an_outage_breaks_no_chain(chain):
    chain(piece(None, "c1", "a"))
    for answer in (body(b"", status="404 Not Found"), body(b"", status="500 Internal Server Error"), raw(b"")):
        assert chain(answer) == ["c1"]
        assert chain.failed
    assert chain(piece("c1", "c2")) == ["c1"]


def test_an_issuer_that_begins_anew_is_followed(chain):
    """Its database was restored, so that it does not know our cursor."""
    chain(piece(None, "c1", "a"))
    assert chain(piece(None, "d1", "b", more=True), piece("d1", "d2")) == ["c1", "d1"]
    assert [chain.knows(sid) for sid in "ab"] == [True, True]
    assert chain(piece("d2", "d2")) == ["d2"]


def test_a_feed_without_end_is_read_for_half_a_minute(chain, ticks):
    ends = []

    def endless(wire):
        ticks.now += 7
        ends.append(wire)
        following = {**chain.claims, **piece(f"c{len(ends) - 1}" if ends[1:] else None, f"c{len(ends)}", more=True)}
        body(chain.sign(following).encode(), FEED)(wire)

    chain(*[endless] * 9)
    assert chain.failed
    assert len(ends) == 5
    assert chain(piece("c5", "c6")) == ["c5"]  # it goes on from there
    assert not chain.failed


def test_the_cursor_is_added_to_an_address_with_parameters(endpoint, ticks, subscribe, ec_key, claims):
    subscribe()
    source = feed_source(f"{endpoint.url}?tenant=7")
    keys = read_configured(_jwk(ec_key), ["ES256"])
    subscription = Subscription(NAME, source, keys, timedelta(seconds=10), max_lifetime=timedelta(minutes=5))
    headers = {"typ": "revocations+jwt", "kid": "one"}
    endpoint.answer = body(jwt.encode(claims, ec_key, "ES256", headers=headers).encode(), FEED)
    for _ in range(2):
        subscription.state_of(Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0))
        ticks.now += 8
    lines = [request.partition("\r\n")[0] for request in endpoint.requests]
    assert lines == ["GET /keys.json?tenant=7 HTTP/1.1", "GET /keys.json?tenant=7&after=one HTTP/1.1"]


# Keys


@pytest.fixture
def jwks_endpoint(ec_key):
    with serving(document({"keys": [_jwk(ec_key)]})) as endpoint:
        yield endpoint


def test_a_key_that_is_revoked_there_is_refused_here(settings, endpoint, ticks, ec_key, claims, jwks_endpoint):
    """In an emergency a new key signs the feed: it is fetched although the keys were fetched a moment ago."""
    settings.DEBUG = True
    keys = RemoteKeys(jwks_source(jwks_endpoint.url), ["ES256"])
    subscription = _subscription(endpoint, ticks, keys)
    theirs = Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0, kid="one")

    def publish(kid, key, *events):
        headers = {"typ": "revocations+jwt", "kid": kid}
        signed = jwt.encode({**claims, "events": list(events)}, key, "ES256", headers=headers)
        endpoint.answer = body(signed.encode(), FEED)
        ticks.now += 8

    publish("one", ec_key)
    assert not subscription.state_of(theirs).key_revoked
    assert keys.find("one")
    asked = len(jwks_endpoint.requests)  # a feed that revokes no key causes no request
    new_key = ec.generate_private_key(ec.SECP256R1())
    jwks_endpoint.answer = document({"keys": [{**_jwk(ec_key)}, {**_jwk(new_key), "kid": "two"}]})
    event = {"scope": "key", "subject": f"{NAME} one", "exp": claims["exp"] + 600}
    publish("two", new_key, event)
    assert subscription.state_of(theirs).key_revoked
    with pytest.raises(UnknownKeyError):
        keys.find("three")  # the next token makes us fetch the keys again
    assert len(jwks_endpoint.requests) == asked + 2
    publish("one", ec_key)  # a feed under the stolen key is refused
    ticks.now += 11
    with pytest.raises(RevocationUnavailableError):
        subscription.state_of(theirs)
    publish("two", new_key, event)
    assert subscription.state_of(theirs).key_revoked
    assert len(jwks_endpoint.requests) == 3


def test_keys_that_could_not_be_had_a_moment_ago_are_asked_for_again(
    settings, endpoint, ticks, ec_key, claims, jwks_endpoint
):
    settings.DEBUG = True
    keys = RemoteKeys(jwks_source(jwks_endpoint.url), ["ES256"], clock=ticks)
    subscription = _subscription(endpoint, ticks, keys)
    theirs = Claims(iss=NAME, aud=(), sub="1", iat=0, exp=0)
    signed = jwt.encode(claims, ec_key, "ES256", headers={"typ": "revocations+jwt", "kid": "one"})
    endpoint.answer = body(signed.encode(), FEED)
    good, jwks_endpoint.answer = jwks_endpoint.answer, body(b"", status="503 Service Unavailable")
    with pytest.raises(UnavailableError):
        keys.find("one")
    with pytest.raises(RevocationUnavailableError):
        subscription.state_of(theirs)
    ticks.now += 0.5  # the feed may be requested again by now, and the keys not yet
    jwks_endpoint.answer = good
    asked = len(jwks_endpoint.requests)
    with pytest.raises(UnavailableError):
        keys.find("one")
    assert len(jwks_endpoint.requests) == asked
    assert not subscription.state_of(theirs).key_revoked
    assert len(jwks_endpoint.requests) == asked + 1


# The entries that are kept

NOON = datetime(2026, 5, 17, 12, tzinfo=timezone.utc)


def sessions_of(number, exp, start=0):
    return [{"scope": "session", "subject": f"s{i}", "exp": exp} for i in range(start, start + number)]


def test_a_feed_of_events_without_an_end_does_not_make_the_process_grow(judge, claims, clock):
    """Each feed has new events, which the next one does not repeat; the life of a token later they are forgotten."""
    clock.move_to(NOON)
    sizes = []
    for batch in range(40):
        now = int(datetime.now(timezone.utc).timestamp())
        events = sessions_of(100, 253402300799, start=100 * batch)
        assert judge({**claims, "iat": now, "exp": now + 60, "events": events})
        sizes.append(len(judge.subscription._refusals))
        clock.shift(60)
    assert sizes[:3] == [100, 200, 300]
    assert (
        sizes[-1] == max(sizes) <= 1000
    )  # those of five minutes, of the leeway, and of the time between two cleanings


@pytest.mark.parametrize("length", [511, 512])
def test_a_subject_that_is_too_long_names_nothing(judge, claims, length):
    assert judge({**claims, "events": [{"scope": "session", "subject": "x" * length, "exp": claims["exp"]}]})
    assert len(judge.subscription._refusals) == (1 if length == 511 else 0)


FORKED = """
import json, os, signal, sys
from datetime import timedelta
import django
from django.test.utils import override_settings
django.setup()
from jwt_auth.claims import LATEST, Claims
from jwt_auth.issuers.remote.subscription import Subscription, feed_source
from jwt_auth.jose.public_keys import read_configured
from tests.support.http_endpoint import body, serving

jwk, feed = json.loads(sys.argv[1]), sys.argv[2].encode()
claims = Claims(iss="https://server1.example", aud=(), sub="1", iat=0, exp=0, sid="theirs")
answer = body(feed, "Content-Type: application/revocations+jwt")
with override_settings(DEBUG=True), serving(answer) as endpoint:
    keys = read_configured(jwk, ["ES256"])
    known = Subscription(
        claims.iss, feed_source(endpoint.url), keys, timedelta(seconds=10), max_lifetime=timedelta(minutes=5)
    )
    known.state_of(claims)
    with known._renewal._flight._lock:  # as a thread does that does not exist in the child
        child = os.fork()
        if not child:
            signal.alarm(30)
            known._renewal.due_at = known._renewal.stale_at = 0.0
            os._exit(0 if known.state_of(claims).session_revoked else 1)
        print(os.waitpid(child, 0)[1], len(endpoint.requests))
"""


def test_a_fork_takes_over_what_is_known_and_no_lock(ec_key, claims):
    """This runs in processes of its own: a test runner with threads must not fork."""
    events = [{"scope": "session", "subject": "theirs", "exp": claims["exp"]}]
    headers = {"typ": "revocations+jwt", "kid": "one"}
    signed = jwt.encode({**claims, "events": events}, ec_key, "ES256", headers=headers)
    arguments = [sys.executable, "-c", FORKED, json.dumps(_jwk(ec_key)), signed]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "2"], done.stderr
