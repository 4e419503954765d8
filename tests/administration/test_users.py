"""The project's own admin of users: an action, a button and a panel, with every registration and site."""

import re
from datetime import timedelta

import django
import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.messages import get_messages
from django.template import engines
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from jwt_auth import clients
from jwt_auth.admin import TokenRevocationMixin, UserSessionAdmin
from jwt_auth.administration import users as extension
from jwt_auth.models import RegisteredClient, RevocationEvent, UserSession
from jwt_auth.revocation import cutoff, revoke_all, revoke_user
from jwt_auth.sessions import Peer
from tests.support.admin import MANY, client_url, event_url, grant, served, session_url, signed_in, text_of, user_url
from tests.support.queries import count_queries
from tests.support.rows import begin

pytestmark = pytest.mark.django_db

BUTTON = "Sign out everywhere"
PANEL = 'id="jwt-auth-tokens-heading"'
ACTION = "jwt_auth_revoke_tokens"


@pytest.fixture
def clerk(make_user):
    """A member of staff who may look at users, and nothing else so far."""
    user = make_user("clerk", is_staff=True)
    grant(user, "view_user")
    return user


def select(users, **more):
    """Return the form of the list of users, with an action chosen."""
    return {"action": ACTION, "_selected_action": [str(user.pk) for user in users], "index": "0", **more}


def confirmed(users, **more):
    """Return the form that the confirmation page sends."""
    return {"action": ACTION, "_selected_action": [str(user.pk) for user in users], "confirmed": "yes", **more}


def said(response):
    return [str(message) for message in get_messages(response.wsgi_request)]


def cutoff_of(user):
    return cutoff.read(cutoff.users_with_cutoff().get(pk=user.pk))


# From the click to the refused request


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", ["database", "memory"])
@pytest.mark.parametrize("way", ["action", "button"])
def test_after_the_click_the_next_request_is_refused_and_the_next_sign_in_is_not(
    client, user, browser, jwt_settings, way, mode
):
    """In `memory` mode this holds in the process that revoked; the others follow within their bound."""
    jwt_settings(REVOCATION=mode)
    pair = client.tokens(user)
    assert client.get_me(pair["access_token"]).status_code == 200
    if way == "action":
        answer = browser.post(user_url("changelist"), confirmed([user]))
    else:
        answer = browser.post(user_url("revoke_tokens", user.pk), {"confirmed": "yes"})
    assert answer.status_code == 302
    assert client.get_me(pair["access_token"]).json()["code"] == "token_revoked"
    assert client.is_dead(pair)
    assert not client.is_dead(client.tokens(user))


# The action


def test_the_action_asks_first_and_says_who_is_hit(client, user, make_user, browser):
    bob = make_user("bob")
    pairs = [client.tokens(user), client.tokens(user), client.tokens(bob)]
    page = text_of(browser.post(user_url("changelist"), select([user, bob])))
    assert "Live sessions: <strong>3</strong>" in page
    assert f"{capfirst(get_user_model()._meta.verbose_name_plural)}: <strong>2</strong>" in page
    assert str(user) in page
    assert str(bob) in page
    assert not any(client.is_dead(pair) for pair in pairs)
    assert not RevocationEvent.objects.exists()


def test_the_confirmed_action_revokes_those_selected_and_writes_down_who_did_it_and_why(
    client, user, make_user, staff, browser
):
    bob, carol = make_user("bob"), make_user("carol")
    hit, spared = [client.tokens(user), client.tokens(bob)], client.tokens(carol)
    answer = browser.post(user_url("changelist"), confirmed([user, bob], reason="breach"), follow=True)
    assert all(client.is_dead(pair) for pair in hit)
    assert not client.is_dead(spared)
    events = RevocationEvent.objects.all()
    assert {event.subject for event in events} == {str(user.pk), str(bob.pk)}
    assert {(event.actor, event.reason) for event in events} == {(str(staff.pk), "breach")}
    entries = LogEntry.objects.filter(user=staff)
    assert {entry.object_id for entry in entries} == {str(user.pk), str(bob.pk)}
    assert {entry.get_change_message() for entry in entries} == {"Revoked all tokens."}
    assert "All tokens of 2 users were revoked. 2 live sessions ended." in text_of(answer)


def test_the_confirmation_carries_the_selection_and_the_filters_on(user, make_user, staff, browser):
    """When all rows of a filter are selected, the action affects these and no others."""
    bob = make_user("bob")
    address = f"{user_url('changelist')}?is_staff__exact=0"
    page = text_of(browser.post(address, select([user], select_across="1")))
    assert '<input type="hidden" name="select_across" value="1">' in page
    browser.post(address, confirmed([user], select_across="1"))
    assert cutoff_of(user) is not None
    assert cutoff_of(bob) is not None
    assert cutoff_of(staff) is None


