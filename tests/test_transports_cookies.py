"""Cookies: how they are read from a header that anyone may have written, and how they are set."""

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from jwt_auth import sessions, transports
from jwt_auth.exceptions import ConfigurationError, MalformedTokenError
from jwt_auth.models import UserSession
from tests.support.browser import Browser

ACCESS, REFRESH = "__Host-Http-access", "__Host-Http-refresh"


def request(header=None, **options):
    return RequestFactory().get("/", **({} if header is None else {"HTTP_COOKIE": header}), **options)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (None, None),
        ("", None),
        (";;; ;", None),
        (ACCESS, ""),
        (f"{ACCESS}=", ""),
        (f"{ACCESS}=abc", "abc"),
        (f"{ACCESS}=abc; other=1", "abc"),
        (f"other=1;{ACCESS}=abc", "abc"),
        (f" \t{ACCESS} = abc \t", "abc"),
        (f"{ACCESS}=a=b", "a=b"),
        (f"{ACCESS}=abc; {ACCESS}=abc", "abc"),
        (f'{ACCESS}="abc"', '"abc"'),
        (f"{ACCESS}=\xe9", "\xe9"),
        ("access=abc", None),
        (f"x{ACCESS}=abc", None),
        (f"{ACCESS}x=abc", None),
        (f"{ACCESS.lower()}=abc", None),
        (f"={ACCESS}=abc", None),
    ],
)
def test_a_cookie_is_found_by_its_exact_name(header, value):
    assert transports.access_cookie(request(header)) == value


@pytest.mark.parametrize("blank", ["\xa0", "\u2000", "\u3000", "\x85", "\x0b", "\x0c", "\x1f"])
def test_a_name_with_a_blank_of_another_kind_is_another_name(blank):
    """
    Browsers let a script set it, because for them the name does not begin with the prefix; Django strips the blank.
    """
    on_the_wire = blank.encode().decode("latin-1")
    planted = request(f"{on_the_wire}{ACCESS}=planted")
    assert transports.access_cookie(planted) is None
    assert planted.COOKIES.get(ACCESS) == "planted"  # the control: a naive reader would accept this
    assert transports.access_cookie(request(f"{on_the_wire}{ACCESS}=planted; {ACCESS}=ours")) == "ours"


def test_several_that_differ_are_none_that_can_be_trusted():
    both = request(f"{ACCESS}=a; {ACCESS}=b; {REFRESH}=c")
    with pytest.raises(MalformedTokenError):
        transports.access_cookie(both)
    assert transports.refresh_cookie(both) == "c"
    assert transports.all_cookies(both) == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("debug", "secure", "plain"),
    [(True, False, True), (True, True, False), (False, False, False), (False, True, False)],
)
def test_names_lose_their_prefix_under_debug_on_plain_http_alone(settings, debug, secure, plain):
    settings.DEBUG = debug
    asked = request(f"access=plain; {ACCESS}=prefixed", secure=secure)
    assert transports.access_cookie(asked) == ("plain" if plain else "prefixed")
    response = HttpResponse()
    transports.clear_cookies(asked, response)
    assert set(response.cookies) == ({"access", "refresh"} if plain else {ACCESS, REFRESH})
    assert all(bool(cookie["secure"]) is not plain for cookie in response.cookies.values())


@pytest.mark.parametrize("same_site", ["Strict", "Lax", "None"])
def test_deletion_repeats_all_attributes_to_the_byte(jwt_settings, clock, same_site):
    jwt_settings(COOKIE_SAMESITE=same_site)
    response = HttpResponse()
    transports.clear_cookies(request(), response)
    assert [cookie.OutputString() for cookie in response.cookies.values()] == [
        f'{name}=""; expires=Sun, 17 May 2026 12:30:15 GMT; HttpOnly; Max-Age=0; Path=/; SameSite={same_site}; Secure'
        for name in (ACCESS, REFRESH)
    ]


def test_cookies_are_named_as_the_settings_say(jwt_settings, user):
    jwt_settings(COOKIE_ACCESS_NAME="__Host-shop", COOKIE_REFRESH_NAME="__Host-Http-shop.refresh")
    browser = Browser().sign_in(user)
    assert set(browser.cookies) == {"__Host-shop", "__Host-Http-shop.refresh"}
    assert browser.me().status_code == 200


# Names without a prefix


PLAIN = {
    "COOKIE_ACCESS_NAME": "access_token",
    "COOKIE_REFRESH_NAME": "refresh_token",
    "COOKIE_NAMES_WITHOUT_PREFIX": ["access_token", "refresh_token"],
}


@pytest.fixture
def plain_names(jwt_settings):
    jwt_settings(**PLAIN)


class PlainBrowser(Browser):
    access_name, refresh_name = "access_token", "refresh_token"


def test_a_name_without_a_prefix_changes_nothing_else_to_the_byte(plain_names, user, clock):
    browser = PlainBrowser()
    answer = browser.login(user)
    assert [cookie.OutputString() for cookie in answer.cookies.values()] == [
        f"{name}={browser.cookie(name)}; expires=Sun, 31 May 2026 12:30:15 GMT; HttpOnly; Max-Age=1209600; Path=/; "
        "SameSite=Strict; Secure"
        for name in ("access_token", "refresh_token")
    ]
    assert browser.me().status_code == 200
    assert browser.renew().status_code == 200
    answer = browser.send("logout/")
    assert [cookie.OutputString() for cookie in answer.cookies.values()] == [
        f'{name}=""; expires=Sun, 17 May 2026 12:30:15 GMT; HttpOnly; Max-Age=0; Path=/; SameSite=Strict; Secure'
        for name in ("access_token", "refresh_token")
    ]


