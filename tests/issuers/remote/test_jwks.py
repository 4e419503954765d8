"""
Keys that another server publishes, fetched over real HTTP: which keys of an answer are used, what happens without an
answer, and how often it is requested.
"""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from jwt_auth.exceptions import UnavailableError, UnknownKeyError
from jwt_auth.issuers.remote import fetching, jwks
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from jwt_auth.process.renewal import PATIENCE
from tests.support.http_endpoint import HeldAnswer, body, document, dripping, raw, serving, silence

NAME = "https://issuer.example"


def public_jwk(key, kid, **members):
    write = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**write.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


@pytest.fixture(scope="session")
def new_key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def good(ec_key):
    """The answer of an endpoint that works."""
    return document({"keys": [public_jwk(ec_key, "one", use="sig", alg="ES256")]})


@pytest.fixture
def endpoint(good):
    with serving(good) as endpoint:
        yield endpoint


@pytest.fixture
def trust(settings, jwt_settings, endpoint):
    settings.DEBUG = True
    jwt_settings(TRUSTED_ISSUERS={NAME: {"JWKS_URL": endpoint.url, "ALGORITHMS": ["ES256", "RS256"]}})
    return endpoint


@pytest.fixture
def sign(ec_key):
    def make(kid="one", key=ec_key, algorithm="ES256"):
        now = int(datetime.now(timezone.utc).timestamp())
        claims = {"iss": NAME, "aud": "jwt_auth", "sub": "alice", "iat": now, "exp": now + 60}
        headers = {"typ": "at+jwt"} if kid is None else {"typ": "at+jwt", "kid": kid}
        return jwt.encode(claims, key, algorithm, headers=headers)

    return make


@pytest.mark.parametrize("endpoint_path", ["logout/", "revoke/"])
def test_where_its_tokens_can_not_be_revoked_nothing_is_fetched(client, trust, sign, user, endpoint_path):
    """These endpoints do not need its keys, and an outage of its server must not disturb those who sign out."""
    trust.answer = raw(b"")
    name = {"logout/": "refresh_token", "revoke/": "token"}[endpoint_path]
    assert client.send(endpoint_path, {name: sign()}).status_code in (200, 204)
    assert trust.requests == []
    assert client.get_me(sign()).status_code == 503  # the control
    assert len(trust.requests) == 1


def test_the_keys_are_fetched_with_the_first_token_and_then_known(client, trust, sign):
    assert trust.requests == []
    assert [client.get_me(sign()).status_code for _ in range(5)] == [200] * 5
    (request,) = trust.requests
    assert request.startswith("GET /keys.json HTTP/1.1\r\n")
    assert "cookie" not in request.lower()
    assert "authorization" not in request.lower()


# Endpoints with faults


def chunked(*chunks, end=b"0\r\n\r\n"):
    header = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return raw(header + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end)


def without_end(wire):
    wire.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        wire.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")


def endless_headers(wire):
    wire.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        wire.sendall(b"X-More: of them\r\n")


def keys(*entries):
    return document({"keys": list(entries)})


