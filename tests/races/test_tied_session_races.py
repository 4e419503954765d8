"""A sign-out of Django while its session is being exchanged."""

from copy import copy
from functools import partial
from types import ModuleType

import pytest
from django.contrib.auth import logout
from django.http import HttpResponse
from django.urls import path

from jwt_auth.models import UserSession
from tests.support.browser import Browser
from tests.support.races import all_dead, granted, rounds
from tests.urls import urlpatterns as usual_urls

pytestmark = [pytest.mark.concurrent, pytest.mark.django_db(transaction=True)]


def leave(request):
    logout(request)
    return HttpResponse()


urls = ModuleType("urls")
urls.urlpatterns = [*usual_urls, path("leave/", leave)]


def in_another_tab(browser):
    other = Browser()
    other.cookies = copy(browser.cookies)
    return other


def test_an_exchange_that_races_a_sign_out_leaves_no_tokens(client, user, settings, jwt_settings, at_once):
    jwt_settings(SESSION_EXCHANGE="tie")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.TiedSessionMiddleware"]
    settings.ROOT_URLCONF = urls
    for _ in range(rounds(100)):
        browser = Browser()
        browser.force_login(user)
        # The first one changes the Django session, which Django would notice; later ones only read it.
        assert browser.send("/auth/session/").status_code == 200
        tabs = [in_another_tab(browser) for _ in range(2)]
        *answers, left = at_once(
            *(partial(tab.send, "/auth/session/") for tab in tabs), partial(in_another_tab(browser).get, "/leave/")
        )
        assert {answer.status_code for answer in answers} <= {200, 401}
        assert left.status_code == 200
        assert all_dead(client, granted(*answers))
        assert not UserSession.objects.filter(revoked_at=None).exists()


def test_exchanges_at_once_are_all_tied(client, user, settings, jwt_settings, at_once):
    jwt_settings(SESSION_EXCHANGE="tie")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.TiedSessionMiddleware"]
    settings.ROOT_URLCONF = urls
    for _ in range(rounds(20)):
        browser = Browser()
        browser.force_login(user)
        tabs = [in_another_tab(browser) for _ in range(3)]
        pairs = granted(*at_once(*(partial(tab.send, "/auth/session/") for tab in tabs)))
        assert len(pairs) == 3
        assert not any(client.is_dead(pair) for pair in pairs)
        browser.get("/leave/")
        assert all_dead(client, pairs)
