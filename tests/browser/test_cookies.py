"""Cookies in a real browser: scripts can't read them, and other cookies beside them do no harm."""

import pytest

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_session
from tests.browser.app import App
from tests.browser.servers import SIBLING

ACCESS, REFRESH = "__Host-Http-access", "__Host-Http-refresh"

OPERA = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 "
    "OPR/115.0.0.0"
)

FIND = """async () => {
    const names = (list) => list.map(({ name }) => name);
    const seen = [document.cookie, names(await cookieStore.getAll()), {...localStorage}, {...sessionStorage}];
    seen.push(names(await indexedDB.databases()), await caches.keys(), document.documentElement.outerHTML);
    seen.push(performance.getEntries().map((entry) => entry.name), history.state, window.name, location.href);
    seen.push(Object.keys(window).map((key) => [key, typeof window[key] === "string" ? window[key] : ""]));
    return JSON.stringify(seen);
}"""


def cookies_of(page):
    return {each["name"]: each for each in page.context.cookies()}


def plant(page, site, **values):
    """Make the browser hold cookies that look like ours."""
    page.context.add_cookies(
        [
            {"name": name, "value": value, "url": site.url, "httpOnly": True, "secure": True, "sameSite": "Strict"}
            for name, value in values.items()
        ]
    )


def test_tokens_are_in_no_place_that_a_script_can_see_and_in_no_answers_body(user, new_context, site):
    context = new_context(user_agent=OPERA)
    site.sent.clear()
    app = App(context.new_page(), site.url).open().sign_in(user).write_note("Buy milk")
    tokens = [each["value"] for each in context.cookies()]
    app.press("Renew now")
    app.expect(app.page.locator("#renewals")).to_contain_text("Renewed once")
    app.has_devices("Opera on Windowsthis device")
    app.page.reload()
    app.is_signed_in(user).has_notes("Buy milk").press("Look again")
    tokens += [each["value"] for each in context.cookies()]
    assert len(set(tokens)) == 4, "two of the sign-in, two of the refresh"

    found = app.page.evaluate(FIND)
    assert len(site.sent) > 15
    assert [body for body in site.sent if b"Buy milk" in body]  # the control
    for token in tokens:
        for part in [token, *(part for part in token.split(".") if len(part) > 30)]:
            assert part not in found
            assert not [body for body in site.sent if part.encode() in body]
    app.expect(app.page.locator("#findings .verdict")).to_have_text(["no token"] * 6)


def test_the_panel_would_say_so_if_a_script_could_see_a_token(app, user, client):
    """The control: the panel finds tokens in places that scripts see."""
    pair = client.tokens(user)
    app.page.evaluate("pair => localStorage.setItem('tokens', JSON.stringify(pair))", pair)
    app.page.evaluate("token => { document.cookie = `refresh=${token}` }", pair["refresh_token"])
    app.press("Look again")
    verdicts = ["a token!", "no token", "a token!", "no token", "no token", "no token"]
    app.expect(app.page.locator("#findings .verdict")).to_have_text(verdicts)
    assert pair["access_token"] in app.page.evaluate(FIND)


def test_the_cookies_are_for_this_host_alone_over_https_and_for_no_script(app, user):
    assert cookies_of(app.page) == {}
    app.sign_in(user)
    cookies = cookies_of(app.page)
    assert set(cookies) == {ACCESS, REFRESH}
    for cookie in cookies.values():
        facts = {name: cookie[name] for name in ("domain", "path", "httpOnly", "secure", "sameSite")}
        assert facts == {
            "domain": "app.site.test",  # with a leading dot the cookie would be sent to subdomains as well
            "path": "/",
            "httpOnly": True,
            "secure": True,
            "sameSite": "Strict",
        }
    app.press("Sign out").is_signed_out("You are signed out")
    assert cookies_of(app.page) == {}


TOSS = """([name, value]) => {
    for (const planted of [name, `\\u00a0${name}`, `${name} `, `\\u2003${name}`]) {
        for (const path of ["/", "/auth/", "/auth/browser/me/"]) {
            document.cookie = `${planted}=${value}; Domain=site.test; Path=${path}; Secure`;
        }
    }
    document.cookie = `=${name}=${value}; Domain=site.test; Path=/auth/; Secure`;
}"""


