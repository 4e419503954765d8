"""The memory of verified tokens: what it keeps, and what it never keeps."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.views.debug import ExceptionReporter
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from jwt_auth import sessions, verification
from jwt_auth.authentication import JWTAuthentication, UserOrClientJWTAuthentication
from jwt_auth.exceptions import ExpiredTokenError, InvalidTokenError, RevokedTokenError, UntrustedIssuerError
from jwt_auth.issuers import directory
from jwt_auth.jose import tokens
from jwt_auth.revocation import revoke_session, revoke_user
from jwt_auth.verification import REMEMBERED_LENGTH, averify, signature_cache, verify
from tests.support.api_clients import register
from tests.support.clocks import NOW
from tests.support.keys import pem


@pytest.fixture(autouse=True)
def _nothing_remembered():
    signature_cache().clear()


@pytest.fixture
def verified(monkeypatch):
    """The tokens whose signature was really verified, in order."""
    seen = []
    verify_signature = tokens.verify_signature

    def watch(token, key, policy):
        seen.append(token.raw)
        return verify_signature(token, key, policy)

    monkeypatch.setattr(tokens, "verify_signature", watch)
    return seen


def token(user):
    return sessions.start(user).access_token


def test_a_signature_is_verified_once(client, user, verified):
    raw = token(user)
    assert [client.get_me(raw).status_code for _ in range(3)] == [200, 200, 200]
    assert verified == [raw]


def test_the_result_is_the_same(user):
    raw = token(user)
    first, second = verify(raw), verify(raw)
    assert first.claims == second.claims
    assert first.user == second.user == user
    assert first.user is not second.user


def test_the_least_recently_used_goes_first(user, verified, jwt_settings):
    jwt_settings(VERIFIED_TOKEN_CACHE_SIZE=2)
    a, b, c = (token(user) for _ in range(3))
    for raw in (a, b, a, c, a, b):
        verify(raw)
    assert verified == [a, b, c, b]
    assert len(signature_cache()) == 2


def test_nothing_is_remembered_when_the_size_is_zero(user, verified, jwt_settings):
    jwt_settings(VERIFIED_TOKEN_CACHE_SIZE=0)
    raw = token(user)
    verify(raw)
    verify(raw)
    assert verified == [raw, raw]


@pytest.mark.parametrize(("padding", "times"), [(100, 1), (REMEMBERED_LENGTH, 2)])
def test_a_long_token_is_verified_each_time(user, verified, jwt_settings, padding, times):
    """Otherwise a memory of 4096 tokens could contain 32 MB of text."""
    jwt_settings(CLAIMS_CALLABLE=lambda user, session: {"padding": "x" * padding})
    raw = token(user)
    verify(raw)
    verify(raw)
    assert len(verified) == times


def test_no_failure_is_remembered(user, verified):
    raw = token(user)
    header, claims, signature = raw.split(".")
    forged = f"{header}.{claims}.{signature[::-1]}"
    for _ in range(2):
        for bad in (forged, "a.b.c", raw[:-4]):
            with pytest.raises(InvalidTokenError):
                verify(bad)
    assert len(signature_cache()) == 0
    assert verify(raw).user == user
    with pytest.raises(InvalidTokenError):
        verify(forged)


# The claims


@pytest.fixture
def judged(monkeypatch):
    """The claims whose unchanging part was really judged, in order."""
    seen = []
    check = verification.check_lasting_claims

    def watch(claims, policy):
        seen.append(claims)
        check(claims, policy)

    monkeypatch.setattr(verification, "check_lasting_claims", watch)
    return seen


def test_what_never_changes_about_claims_is_judged_once(user, judged):
    raw, another = token(user), token(user)
    results = [verify(each) for each in (raw, raw, another, raw)]
    assert judged == [results[0].claims, results[2].claims]


def test_another_policy_judges_claims_again(user, monkeypatch):
    raw = token(user)
    verify(raw)
    ours = directory.issuer_of_user(tokens.peek_unverified(raw))
    policy = replace(ours.policy, audiences=frozenset({"another"}))
    monkeypatch.setitem(directory.DIRECTORIES, "users", lambda token: replace(ours, policy=policy))
    with pytest.raises(InvalidTokenError):
        verify(raw)
    monkeypatch.undo()
    assert verify(raw).user == user


def test_a_refusal_of_claims_is_never_remembered(user, jwt_settings, judged):
    jwt_settings(AUDIENCE="another")
    raw = token(user)
    jwt_settings(AUDIENCE="ours")
    for _ in range(2):
        with pytest.raises(InvalidTokenError):
            verify(raw)
    assert len(judged) == 2


# Checks that are repeated


def test_time_is(user, clock):
    raw = token(user)
    verify(raw)
    clock.shift(timedelta(hours=1))
    with pytest.raises(ExpiredTokenError):
        verify(raw)


HOUR = timedelta(hours=1)


def test_the_moment_can_be_said(user, clock):
    raw = token(user)
    verify(raw, now=NOW + timedelta(seconds=60))
    with pytest.raises(ExpiredTokenError):
        verify(raw, now=NOW + HOUR)


@pytest.mark.django_db(transaction=True)
def test_the_async_entry_point_hands_on_all_that_it_is_told(user, clock):
    verify_async, api = async_to_sync(averify), register(user)
    assert verify_async(api.token(), issuers="clients").client_key == api.key
    with pytest.raises(UntrustedIssuerError):
        verify_async(api.token())
    assert verify_async(token(user), now=NOW).user == user
    with pytest.raises(ExpiredTokenError):
        verify_async(token(user), now=NOW + HOUR)


@pytest.mark.parametrize(
    "revoke",
    [lambda session, user: revoke_session(session), lambda _, user: revoke_user(user)],
    ids=["session", "user"],
)
def test_revocation_is(user, revoke):
    pair = sessions.start(user)
    verify(pair.access_token)
    revoke(pair.session_id, user)
    with pytest.raises(RevokedTokenError):
        verify(pair.access_token)


@pytest.mark.parametrize(
    ("name", "value"), [("AUDIENCE", "https://other.example"), ("ISSUER", "other"), ("ALGORITHM", "HS512")]
)
def test_the_settings_are(user, jwt_settings, name, value):
    before = {"ISSUER": "here", "AUDIENCE": "here", "ALGORITHM": "HS256"}
    jwt_settings(**before)
    raw = token(user)
    verify(raw)
    jwt_settings(**{**before, name: value})
    with pytest.raises(InvalidTokenError):
        verify(raw)
    jwt_settings(**before)
    assert verify(raw).user == user


def test_a_shorter_lifetime_takes_effect_at_once(user, jwt_settings):
    raw = token(user)
    verify(raw)
    jwt_settings(ACCESS_TOKEN_LIFETIME=timedelta(seconds=60))
    with pytest.raises(InvalidTokenError, match="'exp'"):
        verify(raw)


def test_the_keys_are(user, settings, jwt_settings, rsa_key):
    raw = token(user)
    verify(raw)
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    with pytest.raises(InvalidTokenError):
        verify(raw)


def test_the_secret_key_is(user, settings):
    raw = token(user)
    verify(raw)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another secret key of the tests, as long as the first one"
    with pytest.raises(InvalidTokenError):
        verify(raw)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert verify(raw).user == user


def test_a_verification_under_way_when_the_settings_change_is_forgotten(user, jwt_settings, monkeypatch):
    raw = token(user)
    verify_signature = tokens.verify_signature

    def change_meanwhile(*arguments):
        claims = verify_signature(*arguments)
        jwt_settings(ISSUER="another")
        return claims

    monkeypatch.setattr(tokens, "verify_signature", change_meanwhile)
    verify(raw)
    monkeypatch.undo()
    assert len(signature_cache()) == 0
    with pytest.raises(InvalidTokenError):
        verify(raw)


# Threads, and error reports


def test_threads_that_fill_and_empty_it_get_the_right_claims(user, jwt_settings, monkeypatch):
    jwt_settings(VERIFIED_TOKEN_CACHE_SIZE=3)
    raws = [token(user) for _ in range(8)]
    expected = {raw: verification.identify_only(raw) for raw in raws}
    jwt_settings(REVOCATION="none")  # so that the threads need no database
    start = threading.Barrier(8)

    def work(offset):
        start.wait()
        mine = raws[offset:] + raws[:offset]
        return all(verify(raw).claims == expected[raw] for _ in range(50) for raw in mine)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert len(signature_cache()) == 3


@pytest.mark.parametrize("warm", [False, True])
def test_a_crash_reports_no_token(client, user, monkeypatch, warm):
    raw = token(user)
    if warm:
        verify(raw)

    def crash(*arguments):
        raise RuntimeError("a bug")

    monkeypatch.setattr(verification, "verdict", crash)
    _assert_unreported(client, raw)


def test_a_crash_while_the_signature_is_verified_reports_no_token(client, user, monkeypatch):
    def crash(*arguments):
        raise RuntimeError("a bug")

    raw = token(user)
    monkeypatch.setattr(directory, "_trusted", crash)
    _assert_unreported(client, raw)


def _assert_unreported(client, raw):
    client = client.bearer(raw)
    client.raise_request_exception = True
    with pytest.raises(RuntimeError) as caught:
        client.get("/auth/me/")
    report = ExceptionReporter(None, caught.type, caught.value, caught.tb).get_traceback_html()
    ours = report[report.index("jwt_auth/authentication/classes.py") :]
    assert "a bug" in report
    assert raw.rpartition(".")[2] not in ours.partition("tests/test_verification.py")[0]


# No way in for a revoked token


def ways(raw):
    """Return each public way to verify a token, with each of its arguments."""
    for issuers in ("users", "anyone"):
        for ask_database in (False, True):
            yield lambda i=issuers, a=ask_database: verify(raw, issuers=i, ask_database=a)
            yield lambda i=issuers, a=ask_database: async_to_sync(averify)(raw, issuers=i, ask_database=a)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["database", "memory"])
def test_a_revoked_token_is_refused_by_every_way_to_verify(user, client, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    pair = client.tokens(user)
    raw = pair["access_token"]
    for verify_it in ways(raw):
        assert verify_it().user.pk == user.pk  # the control
    classes = [JWTAuthentication, JWTAuthentication.with_revocation("database"), UserOrClientJWTAuthentication]
    asked = APIRequestFactory().get("/", HTTP_AUTHORIZATION=f"Bearer {raw}")
    for authentication_class in classes:
        assert authentication_class().authenticate(Request(asked))[0].pk == user.pk
    revoke_session(verify(raw, ask_database=True).session.pk)
    for verify_it in ways(raw):
        with pytest.raises(RevokedTokenError):
            verify_it()
    for authentication_class in classes:
        with pytest.raises(AuthenticationFailed):
            authentication_class().authenticate(Request(asked))
    assert client.get_me(raw).status_code == client.send("verify/", {"token": raw}).status_code == 401


@pytest.mark.parametrize("options", [{"revocation": "none"}, {"revocation": "database"}, {"directory": None}])
def test_there_is_no_argument_that_asks_for_less(options):
    with pytest.raises(TypeError):
        verify("", **options)
    with pytest.raises(TypeError):
        async_to_sync(averify)("", **options)


def test_a_word_for_issuers_that_there_is_not_is_an_error():
    with pytest.raises(ValueError, match="users, clients, anyone"):
        verify("", issuers="everyone")
