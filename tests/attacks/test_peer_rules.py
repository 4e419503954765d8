"""
Rules drawn from the failures of other packages, by number.

Each test is about our own tokens, in the header and in cookies, and our own keys. Rules 6, 13 and 21 are about remote
key sets, client assertions and keys in the database; 19 is not followed, because all claims of our own tokens are
mandatory from the start.
"""

import logging

import pytest
from django.core.cache import cache
from django.core.checks import run_checks

from jwt_auth import signals
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_sessions, revoke_user
from tests.support import forge
from tests.support.answers import challenge
from tests.support.browser import Browser
from tests.support.keys import pem


@pytest.mark.parametrize("fate", ["inactive", "missing"])
def test_rule_01_an_inactive_or_missing_user_is_401_at_access_and_refresh(client, pair, user, fate):
    if fate == "missing":
        user.delete()
    else:
        type(user)._default_manager.filter(pk=user.pk).update(is_active=False)
    assert client.is_dead(pair)


@pytest.mark.parametrize("claim", ["iss", "aud"])
@pytest.mark.parametrize("value", [None, '"other"', '""', "[]"])
def test_rule_02_issuer_and_audience_are_mandatory_by_default(client, pair, claim, value):
    assert client.get_me(forge.with_claims(pair["access_token"], **{claim: value})).status_code == 401


def test_rule_03_a_key_is_reached_through_its_issuer_only(client, pair, jwt_settings):
    raw = pair["access_token"]
    assert client.get_me(forge.with_claims(raw, iss='"other"', aud='"jwt_auth"')).status_code == 401
    jwt_settings(ISSUER="other", AUDIENCE="jwt_auth")
    assert client.get_me(raw).status_code == 401
    assert client.get_me(forge.with_claims(raw, iss='"other"')).status_code == 200


def test_rule_04_the_algorithm_is_the_keys_and_not_the_headers(client, user, clock, jwt_settings, rsa_key):
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    pair = client.tokens(user)
    jwt_settings(ALGORITHM="PS256")  # the same key, the same kid, another algorithm
    assert client.get_me(pair["access_token"]).status_code == 401
    jwt_settings(ALGORITHM="RS256")
    assert client.get_me(pair["access_token"]).status_code == 200


def test_rule_05_nothing_is_looked_up_before_the_signature_holds(client, pair, queries):
    raw = pair["access_token"]
    forged = raw.rpartition(".")[0] + "." + "A" * 43
    with queries:
        assert client.get_me(forged).status_code == 401
        assert client.send("verify/", {"token": forged}).status_code == 401
        assert client.bearer(forged).send("logout/").status_code == 204
        assert client.send("revoke/", {"token": forged}).status_code == 200
        assert client.refresh(pair["refresh_token"][:-1] + "!").status_code == 401
        assert client.refresh(pair["refresh_token"][:-5] + "AAAAA").status_code == 401
    assert len(queries) == 0
    assert not client.is_dead(pair)


def test_rule_07_every_required_claim_is_checked_for_its_type(client, pair):
    claims = forge.claims_of(pair["access_token"])
    for name, value in claims.items():
        wrong = f'"{value}"' if isinstance(value, int | float) else "1"
        for text in (wrong, "null", "true", "{}", "[[]]"):
            raw = forge.with_claims(pair["access_token"], **{name: text})
            assert client.get_me(raw).status_code == 401, (name, text)


def test_rule_08_the_authenticator_writes_nothing(client, pair, clock, queries):
    rows = list(UserSession.objects.values())
    clock.shift(100)
    with queries:
        assert client.get_me(pair["access_token"]).status_code == 200
        assert client.send("verify/", {"token": pair["access_token"]}).status_code == 200
    assert all(query["sql"].startswith("SELECT") for query in queries.captured_queries)
    assert list(UserSession.objects.values()) == rows


def test_rule_09_a_bad_header_is_an_error_and_another_scheme_is_none_of_ours(client, db):
    client.credentials(HTTP_AUTHORIZATION="Bearer bad")
    assert client.get("/auth/me/").json()["code"] == "invalid_token"
    for other in ("Basic dTpw", "Token abc", "bearerish abc"):
        client.credentials(HTTP_AUTHORIZATION=other)
        assert client.get("/auth/me/").json()["code"] == "not_authenticated"


def test_rule_09_a_bad_cookie_is_anonymous_but_a_forged_request_with_a_good_one_is_403(user, clock):
    browser = Browser().sign_in(user)
    forged = {"HTTP_SEC_FETCH_SITE": "cross-site", "HTTP_ORIGIN": "https://evil.example.net"}
    assert browser.send("/api/notes/", {"text": "x"}, **forged).json()["code"] == "csrf_failed"
    clock.shift(3600)
    assert browser.send("/api/notes/", {"text": "x"}, **forged).json()["code"] == "token_expired"


@pytest.mark.parametrize("header", ["Bearer garbage", "Bearer", "Basic !!!", "\xff", "Token x"])
def test_rule_10_login_refresh_and_logout_ignore_other_credentials(client, user, clock, header):
    client.credentials(HTTP_AUTHORIZATION=header)
    pair = client.tokens(user)
    pair = client.refresh(pair["refresh_token"]).json()
    for _ in range(2):
        assert client.send("logout/", {"refresh_token": pair["refresh_token"]}).status_code == 204
    assert client.is_dead(pair)


