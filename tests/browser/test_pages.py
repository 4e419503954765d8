"""The browser works, and so does what asks it about a page: otherwise pages that never load would prove nothing."""

import pytest

from tests.browser.actions import follow
from tests.browser.admin_pages import check_fit
from tests.support.clients import PASSWORD


def test_the_form_of_the_admin_signs_in(live_server, page, staff):
    page.goto(f"{live_server.url}/admin/")
    page.fill("input[name=username]", staff.get_username())
    page.fill("input[name=password]", PASSWORD)
    follow(page, "input[type=submit]")
    assert page.url == f"{live_server.url}/admin/"
    assert page.locator("#user-tools >> text=Log out").is_visible()


FAULTS = {
    "": "",
    "too wide on a phone": "@media (max-width: 600px) { p { width: 500px } }",
    "faint in the dark": "@media (prefers-color-scheme: dark) { p { color: #888; background: #777 } }",
    "cut off on a wide screen": "@media (min-width: 600px) { div { width: 9em; overflow: auto } p { width: 10em } }",
}


@pytest.mark.parametrize("own", [("light", 1280), ("dark", 390)], ids=["light-wide", "dark-phone"])
def test_a_fault_in_one_form_of_the_screen_is_found_wherever_the_page_was_loaded(new_context, look, own):
    scheme, width = own
    page = new_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
    for name, fault in FAULTS.items():
        style = f"body {{ background: white }} p {{ color: black; transition: color 9s, background 9s }} {fault}"
        page.set_content(f"<style>{style}</style><div class='jwt-auth-scroll'><p>A text</p></div>")
        if fault:
            with pytest.raises(AssertionError):
                check_fit(page, name, look, "p")
        else:
            assert check_fit(page, name, look, "p") == 1
            assert page.evaluate("innerWidth") == width
