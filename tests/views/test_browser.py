"""The endpoints for browsers: tokens in cookies, and nowhere else."""

import pytest

from jwt_auth import browser_urls, urls
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import database, revoke_session
from tests.support.answers import challenge
from tests.support.browser import Browser, credentials
from tests.support.clients import PASSWORD
from tests.support.outages import down

ACCESS, REFRESH = "__Host-Http-access", "__Host-Http-refresh"


@pytest.fixture
def browser():
    return Browser()


@pytest.fixture
def signed_in(clock, browser, user):
    return browser.sign_in(user)


def holding(header):
    """Return a browser with a page of ours that sends exactly this Cookie header."""
    return Browser(HTTP_COOKIE=header)


# Sign in


def test_a_sign_in_sets_both_cookies_to_the_byte(browser, user, clock):
    answer = browser.login(user)
    assert answer.status_code == 200
    assert [cookie.OutputString() for cookie in answer.cookies.values()] == [
        f"{name}={browser.cookie(name)}; expires=Sun, 31 May 2026 12:30:15 GMT; HttpOnly; Max-Age=1209600; Path=/; "
        "SameSite=Strict; Secure"
        for name in (ACCESS, REFRESH)
    ]


def test_under_debug_on_plain_http_the_cookies_have_plain_names(user, settings):
    settings.DEBUG = True
    browser = Browser(secure=False, HTTP_ORIGIN="http://www.example.com").sign_in(user)
    assert set(browser.cookies) == {"access", "refresh"}
    assert browser.me().status_code == 200
    assert browser.renew().status_code == 200
    settings.DEBUG = False
    assert browser.me().json()["code"] == "not_authenticated"


def test_cookies_last_as_long_as_the_session(signed_in, clock):
    clock.shift(13 * 86400)
    assert signed_in.renew().cookies[REFRESH]["max-age"] == 14 * 86400
    clock.shift(13 * 86400)
    answer = signed_in.renew()
    assert {answer.cookies[name]["max-age"] for name in (ACCESS, REFRESH)} == {4 * 86400}


@pytest.mark.parametrize("same_site", ["Lax", "None"])
def test_same_site_is_a_setting(browser, user, jwt_settings, same_site):
    jwt_settings(COOKIE_SAMESITE=same_site)
    answer = browser.login(user)
    assert {cookie["samesite"] for cookie in answer.cookies.values()} == {same_site}


def test_the_body_has_all_but_the_tokens(browser, user, clock):
    body = browser.login(user, label="laptop").json()
    session = UserSession.objects.get()
    assert body == {
        "expires_in": body["expires_in"],
        "refresh_expires_in": 14 * 86400,
        "session": str(session.pk),
    }
    assert 285 <= body["expires_in"] <= 300
    assert (session.transport, session.label) == (UserSession.Transport.COOKIE, "laptop")
    assert browser.me().json()["session"] == body["session"]


def test_no_token_is_in_any_body_or_in_any_header_but_set_cookie(browser, user, make_user):
    answers = [browser.login(user)]
    secrets = set(browser.pair.values())
    answers += [browser.renew(), browser.me(), browser.send("sessions/", method="get"), browser.get("/api/notes/")]
    secrets |= set(browser.pair.values())
    answers += [browser.send("sessions/", method="delete"), browser.send("logout/"), browser.me(), browser.renew()]
    assert len(secrets) == 4
    for answer in answers:
        text = answer.content.decode() + str(dict(answer.headers))
        assert not [secret for secret in secrets if secret in text or secret.rpartition(".")[2] in text]


def test_a_failed_sign_in_sets_nothing_and_ends_nothing(signed_in, user):
    answer = signed_in.login(user, "wrong")
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
    assert not answer.cookies
    assert signed_in.me().status_code == 200


def test_a_second_sign_in_ends_the_session_whose_cookies_it_replaces(signed_in, user):
    old, first = signed_in.pair, UserSession.objects.get()
    other = Browser().sign_in(user)
    assert signed_in.login(user).json()["session"] != str(first.pk)
    first.refresh_from_db()
    assert (first.revoked_reason, first.counter) == ("signed in again", 0)
    assert holding(f"{ACCESS}={old['access_token']}").me().json()["code"] == "token_revoked"
    assert signed_in.me().status_code == 200
    assert other.me().status_code == 200, "another browser is not concerned"