RSA_1024 = public_jwk(rsa.generate_private_key(65537, 1024), "one")
OCT = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "one", "alg": "HS256"}
FAULTS = {
    "it is down (500)": body(b"{}", status="500 Internal Server Error"),
    "it is not there (404)": body(b"{}", status="404 Not Found"),
    "no content (204)": body(b"", status="204 No Content"),
    "unchanged, unasked (304)": body(b"", status="304 Not Modified"),
    "HTML": body(b"<html>Sign in</html>", "Content-Type: text/html"),
    "HTML that calls itself JSON": body(b"<html>Sign in</html>"),
    "JSON that calls itself HTML": body(b'{"keys": []}', "Content-Type: text/html"),
    "nothing": body(b""),
    "no keys": document({"keys": []}),
    "no list of keys": document({"keys": {"one": {}}}),
    "another object": document({}),
    "a list": document([]),
    "a number": document(5),
    "null": document(None),
    "NaN": body(b'{"keys": NaN}'),
    "a name twice": body(b'{"keys": [], "keys": []}'),
    "bad UTF-8": body(b'{"keys": "\xff\xfe"}'),
    "a byte order mark": body(b'\xef\xbb\xbf{"keys": []}'),
    "UTF-16": body('{"keys": []}'.encode("utf-16")),
    "a number of 10,000 digits": body(b'{"keys": [' + b"9" * 10_000 + b"]}"),
    "JSON 30,000 deep": body(b'{"keys": ' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "JSON 40 deep": body(b'{"keys": ' + b"[" * 40 + b"]" * 40 + b"}"),
    "cut short": body(b'{"keys": [', length=500),
    "cut short, in chunks": chunked(b'{"keys": [', end=b""),
    "a chunk that is none": chunked(b"{", end=b"xyz\r\n"),
    "too long": body(b" " * 65_537),
    "said to be too long": body(b"{}", length=10**15),
    "without end": without_end,
    "headers without end": endless_headers,
    "compressed": body(b"{}", "Content-Encoding: gzip"),
    "gone at once": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a status that is none": raw(b"HTTP/1.1 twohundred OK\r\n\r\n"),
    "too many keys": keys(*[{"kty": "oct"}] * 65),
    "a symmetric key": keys(OCT),
    "a symmetric key that says ES256": keys({**OCT, "alg": "ES256"}),
    "an unknown kind of key": keys({"kty": "PQC", "kid": "one", "pub": "abc"}),
    "a kind of key that is a list": keys({"kty": ["EC"], "crv": ["P-256"], "kid": "one"}),
    "keys that are none": keys(None, 5, "key", [], {}, {"kty": None}),
    "a weak key": keys(RSA_1024),
    "a curve that is a list": keys({"kty": "EC", "crv": ["P-256"], "x": "", "y": "", "kid": "one"}),
    "a point that is not on the curve": keys({"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43, "kid": "one"}),
}


@pytest.mark.parametrize("answer", FAULTS.values(), ids=FAULTS)
def test_without_keys_nobody_is_let_in_and_nobody_is_signed_out(client, trust, sign, answer, ticks):
    trust.answer = answer
    for _ in range(3):
        response = client.get_me(sign())
        assert (response.status_code, response.json()["code"]) == (503, "unavailable")
        assert response["Retry-After"] == "1"
    assert len(trust.requests) == 1


@pytest.mark.parametrize("answer", FAULTS.values(), ids=FAULTS)
def test_known_keys_go_on_working_and_a_new_one_is_not_judged(client, trust, sign, new_key, answer, ticks):
    assert client.get_me(sign()).status_code == 200
    trust.answer = answer
    ticks.forward(jwks.FRESH_FOR)
    assert [client.get_me(sign()).status_code for _ in range(3)] == [200] * 3
    assert client.get_me(sign("new", new_key)).json()["code"] == "unavailable"
    assert client.get_me(sign("one", new_key)).json()["code"] == "invalid_token"
    assert len(trust.requests) == 2


def test_a_redirect_is_not_followed(client, trust, sign, good):
    with serving(good) as other:
        trust.answer = body(b"", f"Location: {other.url}", status="302 Found")
        assert client.get_me(sign()).status_code == 503
        assert other.requests == []


@pytest.mark.parametrize("answer", [silence, dripping(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000)])
def test_a_slow_one_is_waited_for_once_and_not_for_long(client, trust, sign, answer, monkeypatch, ticks):
    assert client.get_me(sign()).status_code == 200
    monkeypatch.setattr(fetching, "TIMEOUT", 0.2)
    trust.answer = answer
    ticks.forward(jwks.FRESH_FOR)
    assert [client.get_me(sign()).status_code for _ in range(3)] == [200] * 3
    assert client.get_me(sign("new")).status_code == 503
    assert len(trust.received(2)) == 2


def test_a_slow_body_is_not_waited_for_either(client, trust, sign, monkeypatch):
    monkeypatch.setattr(fetching, "TIMEOUT", 0.2)
    trust.answer = dripping(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n" + b" " * 999
    )
    assert client.get_me(sign()).status_code == 503


def test_nobody_listens(client, trust, sign):
    trust.server_close()
    trust.shutdown()
    assert client.get_me(sign()).json()["code"] == "unavailable"


def test_when_it_comes_back_all_is_well_again(client, trust, sign, good, new_key, ticks):
    trust.answer = FAULTS["it is down (500)"]
    assert client.get_me(sign()).status_code == 503
    trust.answer = good
    ticks.forward(1)
    assert client.get_me(sign()).status_code == 200
    assert client.get_me(sign("new", new_key)).status_code == 401


# Which keys are used


def test_what_can_not_be_used_is_passed_over(client, trust, sign, ec_key, rsa_key, new_key, ticks):
    private = json.loads(ECAlgorithm.to_jwk(new_key))
    trust.answer = keys(
        None,
        OCT | {"kid": "oct"},
        RSA_1024 | {"kid": "weak"},
        {"kty": "PQC", "kid": "pqc"},
        private | {"kid": "private"},
        public_jwk(new_key, "enc", use="enc"),
        public_jwk(new_key, "ops", key_ops=["deriveKey"]),
        public_jwk(new_key, "other", alg="ES384"),
        public_jwk(new_key, "ECDH", alg="ECDH-ES"),
        public_jwk(new_key, "a b"),
        public_jwk(new_key, 5),
        public_jwk(rsa_key, "rsa", use="sig", key_ops=["verify"], x5c=["no certificate"], x5t="x"),
        public_jwk(ec_key, "one"),
    )
    assert client.get_me(sign()).status_code == 200
    assert client.get_me(sign("rsa", rsa_key, "RS256")).status_code == 200
    for kid in ("private", "enc", "ops", "other", "ECDH"):
        assert client.get_me(sign(kid, new_key)).status_code == 401, kid
    assert len(trust.requests) == 1


def test_a_name_that_two_keys_share_names_neither(client, trust, sign, ec_key, new_key):
    trust.answer = keys(public_jwk(ec_key, "one"), public_jwk(new_key, "one"), public_jwk(new_key, "two"))
    assert client.get_me(sign("two", new_key)).status_code == 200
    assert client.get_me(sign()).status_code == 401
    assert client.get_me(sign("one", new_key)).status_code == 401


def test_the_same_key_twice_is_one(client, trust, sign, ec_key):
    trust.answer = keys(public_jwk(ec_key, "one"), public_jwk(ec_key, "one", use="sig"))
    assert client.get_me(sign()).status_code == 200


def test_a_key_has_one_algorithm(client, trust, sign, rsa_key, jwt_settings):
    """Without `alg` it is the issuer's first algorithm that fits, whatever a token says."""
    trust.answer = keys(public_jwk(rsa_key, "rsa"))
    jwt_settings(TRUSTED_ISSUERS={NAME: {"JWKS_URL": trust.url, "ALGORITHMS": ["ES256", "PS256", "RS256"]}})
    assert client.get_me(sign("rsa", rsa_key, "PS256")).status_code == 200
    assert client.get_me(sign("rsa", rsa_key, "RS256")).status_code == 401


def test_a_token_need_not_name_the_only_key(client, trust, sign, ec_key, new_key, ticks):
    assert client.get_me(sign(None)).status_code == 200
    trust.answer = keys(public_jwk(ec_key, "one"), public_jwk(new_key, "two"))
    ticks.forward(jwks.FRESH_FOR)
    assert client.get_me(sign(None)).status_code == 401
    assert client.get_me(sign("two", new_key)).status_code == 200


# Keys of other algorithms


@pytest.fixture
def other_kinds(rsa_key, ec_key):
    """Keys that a server with the algorithm PS256 can't use."""
    return [public_jwk(rsa_key, "rsa", use="sig", alg="RS256"), public_jwk(ec_key, "one")]


@pytest.fixture
def trust_ps256(trust, jwt_settings, other_kinds):
    trust.answer = keys(*other_kinds, public_jwk(ec.generate_private_key(ec.SECP256R1()), "enc", use="enc"))
    jwt_settings(TRUSTED_ISSUERS={NAME: {"JWKS_URL": trust.url, "ALGORITHMS": ["PS256"]}})
    return trust


@pytest.mark.parametrize("kid", ["one", "unknown", None])
def test_keys_for_other_algorithms_alone_are_no_outage(client, trust_ps256, sign, ticks, log, kid):
    """The next fetch would say the same: the settings have to change, and the log says so once."""
    for _ in range(3):
        assert client.get_me(sign(kid)).status_code == 401
    ticks.forward(jwks.FRESH_FOR)
    assert client.get_me(sign(kid)).status_code == 401
    assert len(trust_ps256.requests) == 2
    found = f"{trust_ps256.url}: it has RSA RS256 sig, EC P-256, for none of ALGORITHMS (PS256)"
    reasons = {event: [record.reason for record in log() if record.event == event] for event in EVENTS}
    assert reasons["keys_unusable"] == [found]
    assert reasons["token_refused"] == [found] * 4
    assert reasons["key_left_out"] == []


EVENTS = ("keys_unusable", "token_refused", "key_left_out")


def test_one_usable_key_beside_them_is_usual(client, trust_ps256, sign, rsa_key, other_kinds, log):
    trust_ps256.answer = keys(*other_kinds, public_jwk(rsa_key, "ps"))
    assert client.get_me(sign("ps", rsa_key, "PS256")).status_code == 200
    assert client.get_me(sign("rsa", rsa_key, "RS256")).status_code == 401
    assert client.get_me(sign("unknown")).status_code == 401
    assert [(record.event, record.reason) for record in log()] == [
        ("token_refused", f"{trust_ps256.url}: it has RSA RS256 sig, for none of ALGORITHMS (PS256)"),
        ("token_refused", f"{trust_ps256.url}: the issuer has no key of the token's kid"),
    ]


def test_a_key_that_gave_way_to_one_of_another_algorithm_is_not_kept(client, trust, sign, ticks, jwt_settings, new_key):
    """The set was read: it is complete, and the issuer has withdrawn the key."""
    jwt_settings(TRUSTED_ISSUERS={NAME: {"JWKS_URL": trust.url, "ALGORITHMS": ["ES256"]}})
    assert client.get_me(sign()).status_code == 200
    trust.answer = keys(public_jwk(new_key, "new", alg="ES384"))
    ticks.forward(jwks.FRESH_FOR)
    assert client.get_me(sign()).status_code == 401


BROKEN = {
    "weak": [RSA_1024],
    "ambiguous": [public_jwk(ec.generate_private_key(ec.SECP256R1()), "two") for _ in range(2)],
    "without a point": [{"kty": "EC", "crv": "P-256", "kid": "two"}],
    "an algorithm that is a list": [public_jwk(ec.generate_private_key(ec.SECP256R1()), "two", alg=["ES256"])],
    "a use that is a list": [public_jwk(ec.generate_private_key(ec.SECP256R1()), "two", use=["enc"])],
    "operations that are no list": [public_jwk(ec.generate_private_key(ec.SECP256R1()), "two", key_ops="encrypt")],
    "symmetric": [OCT],
    "of an unknown kind": [{"kty": "PQC", "kid": "two"}],
    "no object": [5],
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_set_is_an_outage_whatever_else_is_in_it(client, trust, sign, ticks, log, broken, new_key):
    """The known keys stay in use: the broken entry may be meant for us."""
    assert client.get_me(sign()).status_code == 200
    trust.answer = keys(*broken, public_jwk(new_key, "other", alg="ES384"))
    ticks.forward(jwks.FRESH_FOR)
    assert [client.get_me(sign()).status_code for _ in range(2)] == [200] * 2
    ticks.forward(jwks.KEPT_FOR)
    assert client.get_me(sign()).status_code == 503
    assert {record.event for record in log()} == {"keys_unread", "unavailable"}


@pytest.mark.parametrize("members", [{"use": "enc"}, {"key_ops": ["deriveKey"]}, {"use": "enc", "alg": "ECDH-ES"}])
def test_keys_for_encryption_alone_are_an_outage(client, trust, sign, new_key, members):
    trust.answer = keys(public_jwk(new_key, "enc", **members))
    assert client.get_me(sign()).status_code == 503


def test_the_log_names_a_kid_that_two_keys_share_once(client, trust, sign, ticks, log, ec_key, new_key):
    trust.answer = keys(public_jwk(ec_key, "two"), public_jwk(new_key, "two"), public_jwk(ec_key, "one"))
    for _ in range(2):
        assert client.get_me(sign()).status_code == 200
        ticks.forward(jwks.FRESH_FOR)
    (record,) = log()
    assert (record.event, record.kid, record.reason) == (
        "key_left_out",
        "two",
        "another key of the set has the same kid",
    )


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([], "no key in it can be used with ES256, RS256; its keys: none"),
        ([OCT, OCT], "no key in it can be used with ES256, RS256; its keys: oct HS256"),
        ([{"kty": "PQC", "use": "sig"}, {"kty": "a\nb"}, 5], "its keys: PQC sig, unreadable"),
    ],
)
def test_the_log_says_which_keys_of_which_server_can_not_be_used(client, trust, sign, log, entries, said):
    trust.answer = keys(*entries)
    assert client.get_me(sign()).status_code == 503
    unread, unavailable = (record.reason for record in log())
    assert unread.startswith(f"{trust.url}: ")
    assert unread.endswith(said)
    assert unavailable == f"no keys of {trust.url} are known: {unread.removeprefix(f'{trust.url}: ')}"


# Number of requests


def test_twenty_forged_names_cost_one_question(client, trust, sign, new_key, ticks):
    assert client.get_me(sign()).status_code == 200
    ticks.forward(jwks.COOL_DOWN)
    assert {client.get_me(sign(f"forged {i}".replace(" ", "-"), new_key)).status_code for i in range(20)} == {401}
    assert len(trust.requests) == 2
    assert client.get_me(sign()).status_code == 200
    assert len(trust.requests) == 2


def test_twenty_at_once_cost_one_question(trust, sign, new_key, ticks):
    remote = RemoteKeys(jwks_source(trust.url), ["ES256"])
    start = threading.Barrier(20)

    def ask(i):
        start.wait()
        try:
            return remote.find("one" if i % 2 else f"forged-{i}").kid
        except UnknownKeyError:
            return None

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(ask, range(20))) == {"one", None}
    assert len(trust.requests) == 1


def test_a_new_key_is_found_by_the_token_that_has_it(client, trust, sign, ec_key, new_key, ticks):
    """A rotation: the old key stays valid, and the first token under the new key makes us fetch it."""
    assert client.get_me(sign()).status_code == 200
    trust.answer = keys(public_jwk(ec_key, "one"), public_jwk(new_key, "new"))
    ticks.forward(jwks.COOL_DOWN)
    assert client.get_me(sign("new", new_key)).status_code == 200
    assert client.get_me(sign()).status_code == 200
    assert len(trust.requests) == 2


def test_a_key_that_is_gone_is_refused_although_its_tokens_were_verified_before(client, trust, sign, new_key, ticks):
    raw_token = sign()
    assert client.get_me(raw_token).status_code == 200
    trust.answer = keys(public_jwk(new_key, "new"))
    ticks.forward(jwks.FRESH_FOR)
    assert client.get_me(raw_token).status_code == 401


def test_another_key_of_the_same_name_is_another_key(client, trust, sign, new_key, ticks):
    raw_token = sign()
    assert client.get_me(raw_token).status_code == 200
    trust.answer = keys(public_jwk(new_key, "one"))
    ticks.forward(jwks.FRESH_FOR)
    assert client.get_me(raw_token).status_code == 401
    assert client.get_me(sign("one", new_key)).status_code == 200


@pytest.fixture
def remote(trust, ticks):
    return RemoteKeys(jwks_source(trust.url), ["ES256"])


def asked(remote, endpoint, kid="one"):
    """Look the key up; return the key id or the class of the error, and the number of requests."""
    before = len(endpoint.requests)
    try:
        result = remote.find(kid).kid
    except (UnknownKeyError, UnavailableError) as error:
        result = type(error)
    return result, len(endpoint.requests) - before


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("X-None: x", 300),
        ("Cache-Control: public, max-age=60", 60),
        ("Cache-Control: max-age=0", 30),
        ("Cache-Control: MAX-AGE=86400", 300),
        ("Cache-Control: s-maxage=60", 300),
        ("Cache-Control: max-age=soon", 300),
        ("Cache-Control: max-age=" + "9" * 400, 300),
    ],
)
def test_it_is_asked_again_when_the_answer_is_stale(remote, trust, ticks, ec_key, header, seconds):
    trust.answer = document({"keys": [public_jwk(ec_key, "one")]}, header)
    assert asked(remote, trust) == ("one", 1)
    ticks.now += seconds - 1
    assert asked(remote, trust) == ("one", 0)
    ticks.now += 1
    assert asked(remote, trust) == ("one", 1)


