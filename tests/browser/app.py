"""The example project's page, as a person uses it."""

from typing import Any

from tests.browser.actions import activate
from tests.support.clients import PASSWORD


class App:
    """
    One tab with the page. Each expectation waits until it is fulfilled.

    Args:
        page: of Playwright.
        url: of the server.
    """

    def __init__(self, page: Any, url: str) -> None:
        from playwright.sync_api import expect  # optional, see conftest.py

        expect.set_options(timeout=20_000)  # a machine that runs tests may be busy
        self.page, self.url, self.expect = page, url, expect

    def open(self) -> "App":
        self.page.clock.install()
        self.page.goto(f"{self.url}/")
        self.expect(self.page.locator("#sight")).to_be_visible()  # signed in or not
        return self

    def later(self, seconds: float) -> "App":
        """Let time pass for the page, whose timers fire as after a laptop has slept."""
        self.page.clock.fast_forward(int(seconds * 1000))
        return self

    def fill_in(self, user: Any, password: str = PASSWORD, label: str = "") -> None:
        self.page.locator("#field-username").fill(user.get_username())
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_label("Name of this device").fill(label)
        self.press("Sign in")

    def sign_in(self, user: Any, **kwargs: Any) -> "App":
        self.fill_in(user, **kwargs)
        return self.is_signed_in(user)

    def is_signed_in(self, user: Any) -> "App":
        self.expect(self.page.locator("#username")).to_have_text(user.get_username())
        self.expect(self.page.get_by_role("heading", name="Your notes")).to_be_visible()
        self.expect(self.page.locator("#devices li").first).to_be_visible()
        self.expect(self.page.locator("#notes li, #no-notes:not([hidden])").first).to_be_visible()
        return self

    def is_signed_out(self, notice: str = "") -> "App":
        self.expect(self.page.get_by_role("heading", name="Sign in")).to_be_visible()
        self.expect(self.page.locator("#signed-in")).to_be_hidden()
        self.expect(self.page.locator("#notice")).to_contain_text(notice)
        return self

    def press(self, name: str) -> "App":
        activate(self.page.get_by_role("button", name=name, exact=True))
        return self

    def fails(self, name: str, text: str) -> "App":
        """Expect an announced error behind the button that was pressed, on the screen."""
        button = self.page.get_by_role("button", name=name, exact=True)
        error = button.locator("+ [role=alert]")
        self.expect(error).to_contain_text(text)
        self.expect(error).to_be_in_viewport(ratio=1)
        return self

    def write_note(self, text: str) -> "App":
        self.page.get_by_label("A new note").fill(text)
        self.press("Add")
        self.has_notes(text, first=True)
        return self

    def has_notes(self, *texts: str, first: bool = False) -> "App":
        notes = self.page.locator("#notes .row-text")
        self.expect(notes.first if first else notes).to_have_text(texts[0] if first else list(texts))
        return self

    def has_devices(self, *names: str) -> "App":
        self.expect(self.page.locator("#devices .device")).to_have_text(list(names))
        return self


HEARTBEAT = 5  # seconds after which the page asks whether it is still signed in


DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