def test_a_long_selection_is_shortened(make_user, browser):
    users = [make_user(f"user{number}") for number in range(25)]
    page = text_of(browser.post(user_url("changelist"), select(users)))
    assert "and 5 more" in page
    assert page.count('name="_selected_action"') == 25


def test_a_reason_that_is_too_long_is_asked_for_again(user, browser):
    page = text_of(browser.post(user_url("changelist"), confirmed([user], reason="x" * 256)))
    assert "at most 255 characters" in page
    assert "x" * 256 in page
    assert cutoff_of(user) is None
    browser.post(user_url("changelist"), confirmed([user], reason="x" * 255))
    assert cutoff_of(user) is not None


def test_the_action_is_not_for_those_without_the_permission(user, clerk):
    browser = signed_in(clerk)
    assert ACTION not in text_of(browser.get(user_url("changelist")))
    for form in (select([user]), confirmed([user])):
        browser.post(user_url("changelist"), form)
    assert cutoff_of(user) is None
    grant(clerk, "revoke_user")
    browser = signed_in(clerk)
    assert ACTION in text_of(browser.get(user_url("changelist")))
    browser.post(user_url("changelist"), confirmed([user]))
    assert cutoff_of(user) is not None


def test_the_permission_alone_opens_no_list_of_users(user, make_user):
    other = make_user("other", is_staff=True)
    grant(other, "revoke_user")
    browser = signed_in(other)
    assert browser.post(user_url("changelist"), confirmed([user])).status_code == 403
    assert browser.get(user_url("revoke_tokens", user.pk)).status_code == 403
    assert browser.post(user_url("revoke_tokens", user.pk), {"confirmed": "yes"}).status_code == 403
    assert cutoff_of(user) is None


def test_a_list_that_is_open_to_pick_one_from_has_no_action(browser, user):
    assert ACTION in text_of(browser.get(user_url("changelist")))
    assert ACTION not in text_of(browser.get(f"{user_url('changelist')}?_popup=1"))


# The button


def test_the_button_leads_to_a_question_and_a_get_does_nothing(client, user, browser):
    pair = client.tokens(user)
    page = text_of(browser.get(user_url("change", user.pk)))
    assert user_url("revoke_tokens", user.pk) in page
    asked = text_of(browser.get(user_url("revoke_tokens", user.pk)))
    assert "Live sessions: <strong>1</strong>" in asked
    assert str(user) in asked
    text_of(browser.get(user_url("revoke_tokens", user.pk), {"confirmed": "yes"}))
    text_of(browser.post(user_url("revoke_tokens", user.pk)))
    assert not client.is_dead(pair)


def test_the_button_s_answer_revokes_and_leads_back(client, user, staff, browser):
    pair = client.tokens(user)
    answer = browser.post(user_url("revoke_tokens", user.pk), {"confirmed": "yes", "reason": "laptop stolen"})
    assert answer.url == user_url("change", user.pk)
    assert said(answer) == ["All tokens of 1 user were revoked. 1 live session ended."]
    assert client.is_dead(pair)
    event = RevocationEvent.objects.get()
    assert (event.actor, event.reason) == (str(staff.pk), "laptop stolen")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.user_id) == (str(user.pk), staff.pk)


def test_the_button_is_not_for_those_without_the_permission(user, clerk):
    browser = signed_in(clerk)
    page = text_of(browser.get(user_url("change", user.pk)))
    assert BUTTON not in page
    assert PANEL not in page
    assert browser.get(user_url("revoke_tokens", user.pk)).status_code == 403
    assert browser.post(user_url("revoke_tokens", user.pk), {"confirmed": "yes"}).status_code == 403
    assert cutoff_of(user) is None
    grant(clerk, "revoke_user")
    assert BUTTON in text_of(signed_in(clerk).get(user_url("change", user.pk)))


def test_nobody_without_an_account_gets_near(user):
    for way in ("get", "post"):
        answer = getattr(type(signed_in(user))(), way)(user_url("revoke_tokens", user.pk), {"confirmed": "yes"})
        assert answer.status_code == 302
        assert "login" in answer.url
    assert signed_in(user).post(user_url("revoke_tokens", user.pk), {"confirmed": "yes"}).status_code == 302
    assert cutoff_of(user) is None