@pytest.fixture
def planted(make_user, client):
    """Mallory's valid tokens, under the names of our cookies."""
    pair = client.tokens(make_user("mallory"))
    return {ACCESS: pair["access_token"], REFRESH: pair["refresh_token"]}


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed in", "signed out"])
def test_a_sibling_host_can_plant_no_session(app, user, planted, evil, signed_in):
    """Cookie tossing: alice would write notes into mallory's account."""
    if signed_in:
        app.sign_in(user)
    own = cookies_of(app.page)
    evil.headers = (
        *(
            ("Set-Cookie", f"{name}={value}; {attributes}; Path={path}; Secure; HttpOnly")
            for name, value in planted.items()
            for attributes in ("Domain=site.test", "Domain=app.site.test", "Domain=.site.test")
            for path in ("/", "/auth/")
        ),
        ("Set-Cookie", "control=arrives; Domain=site.test; Path=/; Secure"),
    )
    other = app.page.context.new_page()
    other.goto(evil.url(SIBLING))
    for planted_cookie in planted.items():
        other.evaluate(TOSS, planted_cookie)
    evil.headers = ()

    now = cookies_of(app.page)
    assert now.pop("control")["domain"] == ".site.test"
    assert {name: now.get(name) for name in own} == own
    assert not [each for each in now.values() if each["name"] in planted and each["domain"] == ".site.test"]
    app.page.reload()
    if signed_in:
        app.is_signed_in(user).press("Renew now").write_note("Still mine").press("Sign out")
    app.is_signed_out().sign_in(user)


def test_no_script_of_the_site_itself_can_plant_one_either(app, user, client):
    """The prefix `__Host-` alone would allow it: an injected script could sign alice in as mallory."""
    pair = client.tokens(user)
    app.page.evaluate("pair => { document.cookie = `__Host-Http-access=${pair.access_token}; Secure; Path=/` }", pair)
    app.page.evaluate("() => { document.cookie = '__Host-control=1; Secure; Path=/' }")
    assert set(cookies_of(app.page)) == {"__Host-control"}


NO_GOOD = {
    "garbage": {ACCESS: "garbage", REFRESH: "garbage"},
    "nothing": {ACCESS: "", REFRESH: ""},
    "quotes": {ACCESS: '"a.b.c"', REFRESH: "%00%ff"},
    "oversized": {ACCESS: "a" * 3500, REFRESH: "a" * 3500},
}


@pytest.mark.parametrize("values", NO_GOOD.values(), ids=NO_GOOD)
def test_cookies_that_are_no_tokens_are_in_nobodys_way(app, user, site, values):
    plant(app.page, site, **values)
    app.open().is_signed_out()
    app.sign_in(user).write_note("Buy milk").press("Renew now").press("Sign out").is_signed_out()
    assert cookies_of(app.page) == {}
    plant(app.page, site, **values)
    status = "async () => (await fetch('/auth/browser/logout/', {method: 'POST'})).status"
    assert app.page.evaluate(status) == 204
    assert cookies_of(app.page) == {}


def test_the_cookies_of_an_ended_session_are_in_nobodys_way(app, user, site):
    app.sign_in(user)
    with site.lock:
        revoke_session(UserSession.objects.get().pk)
    app.open().is_signed_out("ended from elsewhere")
    app.sign_in(user).write_note("Buy milk")


def test_of_several_cookies_of_one_name_none_is_believed_and_none_blocks(new_context, live_server, settings, user):
    """This is about http under DEBUG, where names have no prefix that would keep a sibling host from adding cookies."""
    settings.DEBUG = True
    app = App(new_context().new_page(), live_server.url).open().sign_in(user)
    assert set(cookies_of(app.page)) == {"access", "refresh"}
    app.page.evaluate("""() => {
        for (const name of ["access", "refresh"]) document.cookie = `${name}=planted; Path=/auth/`;
    }""")
    assert len(app.page.context.cookies(f"{live_server.url}/auth/")) == 4
    app.open().is_signed_out()
    app.fill_in(user)  # succeeds, but the browser goes on sending the planted cookies beside the new ones
    app.expect(app.page.locator("#sign-in-error")).to_contain_text("sends others beside them")
    status = "async (path) => (await fetch(path, {method: 'POST'})).status"
    assert app.page.evaluate(status, "/auth/browser/logout/") == 204
    app.page.context.clear_cookies(path="/auth/")
    app.open().sign_in(user).write_note("Buy milk").press("Renew now").press("Sign out").is_signed_out()