def test_one_name_alone_may_be_the_exception(jwt_settings, user):
    jwt_settings(COOKIE_REFRESH_NAME="refresh_token", COOKIE_NAMES_WITHOUT_PREFIX=["refresh_token"])
    browser = Browser().sign_in(user)
    assert set(browser.cookies) == {ACCESS, "refresh_token"}
    assert (browser.me().status_code, browser.renew().status_code) == (200, 200)


@pytest.mark.parametrize(("debug", "secure"), [(True, False), (True, True), (False, True)])
def test_only_under_debug_on_plain_http_the_cookies_are_not_secure(plain_names, user, settings, debug, secure):
    settings.DEBUG = debug
    scheme = "https" if secure else "http"
    browser = PlainBrowser(secure=secure, HTTP_ORIGIN=f"{scheme}://www.example.com")
    answer = browser.login(user)
    assert [bool(cookie["secure"]) for cookie in answer.cookies.values()] == [secure, secure]
    assert browser.me().status_code == 200
    assert [bool(cookie["secure"]) for cookie in browser.send("logout/").cookies.values()] == [secure, secure]


def test_a_planted_cookie_beside_ours_counts_for_nobody(plain_names, user, make_user):
    browser, attacker = PlainBrowser().sign_in(user), PlainBrowser().sign_in(make_user("mallory"))
    names = ("access_token", "refresh_token")
    header = "; ".join(f"{name}={who.cookie(name)}" for name in names for who in (attacker, browser))
    both = PlainBrowser(HTTP_COOKIE=header)
    assert both.me().status_code == 401
    assert (both.renew().status_code, both.renew().json()["code"]) == (401, "invalid_token")
    assert browser.me().status_code == attacker.me().status_code == 200
    assert both.send("logout/").status_code == 204
    assert browser.is_signed_out()
    assert attacker.is_signed_out()


def test_a_sign_in_over_a_planted_session_starts_another_one(plain_names, user, make_user):
    """No user's session comes into the hands of somebody who has planted a cookie."""
    attacker = PlainBrowser().sign_in(make_user("mallory"))
    victim = PlainBrowser()
    victim.cookies.load(attacker.cookies.output(header="", sep=";"))
    planted = attacker.pair
    assert victim.login(user).status_code == 200
    assert not set(victim.pair.values()) & set(planted.values())
    assert attacker.is_signed_out()
    assert victim.me().json()["user"][user.USERNAME_FIELD] == user.get_username()


@pytest.mark.parametrize("blank", ["\xa0", "\u2000"])
def test_a_name_with_a_blank_of_another_kind_is_another_plain_name_too(plain_names, blank):
    on_the_wire = blank.encode().decode("latin-1")
    assert transports.access_cookie(request(f"{on_the_wire}access_token=planted; access_token=ours")) == "ours"


# Size


def blow_up(user, session):
    return {"much": "x" * int(blow_up.size)}


@pytest.mark.django_db(transaction=True)
def test_a_cookie_that_a_browser_would_drop_is_refused_when_it_is_made(jwt_settings, user, client):
    jwt_settings(CLAIMS_CALLABLE=blow_up)
    blow_up.size = 2200
    browser = Browser().sign_in(user)
    assert browser.me().status_code == 200
    before = list(UserSession.objects.values())
    blow_up.size = 2700
    browser.raise_request_exception = True
    with pytest.raises(ConfigurationError, match=r"E043"):
        browser.renew()
    with pytest.raises(ConfigurationError, match=r"more than 3800: .* CLAIMS_CALLABLE return less"):
        browser.login(user)
    assert list(UserSession.objects.values()) == before, "nothing was begun, and no refresh token used up"
    assert client.login(user).status_code == 200, "a header has more room"
    blow_up.size = 0
    assert browser.renew().status_code == 200


def test_the_limit_counts_name_and_value(jwt_settings):
    room = 3800 - len(ACCESS)
    transports.check_cookie_size("x" * room)
    with pytest.raises(ConfigurationError):
        transports.check_cookie_size("x" * (room + 1))


# Plain http


@pytest.fixture
def warnings(caplog):
    transports.warn_of_plain_http.cache_clear()
    caplog.set_level("WARNING", "jwt_auth")
    yield lambda: [record.event for record in caplog.records]
    transports.warn_of_plain_http.cache_clear()


@pytest.mark.parametrize(
    ("how", "lost"),
    [
        ({}, True),
        ({"HTTP_ORIGIN": "http://www.example.com"}, True),
        ({"secure": True}, False),
        # A proxy talks https to the browser, and does not say so.
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, False),
        ({"HTTP_ORIGIN": "https://www.example.com"}, False),
    ],
)
def test_cookies_that_the_browser_drops_are_logged_once(db, user, warnings, how, lost):
    for _ in range(2):
        transports.set_cookies(request(**how), HttpResponse(), sessions.start(user))
    assert warnings() == (["cookies_lost"] if lost else [])


def test_under_debug_cookies_over_plain_http_are_not_lost(db, user, warnings, settings):
    settings.DEBUG = True
    transports.set_cookies(request(), HttpResponse(), sessions.start(user))
    assert warnings() == []