def test_the_answer_needs_django_s_token_against_forged_requests(user, staff):
    browser = type(signed_in(staff))(enforce_csrf_checks=True)
    browser.force_login(staff)
    assert browser.post(user_url("revoke_tokens", user.pk), {"confirmed": "yes"}).status_code == 403
    page = text_of(browser.get(user_url("revoke_tokens", user.pk)))
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    sent = {"confirmed": "yes", "csrfmiddlewaretoken": token}
    assert browser.post(user_url("revoke_tokens", user.pk), sent).status_code == 302
    assert cutoff_of(user) is not None


@pytest.mark.parametrize("pk", ["0", "x", "9" * 30, "00000000-0000-0000-0000-000000000000", "1%00"])
def test_a_user_who_is_not_there_is_not_found(browser, pk):
    answer = browser.post(f"/admin/{user_url('changelist').split('/', 2)[2]}{pk}/revoke-tokens/", {"confirmed": "yes"})
    assert answer.status_code == 302
    assert not RevocationEvent.objects.exists()


# The panel


def test_the_panel_has_the_cutoff_and_the_live_sessions(client, user, browser, clock):
    assert "<dd>Never</dd>" in text_of(browser.get(user_url("change", user.pk)))
    client.tokens(user, label="old phone")
    revoke_user(user)
    clock.shift(60)
    client.tokens(user, label="new phone")
    page = text_of(browser.get(user_url("change", user.pk)))
    assert "<dd>Never</dd>" not in page
    assert "May 17, 2026, 12:30 p.m." in page
    assert "new phone" in page
    assert "old phone" not in page
    assert "<dd>1</dd>" in page
    assert "Everybody’s tokens revoked" not in page
    revoke_all()
    page = text_of(browser.get(user_url("change", user.pk)))
    assert "Everybody’s tokens revoked" in page
    assert "new phone" not in page
    assert "<dd>0</dd>" in page


def test_the_panel_leads_to_each_session_and_ending_one_leads_back(client, user, browser):
    pair = client.tokens(user, label="new phone")
    other = client.tokens(user, label="laptop")
    page = text_of(browser.get(user_url("change", user.pk)))
    assert session_url("change", pair["session"]) in page
    end = f"{session_url('revoke', pair['session'])}?from=user"
    assert f'<a href="{end}" aria-label="End new phone' in page
    assert page.index(end) < page.index('name="is_active"')  # before the form
    question = text_of(browser.get(end))
    assert f'href="{user_url("change", user.pk)}" class="button cancel-link"' in question
    assert browser.post(end, {"confirmed": "yes"}).url == user_url("change", user.pk)
    assert client.is_dead(pair)
    assert not client.is_dead(other)
    assert "new phone" not in text_of(browser.get(user_url("change", user.pk)))


def test_the_panel_names_the_browser_and_offers_no_end_to_those_who_may_not(client, user, clerk):
    client.tokens(user)
    UserSession.objects.update(last_user_agent="Firefox/" + "1" * 80)
    grant(clerk, "view_usersession")
    page = text_of(signed_in(clerk).get(user_url("change", user.pk)))
    assert "Firefox/" + "1" * 51 + "…" in page
    assert "?from=user" not in page
    grant(clerk, "revoke_user")
    assert "?from=user" in text_of(signed_in(clerk).get(user_url("change", user.pk)))


def test_the_question_names_one_user_and_counts_some(user, make_user, browser):
    assert f"revoke all tokens of {user}</h1>" in text_of(browser.get(user_url("revoke_tokens", user.pk)))
    page = text_of(browser.post(user_url("changelist"), select([user, make_user("bob")])))
    assert "<h1>Revoke all tokens of 2 users</h1>" in page


@pytest.mark.parametrize("everybody", [False, True], ids=["one user", "everybody"])
def test_the_question_says_which_logins_with_djangos_sessions_end(user, browser, jwt_settings, settings, everybody):
    url = event_url("revoke_all") if everybody else user_url("revoke_tokens", user.pk)
    all_continue = "Logins with Django&#x27;s own sessions, as in this admin, continue."
    tied_end = "Logins with Django&#x27;s own sessions that are tied to these tokens end, too; all others continue."
    for mode in ("keep", "end"):
        jwt_settings(SESSION_EXCHANGE=mode)
        assert all_continue in text_of(browser.get(url))
    settings.HEADLESS_TOKEN_STRATEGY = "jwt_auth.contrib.allauth.strategy.TokenStrategy"
    assert tied_end in text_of(browser.get(url))
    del settings.HEADLESS_TOKEN_STRATEGY
    jwt_settings(SESSION_EXCHANGE="tie")
    assert tied_end in text_of(browser.get(url))


