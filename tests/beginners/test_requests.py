"""Wrong requests: the answer says what to send, and under DEBUG the console says why there was no token."""

import logging

import pytest

from tests.support.clients import PASSWORD, Client

SEND = 'send "Authorization: Bearer <access token>".'
OTHER_SCHEME = f"No token: the Authorization header does not begin with Bearer and a space; {SEND}"
NO_HEADER = f"No token: there is no Authorization header; {SEND}"


@pytest.fixture
def console(caplog, settings):
    """`console()` returns the warnings of the app under DEBUG, and forgets them."""
    settings.DEBUG = True
    caplog.set_level(logging.WARNING, "jwt_auth")

    def read():
        lines = [record.getMessage() for record in caplog.records if record.name == "jwt_auth"]
        caplog.clear()
        return lines

    return read


SCHEMES = ("Token {}", "JWT {}", "{}", "Bearer: {}", "Bearer{}", "Bearer={}", "Basic YWxpY2U6eA==", '"Bearer {}"')


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_scheme(client, pair, console, scheme):
    header = scheme.format(pair["access_token"])
    answer = client.get("/auth/me/", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert console() == [OTHER_SCHEME]
    assert client.get_me(pair["access_token"]).status_code == 200


def test_no_header_and_a_token_elsewhere(client, pair, console):
    raw = pair["access_token"]
    client.get("/auth/me/")
    client.get("/auth/me/", HTTP_X_AUTH_TOKEN=raw)
    assert console() == [NO_HEADER, NO_HEADER]
    for name in ("token", "access_token", "jwt"):
        assert client.get("/auth/me/", {name: raw}).status_code == 401
        assert console() == [f"No token: a token in the URL is not read; {SEND}"]


def test_a_cookie_that_is_not_read_and_one_that_is_missing(client, user, console):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    assert client.send("browser/login/", body, HTTP_SEC_FETCH_SITE="same-origin").status_code == 200
    assert client.get("/auth/browser/me/").status_code == 200
    assert console() == []
    assert client.get("/auth/me/").status_code == 401
    assert ["add JWTCookieAuthentication to its authentication_classes" in line for line in console()] == [True]
    client.cookies.clear()
    assert client.get("/auth/browser/me/").status_code == 401
    (line,) = console()
    assert line.startswith("No token: the request has neither the cookie access nor an Authorization header;")
    assert 'credentials: "include"' in line


def test_without_debug_nothing_is_logged_that_anybody_can_cause(client, pair, log):
    before = len(log())
    client.get("/auth/me/")
    client.get("/auth/me/", HTTP_AUTHORIZATION=f"Token {pair['access_token']}")
    assert len(log()) == before


def test_another_media_type(client, user):
    told = [
        client.post("/auth/login/", {user.USERNAME_FIELD: "alice"}, format="multipart"),
        client.post("/auth/login/", '{"a": 1}', content_type="text/plain"),
        client.post("/auth/login/", "a=1", content_type="application/x-www-form-urlencoded"),
    ]
    detail = "Send the body with the header Content-Type: application/json."
    assert [(answer.status_code, answer.json()["detail"]) for answer in told] == [(415, detail)] * 3
    answer = client.post("/auth/introspect/", "x", content_type="text/plain", HTTP_AUTHORIZATION="Bearer x")
    assert answer.status_code == 401  # told who may ask first
    answer = client.post("/auth/token/", "x", content_type="text/plain")
    assert "application/x-www-form-urlencoded or application/json" in answer.json()["detail"]
    assert client.tokens(user)


def test_another_method(client, user):
    answer = client.get("/auth/login/")
    assert (answer.status_code, answer.json()["detail"]) == (405, "This URL accepts POST only.")
    assert answer["Allow"] == "POST, OPTIONS"


BODIES = {
    "another name for the field": ({"email": "a@example.com", "password": "x"}, ["username"]),
    "other names": ({"user": "alice", "pass": "x"}, ["password", "username"]),
    "in an envelope": ({"data": {"username": "alice", "password": "x"}}, ["password", "username"]),
    "a number": ({"username": "alice", "password": 12345}, ["password"]),
}


@pytest.mark.parametrize("mistake", BODIES)
def test_the_errors_name_the_fields(client, db, mistake):
    body, fields = BODIES[mistake]
    answer = client.send("login/", body)
    assert (answer.status_code, sorted(answer.json()["errors"])) == (400, fields)


@pytest.mark.parametrize(
    ("path", "wrong", "right"), [("refresh/", "refresh", "refresh_token"), ("verify/", "x", "token")]
)
def test_another_name_for_the_token(client, db, path, wrong, right):
    assert list(client.send(path, {wrong: "x"}).json()["errors"]) == [right]


def test_python_instead_of_json(client, db):
    answer = client.post("/auth/login/", "{'username': 'alice'}", content_type="application/json")
    assert "property name enclosed in double quotes" in answer.json()["detail"]


def test_a_page_of_another_origin(user, log):
    client = Client(enforce_csrf_checks=True)
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    page = {"HTTP_ORIGIN": "http://localhost:3000", "HTTP_SEC_FETCH_SITE": "same-site"}
    answer = client.send("browser/login/", body, **page)
    assert answer.json() == {"detail": "The request does not come from a page of this site.", "code": "csrf_failed"}
    text = "it comes from 'http://localhost:3000' (Sec-Fetch-Site: same-site), this site is 'http://testserver', and"
    assert f"{text} CSRF_TRUSTED_ORIGINS does not have that origin" in log()[-1].getMessage()
    client.send("browser/login/", body, **{**page, "HTTP_ORIGIN": "http://" + "a" * 5000})
    assert len(log()[-1].getMessage()) < 500


def test_a_trusted_page_of_another_origin(user, settings):
    client = Client(enforce_csrf_checks=True)
    settings.CSRF_TRUSTED_ORIGINS = ["http://localhost:3000"]
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    page = {"HTTP_ORIGIN": "http://localhost:3000", "HTTP_SEC_FETCH_SITE": "same-site"}
    assert client.send("browser/login/", body, **page).status_code == 200


def test_cookies_without_a_page(user, log, settings):
    client = Client(enforce_csrf_checks=True)
    settings.DEBUG = True
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    client.send("browser/login/", body, HTTP_SEC_FETCH_SITE="same-origin")
    assert client.send("browser/logout/", {}).status_code == 403
    assert "a client that is no browser sends the token in the Authorization header" in log()[-1].getMessage()
    client.cookies.clear()
    answer = client.send("browser/refresh/", {"refresh_token": "x"}, HTTP_SEC_FETCH_SITE="same-origin")
    assert answer.json()["code"] == "not_authenticated"
    assert "there is no cookie refresh, and a token in the body is not read here" in log()[-1].getMessage()


def test_a_missing_permission_is_named(client, user, pair):
    bearer = client.bearer(pair["access_token"])
    told = {
        "revoke/user/": "jwt_auth.revoke_user",
        "introspect/": "jwt_auth.introspect",
        "clients/": "jwt_auth.add_registeredclient",
    }
    for path, permission in told.items():
        answer = bearer.send(path, {"username": "alice"})
        assert (answer.status_code, answer.json()["detail"]) == (403, f"The user needs the permission {permission}.")


def test_an_explanation_changes_no_answer(client, console):
    answer = client.get("/auth/me/?" + "&".join(["a=1"] * 2000))
    assert (answer.status_code, console()) == (401, [NO_HEADER])