def test_somebody_else_signing_in_at_the_same_browser_ends_the_first_ones_session(signed_in, user, make_user):
    bob = make_user("bob")
    signed_in.sign_in(bob)
    assert not user.jwt_sessions.filter(revoked_at=None).exists()
    assert signed_in.me().json()["user"][bob.USERNAME_FIELD] == bob.get_username()


# Refresh


def test_a_refresh_rotates_both_cookies(signed_in):
    before = signed_in.pair
    answer = signed_in.renew()
    assert set(answer.json()) == {"expires_in", "refresh_expires_in", "session"}
    assert set(answer.cookies) == {ACCESS, REFRESH}
    assert not set(before.values()) & set(signed_in.pair.values())
    assert UserSession.objects.get().counter == 1
    assert signed_in.me().status_code == 200


def test_a_refresh_needs_the_refresh_cookie_alone(signed_in):
    del signed_in.cookies[ACCESS]
    assert signed_in.renew().status_code == 200
    assert signed_in.me().status_code == 200


def test_a_refresh_reads_no_token_from_the_body_or_the_header(signed_in, client, user):
    pair = client.tokens(user)
    for page in ({}, {"HTTP_AUTHORIZATION": f"Bearer {pair['access_token']}"}):
        answer = Browser(**page).send("refresh/", {"refresh_token": pair["refresh_token"]})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
        assert answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_two_tabs_that_refresh_at_once_stay_signed_in(signed_in, clock):
    header = "; ".join(f"{name}={signed_in.cookie(name)}" for name in (ACCESS, REFRESH))
    first, second = (holding(header).renew() for _ in range(2))
    assert first.cookies[REFRESH].value == second.cookies[REFRESH].value
    assert UserSession.objects.get().counter == 1


def test_a_refresh_cookie_that_was_copied_and_used_twice_ends_the_session(signed_in, clock):
    copied = holding(f"{REFRESH}={signed_in.cookie(REFRESH)}")
    assert signed_in.renew().status_code == 200
    clock.shift(121)
    answer = copied.renew()
    assert (answer.status_code, answer.json()["code"]) == (401, "refresh_token_reused")
    assert signed_in.is_signed_out()


def test_a_refused_refresh_leaves_the_cookies_to_the_tab_that_signed_in_meanwhile(signed_in):
    revoke_session(UserSession.objects.get().pk)
    answer = signed_in.renew()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert not answer.cookies


# Sign out


def test_a_sign_out_ends_the_session_and_deletes_to_the_byte(signed_in, clock):
    copied = holding("; ".join(f"{name}={signed_in.cookie(name)}" for name in (ACCESS, REFRESH)))
    answer = signed_in.send("logout/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert [cookie.OutputString() for cookie in answer.cookies.values()] == [
        f'{name}=""; expires=Sun, 17 May 2026 12:30:15 GMT; HttpOnly; Max-Age=0; Path=/; SameSite=Strict; Secure'
        for name in (ACCESS, REFRESH)
    ]
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert copied.is_signed_out()


def test_a_sign_out_can_be_repeated(signed_in):
    for _ in range(3):
        answer = signed_in.send("logout/")
        assert (answer.status_code, set(answer.cookies)) == (204, {ACCESS, REFRESH})


@pytest.mark.parametrize("kept", [ACCESS, REFRESH])
def test_either_cookie_signs_out_also_when_its_time_is_over(signed_in, clock, kept):
    clock.shift(3600)
    assert holding(f"{kept}={signed_in.cookie(kept)}").send("logout/").status_code == 204
    assert UserSession.objects.get().revoked_reason == "logout"


@pytest.mark.parametrize("where", ["header", "body"])
def test_a_token_in_the_header_or_the_body_is_signed_out_as_well(signed_in, client, user, where):
    pair = client.tokens(user)
    page = {"HTTP_AUTHORIZATION": f"Bearer {pair['access_token']}"} if where == "header" else {}
    body = {"refresh_token": pair["refresh_token"]} if where == "body" else None
    assert signed_in.send("logout/", body, **page).status_code == 204
    assert client.is_dead(pair)
    assert not UserSession.objects.filter(revoked_at=None).exists()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("{", "application/json"),
        ("[]", "application/json"),
        ('{"refresh_token": 5}', "application/json"),
        ("[" * 50000, "application/json"),
        ("a=b", "application/x-www-form-urlencoded"),
        ("x", "text/plain"),
        ("x", "no type at all"),
    ],
)
def test_a_body_that_can_not_be_read_is_no_reason_to_stay_signed_in(signed_in, body, content_type):
    answer = signed_in.generic("POST", "/auth/browser/logout/", body, content_type=content_type)
    assert (answer.status_code, set(answer.cookies)) == (204, {ACCESS, REFRESH})
    assert UserSession.objects.get().revoked_at


