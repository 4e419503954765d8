"""The demo's payment, which needs a sign-in of the last minute: the page asks for the password, and nothing is lost."""

import pytest

from jwt_auth.models import UserSession
from tests.browser.app import HEARTBEAT, App
from tests.support.clients import PASSWORD

TOO_OLD = 61  # seconds
ENDED = 311  # seconds after which an access token has expired, with the leeway

TYPED = {"recipient": "Bob & Söhne", "amount": "10"}
REFUSED = "Sign in again, or in another way, to do this."


class Watched(App):
    """The page, with the answers to its payments and re-authentications."""

    def watch(self):
        self.paid, self.confirmed = [], []
        lists = {"/api/payments/": self.paid, "/reauthenticate/": self.confirmed}

        def note(answer):
            for path, statuses in lists.items():
                if answer.url.endswith(path):
                    statuses.append(answer.status)

        self.page.on("response", note)
        return self

    def pay(self):
        self.page.get_by_label("Recipient").fill(TYPED["recipient"])
        self.page.get_by_label("Amount").fill(TYPED["amount"])
        return self.press("Pay")

    @property
    def question(self):
        return self.page.get_by_role("dialog", name="Is it still you?")

    def is_asked(self):
        self.expect(self.question).to_be_visible()
        self.expect(self.page.get_by_label("Your password")).to_be_focused()
        return self

    def is_not_asked(self):
        self.expect(self.question).to_be_hidden()
        return self

    def confirm(self, password=PASSWORD):
        self.page.get_by_label("Your password").fill(password)
        return self.press("Confirm")

    def has_paid(self):
        self.expect(self.page.locator("#paid")).to_have_text("10.00 paid to Bob & Söhne.")
        return self.is_not_asked()

    def still_has(self, **values):
        for name, value in values.items():
            self.expect(self.page.locator(f"#{name}")).to_have_value(value)
        return self


@pytest.fixture
def tab(app, user):
    """The page with a fresh sign-in."""
    watched = Watched(app.page, app.url).watch()
    watched.sign_in(user)
    return watched


def live_sessions():
    return list(UserSession.objects.filter(revoked_at=None).values_list("pk", flat=True))


def test_a_fresh_sign_in_pays_without_a_question(tab):
    tab.pay().has_paid()
    assert tab.paid == [201]


def test_an_old_one_is_asked_for_the_password_and_what_was_typed_is_sent_unchanged(tab, server_clock, look):
    tab.page.get_by_label("A new note").fill("half a no")
    [before] = live_sessions()
    server_clock.shift(TOO_OLD)
    tab.pay().is_asked()
    look(tab.page, "password")
    tab.confirm("wrong").fails("Confirm", "This is not your password.")
    tab.expect(tab.page.get_by_label("Your password")).to_have_attribute("aria-invalid", "true")
    tab.expect(tab.page.get_by_label("Your password")).to_be_focused()
    assert (tab.paid, tab.confirmed) == ([401], [401])
    tab.confirm().has_paid()
    assert (tab.paid, tab.confirmed) == ([401, 201], [401, 200])
    [after] = live_sessions()
    assert after != before
    tab.still_has(**{"note-text": "half a no"})
    tab.pay().has_paid()  # without a question: the sign-in is new
    assert tab.paid == [401, 201, 201]


@pytest.mark.parametrize("how", ["Cancel", "Escape"])
def test_who_cancels_keeps_all_that_was_typed(tab, server_clock, how):
    server_clock.shift(TOO_OLD)
    tab.pay().is_asked()
    if how == "Cancel":
        tab.press("Cancel")
    else:
        tab.page.keyboard.press("Escape")
    tab.is_not_asked().fails("Pay", REFUSED).still_has(**TYPED)
    assert (tab.paid, tab.confirmed) == ([401], [])
    tab.press("Pay").is_asked().confirm().has_paid()
    assert tab.paid == [401, 401, 201]


def test_a_second_refusal_is_an_error_and_no_second_question(tab):
    challenge = 'Bearer realm="api", error="insufficient_user_authentication", amr_values="otp"'
    body = {"detail": REFUSED, "code": "insufficient_user_authentication"}
    refusal = {"status": 401, "headers": {"WWW-Authenticate": challenge}, "json": body}
    tab.page.route("**/api/payments/", lambda route: route.fulfill(**refusal))
    tab.pay().is_asked().confirm()
    tab.is_not_asked().fails("Pay", REFUSED).still_has(**TYPED)
    assert (tab.paid, tab.confirmed) == ([401, 401], [200])


def test_a_refused_field_is_marked_and_its_reason_is_announced(tab):
    tab.page.get_by_label("Recipient").fill("Bob & Söhne")
    tab.page.get_by_label("Amount").fill("abc")
    tab.press("Pay").fails("Pay", "A valid number is required.")
    for name, invalid in (("recipient", "false"), ("amount", "true")):
        tab.expect(tab.page.locator(f"#{name}")).to_have_attribute("aria-invalid", invalid)
    tab.still_has(recipient="Bob & Söhne", amount="abc").pay().has_paid()


def test_the_last_announcement_ends_with_the_session(tab):
    status = tab.page.locator("#status")
    tab.pay().has_paid().expect(status).to_have_text("10.00 paid to Bob & Söhne.")
    tab.press("Sign out").is_signed_out().expect(status).to_be_empty()


def test_an_expired_token_is_renewed_first_and_also_while_the_user_types(tab, server_clock):
    server_clock.shift(ENDED)
    tab.pay().is_asked()
    assert tab.paid == [401, 401]
    server_clock.shift(ENDED)
    tab.confirm().has_paid()
    assert (tab.paid, tab.confirmed) == ([401, 401, 201], [401, 200])


def test_other_tabs_stay_signed_in_and_keep_what_is_typed(tab, open_app, user, server_clock):
    other = open_app(tab.page.context).is_signed_in(user)
    other.page.get_by_label("A new note").fill("half a no")
    server_clock.shift(TOO_OLD)
    tab.pay().is_asked().confirm().has_paid()
    other.is_signed_in(user)
    other.expect(other.page.locator("#note-text")).to_have_value("half a no")
    other.press("Add").has_notes("half a no")


def test_an_outage_is_announced_in_the_dialog_because_the_page_behind_it_is_inert(tab, server_clock, look):
    server_clock.shift(TOO_OLD)
    tab.pay().is_asked()
    announced = tab.question.get_by_role("status")
    tab.page.context.set_offline(True)
    tab.confirm().fails("Confirm", "The server can’t be reached.")
    tab.expect(announced.first).to_contain_text("This signs nobody out")
    tab.expect(announced.first).to_be_in_viewport(ratio=1)
    look(tab.page, "password-outage")
    tab.page.context.set_offline(False)
    tab.later(HEARTBEAT).expect(tab.page.locator("#trouble")).to_be_hidden()
    tab.confirm().has_paid()
    for name in ("trouble", "status"):  # back where they are for the rest of the page
        tab.expect(tab.page.locator(f"body > #{name} ~ main")).to_be_visible()


def test_the_question_ends_with_the_session(tab, open_app, user, server_clock):
    other = open_app(tab.page.context).is_signed_in(user)
    server_clock.shift(TOO_OLD)
    tab.pay().is_asked()
    other.press("Sign out")
    tab.is_not_asked().is_signed_out("You are signed out")
    assert tab.paid == [401]
