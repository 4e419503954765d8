"""
The example project with allauth: a newcomer's server, and real passkeys of Chromium's virtual authenticator.

WebAuthn refuses pages whose certificate is not trusted, so this is plain http at localhost, as the demo serves it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.browser.actions import activate, follow
from tests.browser.admin_pages import SCREENS, SIZES, check_fit, confirm, said
from tests.support.allauth_clients import totp
from tests.support.example_project import FAST, SERVES, SETTINGS, demo, passwords_of, port_of, write_settings

pytest.importorskip("allauth")  # which requires Python 3.11
# Its extra for passkeys installs what these import.
from tests.browser.allauth_tab import AUTHENTICATOR, Person, Tab, known_to_devtools, make_passkey
from tests.support.passkeys import Passkey

# The people of these tests all come from one address.
UNLIMITED = "ACCOUNT_RATE_LIMITS = False\n"

ALLAUTH = "/_allauth/browser/v1/auth/session"
SIGN_OUT = """async () => {
    const token = /csrftoken=([^;]*)/.exec(document.cookie)[1];
    await fetch("/_allauth/browser/v1/auth/session", { method: "DELETE", headers: { "X-CSRFToken": token } });
}"""


@dataclass(frozen=True)
class Site:
    """The server that `manage.py demo --serve` runs, and the passwords that it prints."""

    url: str
    passwords: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("example")
    module = write_settings(folder, FAST + UNLIMITED, "example_project.settings_allauth")
    with demo(folder, SETTINGS[0], "--serve", "--settings", module, until=SERVES) as (_, output):
        yield Site(f"http://localhost:{port_of(output)}", passwords_of(output))


@pytest.fixture
def open_tab(new_context: Callable[..., Any], served: Site) -> Callable[..., Tab]:
    """`open_tab()`: the page in another person's browser, whose machine makes passkeys, or already has one."""

    def make(passkey: Passkey | None = None, **options: Any) -> Tab:
        page = new_context(base_url=served.url, **options).new_page()
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        if passkey:
            devtools.send("WebAuthn.addCredential", {**made, "credential": known_to_devtools(passkey)})
        tab = Tab(page, served.url)
        tab.open()
        return tab

    return make


@pytest.fixture
def tab(open_tab: Callable[..., Tab]) -> Tab:
    return open_tab()


@pytest.fixture
def staff(new_context: Callable[..., Any], served: Site) -> Any:
    """A tab in which a member of staff is signed in to the admin."""
    page = new_context(base_url=served.url).new_page()
    enter_admin(page, served)
    return page


def enter_admin(page: Any, served: Site) -> None:
    page.goto("/admin/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", served.passwords["admin"])
    follow(page, "input[type=submit]")
    assert page.url == f"{served.url}/admin/"


@pytest.fixture
def tab_with_passkey(open_tab, served):
    """A tab whose user has a passkey, and has signed in with it."""
    person, passkey = make_passkey(served.url)
    tab = open_tab(passkey).press("Sign in with a passkey").is_signed_in(person).signed_in_by("pop")
    tab.person = person
    return tab


# Sign-ins


@pytest.mark.parametrize("screen", SCREENS)
def test_a_password_and_a_code_sign_in(open_tab, look, screen):
    scheme, size = screen
    tab = open_tab(color_scheme=scheme, viewport=SIZES[size])
    fits = partial(check_fit, tab.page, look=look, elements="a, label, button, .hint, .helptext, h1, h2")
    assert fits("allauth-sign-in") > 5
    person = tab.sign_up()
    tab.signed_in_by()
    secret = tab.add_totp(person)
    assert fits("allauth-methods") > 3
    tab.back().signed_in_by("pwd")
    assert fits("allauth-signed-in") > 5
    tab.leave().fill_in(person)
    tab.is_asked_for_a_code()
    assert tab.tokens == {}
    assert fits("allauth-code") > 5
    tab.send_code(totp(secret)).is_signed_in(person).signed_in_by("pwd", "otp", "mfa")
    tab.write_note("Buy milk").press("Renew now")
    tab.expect(tab.page.locator("#renewals")).to_contain_text("Renewed once")
    tab.signed_in_by("pwd", "otp", "mfa")
    tab.page.reload()
    tab.is_signed_in(person).has_notes("Buy milk")


