"""The same operations as in test_matrix, from a browser that keeps its tokens in cookies."""

from dataclasses import dataclass
from typing import Any

import pytest

from jwt_auth.models import UserSession
from tests.support.browser import Browser
from tests.support.clients import PASSWORD
from tests.support.matrix import OF_A_SESSION, OF_ALL, PASSWORD_AFTER, Scene, operations

pytestmark = pytest.mark.usefixtures("clock")


@dataclass
class BrowserScene(Scene):
    """alice at two browsers, bob at one; their tokens are those that a copy of the cookies contains."""

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


@operations
def test_the_next_request_is_refused_and_says_why(scene, operation):
    operation(scene)
    answer = scene.at_phone.me()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert answer["WWW-Authenticate"].endswith('error="invalid_token", error_description="token_revoked"')


@operations
@pytest.mark.thorough
def test_the_next_refresh_is_refused(scene, operation):
    operation(scene)
    answer = scene.at_phone.renew()
    assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
    assert not answer.cookies


@operations
@pytest.mark.thorough
def test_a_sign_in_with_the_dead_cookies_works_in_the_same_microsecond_where_there_may_be_one(scene, operation):
    operation(scene)
    password = PASSWORD_AFTER.get(operation, PASSWORD)
    if password is None:
        assert scene.at_phone.login(scene.user).status_code == 401
        return
    assert not scene.at_phone.sign_in(scene.user, password).is_signed_out()
    assert scene.client.is_dead(scene.phone)


@operations
@pytest.mark.thorough
def test_others_go_on_working_as_far_as_the_operation_does_not_reach(scene, operation):
    operation(scene)
    assert scene.at_laptop.is_signed_out() == (operation not in OF_A_SESSION)
    assert scene.at_bobs.is_signed_out() == (operation in OF_ALL)


def test_without_an_operation_everything_works(scene):
    """The control of the whole matrix."""
    for browser in (scene.at_phone, scene.at_laptop, scene.at_bobs):
        assert not browser.is_signed_out()