def test_a_sign_out_in_an_outage_can_be_tried_again(signed_in, monkeypatch):
    """Without the cookies nobody could end the session any more."""

    with monkeypatch.context() as patched:
        patched.setattr("jwt_auth.sessions.lifecycle.end_session", down)
        answer = signed_in.send("logout/")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert not answer.cookies
    assert signed_in.send("logout/").status_code == 204


def test_signing_out_everywhere_signs_out_here_as_well(signed_in, user):
    other = Browser().sign_in(user)
    answer = signed_in.send("logout/all/")
    assert (answer.status_code, set(answer.cookies)) == (204, {ACCESS, REFRESH})
    assert {cookie["max-age"] for cookie in answer.cookies.values()} == {0}
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert other.is_signed_out()


@pytest.mark.parametrize(("kinds", "header"), [(["cache"], '"cache"'), ([], None), (("storage",), '"storage"')])
def test_what_the_browser_forgets_is_a_setting(signed_in, jwt_settings, kinds, header):
    jwt_settings(CLEAR_SITE_DATA=kinds)
    assert signed_in.send("logout/").get("Clear-Site-Data") == header


def test_nothing_but_a_sign_out_clears_site_data(signed_in, user):
    for answer in (signed_in.me(), signed_in.renew(), signed_in.login(user), signed_in.send("sessions/", None, "get")):
        assert "Clear-Site-Data" not in answer


# Sessions


def test_sessions_are_listed_and_ended(signed_in, user, client, make_user):
    other, bob = Browser().sign_in(user), Browser().sign_in(make_user("bob"))
    pair = client.tokens(user)
    listed = signed_in.send("sessions/", method="get").json()["results"]
    assert len(listed) == 3
    assert [row["id"] for row in listed if row["current"]] == [signed_in.me().json()["session"]]
    bobs = bob.me().json()["session"]
    assert signed_in.send(f"sessions/{bobs}/", method="delete").status_code == 404
    assert signed_in.send(f"sessions/{pair['session']}/", method="delete").status_code == 204
    assert client.is_dead(pair)
    assert signed_in.send("sessions/", method="delete").status_code == 204
    assert other.is_signed_out()
    assert not bob.is_signed_out()
    assert not signed_in.is_signed_out()


def test_ending_the_session_that_one_is_in_is_signing_out(signed_in, user):
    other = Browser().sign_in(user)
    here = signed_in.me().json()["session"]
    assert not other.send(f"sessions/{here}/", method="delete").cookies, "a device that is ended from afar"
    signed_in.sign_in(user)
    here = signed_in.me().json()["session"]
    answer = signed_in.send(f"sessions/{here}/", method="delete")
    assert (answer.status_code, set(answer.cookies)) == (204, {ACCESS, REFRESH})
    assert answer["Clear-Site-Data"] == '"cache", "storage"'
    assert not other.is_signed_out()


def test_who_ended_it_is_on_record(signed_in, user):
    other = Browser().sign_in(user).me().json()["session"]
    signed_in.send(f"sessions/{other}/", method="delete")
    assert RevocationEvent.objects.get().actor == str(user.pk)


# Other cookies in the browser

STALE = "stale"
GARBAGE = {
    "empty": f"{ACCESS}=; {REFRESH}=",
    "quoted nothing": f'{ACCESS}=""; {REFRESH}=""',
    "text": f"{ACCESS}=x; {REFRESH}=y",
    "shaped like ours": f"{ACCESS}=eyJhbGciOiJIUzI1NiJ9.e30.{'A' * 43}; {REFRESH}={'0' * 32}.0.{'A' * 43}",
    "not ASCII": f"{ACCESS}=\xe9\xff; {REFRESH}=\xe9\xff",
    "UTF-8": f"{ACCESS}=😀; {REFRESH}=😀".encode().decode("latin-1"),
    "control characters": f"{ACCESS}=a\x00b\x7f; {REFRESH}=\x01",
    "oversized": f"{ACCESS}={'a' * 60000}; {REFRESH}={'b' * 60000}",
    "twice": f"{ACCESS}=a; {ACCESS}=b; {REFRESH}=c; {REFRESH}=d",
    "a thousand": "; ".join(f"{ACCESS}={n}; {REFRESH}={n}" for n in range(1000)),
    "swapped": "swapped",
    "revoked": "revoked",
    STALE: STALE,
}


