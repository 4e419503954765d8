"""The page, and the client module behind it: tabs, time, outages, keyboards and eyes."""

import re
from datetime import timedelta

import pytest
from django.db.models import F

from example_project.notes.models import Note
from jwt_auth import sessions
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.browser.app import HEARTBEAT, PHONE, App
from tests.support import ROOT
from tests.support.clients import PASSWORD
from tests.support.outages import down

LIFETIME = 300  # seconds of an access token
ENDED = LIFETIME + 11  # and of the leeway


def answers_to(page, path):
    """Return a list that grows with the status of each answer to `path` in any tab."""
    seen = []
    page.context.on("response", lambda each: each.url.endswith(path) and seen.append(each.status))
    return seen


# Tabs


def test_tabs_that_renew_at_the_same_moment_stay_signed_in_and_ask_once_or_get_the_same(app, open_app, user):
    tabs = [app.sign_in(user), *(open_app(app.page.context).is_signed_in(user) for _ in range(3))]
    renewals = answers_to(app.page, "/refresh/")
    at = app.page.evaluate("Date.now() + 700")
    for tab in tabs:
        tab.page.evaluate("at => { setTimeout(() => document.getElementById('renew').click(), at - Date.now()) }", at)
    for tab in tabs:
        tab.later(1)
        tab.expect(tab.page.locator("#renewals")).to_contain_text("Renewed")
    for number, tab in enumerate(tabs):
        tab.write_note(f"From tab {number}")
    assert set(renewals) == {200}
    session = UserSession.objects.get()
    assert (session.counter, session.revoked_at) == (1, None)


IN_PARALLEL = """async () => {
    const { JWTSession } = await import("/static/browser/jwt-session.js");
    // Names of their own, so that they hold each other up no more than tabs do where there are no locks.
    const sessions = [1, 2, 3, 4].map((name) => new JWTSession({ name: `without locks ${name}` }));
    const tries = sessions.flatMap((session) => [session.refresh(), session.refresh(), session.fetch("/api/notes/")]);
    const done = await Promise.all(tries);
    return done.map((each) => each.status ?? each);
}"""


def test_without_locks_the_server_gives_all_the_same_successor(app, user, server_clock):
    app.sign_in(user)
    server_clock.shift(ENDED)
    assert set(app.page.evaluate(IN_PARALLEL)) == {True, 200}
    session = UserSession.objects.get()
    assert (session.counter, session.revoked_at) == (1, None)
    app.write_note("Still here")


def test_one_tab_asks_once_for_all_that_wait(app, user, server_clock):
    app.sign_in(user)
    renewals = answers_to(app.page, "/refresh/")
    server_clock.shift(ENDED)
    statuses = app.page.evaluate("""async () => {
        const { JWTSession } = await import("/static/browser/jwt-session.js");
        const session = new JWTSession();
        const answers = await Promise.all([..."123456"].map(() => session.fetch("/api/notes/")));
        return answers.map((answer) => answer.status);
    }""")
    assert statuses == [200] * 6
    assert renewals == [200]


def test_all_tabs_notice_a_sign_in_and_a_sign_out(app, open_app, user, make_user):
    other = open_app(app.page.context)
    app.sign_in(user)
    other.is_signed_in(user).press("Sign out")
    app.is_signed_out("You are signed out")
    bob = make_user("bob")
    app.sign_in(bob)
    other.is_signed_in(bob)
    app.press("Sign out everywhere").is_signed_out("You are signed out on all your devices. 1 session has ended.")
    other.is_signed_out("You are signed out on all your devices.")


def test_what_one_user_wrote_is_not_sent_in_the_name_of_another(app, user, make_user, server_clock):
    """Two users share a browser: one signs in while the other's tab does not know it yet."""
    app.sign_in(user)
    app.page.evaluate("""async () => {
        const { JWTSession } = await import("/static/browser/jwt-session.js");
        window.deaf = new JWTSession({ name: "deaf" });
        window.other = new JWTSession({ name: "other" });
        await deaf.check();
    }""")
    server_clock.shift(ENDED)
    status = app.page.evaluate(
        """async (credentials) => {
            const send = window.fetch;
            window.fetch = async (...request) => {
                const answer = await send(...request); // 401, because the token has ended
                window.fetch = send;
                await other.signIn(credentials);
                return answer;
            };
            const headers = { "Content-Type": "application/json" };
            const body = JSON.stringify({ text: "Alice's secret" });
            return (await deaf.fetch("/api/notes/", { method: "POST", headers, body })).status;
        }""",
        {user.USERNAME_FIELD: make_user("bob").get_username(), "password": PASSWORD},
    )
    assert status == 401
    assert not Note.objects.exists()