def test_what_has_not_changed_stays_the_same_key(remote, trust, ticks):
    key = remote.find("one")
    ticks.now += 300
    assert remote.find("one") is key
    assert len(trust.requests) == 2


def test_an_unknown_name_is_asked_for_every_30_seconds(remote, trust, ticks):
    assert asked(remote, trust, "new") == (UnknownKeyError, 1)
    ticks.now += 29
    assert asked(remote, trust, "new") == (UnknownKeyError, 0)
    ticks.now += 1
    assert asked(remote, trust, "new") == (UnknownKeyError, 1)
    assert asked(remote, trust, "newer") == (UnknownKeyError, 0)


def test_after_a_failure_there_is_a_pause_that_grows(remote, trust, ticks, good):
    trust.answer = FAULTS["it is down (500)"]
    assert asked(remote, trust) == (UnavailableError, 1)
    for pause in (1, 2, 4, 8, 16, 30, 30):
        ticks.now += pause - 0.5
        assert asked(remote, trust) == (UnavailableError, 0)
        ticks.now += 0.5
        assert asked(remote, trust) == (UnavailableError, 1)
    trust.answer = good
    ticks.now += 30
    assert asked(remote, trust) == ("one", 1)
    trust.answer = FAULTS["it is down (500)"]
    ticks.now += 300
    assert asked(remote, trust) == ("one", 1)
    ticks.now += 1
    assert asked(remote, trust) == ("one", 1)