@pytest.mark.parametrize(
    "ending",
    [
        lambda user: UserSession.objects.update(expires_at=timezone.now()),
        lambda user: UserSession.objects.update(idle_expires_at=timezone.now() - timedelta(seconds=1)),
        lambda user: get_user_model().objects.filter(pk=user.pk).update(is_active=False),
        lambda user: revoke_user(user),
        lambda user: revoke_all(),
    ],
    ids=["expired", "idle", "inactive", "revoked", "everything"],
)
def test_what_has_ended_is_not_counted_as_live(client, user, browser, ending):
    client.tokens(user)
    assert "Live sessions: <strong>1</strong>" in text_of(browser.get(user_url("revoke_tokens", user.pk)))
    ending(user)
    assert "Live sessions: <strong>0</strong>" in text_of(browser.get(user_url("revoke_tokens", user.pk)))


def test_addresses_are_for_those_who_may_see_sessions(client, user, clerk):
    client.tokens(user, label="kitchen")
    grant(clerk, "revoke_user")
    page = text_of(signed_in(clerk).get(user_url("change", user.pk)))
    assert PANEL in page
    assert "kitchen" not in page
    assert "127.0.0.1" not in page
    grant(clerk, "view_usersession")
    page = text_of(signed_in(clerk).get(user_url("change", user.pk)))
    assert "kitchen" in page
    assert "127.0.0.1" in page
    assert f"/admin/jwt_auth/usersession/?user__exact={user.pk}" in page


def test_those_who_may_only_see_sessions_get_the_panel_without_the_button(client, user, clerk):
    client.tokens(user, label="kitchen")
    grant(clerk, "view_usersession")
    page = text_of(signed_in(clerk).get(user_url("change", user.pk)))
    assert "kitchen" in page
    assert BUTTON not in page


def test_a_form_to_add_a_user_or_in_a_popup_has_no_panel(user, browser):
    assert PANEL in text_of(browser.get(user_url("change", user.pk)))
    assert PANEL not in text_of(browser.get(user_url("add")))
    assert PANEL not in text_of(browser.get(f"{user_url('change', user.pk)}?_popup=1"))


def test_nothing_secret_is_shown(client, user, browser):
    client.tokens(user)
    session = UserSession.objects.get()
    page = text_of(browser.get(user_url("change", user.pk)))
    for secret in (session.handle, session.auth_hash):
        assert secret not in page


def test_what_a_client_calls_itself_is_shown_as_text(client, user, browser):
    client.tokens(user, label="<script>alert(1)</script>")
    client.credentials(HTTP_USER_AGENT="<b>agent</b>")
    client.tokens(user)
    session = UserSession.objects.exclude(label="").get()
    revoke_user(user, at=timezone.now() - timedelta(days=1), reason="<i>reason</i>")
    for url in (
        user_url("change", user.pk),
        reverse("admin:jwt_auth_usersession_changelist"),
        reverse("admin:jwt_auth_usersession_change", args=[session.pk]),
        reverse("admin:jwt_auth_usersession_revoke", args=[session.pk]),
        reverse("admin:jwt_auth_revocationevent_changelist"),
    ):
        page = text_of(browser.get(url))
        for markup in ("<script>alert", "<b>agent", "<i>reason"):
            assert markup not in page
        assert "&lt;" in page


# Admin classes of the project


def other_site(name="other", user_admin=UserAdmin, **options):
    site = admin.AdminSite(name)
    site.register(get_user_model(), user_admin, **options)
    return site


def has_all(staff, user, site):
    """Return whether a site has the action, the button, the panel and the question."""
    browser = signed_in(staff)
    change = text_of(browser.get(user_url("change", user.pk, site=site)))
    return {
        "action": ACTION in text_of(browser.get(user_url("changelist", site=site))),
        "button": f'<a href="{user_url("revoke_tokens", user.pk, site=site)}"' in change,
        "panel": PANEL in change,
        "question": "revoke all tokens of" in text_of(browser.get(user_url("revoke_tokens", user.pk, site=site))),
    }


ALL = {"action": True, "button": True, "panel": True, "question": True}


class Plain(admin.ModelAdmin):
    """Fields that each user model has."""

    fields = ["is_active"]


class Stubborn(Plain):
    """An admin that overrides the methods of the mixin and calls `super()` as little as possible."""

    def get_actions(self, request, action_location=None):
        where = {} if action_location is None else {"action_location": action_location}  # since Django 6.1
        actions = super().get_actions(request, **where)
        return {name: found for name, found in actions.items() if name != "delete_selected"}

    def get_urls(self):
        return super().get_urls()

    def render_change_form(self, *args, **kwargs):
        response = super().render_change_form(*args, **kwargs)
        response["X-Stubborn"] = "yes"
        return response