def test_nor_while_the_same_tab_does_not_know_who_has_signed_in_by_another_request(app, user, make_user):
    app.sign_in(user)
    status = app.page.evaluate(
        """async (credentials) => {
            const { JWTSession } = await import("/static/browser/jwt-session.js");
            const tab = new JWTSession({ name: "tab" });
            await tab.check();
            const send = window.fetch;
            const headers = { "Content-Type": "application/json" };
            const post = (values) => ({ method: "POST", headers, body: JSON.stringify(values) });
            const login = () => send("/auth/browser/login/", post(credentials));
            window.fetch = async (...request) => {
                await send("/auth/browser/logout/", post({}));
                const answer = await send(...request); // 401
                const never = new Promise(() => {});
                window.fetch = (asked, init) => (asked.url?.endsWith("/me/") ? never : send(asked, init));
                tab.signInWith(login); // its question who that is has no answer yet
                await navigator.locks.request("tab", () => {});
                return answer;
            };
            return (await tab.fetch("/api/notes/", post({ text: "Alice's secret" }))).status;
        }""",
        {user.USERNAME_FIELD: make_user("bob").get_username(), "password": PASSWORD},
    )
    assert status == 401
    assert not Note.objects.exists()


# Time


def test_nobody_notices_that_the_access_token_ends_while_it_is_in_use(app, user, server_clock):
    app.sign_in(user)
    notes, renewals = answers_to(app.page, "/api/notes/"), answers_to(app.page, "/refresh/")
    for turn in (1, 2):
        server_clock.shift(ENDED)
        app.write_note(f"Note {turn}")
        assert (notes, renewals) == ([401, 201] * turn, [200] * turn)
    app.has_notes("Note 2", "Note 1")


def test_a_page_that_is_looked_at_renews_by_itself_shortly_before_the_end(app, user, server_clock):
    app.sign_in(user)
    renewals = answers_to(app.page, "/refresh/")
    app.expect(app.page.get_by_role("timer")).to_have_text(re.compile("4:[345]|5:00"))
    for _ in range(2):
        server_clock.shift(LIFETIME - 30)
        app.later(LIFETIME - 30)
        app.expect(app.page.get_by_role("timer")).to_have_text(re.compile("4:[345]|5:00"))
    app.expect(app.page.locator("#renewals")).to_contain_text(
        re.compile(r"Renewed twice .*, last at [\d:]+ by this tab\.")
    )
    assert renewals == [200, 200]


def test_the_countdown_is_right_though_the_clock_of_the_machine_is_wrong(app, user, server_clock):
    app.sign_in(user)
    server_clock.shift(60)
    app.page.clock.set_system_time("2031-01-01T00:00:00Z")
    app.page.reload()
    app.is_signed_in(user)
    app.expect(app.page.get_by_role("timer")).to_have_text(re.compile("3:[345]|4:00"))


def test_a_page_on_which_nothing_happens_is_signed_out_within_the_bound(app, user, site):
    app.sign_in(user)
    with site.lock:
        revoke_user(user, reason="laptop stolen")
    app.later(HEARTBEAT).is_signed_out("ended from elsewhere")


def test_the_next_request_of_a_revoked_user_signs_the_page_out(app, user, site):
    app.sign_in(user)
    with site.lock:
        revoke_user(user, reason="laptop stolen")
    app.page.get_by_label("A new note").fill("Too late")
    app.press("Add").is_signed_out("ended from elsewhere")
    assert not Note.objects.exists()


def test_a_session_that_is_over_says_so(app, user, server_clock):
    app.sign_in(user)
    server_clock.shift(15 * 24 * 3600)
    app.press("Renew now").is_signed_out("has expired")


def test_somebody_else_with_a_copy_of_the_refresh_token_is_found_out(app, user, site, client, server_clock):
    app.sign_in(user)
    stolen = {each["name"]: each["value"] for each in app.page.context.cookies()}["__Host-Http-refresh"]
    app.press("Renew now")
    app.expect(app.page.locator("#renewals")).to_contain_text("Renewed once")
    server_clock.shift(121)
    with site.lock:
        assert client.refresh(stolen).json()["code"] == "refresh_token_reused"
    app.later(HEARTBEAT).is_signed_out("ended from elsewhere")


