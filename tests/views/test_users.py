"""The behaviour that all endpoints share, and the answers of each."""

import json
import uuid
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Permission
from django.contrib.auth.signals import user_logged_in
from django.utils import timezone
from rest_framework.versioning import QueryParameterVersioning
from rest_framework.views import APIView

from jwt_auth import verification
from jwt_auth.exceptions import RevokedTokenError, UntrustedIssuerError
from jwt_auth.issuers.directory import find_issuer
from jwt_auth.jose.encoding import base64url_encode
from jwt_auth.keyring.stored import own_keys
from jwt_auth.models import UserSession
from jwt_auth.urls import urlpatterns
from tests.support.answers import assert_error, challenge
from tests.support.clients import PASSWORD
from tests.support.keys import pem, public_pem
from tests.support.rows import begin

# Path, method, a body that it accepts, and whether it requires authentication.
ENDPOINTS = {
    "login": ("login/", "post", {"password": "x"}, False),
    "reauthenticate": ("reauthenticate/", "post", {"password": "x"}, True),
    "refresh": ("refresh/", "post", {"refresh_token": "x"}, False),
    "logout": ("logout/", "post", {"refresh_token": "x"}, False),
    "logout-all": ("logout/all/", "post", {}, True),
    "sessions": ("sessions/", "get", None, True),
    "session": (f"sessions/{uuid.UUID(int=1)}/", "delete", None, True),
    "revoke": ("revoke/", "post", {"token": "x"}, False),
    "revoke-user": ("revoke/user/", "post", {"user": "nobody"}, True),
    "revoke-global": ("revoke/global/", "post", {"sub_id": {"format": "opaque", "id": "nobody"}}, True),
    "introspect": ("introspect/", "post", {"token": "x"}, True),
    "verify": ("verify/", "post", {"token": "x"}, False),
    "me": ("me/", "get", None, True),
    "my-clients": ("me/clients/", "get", None, True),
    "ticket": ("ticket/", "post", None, True),
    "clients": ("clients/", "post", {"client_name": "x", "user": "nobody"}, True),
    "client": (f"clients/client_{'0' * 32}/", "get", None, True),
    "client-keys": (f"clients/client_{'0' * 32}/keys/", "get", None, True),
    "client-key": (f"clients/client_{'0' * 32}/keys/x/", "delete", None, True),
}
# Their bodies may be empty: test_clients.py tests them.
OF_CLIENTS = {"revoke-client", "rotate-client-key"}
# Theirs are not read.
WITHOUT_BODY = {"logout-all", "ticket"}
POSTS = [name for name, (_, method, _, _) in ENDPOINTS.items() if method == "post" and name not in WITHOUT_BODY]
PROTECTED = [name for name, (*_, protected) in ENDPOINTS.items() if protected]


def url(name):
    return f"/auth/{ENDPOINTS[name][0]}"


def snapshot():
    """Return all rows of all tables, to compare them."""
    models = [model for model in apps.get_models() if model._meta.managed]
    return {model: sorted(map(repr, model._base_manager.values_list())) for model in models}


@pytest.fixture
def signed_in(client, user):
    return client.bearer(client.tokens(user)["access_token"])


def test_the_table_has_all_endpoints():
    others = {"exchange", "exchange-session", "jwks", "metadata", "revocations", *OF_CLIENTS}
    assert {pattern.name for pattern in urlpatterns} == {*ENDPOINTS, *others}


# All endpoints


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete", "trace"])
@pytest.mark.sampled
def test_a_wrong_method_is_405(client, staff, name, method):
    signed_in = client.bearer(client.tokens(staff)["access_token"])
    allowed = signed_in.options(url(name))["Allow"].lower().split(", ")
    assert ENDPOINTS[name][1] in allowed
    if method not in allowed:
        answer = signed_in.generic(method.upper(), url(name))
        assert_error(answer, 405, "method_not_allowed")
        assert answer["Allow"].lower().split(", ") == allowed


