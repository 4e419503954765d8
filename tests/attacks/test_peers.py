"""
Experiments that failed on other packages (DRF's authtoken, knox, drf-jwt, allauth, dj-rest-auth, django-oauth-toolkit,
ASAP, ninja-jwt, qsessions), each repeated here with the answer that it should have had.

test_peer_rules.py has the rules that follow from them.
"""

import os
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync
from django.core.checks import run_checks
from django.test import AsyncClient
from django.urls import path
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

import jwt_auth
from jwt_auth.models import RevocationEvent, UserSession
from tests.support import forge
from tests.support.answers import challenge
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.clocks import NOW
from tests.urls import urlpatterns as project_urls


class PublicView(APIView):
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"name": request.user.get_username()})


urlpatterns = [*project_urls, path("public/", PublicView.as_view())]


def change_password(user):
    user.set_password("a new horse")
    user.save()


# DRF's authtoken.


def test_peer_authtoken_twenty_bad_logins_end_in_429_by_default(client, user, clock):
    statuses = [client.login(user, "wrong").status_code for _ in range(20)]
    assert statuses == [401] * 10 + [429] * 10


def test_peer_authtoken_last_login_is_set(client, user, clock):
    assert user.last_login is None
    client.tokens(user)
    user.refresh_from_db()
    assert user.last_login == NOW


def test_peer_authtoken_one_query_per_request(client, pair, queries):
    with queries:
        assert client.get_me(pair["access_token"]).status_code == 200
    assert len(queries) == 1


def test_peer_authtoken_token_is_dead_after_a_password_change(client, pair, user):
    change_password(user)
    assert client.is_dead(pair)


def test_peer_authtoken_a_401_has_a_code_beside_its_detail(client, db):
    for response in (client.get("/auth/me/"), client.get_me("garbage"), client.get("/api/notes/")):
        assert response.status_code == 401
        assert set(response.json()) == {"detail", "code"}


# knox.


def test_peer_knox_a_request_reads_one_row_however_many_sessions_a_user_has(client, pair, user, queries, clock):
    for _ in range(20):
        clock.shift(10)
        client.tokens(user)
    with queries:
        assert client.get_me(pair["access_token"]).status_code == 200
    assert len(queries) == 1
    assert "LIMIT 1" in queries.captured_queries[0]["sql"]


@pytest.mark.parametrize("junk", ["\xff", "\xfe\xff", "\xc3\x28", "\x80abc", "\xa0\xa1"])
def test_peer_knox_non_utf8_token_bytes_are_401(client, pair, junk):
    assert client.get_me(junk).status_code == 401
    assert client.get_me(pair["access_token"] + junk).status_code == 401


def test_peer_knox_a_caller_with_half_a_secret_deletes_no_expired_row(client, pair, user, clock, queries):
    clock.shift(40 * 24 * 3600)
    newest = client.tokens(user)
    assert UserSession.objects.count() == 2
    handle = UserSession.objects.get(pk=pair["session"]).handle
    with queries:
        assert client.refresh(f"{handle}.0.{'A' * 43}").status_code == 401
        assert client.get_me(newest["access_token"][:-5] + "AAAAA").status_code == 401
    assert len(queries) == 0
    assert UserSession.objects.count() == 2


def test_peer_knox_token_is_dead_after_a_password_change(client, pair, user):
    change_password(user)
    assert client.get_me(pair["access_token"]).status_code == 401


# drf-jwt.


def test_peer_drf_jwt_a_token_in_a_cookie_is_no_bearer_token(client, pair):
    for name in ("jwt", "access_token", "Authorization", "JWT", "access"):
        client.cookies[name] = pair["access_token"]
    assert client.post("/api/notes/", {"text": "x"}, format="json").status_code == 401
    client.cookies["__Host-Http-access"] = pair["access_token"]
    assert client.send("logout/all/").status_code == 401
    assert client.bearer(pair["access_token"]).post("/api/notes/", {"text": "x"}, format="json").status_code == 201


def test_peer_drf_jwt_a_post_with_a_cookie_alone_is_403(client, pair):
    browser = Browser(HTTP_SEC_FETCH_SITE=None, HTTP_ORIGIN=None)
    browser.cookies["__Host-Http-access"] = pair["access_token"]
    assert browser.post("/api/notes/", {"text": "x"}, format="json").status_code == 403
    assert browser.get("/api/notes/").json() == []


def test_peer_drf_jwt_a_token_in_the_url_or_the_body_is_no_bearer_token(client, pair):
    raw = pair["access_token"]
    assert client.get(f"/auth/me/?access_token={raw}&token={raw}&jwt={raw}").status_code == 401
    assert client.send("/api/notes/", {"text": "x", "access_token": raw}).status_code == 401


def test_peer_drf_jwt_a_header_without_alg_is_401(client, pair):
    assert client.get_me(forge.with_header(pair["access_token"], alg=None)).status_code == 401