def test_a_passkey_signs_in(tab):
    person = tab.sign_up()
    tab.add_passkey(person)
    assert tab.status("/accounts/2fa/webauthn/") == 200
    tab.back().leave()
    other = Tab(tab.page.context.new_page(), tab.url)
    other.open().is_signed_out()
    tab.press("Sign in with a passkey").is_signed_in(person).signed_in_by("pop")
    other.is_signed_in(person)


def test_a_passkey_is_a_second_factor(tab_with_passkey):
    tab, person = tab_with_passkey, tab_with_passkey.person
    tab.leave().fill_in(person)
    tab.is_asked_for_a_code().press("Use a passkey").is_signed_in(person).signed_in_by("pwd", "pop", "mfa")


def test_a_wrong_code_is_announced_and_gives_no_tokens(tab):
    person = tab.sign_up()
    secret = tab.add_totp(person)
    tab.back().leave().fill_in(person)
    right = totp(secret)
    tab.is_asked_for_a_code().send_code(wrong(right)).fails("Continue", "Incorrect code")
    assert tab.tokens == {}
    assert tab.status(ALLAUTH) == 401
    tab.press("Start again").is_signed_out().fill_in(person)
    tab.is_asked_for_a_code().send_code(right).is_signed_in(person).signed_in_by("pwd", "otp", "mfa")


def wrong(code: str) -> str:
    """Return a code of which half the digits are different."""
    return code[:3] + "".join(str((int(digit) + 5) % 10) for digit in code[3:])


def test_a_wrong_password_is_announced_and_gives_no_tokens(tab, served):
    alice = Person("alice", served.passwords["alice"])
    tab.fill_in(alice, "wrong")
    tab.fails("Sign in", "not correct")
    assert tab.tokens == {}
    tab.sign_in(alice).signed_in_by("pwd")


REFUSALS = {
    "too many": ({"status": 429, "body": "<h1>429 Too Many Requests</h1>"}, "Too many attempts"),
    "an outage": ({"status": 503, "json": {"code": "unavailable", "detail": "Try again."}}, "Try again."),
    "overtaken by a revocation": ({"status": 401, "json": {"data": {"flows": [{"id": "login"}]}}}, "Start again."),
}