def test_rule_10_an_expired_access_token_does_not_keep_its_refresh_token_from_working(client, pair, clock):
    clock.shift(3600)
    who = client.bearer(pair["access_token"])
    assert who.get("/auth/me/").json()["code"] == "token_expired"
    assert who.refresh(pair["refresh_token"]).status_code == 200


def test_rule_11_the_origin_is_asked_for_wherever_a_cookie_counts_and_elsewhere_cookies_do_not(user, client):
    browser = Browser(HTTP_SEC_FETCH_SITE="same-site", HTTP_ORIGIN="https://evil.example.com")
    browser.cookies = Browser().sign_in(user).cookies
    for path in ("refresh/", "logout/", "logout/all/"):
        assert browser.send(path).status_code == 403
    client.cookies = browser.cookies
    assert [client.send(path, {}).status_code for path in ("refresh/", "logout/", "logout/all/")] == [400, 400, 401]


@pytest.mark.django_db(transaction=True)
def test_rule_12_logs_and_names_of_rows_hold_no_secret(client, make_user, clock, caplog):
    caplog.set_level(logging.DEBUG)
    user = make_user()
    pair = client.tokens(user)
    client.get_me(pair["refresh_token"])
    client.refresh(pair["access_token"])
    revoke_user(user, reason="test")
    client.is_dead(pair)
    shown = [f"{record.getMessage()} {record.__dict__}" for record in caplog.records]
    shown += [f"{row!s} {row!r}" for model in (UserSession, RevocationEvent) for row in model.objects.all()]
    assert len(shown) > 5
    handle = UserSession.objects.get().handle
    for secret in (pair["access_token"], pair["refresh_token"], handle, pair["access_token"].rpartition(".")[2]):
        assert secret not in "\n".join(shown)


def test_rule_14_a_sign_in_in_the_very_instant_of_a_revocation_is_judged_right(client, user, clock):
    before = client.tokens(user)
    done = revoke_user(user)
    after = client.tokens(user)
    assert client.is_dead(before)
    assert not client.is_dead(after)
    assert forge.claims_of(before["access_token"])["iat"] == forge.claims_of(after["access_token"])["iat"]
    assert UserSession.objects.get(pk=after["session"]).started_at > done.tokens_valid_after


@pytest.mark.parametrize("revoke", [revoke_user, lambda user: revoke_all()], ids=["user", "all"])
@pytest.mark.parametrize("refreshed", [False, True])
def test_rule_14_a_session_begun_by_a_clock_that_runs_ahead_is_caught_too(client, user, clock, refreshed, revoke):
    """One machine is 5 s ahead and signs the user in; another one refreshes and revokes."""
    clock.shift(5)
    pair = client.tokens(user)
    clock.shift(-4)
    if refreshed:
        pair = client.refresh(pair["refresh_token"]).json()
    assert client.get_me(pair["access_token"]).status_code == 200
    clock.shift(1)
    revoke(user)
    assert client.is_dead(pair)


def test_rule_14_revoked_and_signed_in_and_refreshed_and_revoked_in_one_instant(client, user, clock):
    for _ in range(3):
        pair = client.tokens(user)
        pair = client.refresh(pair["refresh_token"]).json()
        assert client.get_me(pair["access_token"]).status_code == 200
        revoke_user(user)
        assert client.is_dead(pair)


def test_rule_14_who_changes_the_password_signs_in_again_in_the_same_instant(client, pair, user):
    user.set_password("a new horse")
    user.save()
    response = client.login(user, "a new horse")
    assert client.get_me(response.json()["access_token"]).status_code == 200
    assert client.is_dead(pair)


@pytest.mark.parametrize("operation", ["logout", "revoke user", "revoke all"])
def test_rule_15_an_emptied_cache_undoes_no_revocation(client, pair, user, operation):
    match operation:
        case "logout":
            client.send("logout/", {"refresh_token": pair["refresh_token"]})
        case "revoke user":
            revoke_user(user)
        case _:
            revoke_all()
    cache.clear()
    assert client.is_dead(pair)