def test_what_was_fetched_is_good_for_an_hour(remote, trust, ticks):
    assert asked(remote, trust) == ("one", 1)
    trust.answer = FAULTS["it is down (500)"]
    ticks.now += 3599
    assert asked(remote, trust) == ("one", 1)
    ticks.now += 1
    assert asked(remote, trust) == (UnavailableError, 1)


@pytest.mark.usefixtures("impatient")
def test_others_go_on_while_one_asks(remote, trust, ticks, good):
    """They use the known keys; a thread that needs an unknown one waits a little, and then gets an error."""
    remote.find("one")
    ticks.now += 300
    trust.answer = held = HeldAnswer(good)
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(remote.find, "one")
        assert held.arrived.wait(10)
        assert asked(remote, trust) == ("one", 0)
        ticks.now += PATIENCE
        assert asked(remote, trust, "new") == (UnavailableError, 0)
        held.go_on.set()
        assert asking.result(10).kid == "one"
    assert asked(remote, trust, "new") == (UnknownKeyError, 0)


def test_however_many_come_one_waits_for_a_server_that_is_silent(remote, trust, ticks):
    """Otherwise forged tokens that name the issuer would hold every thread for a second each."""
    trust.answer = held = HeldAnswer(patience=60)
    with ThreadPoolExecutor(21) as pool:
        asking = pool.submit(asked, remote, trust)
        assert held.arrived.wait(10)
        ticks.now += 3600
        assert set(pool.map(lambda _: asked(remote, trust), range(20))) == {(UnavailableError, 0)}
        assert not asking.done()
        held.go_on.set()
    assert len(trust.requests) == 1


