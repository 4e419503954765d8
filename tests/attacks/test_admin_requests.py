"""
Requests that no page of the admin sends, from a member of staff with many permissions: never a 500.

Django's own admin answers many of these with a 500, also on its pages of users: each database has limits of its own,
and its errors come late. So each test runs on all three databases.
"""

import pytest
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.urls import reverse

from jwt_auth import clients, signing_keys
from jwt_auth.models import RegisteredClient, RevocationEvent, SigningKey, UserSession
from jwt_auth.revocation import revoke_user
from tests.support.admin import signed_in, text_of
from tests.support.outages import down

pytestmark = pytest.mark.django_db

LONG = "9" * 23
VALUES = [
    "zz",
    LONG,
    "9" * 5000,
    "a\0b",
    "\N{GRINNING FACE}",
    "2026-13-45",
    "0001-01-01T00:00:00+14:00",
    "(",
    "-1",
    " ",
]

MODELS = [UserSession, RegisteredClient, RevocationEvent, SigningKey, get_user_model()]
LISTS = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)


@pytest.fixture
def browser(staff):
    """A browser of staff; an exception in a view is raised in the test."""
    return signed_in(staff)


@pytest.fixture
def session(client, user):
    return UserSession.objects.get(pk=client.tokens(user)["session"])


@pytest.fixture
def rows(session, user, jwt_settings):
    """One row of each kind."""
    key = clients.add_secret(clients.register("reports", user)).key
    revoke_user(get_user_model()(pk=user.pk))
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    signing = signing_keys.create(activate=True)
    found = [session, key.client, RevocationEvent.objects.first(), signing, user]
    return dict(zip(MODELS, found, strict=True))


def url(model, page="changelist", *arguments):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=arguments)


def goes_to_the_list_without_it(answer, model):
    return answer.status_code == 302 and answer["Location"] == f"{url(model)}?e=1"


FILTERS = {
    UserSession: ["id", "user", "user__in", "ip_address", "ip_address__in", "counter__in", "label__regex", "state"],
    RegisteredClient: ["id__in", "user", "user__gt", "name", "is_active", "last_used_at__gte", "last_used_at__year"],
    RevocationEvent: ["id__gt", "scope", "reason", "created_at", "created_at__year", "cutoff__date"],
    SigningKey: ["id__in", "kid", "state", "verified__gt", "public_jwk__iregex", "created_at__lt"],
    get_user_model(): ["pk__in", "groups__id", "last_login", "last_login__year", "is_active", "password__regex"],
}


@LISTS
def test_a_filter_that_can_not_be_looked_for_leads_to_the_list_without_it(rows, browser, model):
    for name in FILTERS[model]:
        for value in VALUES:
            answer = browser.get(url(model), {name: value})
            allowed = answer.status_code in (200, 400)  # some databases can search for it
            assert allowed or goes_to_the_list_without_it(answer, model), (name, value)
    text_of(browser.get(url(model), {"e": "1"}))
    text_of(browser.get(url(model), {"id__exact": rows[model].pk}))


@pytest.mark.parametrize(("name", "value"), [("started_at__year", LONG), ("user", "zz"), ("label__regex", "(")])
def test_it_is_so_on_every_database(session, browser, name, value):
    assert goes_to_the_list_without_it(browser.get(url(UserSession), {name: value}), UserSession)
    for good in ({"started_at__year": session.started_at.year}, {"user": session.user_id}, {"label__regex": "^$"}):
        assert str(session.pk) in text_of(browser.get(url(UserSession), good))


def test_a_database_that_is_down_is_not_taken_for_a_filter(session, browser, monkeypatch):
    monkeypatch.setattr(ChangeList, "get_results", down)
    for query in ({"label": "phone"}, {"e": "1"}, {}):
        answer = browser.get(url(UserSession), query)
        assert (answer.status_code, answer["Retry-After"]) == (503, "1")


@LISTS
@pytest.mark.parametrize("name", ["o", "p", "q", "all", "_to_field", "_popup", "_facets"])
@pytest.mark.sampled
def test_what_else_stands_in_the_address_of_a_list(rows, browser, model, name):
    for value in [*VALUES, "0", "1.-2", "-99", "handle", "a" * 9000]:
        assert browser.get(url(model), {name: value}).status_code in (200, 302, 400), value


ACTIONS = pytest.mark.parametrize(
    ("model", "action"),
    [(UserSession, "revoke_selected"), (get_user_model(), "jwt_auth_revoke_tokens")],
    ids=["sessions", "users"],
)


@ACTIONS
@pytest.mark.parametrize("more", [{}, {"index": "0"}, {"index": LONG}, {"select_across": "zz"}], ids=str)
@pytest.mark.sampled
def test_a_selection_that_can_not_be_read_selects_nothing(session, user, browser, model, action, more):
    """This is also so if the key of an existing row is selected with it."""
    key = str({UserSession: session, get_user_model(): user}[model].pk)
    for value in ["", *VALUES]:
        selected = {"action": action, "_selected_action": [key, value], "confirmed": "yes"}
        answer = browser.post(url(model), {**selected, **more})
        assert answer.status_code == 302, value
    selected = {"action": action, "_selected_action": ["zz", key], "confirmed": "yes"}
    page = text_of(browser.post(url(model), {**selected, **more}, follow=True))
    assert "Nothing was done: the selection can&#x27;t be read." in page


@ACTIONS
def test_a_selection_with_what_can_not_be_read_revokes_nothing(session, user, browser, model, action):
    key = str({UserSession: session, get_user_model(): user}[model].pk)
    for selection, ended in ([key, "zz"], False), ([key], True):
        browser.post(url(model), {"action": action, "_selected_action": selection, "confirmed": "yes"})
        session.refresh_from_db()
        assert (session.revoked_at is not None) == ended


PAGES = {
    UserSession: ["revoke"],
    RegisteredClient: ["add_key", "revoke_tokens", "disable"],
    RevocationEvent: [],
    SigningKey: ["activate", "retire", "revoke"],
    get_user_model(): ["revoke_tokens"],
}


@LISTS
def test_a_row_that_can_not_be_there_is_not_there(rows, browser, model):
    for page in ["change", "history", *PAGES[model]]:
        for value in VALUES:
            for send in (browser.get, browser.post):
                answer = send(url(model, page, value), {"confirmed": "yes"})
                assert answer.status_code in (302, 403, 404, 405), (page, value)
    text_of(browser.get(url(model, "change", rows[model].pk)))


def test_a_key_that_can_not_be_there_is_not_there(rows, browser):
    client = rows[RegisteredClient]
    for page in ("rotate_key", "revoke_key"):
        for number in (0, int(LONG)):
            assert browser.get(url(RegisteredClient, page, client.pk, number)).status_code == 302
        text_of(browser.get(url(RegisteredClient, page, client.pk, client.keys.get().pk)))


def test_what_is_filled_in_is_refused_beside_its_field(rows, user, browser):
    good = {"name": "exports", "user": str(user.pk), "kind": "secret", "algorithm": "HS256", "expires_at": ""}
    for name in ("user", "kind", "algorithm", "expires_at"):
        for value in [*VALUES, "9999-12-31T23:59:59-14:00", "9999-12-31 23:59"]:
            if (name, value) != ("expires_at", " "):  # which is none
                page = text_of(browser.post(url(RegisteredClient, "add"), {**good, name: value}))
                assert "errorlist" in page, (name, value)
    assert RegisteredClient.objects.count() == 1
    assert "errorlist" not in text_of(browser.post(url(RegisteredClient, "add"), good))
    assert RegisteredClient.objects.count() == 2
