"""From sign-in to sign-out, for a client that sends tokens in the header, and for one that keeps them in cookies."""

import copy
from uuid import uuid4

import pytest

from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from tests.support.browser import Browser, credentials
from tests.support.clients import Client


class BearerDevice:
    """A native app: it keeps both tokens and sends them itself."""

    transport = "bearer"
    prefix = "/auth/"

    def __init__(self):
        self.pair = {}
        self.client = Client()

    def send(self, path, body=None, method="post"):
        client = self.client.bearer(self.pair["access_token"]) if self.pair else self.client
        return client.send(path if path.startswith("/") else f"{self.prefix}{path}", body, method)

    def login(self, user, **extra):
        return self._keep(self.client.send("login/", {**credentials(user), **extra}))

    def refresh(self):
        return self._keep(self.client.refresh(self.pair.get("refresh_token", "")))

    def replace_tokens(self, text):
        self.pair = {"access_token": text, "refresh_token": text}

    def _keep(self, response):
        if response.status_code == 200:
            self.pair = response.json()
        return response


class CookieDevice:
    """A page in a browser: it sees no token."""

    transport = "cookie"
    prefix = "/auth/browser/"

    def __init__(self):
        self.client = Browser()

    def send(self, path, body=None, method="post"):
        return self.client.send(path, body, method)

    def login(self, user, **extra):
        return self.client.login(user, **extra)

    def refresh(self):
        return self.client.renew()

    def replace_tokens(self, text):
        for name in (self.client.access_name, self.client.refresh_name):
            self.client.cookies[name] = text


@pytest.fixture(params=[BearerDevice, CookieDevice], ids=["bearer", "cookie"])
def new_device(request, clock):
    return request.param


@pytest.fixture
def device(new_device, user):
    """The device on which alice is signed in."""
    device = new_device()
    assert device.login(user, label="phone").status_code == 200
    return device


def me(device):
    return device.send("me/", method="get")


def code_of(response):
    return response.status_code, response.json()["code"]


def test_a_session_from_login_to_logout(device, user, clock):
    session = UserSession.objects.get()
    assert (session.transport, session.label) == (device.transport, "phone")
    shown = me(device).json()
    assert (shown["session"], shown["user"][user.USERNAME_FIELD]) == (str(session.pk), user.get_username())
    clock.shift(60)
    assert device.refresh().json()["session"] == str(session.pk)
    assert me(device).json()["auth_time"] == shown["auth_time"]
    assert device.send("logout/").status_code == 204
    assert me(device).status_code == 401
    assert device.refresh().status_code in (400, 401)


def test_the_api_is_used_and_a_stranger_is_kept_out(device, new_device):
    assert device.send("/api/notes/", {"text": "mine"}).status_code == 201
    assert [note["text"] for note in device.send("/api/notes/", method="get").json()] == ["mine"]
    stranger = new_device()
    assert code_of(stranger.send("/api/notes/", method="get")) == (401, "not_authenticated")
    assert stranger.send("/api/notes/", {"text": "x"}).status_code == 401


def test_an_access_token_that_is_over_is_told_and_a_refresh_goes_on(device, clock):
    clock.shift(400)
    assert code_of(me(device)) == (401, "token_expired")
    assert device.refresh().status_code == 200
    assert me(device).status_code == 200


def test_a_session_ends_for_good_however_often_it_is_used(device, clock):
    for _ in range(29):
        clock.shift(86400)
        assert device.refresh().status_code == 200
    clock.shift(86400)
    assert code_of(device.refresh()) == (401, "token_expired")
    assert me(device).status_code == 401


def test_two_refreshes_at_once_both_go_on(device):
    twin = copy.deepcopy(device)
    assert device.refresh().status_code == twin.refresh().status_code == 200
    assert me(device).status_code == me(twin).status_code == 200
    assert UserSession.objects.get().counter == 1


def test_a_refresh_token_that_comes_again_later_ends_the_session(device, clock):
    thief = copy.deepcopy(device)
    assert thief.refresh().status_code == 200
    clock.shift(60)
    assert code_of(device.refresh()) == (401, "refresh_token_reused")
    assert code_of(me(thief)) == (401, "token_revoked")
    assert code_of(thief.refresh()) == (401, "token_revoked")


def test_a_sign_out_can_be_repeated_and_reaches_every_copy(device):
    thief = copy.deepcopy(device)
    for _ in range(3):
        assert device.send("logout/").status_code == 204
    assert code_of(me(thief)) == (401, "token_revoked")
    assert code_of(thief.refresh()) == (401, "token_revoked")


def test_a_sign_out_works_with_an_access_token_that_is_over(device, clock):
    clock.shift(400)
    assert device.send("logout/").status_code == 204
    assert UserSession.objects.get().revoked_at


def test_devices_are_listed_and_ended_one_by_one(device, new_device, user, clock):
    clock.shift(1)
    laptop, tablet = new_device(), new_device()
    for other, label in ((laptop, "laptop"), (tablet, "tablet")):
        other.login(user, label=label)
    rows = device.send("sessions/", method="get").json()["results"]
    assert {row["label"]: row["current"] for row in rows} == {"phone": True, "laptop": False, "tablet": False}
    by_label = {row["label"]: row["id"] for row in rows}
    assert device.send(f"sessions/{by_label['laptop']}/", method="delete").status_code == 204
    assert code_of(me(laptop)) == (401, "token_revoked")
    assert me(tablet).status_code == 200
    assert device.send("sessions/", method="delete").status_code == 204
    assert code_of(me(tablet)) == (401, "token_revoked")
    assert me(device).status_code == 200


def test_nobody_ends_anothers_device(device, new_device, make_user):
    stranger = new_device()
    stranger.login(make_user("bob"))
    mine = me(device).json()["session"]
    for session in (mine, uuid4()):
        assert stranger.send(f"sessions/{session}/", method="delete").status_code == 404
    assert stranger.send("sessions/", method="delete").status_code == 204
    assert me(device).status_code == 200


def test_signing_out_everywhere_reaches_all_devices_and_a_new_sign_in_works_at_once(device, new_device, user):
    laptop = new_device()
    laptop.login(user)
    assert device.send("logout/all/").status_code == 204
    assert me(laptop).status_code == me(device).status_code == 401
    assert device.login(user).status_code == 200
    assert me(device).status_code == 200


def test_a_revocation_reaches_the_next_request(device, user):
    revoke_user(user)
    assert code_of(me(device)) == (401, "token_revoked")
    assert code_of(device.refresh()) == (401, "token_revoked")


def test_a_new_password_and_deactivation_sign_out(device, user):
    user.set_password("another password")
    user.save()
    assert code_of(me(device)) == (401, "token_revoked")
    user.is_active = False
    user.save()
    assert code_of(device.refresh()) == (401, "token_revoked")


def test_a_refused_sign_in_gives_nothing(new_device, user):
    device = new_device()
    assert code_of(device.login(user, password="wrong")) == (401, "invalid_credentials")
    assert code_of(me(device)) == (401, "not_authenticated")
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("text", ["x", "a.b.c", "x" * 9000, f"{'0' * 32}.0.{'A' * 43}"])
def test_garbage_is_refused_and_stands_in_the_way_of_no_sign_in(device, user, text):
    device.replace_tokens(text)
    assert code_of(me(device)) == (401, "invalid_token")
    assert code_of(device.refresh()) == (401, "invalid_token")
    assert device.send("logout/").status_code == 204
    assert device.login(user).status_code == 200
    assert me(device).status_code == 200