@pytest.mark.parametrize("name", POSTS)
@pytest.mark.parametrize("kind", ["text/plain", "text/json", "multipart/form-data; boundary=x", "", "x"])
def test_a_wrong_media_type_is_415(client, staff, name, kind):
    body = json.dumps(ENDPOINTS[name][2]).encode()
    signed_in = client if name == "logout" else client.bearer(client.tokens(staff)["access_token"])
    assert signed_in.generic("POST", url(name), body, content_type="application/json").status_code != 415
    assert_error(signed_in.generic("POST", url(name), body, content_type=kind), 415, "unsupported_media_type")


@pytest.mark.parametrize("name", [name for name in POSTS if name not in ("revoke", "introspect")])
def test_forms_are_for_the_endpoints_of_oauth_alone(client, staff, name):
    signed_in = client if name == "logout" else client.bearer(client.tokens(staff)["access_token"])
    answer = signed_in.generic("POST", url(name), b"token=x", content_type="application/x-www-form-urlencoded")
    assert_error(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("name", [name for name in POSTS if name != "logout"])
@pytest.mark.parametrize("body", [{}, {"unknown": 1}, {"token": 1, "refresh_token": 1, "user": [1]}, {"token": None}])
def test_a_body_without_what_is_needed_is_400(client, staff, name, body):
    assert_error(client.bearer(client.tokens(staff)["access_token"]).send(url(name), body), 400, "invalid_request")


@pytest.mark.parametrize("accept", ["text/html", "application/json; v=2", "nonsense"])
def test_a_sign_out_does_not_fail_over_what_the_client_would_like_to_read(client, user, accept):
    pair = client.tokens(user)
    body = {"refresh_token": pair["refresh_token"]}
    assert client.send("logout/", body, HTTP_ACCEPT=accept).status_code == 204
    answer = client.send("refresh/", body, HTTP_ACCEPT=accept)
    assert_error(answer, 401, "token_revoked")
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("name", PROTECTED)
@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("header", "code", "named"),
    [
        (None, "not_authenticated", ""),
        ("Basic YTpi", "not_authenticated", ""),
        ("Bearer x", "invalid_token", "invalid_token"),
        ("Bearer", "invalid_token", "invalid_token"),
    ],
)
def test_a_401_names_an_error_only_when_there_was_a_token(client, name, header, code, named):
    _, method, body, _ = ENDPOINTS[name]
    answer = client.send(url(name), body, method, **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert_error(answer, 401, code)
    assert answer["WWW-Authenticate"] == challenge(named)


@pytest.mark.parametrize(
    ("name", "named"),
    [("login", ""), ("refresh", "invalid_token"), ("verify", "invalid_token")],
)
def test_a_refusal_of_what_is_in_the_body_has_a_challenge_too(client, user, name, named):
    body = {user.USERNAME_FIELD: "nobody@example.com", **ENDPOINTS[name][2]}
    answer = client.send(url(name), body)
    assert_error(answer, 401, "invalid_credentials" if name == "login" else "invalid_token")
    assert answer["WWW-Authenticate"] == challenge(named)


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.sampled
def test_safe_methods_change_nothing(client, user, name, method):
    pair = client.tokens(user)
    before = snapshot()
    answer = client.bearer(pair["access_token"]).generic(method, url(name), QUERY_STRING="token=x&user=1")
    assert answer["Cache-Control"] == "no-store"
    assert snapshot() == before
    assert not client.is_dead(pair)


@pytest.mark.parametrize("name", ["refresh", "revoke", "verify", "logout", "login"])
def test_what_stands_in_the_query_is_not_read(client, user, name):
    pair = client.tokens(user)
    query = {"refresh_token": pair["refresh_token"], "token": pair["access_token"], "access_token": "x"}
    query |= {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    before = snapshot()
    answer = client.post(url(name), {}, format="json", query_params=query)
    assert_error(answer, 400, "invalid_request")
    assert snapshot() == before


@pytest.mark.parametrize("name", ENDPOINTS)
def test_no_endpoint_sets_a_cookie_or_begins_a_django_session(client, user, name):
    _, method, body, _ = ENDPOINTS[name]
    signed_in = client.bearer(client.tokens(user)["access_token"])
    assert not signed_in.send(url(name), {**(body or {}), user.USERNAME_FIELD: "x"}, method).cookies


@pytest.mark.parametrize("name", ["login", "refresh", "logout", "revoke", "verify"])
def test_a_stale_token_in_the_header_stands_in_nobody_s_way(client, user, name):
    pair = client.tokens(user)
    body = {"refresh_token": pair["refresh_token"], "token": pair["access_token"], "password": PASSWORD}
    body[user.USERNAME_FIELD] = user.get_username()
    assert client.send(url(name), body, HTTP_AUTHORIZATION="Bearer stale").status_code in (200, 204)


def test_an_unknown_session_id_is_404_and_no_uuid_is_no_endpoint(signed_in):
    assert_error(signed_in.delete(url("session")), 404, "not_found")
    assert signed_in.delete("/auth/sessions/1/").status_code == 404


# Sign-in


def test_a_sign_in_tells_django(client, user):
    heard = []

    def listen(sender, request, user, **kwargs):
        heard.append((sender, user.pk))

    user_logged_in.connect(listen)
    try:
        client.tokens(user)
        client.login(user, password="wrong")
    finally:
        user_logged_in.disconnect(listen)
    assert heard == [(type(user), user.pk)]
    user.refresh_from_db()
    assert user.last_login is not None


@pytest.mark.parametrize("password", [" p ", "p ", "\tp", "\u00a0p"])
@pytest.mark.every_value
def test_spaces_around_a_password_belong_to_it(client, make_user, password):
    user = make_user(password=password)
    assert client.login(user, password=password).status_code == 200
    assert client.login(user, password="p").status_code == 401


def test_unknown_names_wrong_passwords_and_inactive_users_look_the_same(client, user, make_user):
    inactive = make_user("bob", is_active=False)
    name = user.USERNAME_FIELD
    answers = [
        client.send("login/", {name: "nobody@example.com", "password": PASSWORD}),
        client.send("login/", {name: user.get_username(), "password": "wrong"}),
        client.send("login/", {name: inactive.get_username(), "password": PASSWORD}),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert client.login(user).status_code == 200


def test_a_name_is_normalised_as_django_s_forms_do(client, make_user):
    user = make_user("caf\u00e9" if django_settings.AUTH_USER_MODEL != "uuid_accounts.Account" else "cafe")
    body = {user.USERNAME_FIELD: user.get_username().replace("\u00e9", "e\u0301"), "password": PASSWORD}
    assert client.send("login/", body).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"password": "a" * 4097},
        {"password": 1},
        {"password": ""},
        {"password": "a\x00"},
        {"label": "a" * 101},
        {"label": None},
        {"label": ["a"]},
    ],
)
@pytest.mark.every_value
def test_a_field_of_the_wrong_form_is_named(client, user, change):
    answer = client.login(user, **change)
    assert_error(answer, 400, "invalid_request")
    assert set(answer.json()["errors"]) == set(change)