# Outages


def test_an_outage_signs_nobody_out_and_is_over_by_itself(app, user, monkeypatch):
    app.sign_in(user)
    with monkeypatch.context() as patched:
        patched.setattr("jwt_auth.revocation.database.find_by_handle", down)  # the server has threads of its own
        refused = answers_to(app.page, "/refresh/")
        app.press("Renew now")
        app.expect(app.page.locator("#trouble")).to_contain_text("This signs nobody out")
        assert refused == [503]
        app.is_signed_in(user)
    app.later(2)
    app.expect(app.page.locator("#trouble")).to_be_hidden()
    app.write_note("Still here")


BUTTONS = ["Add", "Delete note: At home", "Renew now", "Sign out Phone", "Sign out other devices"]


def test_without_a_network_a_page_keeps_its_user_and_says_behind_each_button_that_it_failed(open_app, user):
    open_app().sign_in(user, label="Phone")
    app = open_app(viewport=PHONE)
    app.page.context.set_offline(True)
    app.fill_in(user)
    app.fails("Sign in", "can’t be reached")
    app.page.context.set_offline(False)
    app.sign_in(user).write_note("At home")
    app.page.context.set_offline(True)
    app.page.get_by_label("A new note").fill("On the train")
    for name in (*BUTTONS, "Sign out everywhere", "Sign out"):
        app.press(name).fails(name, "could not be renewed" if name == "Renew now" else "can’t be reached")
    app.is_signed_in(user).later(HEARTBEAT)
    app.expect(app.page.locator("#trouble")).to_be_visible()
    app.page.context.set_offline(False)
    app.expect(app.page.locator("#trouble")).to_be_hidden()  # the browser says that it is online again
    app.press("Add").has_notes("On the train", "At home")


def test_a_renewal_whose_answer_was_lost_is_repeated_even_much_later(app, user):
    app.sign_in(user)
    keys = []

    def lose(route):
        keys.append(route.request.headers["idempotency-key"])
        route.abort()

    app.page.route("**/refresh/", lose, times=1)
    app.press("Renew now")
    app.expect(app.page.locator("#trouble")).to_be_visible()
    [raw] = [each["value"] for each in app.page.context.cookies() if each["name"].endswith("refresh")]
    sessions.refresh(raw, retry_key=keys[0])  # what the request has done
    UserSession.objects.update(rotated_at=F("rotated_at") - timedelta(hours=1))
    app.later(2)
    app.expect(app.page.locator("#trouble")).to_be_hidden()
    app.write_note("Still here")
    assert UserSession.objects.get().counter == 1


def test_all_sessions_end_even_if_their_number_is_not_known(app, user):
    app.sign_in(user)
    app.page.route("**/sessions/*", lambda route: route.fulfill(status=500))
    app.press("Sign out everywhere").is_signed_out("You are signed out on all your devices.")
    assert not UserSession.objects.filter(revoked_at=None).exists()


def test_too_many_sign_ins_are_told_to_wait(app, user, jwt_settings):
    jwt_settings(LOGIN_THROTTLE="1/min")
    for _ in range(2):
        app.fill_in(user, password="wrong")
        app.expect(app.page.locator("#sign-in-error")).not_to_be_empty()
    app.expect(app.page.locator("#sign-in-error")).to_contain_text("Too many attempts. Try again in")


# People


def test_it_can_be_used_without_a_mouse(app, user):
    page, expect = app.page, app.expect
    press = page.keyboard.press
    page.locator("#field-username").focus()
    press("Enter")
    expect(page.get_by_role("alert").filter(has_text="Both the name")).to_be_visible()
    expect(page.locator("#field-username")).to_be_focused()
    expect(page.locator("#field-username")).to_have_attribute("aria-invalid", "true")
    for text in (user.get_username(), "wrong", "laptop"):
        page.keyboard.type(text)
        press("Tab")
    press("Enter")
    expect(page.get_by_role("alert").filter(has_text="No active account")).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    press("Enter")
    app.is_signed_in(user)
    expect(page.get_by_role("heading", name="Your notes")).to_be_focused()
    press("Tab")
    for text in ("first", "second"):
        page.keyboard.type(text)
        press("Enter")
        app.has_notes(text, first=True)
    for _ in range(2):
        press("Tab")
    expect(page.get_by_role("button", name="Delete note: second")).to_be_focused()
    press("Space")
    expect(page.get_by_role("button", name="Delete note: first")).to_be_focused()
    press("Space")
    expect(page.get_by_label("A new note")).to_be_focused()
    page.get_by_role("button", name="Sign out", exact=True).focus()
    press("Enter")
    app.is_signed_out()
    expect(page.get_by_role("heading", name="Sign in")).to_be_focused()