def test_who_waits_for_the_first_answer_gets_it(remote, trust, good):
    trust.answer = held = HeldAnswer(good)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(remote.find, "one")
        assert held.arrived.wait(10)
        second = pool.submit(remote.find, "one")
        held.go_on.set()
        assert (first.result(10).kid, second.result(10).kid) == ("one", "one")
    assert len(trust.requests) == 1


FORKED = """
import json, os, signal, sys
import django
from django.test.utils import override_settings
django.setup()
from jwt_auth.issuers.remote.jwks import RemoteKeys, jwks_source
from tests.support.http_endpoint import document, serving

with override_settings(DEBUG=True), serving(document(json.loads(sys.argv[1]))) as endpoint:
    remote = RemoteKeys(jwks_source(endpoint.url), ["ES256"])
    remote.find("one")
    with remote._renewal._flight._lock:  # as a thread does that does not exist in the child
        child = os.fork()
        if not child:
            signal.alarm(30)
            remote.expire()
            os._exit(0 if remote.find("one").kid == "one" and remote._renewal.attempts == 2 else 1)
        print(os.waitpid(child, 0)[1], len(endpoint.requests))
"""


def test_a_fork_takes_over_the_keys_and_no_lock(ec_key):
    """This runs in processes of its own: a test runner with threads must not fork."""
    document = json.dumps({"keys": [public_jwk(ec_key, "one")]})
    done = subprocess.run([sys.executable, "-c", FORKED, document], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["0", "2"], done.stderr


def test_it_is_logged_when_it_fails_and_when_it_is_over(remote, trust, ticks, good, caplog):
    trust.answer = FAULTS["HTML"]
    for _ in range(3):
        asked(remote, trust)
        ticks.now += 30
    trust.answer = good
    asked(remote, trust)
    assert [record.event for record in caplog.records] == ["keys_unread", "keys_read_again"]
    assert trust.url in caplog.records[0].reason