def test_it_is_there_with_an_admin_of_the_project_s_own(user, staff):
    with served(other_site(user_admin=Stubborn)):
        assert has_all(staff, user, "other") == ALL
        browser = signed_in(staff)
        assert browser.get(user_url("change", user.pk, site="other"))["X-Stubborn"] == "yes"
        assert "delete_selected" not in text_of(browser.get(user_url("changelist", site="other")))


def test_it_is_there_on_each_site_and_works_where_sessions_are_not_registered(client, user, staff):
    first, second = other_site("first", Plain), other_site("second", Plain)
    with served(first, second, admin.site):
        for name in ("first", "second"):
            client.tokens(user, label="kitchen")
            assert has_all(staff, user, name) == ALL
            page = text_of(signed_in(staff).get(user_url("change", user.pk, site=name)))
            assert "kitchen" in page
            assert "All sessions" not in page
            answer = signed_in(staff).post(user_url("revoke_tokens", user.pk, site=name), {"confirmed": "yes"})
            assert answer.url == user_url("change", user.pk, site=name)
    assert RevocationEvent.objects.count() == 2


def test_it_is_there_when_the_project_registers_once_more(user, staff):
    site = other_site(user_admin=Plain)
    with served(site):
        assert has_all(staff, user, "other") == ALL
    site.unregister(get_user_model())
    site.register(get_user_model(), Stubborn)
    with served(site):
        assert has_all(staff, user, "other") == ALL


def test_it_is_there_when_sites_share_what_they_have_registered(user, staff):
    site = admin.AdminSite("other")
    site._registry.update(other_site("first", Plain)._registry)
    site.get_model_admin(get_user_model()).admin_site = site
    with served(site):
        assert has_all(staff, user, "other") == ALL


def test_it_is_there_when_a_site_makes_urls_of_its_own(user, staff):
    class Site(admin.AdminSite):
        def get_urls(self):
            return super().get_urls()

    site = Site("other")
    site.register(get_user_model(), Plain)
    with served(site):
        assert has_all(staff, user, "other") == ALL


def test_it_is_there_for_a_proxy_of_the_user_model(client, user, staff):
    class Customer(get_user_model()):
        class Meta:
            app_label = get_user_model()._meta.app_label
            proxy = True

    try:
        site = admin.AdminSite("other")
        site.register(Customer, Plain)
        pair = client.tokens(user)
        with served(site):
            browser = signed_in(staff)
            assert PANEL in text_of(browser.get(user_url("change", user.pk, model=Customer, site="other")))
            browser.post(user_url("revoke_tokens", user.pk, model=Customer, site="other"), {"confirmed": "yes"})
        assert client.is_dead(pair)
    finally:
        from django.apps import apps

        del apps.all_models[Customer._meta.app_label]["customer"]
        apps.clear_cache()


def test_other_models_are_left_alone(staff):
    extension.extend(admin.site)
    extended = [model for model, found in admin.site._registry.items() if isinstance(found, TokenRevocationMixin)]
    assert extended == [get_user_model()]


def test_an_admin_keeps_its_class_s_name_its_state_and_all_that_it_is(user):
    site = other_site(user_admin=Stubborn, list_per_page=7)
    found = site.get_model_admin(get_user_model())
    own = type(found)
    extension.extend(site)
    extension.extend(site)
    assert site.get_model_admin(get_user_model()) is found
    assert isinstance(found, Stubborn)
    assert (type(found).__name__, type(found).__module__) == (own.__name__, own.__module__)
    assert found.list_per_page == 7
    assert type(found).__mro__.count(TokenRevocationMixin) == 1
    assert not isinstance(own(get_user_model(), site), TokenRevocationMixin)


def test_an_admin_that_derives_from_the_mixin_is_left_as_it_is_and_decides(client, user, staff):
    class Own(TokenRevocationMixin, Plain):
        def has_revoke_tokens_permission(self, request, obj=None):
            return super().has_revoke_tokens_permission(request, obj) and not (obj and obj.is_superuser)

    site = other_site(user_admin=Own)
    with served(site):
        assert type(site.get_model_admin(get_user_model())) is Own
        assert has_all(staff, user, "other") == ALL
        browser = signed_in(staff)
        page = text_of(browser.get(user_url("change", staff.pk, site="other")))
        assert BUTTON not in page
        assert browser.get(user_url("revoke_tokens", staff.pk, site="other")).status_code == 403
        both = confirmed([user, staff])
        answer = browser.post(user_url("changelist", site="other"), both, follow=True)
        assert f"you may not revoke the tokens of {staff}" in text_of(answer)
        assert not RevocationEvent.objects.exists()
        browser.post(user_url("changelist", site="other"), confirmed([user]))
    assert RevocationEvent.objects.count() == 1


