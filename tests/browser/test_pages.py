"""The browser works: without these tests, pages that never load would prove nothing."""


def test_the_sign_in_page_of_the_admin_is_shown(live_server, page):
    page.goto(f"{live_server.url}/admin/")
    assert page.locator("input[name=username]").is_visible()
