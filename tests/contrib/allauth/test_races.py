"""allauth's flows while their user is revoked or deactivated, or gets another password: no token stays usable."""

from copy import copy
from functools import partial
from threading import Event
from time import sleep

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth import get_user_model
from django.core.cache import cache

from jwt_auth.contrib.allauth import middleware
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_user
from jwt_auth.sessions import django_sessions
from tests.support.allauth_clients import TOTP_SECRET, App, Browser, code_in_mail, totp
from tests.support.clients import PASSWORD, Client
from tests.support.passkeys import add_passkey
from tests.support.races import all_dead
from tests.support.selection import THOROUGH

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]

# Of each flow against each change, with each of the two clients.
TRIALS = 100 if THOROUGH else 3

checking = Event()


@pytest.fixture(params=[App, Browser])
def kind(request):
    """Each of allauth's clients."""
    return request.param


@pytest.fixture
def alice(user, settings):
    settings.MFA_TOTP_TOLERANCE = 1  # a code may be sent when its half a minute is over
    EmailAddress.objects.create(user=user, email="alice@example.com", verified=True, primary=True)
    return user


@pytest.fixture(autouse=True)
def _say_when_credentials_are_checked(monkeypatch):
    begin = middleware.begin

    def begin_aloud(request):
        begin(request)
        checking.set()

    monkeypatch.setattr(middleware, "begin", begin_aloud)


# The flows: each function does all but the last step, which it returns


def by_password(page, user):
    return partial(page.login, user)


def by_second_factor(page, user):
    if not user.authenticator_set.exists():
        TOTP.activate(user, TOTP_SECRET)
    assert page.login(user).status_code == 401
    return partial(page.send, "auth/2fa/authenticate", {"code": totp()})


def by_code(page, user):
    assert page.send("auth/code/request", {"email": "alice@example.com"}).status_code == 401
    return partial(page.send, "auth/code/confirm", {"code": code_in_mail()})


def by_passkey(page, user):
    if not hasattr(user, "passkey"):
        user.passkey = add_passkey(user)
    options = page.send("auth/webauthn/login", method="get").json()["data"]["request_options"]
    return partial(page.send, "auth/webauthn/login", {"credential": user.passkey.sign(options)})


def again(page, user):
    assert page.login(user).status_code == 200
    return page.reauthenticate


def by_new_password(page, user):
    assert page.login(user).status_code == 200
    body = {"current_password": PASSWORD, "new_password": "another good password"}
    return partial(page.send, "account/password/change", body)


FLOWS = [by_password, by_second_factor, by_code, by_passkey, again, by_new_password]


# The changes, by another instance of the user


def change_password(user):
    user.set_password("quite another password")
    user.save()


def deactivate(user):
    user.is_active = False
    user.save(update_fields=["is_active"])


def after_the_beginning(change, user, trial):
    """
    Wait for the last step to be under way, and a little longer with each trial, up to the time that a step takes.

    A sign-in that begins after a revocation may succeed.
    """
    assert checking.wait(10)
    sleep(0.04 * trial / TRIALS)
    change(get_user_model().objects.get(pk=user.pk))


def anew(kind, user):
    """Return a new page, for the user as at the beginning."""
    cache.clear()  # where allauth keeps the codes that were used
    UserSession.objects.all().delete()
    user.set_password(PASSWORD)
    user.is_active = True
    user.save()
    return kind()


@pytest.mark.parametrize("change", [revoke_user, change_password, deactivate])
@pytest.mark.parametrize("flow", FLOWS)
def test_a_change_leaves_no_token_and_no_session(client, alice, at_once, kind, flow, change):
    statuses = set()
    for trial in range(TRIALS):
        page = anew(kind, alice)
        last_step, before = flow(page, alice), page.tokens
        checking.clear()
        answer, _ = at_once(last_step, partial(after_the_beginning, change, alice, trial))
        statuses.add(answer.status_code)
        assert page.status() in {401, 410}
        assert all_dead(client, filter(None, (before, page.tokens)))
    assert statuses <= {
        200,
        400,
        401,
        410,
    }  # 400 for what is a wrong password by now, and 410 for a session that is over


def in_another_tab(page):
    other = copy(page)
    other.cookies = copy(page.cookies)
    return other


def again_here(page):
    """Authenticate with the endpoint of this app, and return its answer."""
    if isinstance(page, Browser):
        return page.post("/auth/browser/reauthenticate/", {"password": PASSWORD}, content_type="application/json")
    answer = Client().bearer(page.tokens["access_token"]).send("reauthenticate/", {"password": PASSWORD})
    page.tokens = answer.json() if answer.status_code == 200 else page.tokens
    return answer


@pytest.mark.parametrize("again", [App.reauthenticate, again_here], ids=["allauth", "here"])
def test_a_sign_out_ends_a_session_that_is_being_replaced(client, alice, at_once, kind, again, monkeypatch):
    """The sign-out has found the session, and not ended it yet."""

    def end_slowly(*args, **kwargs):
        found.set()
        sleep(0.2)
        return end_sessions(*args, **kwargs)

    found, end_sessions = Event(), django_sessions.end_sessions
    page = anew(kind, alice)
    assert page.login(alice).status_code == 200
    other, before = in_another_tab(page), page.tokens
    monkeypatch.setattr(django_sessions, "end_sessions", end_slowly)
    at_once(lambda: found.wait(10) and again(page), other.logout)
    assert other.status() in {401, 410}
    assert all_dead(client, filter(None, (before, page.tokens)))
    assert not UserSession.objects.filter(revoked_at=None).exists()


def test_of_reauthentications_at_once_one_replaces_the_session(client, alice, at_once, kind):
    for _ in range(TRIALS):
        page = anew(kind, alice)
        assert page.login(alice).status_code == 200
        before, tabs = page.tokens, [in_another_tab(page) for _ in range(3)]
        answers = at_once(*(tab.reauthenticate for tab in tabs))
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert client.is_dead(before)
        assert page.status() == 200
        # The last one to replace the others.
        assert [client.is_dead(tab.tokens) for tab in tabs].count(False) == 1


@pytest.mark.parametrize("flow", FLOWS)
def test_without_a_change_the_same_steps_sign_in(client, alice, kind, flow):
    page = anew(kind, alice)
    assert flow(page, alice)().status_code == 200
    assert page.status() == 200
    assert not client.is_dead(page.tokens)
