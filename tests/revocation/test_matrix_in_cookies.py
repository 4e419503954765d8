"""The same deeds as in test_matrix, seen from a browser that keeps its tokens in cookies."""

from dataclasses import dataclass
from typing import Any

import pytest

from jwt_auth.models import UserSession
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.matrix import OF_A_SESSION, OF_ALL, PASSWORD_AFTER, Scene, deeds

pytestmark = pytest.mark.usefixtures("clock")


@dataclass
class BrowserScene(Scene):
    """alice at two browsers, bob at one; their tokens are what somebody who copied the cookies has."""

    at_phone: Any = None
    at_laptop: Any = None
    at_bobs: Any = None


def copied(browser):
    return {**browser.pair, "session": browser.me().json()["session"]}


@pytest.fixture
def scene(revocation, client, user, staff, make_user):
    browsers = [Browser().sign_in(person) for person in (user, user, make_user("bob"))]
    pairs = [copied(browser) for browser in browsers]
    assert set(UserSession.objects.values_list("transport", flat=True)) == {"cookie"}
    return BrowserScene(revocation, client, user, staff, *pairs, *browsers)


@deeds
def test_the_next_request_is_refused_and_says_why(scene, deed):
    deed(scene)
    answer = scene.at_phone.me()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"].endswith('error="invalid_token", error_description="token_revoked"')


@deeds
@pytest.mark.thorough
def test_the_next_refresh_is_refused(scene, deed):
    deed(scene)
    answer = scene.at_phone.renew()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert not answer.cookies


@deeds
@pytest.mark.thorough
def test_a_sign_in_with_the_dead_cookies_works_in_the_same_microsecond_where_there_may_be_one(scene, deed):
    deed(scene)
    password = PASSWORD_AFTER.get(deed, PASSWORD)
    if password is None:
        assert scene.at_phone.login(scene.user).status_code == 401
        return
    assert not scene.at_phone.sign_in(scene.user, password).is_signed_out()
    assert scene.client.is_dead(scene.phone)


@deeds
@pytest.mark.thorough
def test_others_go_on_working_as_far_as_the_deed_does_not_reach(scene, deed):
    deed(scene)
    assert scene.at_laptop.is_signed_out() == (deed not in OF_A_SESSION)
    assert scene.at_bobs.is_signed_out() == (deed in OF_ALL)


def test_without_a_deed_everything_works(scene):
    """The control of the whole matrix."""
    for browser in (scene.at_phone, scene.at_laptop, scene.at_bobs):
        assert not browser.is_signed_out()