def test_users_whom_the_admin_hides_can_not_be_reached(user, make_user, staff):
    bob = make_user("bob")

    class Own(Plain):
        def get_queryset(self, request):
            return super().get_queryset(request).exclude(pk=bob.pk)

        def has_view_permission(self, request, obj=None):
            return super().has_view_permission(request, obj) and obj != user

        def has_change_permission(self, request, obj=None):
            return super().has_change_permission(request, obj) and obj != user

    with served(other_site(user_admin=Own)):
        browser = signed_in(staff)
        browser.post(user_url("changelist", site="other"), confirmed([bob]))
        assert browser.post(user_url("revoke_tokens", bob.pk, site="other"), {"confirmed": "yes"}).status_code == 302
        browser.post(user_url("changelist", site="other"), confirmed([user]))
        assert browser.post(user_url("revoke_tokens", user.pk, site="other"), {"confirmed": "yes"}).status_code == 403
        assert not RevocationEvent.objects.exists()
        browser.post(user_url("changelist", site="other"), confirmed([staff]))
    assert RevocationEvent.objects.count() == 1


def test_actions_that_a_project_turned_off_stay_off(user, staff):
    with served(other_site(user_admin=Plain, actions=None)):
        page = text_of(signed_in(staff).get(user_url("changelist", site="other")))
        assert ACTION not in page
        assert 'type="checkbox"' not in page


TEMPLATES = {
    "extends": '{% extends "admin/change_form.html" %}{% block form_top %}<b>own</b>{% endblock %}',
    "without tools": '{% extends "admin/change_form.html" %}{% block object-tools %}<b>own</b>{% endblock %}',
    "from scratch": '{% extends "admin/base_site.html" %}{% block content %}<b>own</b>{% endblock %}',
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_of_the_project_stays_and_the_panel_comes_first(user, staff, template, tmp_path, settings):
    (tmp_path / "own_form.html").write_text(TEMPLATES[template])
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [str(tmp_path)]}]
    engines.templates  # noqa: B018  # read anew
    with served(other_site(user_admin=Plain, change_form_template="own_form.html")):
        page = text_of(signed_in(staff).get(user_url("change", user.pk, site="other")))
        url = user_url("revoke_tokens", user.pk, site="other")
    # From Django 6.1 on, the tools are above the content.
    assert page.index(PANEL) < page.index("<b>own</b>") or (template == "without tools" and django.VERSION >= (6, 1))
    assert f'<a href="{url}" class="button jwt-auth-revoke">' in page


def test_a_page_that_is_no_template_s_is_left_as_it_is(user, staff):
    from django.http import HttpResponse

    class Own(Plain):
        def render_change_form(self, *args, **kwargs):
            return HttpResponse("own")

    with served(other_site(user_admin=Own)):
        assert text_of(signed_in(staff).get(user_url("change", user.pk, site="other"))) == "own"


# Revocations that stay