@pytest.fixture(params=GARBAGE)
def jar(request, user, clock):
    """Return a Cookie header without a valid token."""
    if request.param not in ("revoked", "swapped", STALE):
        return GARBAGE[request.param]
    former = Browser().sign_in(user)
    if request.param == "swapped":
        return f"{ACCESS}={former.cookie(REFRESH)}; {REFRESH}={former.cookie(ACCESS)}"
    if request.param == "revoked":
        revoke_session(UserSession.objects.get().pk)
    else:
        clock.shift(15 * 86400)
    return f"{ACCESS}={former.cookie(ACCESS)}; {REFRESH}={former.cookie(REFRESH)}"


def test_a_bad_jar_stands_in_the_way_of_no_sign_in(jar, user):
    answer = holding(jar).send("login/", credentials(user))
    assert answer.status_code == 200
    assert set(answer.cookies) == {ACCESS, REFRESH}


def test_a_refresh_cookie_that_the_browser_has_is_not_set_again(user, clock):
    """Another tab may have got its successor meanwhile. The rotation before is the control."""
    page = Browser().sign_in(user)
    assert set(page.renew().cookies) == {ACCESS, REFRESH}
    clock.shift(100)
    answer = page.renew()
    assert (answer.status_code, set(answer.cookies)) == (200, {ACCESS})


def test_a_bad_jar_stands_in_the_way_of_no_sign_out(jar):
    answer = holding(jar).send("logout/")
    assert (answer.status_code, set(answer.cookies)) == (204, {ACCESS, REFRESH})


def test_a_bad_access_cookie_stands_in_the_way_of_no_refresh(jar, user):
    good = Browser().sign_in(user)
    bad = "; ".join(pair for pair in jar.split("; ") if pair.startswith(ACCESS))
    assert holding(f"{bad}; {REFRESH}={good.cookie(REFRESH)}").renew().status_code == 200


def test_a_bad_refresh_cookie_is_refused_and_never_a_crash(jar):
    answer = holding(jar).renew()
    assert answer.status_code == 401
    assert answer.json()["code"] in ("invalid_token", "token_revoked", "token_expired")
    assert answer["WWW-Authenticate"] == challenge(answer.json()["code"])


def test_a_bad_jar_is_anonymous_to_a_protected_view_which_says_why(jar):
    answer = holding(jar).me()
    code = answer.json()["code"]
    assert (answer.status_code, code in ("invalid_token", "token_revoked", "token_expired")) == (401, True)
    assert answer["WWW-Authenticate"] == challenge(code)


# Answers


def test_no_answer_is_kept_by_a_cache_or_shown_to_others(signed_in, user):
    answers = [signed_in.me(), signed_in.renew(), signed_in.login(user), signed_in.send("sessions/", None, "get")]
    answers += [signed_in.send("logout/"), signed_in.me(), signed_in.renew(), Browser().send("login/", {})]
    answers += [signed_in.send("logout/", HTTP_SEC_FETCH_SITE="cross-site")]
    for answer in answers:
        assert answer["Cache-Control"] == "no-store"
        assert {"Authorization", "Cookie"} <= {name.strip() for name in answer["Vary"].split(",")}


def test_no_django_session_is_made(signed_in, user):
    from django.contrib.sessions.models import Session

    signed_in.renew()
    signed_in.send("logout/")
    assert not Session.objects.exists()
    assert "sessionid" not in signed_in.cookies


def test_both_sets_of_endpoints_name_what_they_share_alike():
    names = {pattern.name for pattern in browser_urls.urlpatterns}
    signing_in = {"login", "reauthenticate", "exchange-session", "refresh", "logout", "logout-all"}
    assert names == {*signing_in, "sessions", "session", "me", "my-clients", "ticket"}
    assert names < {pattern.name for pattern in urls.urlpatterns}


def test_sign_in_is_throttled_as_the_other_one_is_and_from_the_same_budget(browser, user, client, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="2/min")
    assert browser.login(user).status_code == 200
    assert client.login(user).status_code == 200
    refused = browser.login(user)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")


def test_an_outage_is_503_and_signs_nobody_out(signed_in, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(database, "find_by_handle", down)
        answer = signed_in.renew()
        assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")
        assert not answer.cookies
    assert not signed_in.is_signed_out()


def test_a_password_of_the_wrong_kind_is_400_as_elsewhere(browser, user):
    answer = browser.send("login/", {**credentials(user), "password": [PASSWORD]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert not answer.cookies