@pytest.mark.parametrize(("answer", "text"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_is_announced(tab, served, answer, text):
    alice = Person("alice", served.passwords["alice"])
    tab.page.route("**/auth/login", lambda route: route.fulfill(**answer), times=1)
    tab.fill_in(alice)
    tab.fails("Sign in", text)
    tab.sign_in(alice)


def test_without_a_passkey_the_user_is_told_so(tab):
    tab.press("Sign in with a passkey").fails("Sign in with a passkey", "No passkey was used")
    tab.sign_up()


@pytest.mark.parametrize("how", ["password", "passkey"])
def test_somebody_who_is_signed_in_to_the_admin_signs_in_here_as_another(tab_with_passkey, served, how):
    tab, person = tab_with_passkey, tab_with_passkey.person
    tab.leave()
    enter_admin(tab.page, served)
    tab.page.goto("/")
    tab.is_signed_out()
    if how == "password":
        tab.fill_in(person)
        tab.is_asked_for_a_code().press("Use a passkey").is_signed_in(person).signed_in_by("pwd", "pop", "mfa")
    else:
        tab.press("Sign in with a passkey").is_signed_in(person).signed_in_by("pop")
    tab.page.goto("/admin/")
    assert f"authenticated as {person.name}" in tab.page.inner_text("#content")


# Ends


def revoke(staff: Any, person: Person) -> None:
    """Press "Revoke all tokens" in the list of users."""
    staff.goto("/admin/auth/user/")
    row = staff.locator("#result_list tr").filter(has=staff.get_by_role("link", name=person.name, exact=True))
    row.locator("input[name=_selected_action]").check()
    option = staff.locator("select[name=action] option", has_text="Revoke all tokens")
    staff.select_option("select[name=action]", value=option.get_attribute("value"))
    follow(staff, "button[name=index]")
    confirm(staff, reason="laptop stolen")
    assert "All tokens of 1 user were revoked" in said(staff)


def is_over(tab: Tab) -> bool:
    """Return whether the sessions of this browser are over: that of the tokens, and allauth's."""
    answers = {tab.status("/api/notes/"), tab.status(ALLAUTH)}
    assert answers in ({200}, {401}), answers
    shown = tab.status("/accounts/2fa/")
    assert shown == (200 if answers == {200} else 302)
    return answers == {401}


def test_revoke_all_tokens_in_the_admin_ends_both_sessions_of_that_user(tab, open_tab, staff):
    person, other = tab.sign_up(), open_tab()
    other_person = other.sign_up()
    former = tab.tokens
    assert not is_over(tab)
    tab.stop_the_clock()
    revoke(staff, person)
    tab.page.get_by_label("A new note").fill("Too late")
    tab.press("Add").is_signed_out("ended from elsewhere")
    assert is_over(tab)
    tab.page.context.add_cookies([{"name": name, "value": value, "url": tab.url} for name, value in former.items()])
    assert is_over(tab)
    tab.page.clock.resume()
    tab.page.goto("/accounts/2fa/")
    assert re.fullmatch(r"/accounts/login/\?next=.*", tab.page.url.removeprefix(tab.url))
    assert not is_over(other)
    other.write_note("Still here").is_signed_in(other_person)
    tab.page.goto("/")
    tab.sign_in(person).has_notes()


def test_a_revocation_overtakes_a_sign_in_that_lacks_the_code(tab, staff):
    person = tab.sign_up()
    secret = tab.add_totp(person)
    tab.back().leave().fill_in(person)
    tab.is_asked_for_a_code()
    revoke(staff, person)
    tab.send_code(totp(secret)).fails("Continue", "Start again")
    assert tab.tokens == {}
    assert tab.status(ALLAUTH) == 401


@pytest.mark.parametrize("at", ["allauth", "this app"])
def test_a_sign_out_ends_the_other_session_too(tab, open_tab, at):
    person, other = tab.sign_up(), open_tab()
    other.sign_up()
    former = tab.tokens
    if at == "allauth":
        tab.stop_the_clock()
        tab.page.evaluate(SIGN_OUT)
        tab.press("Renew now").is_signed_out()
    else:
        tab.leave()
    assert tab.tokens == {}
    tab.page.context.add_cookies([{"name": name, "value": value, "url": tab.url} for name, value in former.items()])
    assert is_over(tab)
    assert not is_over(other)
    tab.sign_in(person)
    assert not is_over(tab)


# A fresh sign-in


def pay(tab: Tab) -> None:
    """Pay, as if the sign-in were older than a minute."""
    challenge = 'Bearer realm="api", error="insufficient_user_authentication", max_age="60"'
    refusal = {"status": 401, "headers": {"WWW-Authenticate": challenge}, "json": {}}
    tab.page.route("**/api/payments/", lambda route: route.fulfill(**refusal), times=1)
    tab.page.get_by_label("Recipient").fill("Bob")
    tab.page.get_by_label("Amount").fill("10")
    tab.press("Pay")
    tab.expect(tab.page.get_by_role("dialog", name="Is it still you?")).to_be_visible()


@pytest.fixture
def tab_with_all_ways(tab_with_passkey):
    """The same tab; its user also has an authenticator app, whose secret is `tab.secret`."""
    tab = tab_with_passkey
    tab.secret = tab.add_totp(tab.person)
    tab.back().signed_in_by("pwd")
    return tab


WAYS = {"password": ("pwd",), "code": ("otp",), "passkey": ("pop",)}


@pytest.mark.parametrize(("how", "amr"), WAYS.items(), ids=WAYS)
def test_a_payment_asks_for_the_password_a_code_or_a_passkey(tab_with_all_ways, how, amr):
    tab, former = tab_with_all_ways, tab_with_all_ways.tokens
    pay(tab)
    if how == "password":
        tab.page.get_by_label("Your password").fill(tab.person.password)
        tab.press("Confirm")
    elif how == "code":
        right = totp(tab.secret)
        tab.page.get_by_label("Your code").fill(wrong(right))
        tab.press("Use the code").fails("Use the code", "Incorrect code")
        tab.expect(tab.page.get_by_label("Your code")).to_have_attribute("aria-invalid", "true")
        tab.page.get_by_label("Your code").fill(right)
        tab.press("Use the code")
    else:
        tab.press("Use a passkey")
    tab.expect(tab.page.locator("#paid")).to_have_text("10.00 paid to Bob.")
    tab.is_signed_in(tab.person).signed_in_by(*amr)
    assert not is_over(tab)
    assert not set(former.values()) & set(tab.tokens.values())
    tab.expect(tab.page.locator("#again-field-code")).to_have_value("")


@pytest.mark.parametrize("screen", SCREENS)
def test_the_dialog_offers_only_what_the_user_has_set_up(open_tab, look, screen):
    scheme, size = screen
    tab = open_tab(color_scheme=scheme, viewport=SIZES[size])
    fits = partial(check_fit, tab.page, look=look, elements="dialog :is(p, label, button, .hint, h2)")
    person = tab.sign_up()
    pay(tab)
    tab.offers("Confirm", "Cancel")
    fits("allauth-again-password")
    tab.press("Cancel")
    tab.add_totp(person)
    tab.back()
    pay(tab)
    tab.offers("Confirm", "Use the code", "Cancel").press("Cancel")
    follow(tab.page, "#signed-in a:text-is('a passkey')")  # confirmed a moment ago
    tab.submit("main [type=button]", name="laptop")
    tab.back()
    pay(tab)
    tab.offers("Confirm", "Use the code", "Use a passkey", "Cancel")
    fits("allauth-again")


# allauth's own pages


@pytest.mark.parametrize("screen", SCREENS)
def test_allauths_pages_fit_the_screen(open_tab, look, screen):
    scheme, size = screen
    tab = open_tab(color_scheme=scheme, viewport=SIZES[size])
    fits = partial(check_fit, tab.page, look=look, elements="a, label, button, p, th, td, h1, h2")
    person = tab.sign_up()
    tab.follow_to("an authenticator app", person.password)
    assert fits("allauth-totp") > 5
    shown = "element => element.scrollWidth <= element.clientWidth"
    assert tab.page.get_by_label("Authenticator secret").evaluate(shown), "a part of the secret is cut off"
    tab.back()
    follow(tab.page, "#signed-in a:text-is('a passkey')")
    assert fits("allauth-new-passkey") > 5
    tab.page.check("input[name=passwordless]")
    tab.submit("main [type=button]", name="laptop")
    tab.page.goto("/accounts/2fa/webauthn/")
    assert fits("allauth-passkeys") > 5


def test_allauths_pages_say_nothing_late_and_offer_no_mail_to_users_without_an_address(tab):
    tab.sign_up()
    follow(tab.page, "#signed-in a:text-is('all methods')")
    assert "Successfully signed in" not in tab.page.inner_text("body")
    tab.page.goto("/")
    tab.leave().page.goto("/accounts/login/")
    assert tab.page.get_by_label("Password").is_visible()
    assert "Forgot" not in tab.page.inner_text("body")


def test_at_an_ip_address_each_page_says_where_passkeys_work(new_context, served):
    tab = Tab(new_context().new_page(), served.url.replace("localhost", "127.0.0.1"))
    tab.open().press("Sign in with a passkey")
    tab.fails("Sign in with a passkey", "the host name localhost")
    person = tab.sign_up()
    tab.expect(tab.page.get_by_role("link", name="a passkey")).to_be_hidden()
    tab.expect(tab.page.locator("#about-passkeys")).to_contain_text("the host name localhost")
    tab.page.goto(f"{tab.url}/accounts/2fa/webauthn/add/")
    tab.submit(password=person.password)
    activate(tab.page.locator("main [type=button]"))
    tab.expect(tab.page.get_by_role("alert")).to_contain_text("the host name localhost")
