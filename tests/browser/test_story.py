"""The page of the example project, from the first sign-in to the last sign-out."""

import pytest

from jwt_auth.revocation import revoke_user
from tests.browser.actions import activate
from tests.browser.app import DESKTOP, HEARTBEAT, PHONE

LOOKS = [
    pytest.param({"viewport": DESKTOP, "color_scheme": "light"}, id="desktop-light"),
    pytest.param({"viewport": DESKTOP, "color_scheme": "dark"}, id="desktop-dark", marks=pytest.mark.thorough),
    pytest.param({"viewport": PHONE, "color_scheme": "light"}, id="phone-light", marks=pytest.mark.thorough),
    pytest.param({"viewport": PHONE, "color_scheme": "dark"}, id="phone-dark"),
]


@pytest.mark.parametrize("options", LOOKS)
def test_alice_uses_two_devices_until_an_administrator_signs_her_out(user, site, open_app, look, options):
    laptop = open_app(**options).is_signed_out()
    look(laptop.page, "signed-out")
    laptop.sign_in(user, label="Laptop").has_devices("Laptopthis device")
    laptop.write_note("Buy milk").write_note("Call Bob").has_notes("Call Bob", "Buy milk")
    activate(laptop.page.get_by_role("button", name="Delete note: Buy milk"))
    laptop.has_notes("Call Bob")
    look(laptop.page, "signed-in")

    phone = open_app().sign_in(user, label="Old phone").has_notes("Call Bob")
    phone.has_devices("Old phonethis device", "Laptop")
    laptop.press("Renew now").has_devices("Laptopthis device", "Old phone")
    look(laptop.page, "devices")
    laptop.press("Sign out Old phone").has_devices("Laptopthis device")
    phone.page.get_by_label("A new note").fill("From the old phone")
    phone.press("Add").is_signed_out("ended from elsewhere")

    with site.lock:
        revoke_user(user, reason="laptop stolen")
    laptop.later(HEARTBEAT).is_signed_out("ended from elsewhere")
    assert laptop.page.evaluate("document.activeElement.id") == "sign-in-heading"
    look(laptop.page, "signed-out-by-admin")