def test_peer_drf_jwt_an_unsigned_token_does_not_tell_who_exists(client, pair, queries):
    raw = pair["access_token"]
    with queries:
        known = client.get_me(raw.rpartition(".")[0] + ".AAAA")
        unknown = client.get_me(forge.with_claims(raw, sub='"999999"').rpartition(".")[0] + ".AAAA")
        unsigned = client.get_me(forge.with_header(raw, alg='"none"'))
    assert {known.status_code, unknown.status_code, unsigned.status_code} == {401}
    assert known.content == unknown.content == unsigned.content
    assert len(queries) == 0


# allauth headless.


def test_peer_allauth_a_token_is_refused_where_the_other_kind_is_expected(client, pair):
    assert client.get_me(pair["refresh_token"]).status_code == 401
    assert client.refresh(pair["access_token"]).status_code == 401
    assert client.send("verify/", {"token": pair["refresh_token"]}).status_code == 401
    assert not client.is_dead(pair)


def test_peer_allauth_a_reused_refresh_token_takes_the_new_pair_with_it(client, pair, clock):
    fresh = client.refresh(pair["refresh_token"]).json()
    clock.shift(130)
    response = client.refresh(pair["refresh_token"])
    assert (response.status_code, response.json()["code"]) == (401, "refresh_token_reused")
    assert client.is_dead(fresh)


def test_peer_allauth_logout_answers_success_with_success(client, pair):
    response = client.send("logout/", {"refresh_token": pair["refresh_token"]})
    assert (response.status_code, response.content) == (204, b"")
    assert client.get_me(pair["access_token"]).status_code == 401


@pytest.mark.parametrize("operation", ["deactivate", "delete", "change password"])
def test_peer_allauth_a_user_who_changed_is_401_and_not_500(client, pair, user, operation):
    match operation:
        case "deactivate":
            type(user)._default_manager.filter(pk=user.pk).update(is_active=False)
        case "delete":
            user.delete()
        case _:
            change_password(user)
    assert client.is_dead(pair)


# dj-rest-auth.


def test_peer_dj_rest_auth_no_endpoint_sets_a_cookie(client, pair):
    fresh = client.refresh(pair["refresh_token"])
    who = client.bearer(fresh.json()["access_token"])
    answers = [fresh, who.get("/auth/me/"), who.get("/auth/sessions/"), who.send("logout/"), client.get("/auth/me/")]
    assert not client.cookies
    assert not who.cookies
    assert not any(response.cookies for response in answers)


def test_peer_dj_rest_auth_a_garbage_credential_does_not_stand_in_the_way_of_login(client, user, clock):
    client.cookies["access"] = "garbage"
    client.cookies["sessionid"] = "garbage"
    client.credentials(HTTP_AUTHORIZATION="Bearer garbage")
    pair = client.tokens(user)
    assert client.refresh(pair["refresh_token"]).status_code == 200
    assert client.send("verify/", {"token": pair["access_token"]}).status_code == 200
    assert client.send("logout/", {"refresh_token": pair["refresh_token"]}).status_code == 204


def test_peer_dj_rest_auth_a_logout_without_a_token_writes_no_phantom_row(client, db):
    assert client.send("logout/").status_code == 400
    assert client.send("logout/", {"refresh_token": "garbage"}).status_code == 204
    assert client.bearer("garbage").send("logout/").status_code == 204
    assert not UserSession.objects.exists()
    assert not RevocationEvent.objects.exists()


def test_peer_dj_rest_auth_cookies_are_secure_and_no_others_are_issued(user):
    browser = Browser().sign_in(user)
    assert set(browser.cookies) == {browser.access_name, browser.refresh_name}
    for cookie in browser.cookies.values():
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")


def test_peer_dj_rest_auth_a_refresh_by_cookie_is_guarded_and_a_garbage_cookie_keeps_nobody_out(user):
    browser = Browser().sign_in(user)
    assert browser.send("refresh/", HTTP_SEC_FETCH_SITE=None, HTTP_ORIGIN=None).status_code == 403
    for name in (browser.access_name, browser.refresh_name):
        browser.cookies[name] = "garbage"
    assert browser.send("logout/").status_code == 204
    assert not RevocationEvent.objects.exists()
    assert browser.login(user).status_code == 200


def test_peer_dj_rest_auth_access_is_dead_after_logout_and_after_a_password_change(client, pair, user):
    other = client.tokens(user)
    client.send("logout/", {"refresh_token": pair["refresh_token"]})
    assert client.get_me(pair["access_token"]).status_code == 401
    assert client.get_me(other["access_token"]).status_code == 200
    change_password(user)
    assert client.get_me(other["access_token"]).status_code == 401


# django-oauth-toolkit.


