"""The admin pages in an outage, when somebody may need them most: 503 with Retry-After, and never a crash."""

import re

import pytest
from django.contrib import admin
from django.db import DataError, OperationalError
from django.template.response import TemplateResponse
from django.test import RequestFactory
from django.urls import path

from jwt_auth import signing_keys
from jwt_auth.administration.outages import answering_outages
from jwt_auth.models import RevocationEvent, UserSession
from tests.support.admin import client_url, event_url, key_url, session_url, signed_in, text_of, user_url
from tests.support.api_clients import register
from tests.support.outages import GONE, outage, read_only

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(staff):
    return signed_in(staff)


def of_this_app(sql):
    return "jwt_auth_" in sql


def assert_tries_again(answer):
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "1", "no-store")
    assert "Try again" in answer.content.decode()
    assert GONE not in answer.content.decode()


def test_every_page_says_that_the_database_is_down(browser, client, user, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    signing_keys.create(activate=True)
    session = client.tokens(user)["session"]
    row, key = register(user).row, signing_keys.create()
    urls = [
        *(session_url("changelist"), session_url("change", session), session_url("revoke", session)),
        *(client_url("changelist"), client_url("change", row.pk), client_url("add_key", row.pk)),
        *(key_url("changelist"), key_url("change", key.pk), key_url("revoke", key.pk)),
        *(event_url("changelist"), event_url("revoke_all")),
    ]
    for url in urls:
        with outage(of=of_this_app) as failed:
            assert_tries_again(browser.get(url))
        assert failed, url
        assert browser.get(url).status_code == 200, url


def test_on_a_read_only_database_pages_are_shown_and_operations_are_unavailable(browser, client, user):
    session = client.tokens(user)["session"]
    operations = [
        session_url("revoke", session),
        event_url("revoke_all"),
        user_url("revoke_tokens", user.pk),
    ]
    confirmed = {"confirmed": "yes", "phrase": "revoke everything", "reason": "failover"}
    with read_only():
        assert str(user) in text_of(browser.get(session_url("changelist")))
        for url in operations:
            assert browser.get(url).status_code == 200, url
            assert_tries_again(browser.post(url, confirmed))
    assert UserSession.objects.get(pk=session).revoked_at is None
    assert not RevocationEvent.objects.exists()
    assert browser.post(operations[0], confirmed).status_code == 302
    assert UserSession.objects.get(pk=session).revoked_at is not None


def test_an_outage_is_not_taken_for_a_filter_or_a_selection_that_is_wrong(browser, client, user):
    session = client.tokens(user)["session"]
    filtered = session_url("changelist") + "?q=alice"
    with outage(of=lambda sql: "alice" in sql or of_this_app(sql)):
        assert_tries_again(browser.get(filtered))
        selected = {"action": "revoke_selected", "_selected_action": [session]}
        assert_tries_again(browser.post(session_url("changelist"), selected))
    assert browser.get(filtered).status_code == 200


def test_a_reason_that_the_database_can_t_store_is_an_error_of_the_form(browser, client, user):
    session = client.tokens(user)["session"]
    narrow = OperationalError(1366, "Incorrect string value")
    selected = {"action": "jwt_auth_revoke_tokens", "_selected_action": [str(user.pk)]}
    for url, body in ((session_url("revoke", session), {}), (user_url("changelist"), selected)):
        body = {**body, "confirmed": "yes", "reason": "lost"}
        with outage(narrow, of=lambda sql: sql.startswith(("UPDATE", "INSERT")) and of_this_app(sql)):
            assert list(browser.post(url, body).context["form"].errors) == ["reason"]
        assert UserSession.objects.get(pk=session).revoked_at is None
    assert browser.post(user_url("changelist"), selected | {"confirmed": "yes", "reason": "lost"}).status_code == 302
    assert UserSession.objects.get(pk=session).revoked_at is not None


def served(view):
    (pattern,) = answering_outages([path("page/", view)])
    return pattern.callback(RequestFactory().get("/page/"))


def test_a_text_that_the_database_can_t_store_is_a_bad_request_on_a_page_without_a_form(db):
    def view(request):
        raise OperationalError(1366, "Incorrect string value")

    assert served(view).status_code == 400


def test_a_page_that_fails_while_it_is_rendered_is_unavailable_too():
    class Page(TemplateResponse):
        error = OperationalError(GONE)

        def render(self):
            raise self.error

    assert_tries_again(served(lambda request: Page(request, "admin/index.html")).render())

    Page.error = DataError("a fault of the page")
    with pytest.raises(DataError):
        served(lambda request: Page(request, "admin/index.html")).render()


def test_the_views_keep_their_attributes():
    for model in (UserSession, RevocationEvent):
        site_admin = admin.site.get_model_admin(model)
        assert any(getattr(url.callback, "model_admin", None) is site_admin for url in site_admin.get_urls())


def test_an_outage_is_not_taken_for_a_forged_selection(browser, client, user):
    session = client.tokens(user)["session"]
    chosen = {"action": "revoke_selected", "_selected_action": [session]}
    with outage(of=lambda sql: of_this_app(sql) and re.search(" AS .a. FROM ", sql)) as failed:  # exists()
        assert_tries_again(browser.post(session_url("changelist"), chosen))
    assert failed
    assert browser.post(session_url("changelist"), chosen).status_code == 200


def test_a_fault_of_a_list_without_any_filter_is_no_forged_filter(browser, monkeypatch):
    def fail(self, request):
        raise ValueError("a fault")

    monkeypatch.setattr(admin.ModelAdmin, "get_changelist_instance", fail)
    with pytest.raises(ValueError, match="a fault"):
        browser.get(session_url("changelist"))
    assert browser.get(session_url("changelist"), {"q": "x"}).status_code == 302