# Users


def test_me_describes_the_user_and_the_token(client, user, clock):
    pair = client.tokens(user)
    body = client.get_me(pair["access_token"]).json()
    assert body["user"] == {"id": str(user.pk), user.USERNAME_FIELD: user.get_username()}
    assert (body["client_id"], body["session"], body["scope"]) == ("jwt_auth", pair["session"], "")
    assert body["auth_time"] == "2026-05-17T12:30:15.250000Z"
    assert body["issued_at"] == "2026-05-17T12:30:15Z"
    assert "2026-05-17T12:35:00Z" <= body["expires_at"] <= "2026-05-17T12:35:15Z"


def test_only_those_with_the_permission_revoke_others(client, user, make_user, staff):
    clerk, pair = make_user("clerk"), client.tokens(user)
    body = {"user": str(user.pk), "reason": "lost phone"}
    answer = client.bearer(client.tokens(clerk)["access_token"]).send("revoke/user/", body)
    assert_error(answer, 403, "permission_denied")
    clerk.user_permissions.add(Permission.objects.get(codename="revoke_user"))
    answer = client.bearer(client.tokens(clerk)["access_token"]).send("revoke/user/", body)
    assert answer.json()["sessions_revoked"] == 1
    assert answer.json()["user"] == user.pk or answer.json()["user"] == str(user.pk)
    assert client.is_dead(pair)