@pytest.mark.urls(__name__)
def test_peer_dot_a_bogus_bearer_token_on_a_public_view_is_401_and_not_anonymous(client, pair, user):
    assert client.get("/public/").json() == {"name": ""}
    assert client.bearer(pair["access_token"]).get("/public/").json() == {"name": user.get_username()}
    for bogus in ("bogus", pair["refresh_token"]):
        response = client.bearer(bogus).get("/public/")
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("url", ["/auth/me/", "/api/notes/"])
def test_peer_dot_body_and_header_of_a_401_say_the_same(client, pair, url):
    bogus = client.bearer("bogus").get(url)
    assert (bogus.status_code, bogus.json()["code"]) == (401, "invalid_token")
    assert bogus["WWW-Authenticate"] == challenge("invalid_token")
    without = client.get(url)
    assert (without.status_code, without.json()["code"]) == (401, "not_authenticated")
    assert without["WWW-Authenticate"] == 'Bearer realm="api"'


def test_peer_dot_an_inactive_user_neither_enters_nor_refreshes(client, pair, user):
    user.is_active = False
    user.save()
    assert client.is_dead(pair)


def test_peer_dot_a_default_project_passes_the_deployment_checks_of_this_app():
    """The checks warn about settings that are left at their defaults; none of these is an error."""
    found = [m for m in run_checks(include_deployment_checks=True) if str(m.id).startswith("jwt_auth")]
    assert {m.id for m in found} >= {"jwt_auth.W011", "jwt_auth.W012"}
    assert not [m for m in found if m.is_serious()]


def test_peer_dot_twenty_random_key_ids_cost_no_query_and_no_connection(client, pair, queries, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with queries:
        for i in range(20):
            assert client.get_me(forge.with_header(pair["access_token"], kid=f'"random-{i}"')).status_code == 401
    assert len(queries) == 0


@pytest.mark.parametrize(("claim", "value"), [("exp", '"1"'), ("exp", "null"), ("exp", "Infinity"), ("iat", "true")])
def test_peer_dot_times_of_the_wrong_type_are_401(client, pair, claim, value):
    assert client.get_me(forge.with_claims(pair["access_token"], **{claim: value})).status_code == 401


# ASAP.


def test_peer_asap_an_access_token_serves_many_requests(client, pair):
    """Its jti is not used up: only assertions are single-use."""
    assert [client.get_me(pair["access_token"]).status_code for _ in range(3)] == [200] * 3


def test_peer_asap_odd_but_signed_tokens_are_401_and_not_500(client, pair):
    raw = pair["access_token"]
    iat = forge.claims_of(raw)["iat"]
    tokens = {
        "a life of two hours": forge.with_claims(raw, exp=str(iat + 7200)),
        "no jti": forge.with_claims(raw, jti=None),
        "no kid": forge.with_header(raw, kid=None),
        "kid a path": forge.with_header(raw, kid='"../x"'),
        "kid of another issuer": forge.with_header(raw, kid='"another/issuer"'),
        "our kid, another issuer": forge.with_claims(raw, iss='"another"'),
        "wrong aud": forge.with_claims(raw, aud='"another"'),
        "no aud": forge.with_claims(raw, aud=None),
        "garbage": "garbage",
    }
    assert {name: client.get_me(token).status_code for name, token in tokens.items()} == dict.fromkeys(tokens, 401)


# ninja-jwt and qsessions.


def test_peer_ninja_environment_variables_change_no_setting():
    code = """
from django.conf import settings
settings.configure(SECRET_KEY="x" * 50)
from jwt_auth.conf import get_settings
print(get_settings())
"""
    evil = {"ALGORITHM": "HS512", "ISSUER": "evil", "ACCESS_TOKEN_LIFETIME": "P30D", "LEEWAY": "60", "REALM": "evil"}
    evil.update({f"JWT_AUTH_{name}": value for name, value in evil.items()}, JWT_AUTH='{"ISSUER": "evil"}')
    run = [sys.executable, "-c", code]
    printed = [subprocess.check_output(run, env={**os.environ, **extra}) for extra in ({}, evil)]
    assert printed[0] == printed[1] != b""


def test_peer_ninja_no_module_reads_the_environment():
    sources = [file.read_text() for file in Path(jwt_auth.__file__).parent.rglob("*.py")]
    assert len(sources) > 20
    assert not any("environ" in source or "getenv" in source for source in sources)


def test_peer_qsessions_a_session_begun_over_asgi_knows_user_address_and_agent(client, user, clock):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    headers = {"user-agent": "Phone 1.0"}
    response = async_to_sync(AsyncClient().post)("/auth/login/", body, content_type="application/json", headers=headers)
    assert response.status_code == 200
    row = UserSession.objects.get()
    assert (row.user_id, row.ip_address, row.user_agent) == (user.pk, "127.0.0.1", "Phone 1.0")
    assert row.expires_at == NOW + timedelta(days=30)
    assert client.get_me(response.json()["access_token"]).status_code == 200