NAMELESS = """() => [...document.querySelectorAll("button, input, svg")].filter((each) =>
    !each.closest("[aria-hidden=true]") && each.ariaHidden !== "true"
    && !(each.ariaLabel || each.textContent.trim() || each.labels?.length)).map((each) => each.outerHTML)"""


def test_whatever_can_be_used_has_a_name_and_is_large_enough_for_a_thumb(open_app, user):
    app = open_app(viewport=PHONE, has_touch=True)
    for is_ready in (app.is_signed_out, lambda: app.sign_in(user).write_note("x" * 300)):
        is_ready()
        assert app.page.evaluate(NAMELESS) == []
        sizes = (
            "() => [...document.querySelectorAll('button, input')].map((each) => each.getBoundingClientRect().height)"
        )
        assert min(height for height in app.page.evaluate(sizes) if height) >= 44
        assert app.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], "it scrolls sideways"


PAIRS = [
    *(("ink", "paper"), ("ink", "sheet"), ("faded", "paper"), ("faded", "sheet"), ("green", "paper"), ("red", "paper")),
    *(("red", "sheet"), ("on-green", "green"), ("on-green", "green-pressed"), ("red", "wash"), ("ink", "wash")),
    *(("on-band", "band"), ("faded-on-band", "band"), ("red-on-band", "band")),
]
GRAPHICS = [("edge", "sheet"), ("ring", "paper"), ("ring", "sheet"), ("ring-on-band", "band")]


def test_texts_stand_out_from_what_is_behind_them():
    """WCAG 2.2, 1.4.3 (AA): 4.5 to 1; and 1.4.11: 3 to 1 for the edges of fields and the focus."""
    css = (ROOT / "example_project/browser/static/browser/page.css").read_text()
    day, night = (dict(re.findall(r"--([a-z-]+): #([0-9a-f]{6});", part)) for part in re.split("@media", css)[:2])
    for colours in (day, {**day, **night}):
        assert [pair for pair in PAIRS if contrast(*(colours[name] for name in pair)) < 4.5] == []
        assert [pair for pair in GRAPHICS if contrast(*(colours[name] for name in pair)) < 3] == []


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    parts = (int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_what_somebody_wrote_is_a_text_and_no_script(app, user):
    text = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    app.sign_in(user, label=text[:100]).write_note(text)
    app.page.reload()
    app.is_signed_in(user).has_notes(text)
    assert app.page.title() == "Notes, by jwt_auth"


SMUGGLED = {
    "inline": "document.body.append(Object.assign(document.createElement('script'), { text: run }))",
    "inline, in pieces": "const made = document.createElement('script'); made.append(run); document.body.append(made)",
    "of another origin": "document.body.append(Object.assign(document.createElement('script'), { src: foreign }))",
    "in an attribute": "document.body.setAttribute('onclick', run); document.body.click()",
    "in HTML": 'document.body.innerHTML = `<img src=x onerror="${run}">`',
}


@pytest.mark.parametrize("operation", SMUGGLED.values(), ids=SMUGGLED)
def test_a_smuggled_script_does_not_run(app, evil, operation):
    script = """(foreign) => new Promise((done) => {
        const run = "document.title = 'run'";
        setTimeout(done, 3000, "nothing");
        addEventListener("securitypolicyviolation", (event) => done(event.effectiveDirective));
        try { OPERATION } catch (error) { if (!(error instanceof TypeError)) throw error; }
    })"""
    refused = app.page.evaluate(script.replace("OPERATION", operation), evil.url("evil.test"))
    assert refused in {"require-trusted-types-for", "script-src", "script-src-elem", "script-src-attr"}
    app.expect(app.page).to_have_title("Notes, by jwt_auth")


def test_on_this_machine_it_works_without_https(new_context, live_server, settings, user):
    """As `manage.py runserver` serves it: under DEBUG, on http."""
    settings.DEBUG = True
    app = App(new_context().new_page(), live_server.url).open().sign_in(user).write_note("Buy milk")
    assert {each["name"] for each in app.page.context.cookies()} == {"access", "refresh"}
    app.press("Renew now").press("Sign out").is_signed_out()
    assert app.page.context.cookies() == []