def test_a_forged_form_brings_no_cutoff_back(client, user, browser):
    pair = client.tokens(user)
    revoke_user(user)
    before = cutoff_of(user)
    name = "tokens_valid_after"
    forged = dict.fromkeys((name, f"{name}_0", f"{name}_1", "sessions_valid_from", "jwt_token_cutoff"), "")
    form = browser.get(user_url("change", user.pk)).context["adminform"].form
    valid = {name: form.initial.get(name) or "" for name in form.fields if name not in ("groups", "user_permissions")}
    valid = {**valid, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_active": "on"}
    answer = browser.post(user_url("change", user.pk), {**valid, **forged})
    assert answer.status_code == 302, answer.context["errors"]
    assert cutoff_of(user) == before
    assert client.is_dead(pair)


def test_deleting_a_user_in_the_admin_works_and_stays_on_record(client, user, browser):
    pair = client.tokens(user)
    revoke_user(user)
    page = text_of(browser.get(user_url("delete", user.pk)))
    assert "Yes, I" in page
    assert browser.post(user_url("delete", user.pk), {"post": "yes"}).status_code == 302
    assert not get_user_model().objects.filter(pk=user.pk).exists()
    assert not UserSession.objects.exists()
    assert RevocationEvent.objects.filter(subject=str(user.pk)).count() == 2
    assert client.get_me(pair["access_token"]).status_code == 401


def test_those_who_may_delete_users_need_no_permission_for_their_sessions(client, user, clerk):
    client.tokens(user)
    grant(clerk, "delete_user")
    sent = {"action": "delete_selected", "_selected_action": [str(user.pk)], "post": "yes"}
    assert signed_in(clerk).post(user_url("changelist"), sent).status_code == 302
    assert not get_user_model().objects.filter(pk=user.pk).exists()


# Queries


def test_a_user_s_page_costs_the_same_with_one_session_and_with_many(user, browser):
    counted = []
    for number in (1, MANY - 1):
        begin(user, number)
        browser.get(user_url("change", user.pk))
        number_of_queries, answer = count_queries(browser.get, user_url("change", user.pk))
        page = text_of(answer)
        counted.append(number_of_queries)
    assert f"<dd>{MANY}</dd>" in page
    assert page.count('<th scope="row">') == 5
    assert counted[0] == counted[1]
    plain, _ = count_queries(browser.get, f"{user_url('change', user.pk)}?_popup=1")
    assert counted[0] - plain <= 5


def test_the_question_and_the_operation_cost_the_same_for_two_users_and_for_twenty(make_user, browser):
    asked, done = [], []
    for number in (2, 20):
        users = [make_user(f"user{number}x{i}") for i in range(number)]
        begin(users[0], number * 60)  # the second time more than are marked
        begin(users[1], 1)  # there are rows to mark in both cases
        queries, answer = count_queries(browser.post, user_url("changelist"), select(users))
        assert f"Live sessions: <strong>{number * 60 + 1}</strong>" in text_of(answer)
        asked.append(queries)
        queries, answer = count_queries(browser.post, user_url("changelist"), confirmed(users))
        assert answer.status_code == 302
        done.append(queries)
    assert asked[0] == asked[1]
    assert done[0] == done[1]


def test_the_session_admin_s_own_rule_of_who_sees_sessions_is_asked(client, user, staff):
    class Closed(UserSessionAdmin):
        def has_view_permission(self, request, obj=None):
            return False

    client.tokens(user, label="kitchen")
    site = other_site(user_admin=Plain)
    site.register(UserSession, Closed)
    with served(site):
        page = text_of(signed_in(staff).get(user_url("change", user.pk, site="other")))
    assert PANEL in page
    assert "kitchen" not in page


# API clients that stay


@pytest.fixture
def planted(user, make_user):
    """A client that a thief registered with the stolen token of a member of staff."""
    thief = make_user("thief", is_staff=True)
    row = clients.register("Reports <b>", user, actor=thief, peer=Peer(ip_address="203.0.113.66"))
    clients.add_secret(row, actor=thief, peer=Peer(ip_address="203.0.113.67"))
    return row


@pytest.fixture
def thief(planted):
    return get_user_model()._base_manager.get(pk=planted.created_by)


def test_the_page_of_a_user_and_the_question_name_them(planted, thief, user, browser):
    key = planted.keys.get()
    for each in (thief, user):
        for page in ("change", "revoke_tokens"):
            text = text_of(browser.get(user_url(page, each.pk)))
            assert "API clients that stay: 1</h2>" in text
            assert f'<a href="{client_url("change", planted.pk)}">Reports &lt;b&gt;</a>' in text
            assert "203.0.113.66" in text
            assert f"<code>{key.kid}</code>" in text
            assert "203.0.113.67" in text
            assert f'<a href="{user_url("change", thief.pk)}">{thief}</a>' in text
    text = text_of(browser.post(user_url("changelist"), select([thief, user])))
    assert "API clients that stay: 1</h2>" in text


def test_after_a_revocation_the_message_leads_to_them(planted, thief, user, browser):
    answer = browser.post(user_url("revoke_tokens", thief.pk), {"confirmed": "yes"})
    done, staying = said(answer)
    assert done == "All tokens of 1 user were revoked. 0 live sessions ended."
    link = f'<a href="{user_url("change", thief.pk)}">{thief}</a> (1)'
    assert staying == f"API clients stay, and can sign new tokens: {link}"
    *_, staying = said(browser.post(user_url("changelist"), confirmed([thief, user])))
    assert staying.count("(1)") == 2


def test_of_many_users_some_are_named(planted, thief, user, browser, monkeypatch):
    monkeypatch.setattr(extension, "SHOWN", 1)
    _, staying = said(browser.post(user_url("changelist"), confirmed([thief, user])))
    assert staying.count("(1)") == 1
    assert staying.endswith(", …")


@pytest.mark.parametrize("way", ["action", "button"])
def test_they_end_if_the_box_is_ticked(planted, thief, browser, way):
    if way == "action":
        assert 'name="with_clients"' in text_of(browser.post(user_url("changelist"), select([thief])))
        answer = browser.post(user_url("changelist"), confirmed([thief], with_clients="on"))
    else:
        assert 'name="with_clients"' in text_of(browser.get(user_url("revoke_tokens", thief.pk)))
        answer = browser.post(user_url("revoke_tokens", thief.pk), {"confirmed": "yes", "with_clients": "on"})
    (done,) = said(answer)
    assert done.endswith("API clients disabled: 1; keys of other clients revoked: 0.")
    planted.refresh_from_db()
    assert not planted.is_active
    assert "API clients that stay" not in text_of(browser.get(user_url("change", thief.pk)))


def test_staff_without_permissions_for_clients_learn_the_number_and_end_none(planted, thief, clerk):
    grant(clerk, "revoke_user")
    browser = signed_in(clerk)
    text = text_of(browser.get(user_url("revoke_tokens", thief.pk)))
    assert "API clients that stay: 1</h2>" in text
    assert "203.0.113.66" not in text
    assert 'name="with_clients"' not in text
    browser.post(user_url("revoke_tokens", thief.pk), {"confirmed": "yes", "with_clients": "on"})
    planted.refresh_from_db()
    assert planted.is_active


def test_on_a_site_without_clients_the_permission_decides_and_there_are_no_links(planted, thief, clerk):
    site = admin.AdminSite(name="plain")
    site.register(get_user_model())
    grant(clerk, "revoke_user", "view_registeredclient")
    with served(site):
        text = text_of(signed_in(clerk).get(user_url("revoke_tokens", thief.pk, site="plain")))
    assert "Reports &lt;b&gt;" in text
    assert f'href="{client_url("change", planted.pk)}"' not in text


def test_the_cost_does_not_depend_on_their_number(user, thief, browser):
    counted = []
    for number in (1, 15):
        for _ in range(number):
            clients.add_secret(clients.register("more", user, actor=thief), actor=thief)
        counted.append(count_queries(browser.get, user_url("revoke_tokens", thief.pk))[0])
    assert counted[0] == counted[1]
    for _ in range(10):
        clients.register("more", user, actor="a nightly job")
    assert "and 7 more" in text_of(browser.get(user_url("revoke_tokens", user.pk)))


@pytest.mark.parametrize("way", ["page", "action"])
def test_after_a_deletion_the_clients_that_the_user_made_are_named(planted, thief, user, browser, monkeypatch, way):
    own = clients.register("Own", thief, actor=thief)
    other = clients.register("Other", user, actor=thief)
    monkeypatch.setattr(extension, "SHOWN", 1)
    if way == "page":
        answer = browser.post(user_url("delete", thief.pk), {"post": "yes"})
    else:
        form = {"action": "delete_selected", "_selected_action": [str(thief.pk)], "post": "yes"}
        answer = browser.post(user_url("changelist"), form)
    (text,) = (each for each in said(answer) if "API clients" in each)
    link = f'<a href="{client_url("change", other.pk)}">{other}</a>'
    assert text == f"API clients that were made by a deleted user stay, and can sign new tokens. {link}, …"
    assert not RegisteredClient.objects.filter(pk=own.pk).exists()
    assert text_of(browser.get(client_url("change", planted.pk))).count("Added by a user who was deleted") == 1


def test_a_deletion_that_leaves_nothing_says_nothing_of_clients(user, thief, browser):
    answer = browser.post(user_url("delete", user.pk), {"post": "yes"})
    assert not any("API clients" in each for each in said(answer))


def test_staff_who_may_not_view_clients_see_no_names_after_a_deletion(planted, thief, clerk):
    grant(clerk, "delete_user")
    answer = signed_in(clerk).post(user_url("delete", thief.pk), {"post": "yes"})
    assert said(answer)[0] == "API clients that were made by a deleted user stay, and can sign new tokens."


def test_the_page_that_deletes_a_user_lists_some_sessions_and_counts_all(user, browser):
    counted = []
    for number in (5, 200):
        begin(user, number)
        queries, answer = count_queries(browser.get, user_url("delete", user.pk))
        counted.append(queries)
    page = text_of(answer)
    assert len(re.findall(r"/admin/jwt_auth/usersession/[0-9a-f-]{36}/change/", page)) == 100
    assert re.search(r"Sessions: 205\b", page)
    assert counted[1] == counted[0] + 1
    chosen = {"action": "delete_selected", "_selected_action": [str(user.pk)]}
    assert "Sessions: 205" in text_of(browser.post(user_url("changelist"), chosen))
    assert browser.post(user_url("delete", user.pk), {"post": "yes"}).status_code == 302
    assert not UserSession.objects.exists()
