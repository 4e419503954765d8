"""The page that the guide to single-page apps gives is used."""

import shutil
from types import ModuleType

import pytest
from django.urls import include, path

from tests.browser.actions import activate
from tests.support import ROOT
from tests.support.clients import PASSWORD
from tests.support.docs import BLOCKS, code_of

GUIDE = "single-page-app.md"
SCRIPTS = ROOT / "example_project" / "browser" / "static" / "browser"


@pytest.fixture
def guide(user, settings, tmp_path):
    """The files and settings of the guide, for a user model that may have another USERNAME_FIELD."""
    for folder in ("static", "templates"):
        (tmp_path / folder).mkdir()
    shutil.copy(SCRIPTS / "jwt-session.js", tmp_path / "static")
    for block in BLOCKS:
        file = block.step_in("guide").removeprefix("new ")
        if block.page.name == GUIDE and file.startswith(("static/", "templates/")):
            with (tmp_path / file).open("a") as opened:
                opened.write(block.code.replace("username", user.USERNAME_FIELD))
    changed = {"BASE_DIR": tmp_path, "TEMPLATES": [{**engine} for engine in settings.TEMPLATES]}
    exec(code_of(GUIDE, "STATICFILES_DIRS"), changed)
    settings.STATICFILES_DIRS, settings.TEMPLATES = changed["STATICFILES_DIRS"], changed["TEMPLATES"]
    urls = ModuleType("guide_urls")
    vars(urls).update(path=path, include=include, urlpatterns=[])
    exec(code_of("tutorial.md", "from rest_framework.response"), vars(urls))  # the view
    urls.urlpatterns.append(path("hello/", urls.Hello.as_view()))
    exec(code_of("browsers.md", "urlpatterns"), vars(urls))
    exec(code_of(GUIDE, "from django.views"), vars(urls))
    settings.ROOT_URLCONF = urls


def sign_in(page, user, password):
    page.get_by_label("Name").fill(user.get_username())
    page.get_by_label("Password").fill(password)
    activate(page.get_by_role("button", name="Sign in"))


def test_the_page_of_the_guide_signs_in_calls_and_signs_out(guide, page, site, user):
    from playwright.sync_api import expect  # optional, see conftest.py

    page.goto(f"{site.url}/app/")
    sign_in(page, user, "wrong")
    expect(page.get_by_role("alert")).to_have_text("No active account was found with these credentials.")
    expect(page.locator("#signed-in")).to_be_hidden()

    sign_in(page, user, PASSWORD)
    expect(page.locator("#user")).to_have_text(user.get_username())
    expect(page.get_by_role("alert")).to_have_text("")
    activate(page.get_by_role("button", name="Call /hello/"))
    expect(page.get_by_role("status")).to_have_text(f'{{"hello":"{user.get_username()}"}}')

    page.reload()
    expect(page.locator("#user")).to_have_text(user.get_username())
    devices = page.evaluate("async () => (await import('/static/app.js')).devices()")
    assert [device["current"] for device in devices] == [True]

    page.route("**/hello/", lambda route: route.abort())
    activate(page.get_by_role("button", name="Call /hello/"))
    expect(page.get_by_role("alert")).to_have_text("The server can’t be reached.")
    activate(page.get_by_role("button", name="Sign out"))
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator("#signed-in")).to_be_hidden()
    assert page.get_by_label("Password").input_value() == ""