def test_a_user_is_named_by_key_or_by_name(client, user, staff):
    signed_in = client.bearer(client.tokens(staff)["access_token"])
    for body in ({"user": str(user.pk)}, {"username": user.get_username()}):
        assert signed_in.send("revoke/user/", body).status_code == 200
    both = {"user": str(user.pk), "username": user.get_username()}
    assert_error(signed_in.send("revoke/user/", both), 400, "invalid_request")


@pytest.mark.parametrize("key", ["0", "-1", "9" * 30, "9" * 249, "abc", "{pk}x", "0{pk}", "{pk}.0", "+{pk}", "\uff11"])
@pytest.mark.every_value
def test_a_key_of_nobody_is_404(client, user, staff, key):
    signed_in = client.bearer(client.tokens(staff)["access_token"])
    assert_error(signed_in.send("revoke/user/", {"user": key.format(pk=user.pk)}), 404, "not_found")
    assert_error(signed_in.send("revoke/user/", {"username": "nobody" + key}), 404, "not_found")


# Verification


def test_the_asynchronous_twin_verifies_too(client, user):
    pair = client.tokens(user)
    assert async_to_sync(verification.averify)(pair["access_token"]).user == user
    client.send("logout/", {"refresh_token": pair["refresh_token"]})
    with pytest.raises(RevokedTokenError):
        async_to_sync(verification.averify)(pair["access_token"])


@pytest.mark.parametrize("name", [None, "", "JWT_AUTH", "jwt_auth ", "other"])
def test_an_issuer_is_trusted_by_its_exact_name(name):
    assert find_issuer("jwt_auth").name == "jwt_auth"
    with pytest.raises(UntrustedIssuerError):
        find_issuer(name)


# JWKS

JWKS = "/auth/.well-known/jwks.json"


def test_no_key_is_published_while_they_are_secrets(client):
    answer = client.get(JWKS)
    assert answer.json() == {"keys": []}
    assert answer["Cache-Control"] == "public, max-age=300"


def test_public_keys_are_published_for_everybody(client, jwt_settings, rsa_key, ec_key, ed_key):
    secret = {"kty": "oct", "k": base64url_encode(bytes(range(128, 192)))}
    fallbacks = [public_pem(ec_key), pem(ed_key), secret]
    jwt_settings(ALGORITHM="PS256", SIGNING_KEY=pem(rsa_key), SIGNING_KEY_FALLBACKS=fallbacks)
    answer = client.get(JWKS)
    assert answer["Content-Type"] == "application/json"
    assert answer["Access-Control-Allow-Origin"] == "*"
    keys = answer.json()["keys"]
    assert sorted(key["alg"] for key in keys) == ["ES256", "Ed25519", "PS256"]
    assert {key["use"] for key in keys} == {"sig"}
    assert own_keys().signing.kid in {key["kid"] for key in keys}
    assert set().union(*keys) == {"kty", "n", "e", "crv", "x", "y", "kid", "alg", "use"}
    assert len({key["kid"] for key in keys}) == 3


def test_an_unchanged_key_set_is_not_sent_again(client, jwt_settings, ec_key, rsa_key):
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    etag = client.get(JWKS)["ETag"]
    unchanged = client.get(JWKS, HTTP_IF_NONE_MATCH=etag)
    assert (unchanged.status_code, unchanged.content, unchanged["ETag"]) == (304, b"", etag)
    jwt_settings(SIGNING_KEY_FALLBACKS=[public_pem(rsa_key)])
    changed = client.get(JWKS, HTTP_IF_NONE_MATCH=etag)
    assert changed.status_code == 200
    assert changed["ETag"] != etag


