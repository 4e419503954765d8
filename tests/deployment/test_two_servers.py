"""
One server and another, as real processes that share no settings, no secret and no database.

Time is real here, and so are the requests for keys and for the revocation feed.
"""

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from jwt_auth.jose.keys import generate
from tests.support.deployment import keys_by_state, manage
from tests.support.keys import pem

# pytest --log-cli-level=INFO shows them.
figures = logging.getLogger(__name__)

FIRST = "https://first.example.com"
SECOND, THIRD = "https://second.example.com", "https://third.example.com"
BOUND = 1.0 + 2.0  # of the first server's processes, which make the feed, and of the second server's, which read it
LATE = 0.5  # of a machine that may be busy

AUDIENCES = {SECOND: {"USERS": ["reports.read"]}, THIRD: {"USERS": ["read"]}}
IN_DATABASE = {
    "ISSUER": FIRST,
    "ALGORITHM": "ES256",
    "KEYS": "database",
    "SERVICE_AUDIENCES": AUDIENCES,
}


@pytest.fixture
def other(serve):
    """`other(SECOND, (FIRST, server, "ES256"), ...)` starts a server that trusts others."""

    def start(name, *others):
        trusted = {}
        for issuer, server, algorithm in others:
            url = f"http://localhost:{server.port}/auth/.well-known"
            trusted[issuer] = {
                "JWKS_URL": f"{url}/jwks.json",
                "REVOCATIONS_URL": f"{url}/revocations",
                "ALGORITHMS": [algorithm],
            }
        return serve("--workers=2", settings="other_settings", ISSUER=name, TRUSTED_ISSUERS=trusted)

    return start


def exchange(first, token, audience=SECOND):
    """Return a token for `audience` from the first server."""
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": token,
        "audience": audience,
    }
    status, body, _ = first.send("POST", "/auth/token/", body=form)
    assert status == 200, body
    return json.loads(body)["access_token"]


def last_welcome(server, token, since, *, until):
    """Return how many seconds after `since` the last accepted request began."""
    last = 0.0
    while (begun := time.monotonic()) < since + until:
        status = server.plain(token)[0]
        assert status in (200, 401)
        if status == 200:
            last = begun - since
        time.sleep(0.02)
    return last


def test_a_token_for_one_server_is_good_there_alone_and_ends_with_the_session(serve, other):
    """There is a first server for each kind of key. All of them have one database, and the same users."""
    firsts = []
    for algorithm in ("ES256", "RS256", "EdDSA"):
        issuer, key = f"https://{algorithm.lower()}.example.com", pem(generate(algorithm))
        options = {"ISSUER": issuer, "ALGORITHM": algorithm, "SIGNING_KEY": key, "SERVICE_AUDIENCES": AUDIENCES}
        firsts.append((issuer, serve("--workers=2", **options), algorithm))
    second, third = other(SECOND, *firsts), other(THIRD, *firsts)
    servers = [*(first for _, first, _ in firsts), second, third]
    sessions = []
    for number, (_, first, algorithm) in enumerate(firsts):
        own = first.login()
        for_second, for_third = exchange(first, own), exchange(first, own, THIRD)
        for token, place in ((own, number), (for_second, 3), (for_third, 4)):
            expected = [200 if index == place else 401 for index in range(5)]
            assert [server.plain(token)[0] for server in servers] == expected, algorithm
        sessions.append((first, own, for_second))
    with ThreadPoolExecutor(len(sessions)) as pool:
        lasts = list(pool.map(partial(_last_welcome_after_sign_out, second), sessions))
    figures.info("sessions that were ended were let in elsewhere for %s s", lasts)
    assert max(lasts) < BOUND + LATE
    for _, first, algorithm in firsts:
        assert second.plain(exchange(first, first.login()))[0] == 200, algorithm


def _last_welcome_after_sign_out(second, session):
    first, own, for_second = session
    first.logout(own)
    return last_welcome(second, for_second, time.monotonic(), until=BOUND + 2 * LATE)


@contextmanager
def traffic(first, second, token, *, threads=3):
    """Send requests to both servers without a pause; the list grows with the status of each answer."""
    answers, over = [], threading.Event()

    def ask():
        while not over.is_set():
            answers.append(first.plain(token)[0])
            answers.append(second.plain(exchange(first, token))[0])

    running = [threading.Thread(target=ask) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in running:
            thread.join()


@pytest.fixture
def keys(cluster):
    """Return the first server's keys: one that signs, and one that was published ten minutes ago."""
    anew = (
        "from datetime import timedelta; from jwt_auth.models import SigningKey; from jwt_auth import signing_keys; "
        "from django.utils import timezone; SigningKey.objects.all().delete(); signing_keys.create(activate=True); "
        "signing_keys.create(); SigningKey.objects.update(created_at=timezone.now() - timedelta(minutes=10))"
    )
    manage(cluster, "shell", "-v0", "-c", anew, **IN_DATABASE)
    return keys_by_state(cluster)


def test_a_rotation_under_traffic_loses_no_request(cluster, serve, other, keys):
    first = serve("--workers=2", "--threads=2", **IN_DATABASE)
    second = other(SECOND, (FIRST, first, "ES256"))
    with traffic(first, second, first.login()) as answers:
        time.sleep(1)
        manage(cluster, "jwt_keys", "rotate", **IN_DATABASE)
        time.sleep(3)
    assert keys_by_state(cluster)["active"] == keys["standby"]
    figures.info("%d requests during a rotation", len(answers))
    assert len(answers) > 50
    assert set(answers) == {200}


def test_a_key_that_leaked_is_refused_everywhere_within_the_bound(cluster, serve, other, keys):
    first = serve("--workers=2", **IN_DATABASE)
    second = other(SECOND, (FIRST, first, "ES256"))
    own = first.login()
    there = exchange(first, own)
    assert (first.plain(own)[0], second.plain(there)[0]) == (200, 200)
    manage(cluster, "jwt_keys", "revoke", keys["active"], "--emergency", "--yes", **IN_DATABASE)
    revoked_at = time.monotonic()
    last = last_welcome(second, there, revoked_at, until=BOUND + 2 * LATE)
    figures.info("a token by a revoked key was let in elsewhere for %.2f s", last)
    assert last < BOUND + LATE
    assert first.plain(own)[0] == 401
    assert second.plain(exchange(first, first.login()))[0] == 200