ENTRY_POINTS = {
    "logout": lambda client, user, pair: client.send("logout/", {"refresh_token": pair["refresh_token"]}),
    "logout with the access token": lambda client, user, pair: client.bearer(pair["access_token"]).send("logout/"),
    "RFC 7009": lambda client, user, pair: client.send("revoke/", {"token": pair["access_token"]}),
    "session": lambda client, user, pair: client.bearer(pair["access_token"]).delete(
        f"/auth/sessions/{pair['session']}/"
    ),
    "logout everywhere": lambda client, user, pair: client.bearer(pair["access_token"]).send("logout/all/"),
    "revoke_session()": lambda client, user, pair: revoke_session(UserSession.objects.get().pk),
    "revoke_sessions()": lambda client, user, pair: revoke_sessions([UserSession.objects.get().pk]),
    "revoke_user()": lambda client, user, pair: revoke_user(user),
    "revoke_all()": lambda client, user, pair: revoke_all(),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("entry_point", ENTRY_POINTS.values(), ids=ENTRY_POINTS)
def test_rule_16_every_entry_point_leaves_one_event_and_sends_one_signal(client, make_user, clock, entry_point):
    heard = []

    def hear(event, **kwargs):
        heard.append(event.pk)

    watched = (signals.session_revoked, signals.user_revoked, signals.all_revoked)
    user = make_user()
    pair = client.tokens(user)
    for signal in watched:
        signal.connect(hear)
    try:
        entry_point(client, user, pair)
    finally:
        for signal in watched:
            signal.disconnect(hear)
    assert client.is_dead(pair)
    assert heard == [RevocationEvent.objects.get().pk]


def test_rule_17_grace_gives_the_same_successor_and_reuse_kills_the_family(client, pair, clock):
    first = client.refresh(pair["refresh_token"]).json()
    clock.shift(59)
    assert client.refresh(pair["refresh_token"]).json()["refresh_token"] == first["refresh_token"]
    clock.shift(2)
    assert client.refresh(pair["refresh_token"]).status_code == 401
    assert client.is_dead(first)


def test_rule_17_grace_never_forks_a_second_chain(client, pair, clock):
    """If two holders of one token go on in turns, one of them is detected at once."""
    thief = client.refresh(pair["refresh_token"]).json()
    victim = client.refresh(pair["refresh_token"]).json()
    assert thief["refresh_token"] == victim["refresh_token"]
    clock.shift(120)
    thief = client.refresh(thief["refresh_token"]).json()
    clock.shift(120)
    assert client.refresh(victim["refresh_token"]).json()["code"] == "refresh_token_reused"
    assert client.is_dead(thief)


def test_rule_18_every_error_has_a_code_and_every_401_a_challenge(client, user, clock):
    pair = client.tokens(user)
    revoked = client.tokens(user)
    client.send("logout/", {"refresh_token": revoked["refresh_token"]})
    expected = [
        (client.get("/auth/me/"), 401, "not_authenticated", challenge()),
        (client.get_me("x"), 401, "invalid_token", challenge("invalid_token")),
        (client.get_me(revoked["access_token"]), 401, "token_revoked", challenge("token_revoked")),
        (client.refresh(revoked["refresh_token"]), 401, "token_revoked", challenge("token_revoked")),
        (client.refresh("x"), 401, "invalid_token", challenge("invalid_token")),
        (client.send("verify/", {"token": "x"}), 401, "invalid_token", challenge("invalid_token")),
        (client.login(user, "wrong"), 401, "invalid_credentials", challenge()),
        (client.send("refresh/", {}), 400, "invalid_request", None),
        (client.bearer(pair["access_token"]).send("revoke/user/", {"user": "1"}), 403, "permission_denied", None),
        (client.get("/auth/login/"), 405, "method_not_allowed", None),
    ]
    for response, status, code, header in expected:
        assert (response.status_code, response.json()["code"]) == (status, code)
        assert response.headers.get("WWW-Authenticate") == header, code
        assert set(response.json()) - {"errors"} == {"detail", "code"}


def test_rule_20_insecure_configuration_is_reported_and_throttles_are_on(client, user, clock, jwt_settings):
    assert [client.login(user, "wrong").status_code for _ in range(11)][-1] == 429
    assert [client.refresh("x").status_code for _ in range(601)][-1] == 429
    jwt_settings(SIGNING_KEY={"kty": "oct", "k": forge.b64(b"\xfe" * 31)})
    assert "jwt_auth.E011" in {message.id for message in run_checks()}


def test_rule_21_a_retired_key_verifies_until_it_is_taken_out(client, user, jwt_settings, rsa_key, ec_key):
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    pair = client.tokens(user)
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key), SIGNING_KEY_FALLBACKS=[pem(rsa_key)])
    assert client.get_me(pair["access_token"]).status_code == 200
    assert forge.header_of(client.tokens(user)["access_token"])["alg"] == "ES256"
    jwt_settings(SIGNING_KEY_FALLBACKS=[])
    assert client.get_me(pair["access_token"]).status_code == 401
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_rule_22_a_rotated_secret_key_does_not_kill_refresh_tokens(client, pair, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new secret key, " * 4, [settings.SECRET_KEY]
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_rule_24_the_first_forwarded_hop_is_never_trusted(client, user, clock, settings):
    forged = "203.0.113.66, 198.51.100.7"
    client.defaults["HTTP_X_FORWARDED_FOR"] = forged
    client.tokens(user)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    client.tokens(user)
    addresses = set(UserSession.objects.values_list("ip_address", flat=True))
    assert addresses == {"127.0.0.1", "198.51.100.7"}


def test_rule_25_the_project_is_asked_through_its_own_middleware(client, pair, settings):
    """A token works and fails alike with Django's middleware around it and without any."""
    for middleware in (settings.MIDDLEWARE, []):
        settings.MIDDLEWARE = middleware
        assert client.get_me(pair["access_token"]).status_code == 200
        assert client.get_me(pair["access_token"] + "x").status_code == 401