def test_a_304_carries_the_caching_rules_of_the_answer(client, jwt_settings, ec_key):
    # RFC 9110 section 15.4.5: otherwise a cache would keep the answer without the header.
    jwt_settings(ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    unchanged = client.get(JWKS, HTTP_IF_NONE_MATCH=client.get(JWKS)["ETag"])
    assert unchanged.get("Cache-Control") == "public, max-age=300"


def test_another_algorithm_for_the_same_key_is_another_document(client, jwt_settings, rsa_key):
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    before = client.get(JWKS)
    jwt_settings(ALGORITHM="PS256")
    assert client.get(JWKS).json() != before.json()
    assert client.get(JWKS, HTTP_IF_NONE_MATCH=before["ETag"]).status_code == 200


def test_the_key_set_can_only_be_read(client, db):
    assert client.head(JWKS).status_code == 200
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)(JWKS).status_code == 405


def test_the_key_set_asks_no_database_and_no_user(client):
    # This test has no database: a query would be an error.
    assert client.get(JWKS, HTTP_AUTHORIZATION="Bearer stale").status_code == 200


def test_the_key_set_is_public_where_views_need_a_sign_in(client, settings, db):
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    assert client.get("/auth/.well-known/jwks.json").status_code == 200
    assert client.get("/admin/").status_code == 302


def test_a_key_set_that_has_not_changed_may_still_be_read_by_other_origins(client):
    etag = client.get("/auth/.well-known/jwks.json")["ETag"]
    answer = client.get("/auth/.well-known/jwks.json", HTTP_IF_NONE_MATCH=etag)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (304, "*")
    assert answer["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("path", ["logout/?version=9", "refresh/?version=9"])
def test_a_projects_versions_of_its_api_are_none_of_ours(client, user, monkeypatch, rf, path):
    monkeypatch.setattr(APIView, "versioning_class", QueryParameterVersioning)
    monkeypatch.setattr(QueryParameterVersioning, "allowed_versions", ["1"])
    pair = client.tokens(user)
    assert APIView.as_view()(rf.get(f"/?{path.partition('?')[2]}")).status_code == 404  # the control case
    assert client.send(path, {"refresh_token": pair["refresh_token"]}).status_code in (200, 204)


# Lists


def listed(client, token, **query):
    answer = client.bearer(token).get("/auth/sessions/", query)
    assert answer.status_code == 200
    return answer.json()


def test_the_list_has_pages_the_current_session_first_and_then_those_used_last(client, user, clock):
    mine = client.tokens(user)
    clock.shift(3600)
    begin(user, 210, timedelta(seconds=1))
    mine = client.refresh(mine["refresh_token"]).json()
    UserSession.objects.filter(pk=mine["session"]).update(last_issued_at=timezone.now() - timedelta(hours=1))
    first = listed(client, mine["access_token"])
    assert (first["count"], first["previous"], len(first["results"])) == (211, None, 100)
    assert first["next"].endswith("/auth/sessions/?page=2")
    assert [row["current"] for row in first["results"]] == [True] + [False] * 99
    pages = [first, *(listed(client, mine["access_token"], page=number) for number in (2, 3))]
    rows = [row for page in pages for row in page["results"]]
    assert len({row["id"] for row in rows}) == 211
    used = [row["last_used_at"] for row in rows[1:]]
    assert used == sorted(used, reverse=True)
    assert pages[2]["next"] is None


@pytest.mark.parametrize("page", ["2", "0", "-1", "x", "9" * 5000, "1.0"])
@pytest.mark.every_value
def test_a_page_that_is_not_there_is_not_found(client, user, page):
    token = client.tokens(user)["access_token"]
    assert client.bearer(token).get("/auth/sessions/", {"page": page}).status_code == 404
    assert listed(client, token, page="last")["count"] == 1


@pytest.mark.parametrize("mode", ["database", "memory"])
def test_sessions_of_an_earlier_password_are_not_listed(client, user, jwt_settings, mode):
    jwt_settings(REVOCATION=mode)
    client.tokens(user)
    type(user).objects.filter(pk=user.pk).update(password=make_password(PASSWORD))
    pair = client.tokens(user)
    assert [row["id"] for row in listed(client, pair["access_token"])["results"]] == [pair["session"]]
