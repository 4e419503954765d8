"""Revocations in the admin: who revoked whose tokens, why and when; and the page that revokes all tokens."""

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from jwt_auth import clients, sessions
from jwt_auth.admin import RevocationEventAdmin
from jwt_auth.administration import events
from jwt_auth.conf import get_settings
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import (
    revoke_all,
    revoke_client_key,
    revoke_session,
    revoke_token,
    revoke_user,
    revoke_users,
)
from jwt_auth.verification import verify
from tests.support.admin import column_of, event_url, grant, served, session_url, signed_in, text_of, user_url
from tests.support.queries import count_queries

pytestmark = pytest.mark.django_db

EVERYTHING = {"confirmed": "yes", "phrase": "revoke everything"}


@pytest.fixture
def clerk(make_user):
    """A member of staff who may look at revocations, and nothing else so far."""
    user = make_user("clerk", is_staff=True)
    grant(user, "view_revocationevent")
    return user


def cells(browser, column, **query):
    """Return the texts of a column of the list, from the top."""
    return column_of(text_of(browser.get(event_url("changelist"), query)), column)


# The audit trail


def test_the_list_says_who_revoked_whose_tokens_and_why(client, user, staff, browser):
    revoke_token(verify(client.tokens(user)["access_token"]).claims)
    revoke_session(UserSession.objects.get().pk, reason="lost", actor=user)
    revoke_user(user, reason="breach", actor=staff)
    revoke_all(reason="leak", actor=staff)
    assert cells(browser, "whom") == ["everybody", str(user), str(user), str(user)]
    assert cells(browser, "who") == [str(staff), str(staff), str(user), "the app"]
    assert cells(browser, "why") == ["leak", "breach", "lost", "-"]
    assert cells(browser, "kind") == ["Everything", "User", "Session", "Token"]
    page = text_of(browser.get(event_url("changelist")))
    assert f'<a href="{user_url("change", user.pk)}">{user}</a>' in page


def test_one_event_has_a_page_with_its_people_and_no_form(user, staff, browser):
    done = revoke_user(user, reason="breach", actor=staff)
    page = text_of(browser.get(event_url("change", RevocationEvent.objects.get().pk)))
    assert f'<a href="{user_url("change", user.pk)}">{user}</a>' in page
    assert f'<a href="{user_url("change", staff.pk)}">{staff}</a>' in page
    assert done.tokens_valid_after.strftime("%Y") in page
    assert 'name="_save"' not in page


def test_people_who_are_gone_are_named_by_their_keys(client, user, make_user, browser):
    bob = make_user("bob")
    client.tokens(user)
    session = UserSession.objects.get()
    revoke_session(session.pk, actor=bob)
    revoke_user(user, actor=bob)
    keys = str(user.pk), str(bob.pk)
    user.delete()
    bob.delete()
    RevocationEvent.objects.filter(reason="user deleted").delete()
    assert cells(browser, "whom") == [keys[0], session.sid]
    assert cells(browser, "who") == [keys[1], keys[1]]


def test_a_key_that_is_none_of_this_user_model_is_no_error(browser):
    for subject in ("no key", "9" * 300):
        RevocationEvent.objects.create(scope="user", subject=subject, actor="a service")
        RevocationEvent.objects.create(scope="session", subject=subject, actor="9" * 30)
    assert cells(browser, "who")[-1] == "a service"
    assert len(cells(browser, "whom")) == 4
    assert "a service" in text_of(browser.get(event_url("change", RevocationEvent.objects.first().pk)))


def test_a_popup_does_not_offer_to_revoke_everything(browser):
    for query, is_offered in (("", True), ("?_popup=1", False)):
        assert (event_url("revoke_all") in text_of(browser.get(event_url("changelist") + query))) is is_offered


def test_an_event_that_is_not_there_is_not_found(browser):
    assert browser.get(event_url("change", "12345")).status_code == 302


def test_users_known_by_another_field_than_their_key_are_found(user, jwt_settings, browser):
    jwt_settings(USER_ID_FIELD=user.USERNAME_FIELD)
    revoke_user(user, actor=user)
    assert RevocationEvent.objects.get().subject == user.get_username()
    assert cells(browser, "whom") == cells(browser, "who") == [str(user)]
    assert cells(browser, "whom", q=str(user)) == [str(user)]


def test_the_list_is_searched_by_people_by_session_and_by_reason(client, user, make_user, staff, browser):
    bob = make_user("bob")
    client.tokens(user)
    session = UserSession.objects.get()
    revoke_user(bob, reason="of bob", actor=user)
    revoke_session(session.pk, reason="of the session", actor=staff)
    revoke_all(reason="of all")
    assert cells(browser, "why", q="bob") == ["of bob"]
    assert cells(browser, "why", q="ALICE") == ["of the session", "of bob"]
    assert cells(browser, "why", q=str(session.pk)) == ["of the session"]
    assert cells(browser, "why", q=session.sid) == ["of the session"]
    assert cells(browser, "why", q="of") == ["of all", "of the session", "of bob"]
    assert cells(browser, "why", q="nothing of this") == []
    assert cells(browser, "why", q=" ") == ["of all", "of the session", "of bob"]
    assert cells(browser, "why", scope__exact="all") == ["of all"]


def test_where_users_have_no_name_to_search_in_nobody_is_found_by_it(user, browser, monkeypatch):
    monkeypatch.setattr(events, "name_fields_of_users", lambda request: [])
    revoke_user(user, reason="breach")
    assert cells(browser, "why", q="breach") == ["breach"]
    assert cells(browser, "why", q="nothing of this") == []


def test_the_trail_is_only_for_those_who_may_see_it(user, clerk, make_user):
    revoke_user(user, reason="breach")
    assert "breach" in text_of(signed_in(clerk).get(event_url("changelist")))
    other = make_user("other", is_staff=True)
    assert signed_in(other).get(event_url("changelist")).status_code == 403


@pytest.mark.parametrize("page", ["change", "add", "delete"])
def test_the_trail_is_never_rewritten(client, user, browser, page):
    pair = client.tokens(user)
    revoke_all(reason="leak")
    before = RevocationEvent.objects.values().get()
    forged = {"cutoff": "", "cutoff_0": "", "cutoff_1": "", "reason": "", "scope": "token", "post": "yes"}
    url = event_url("add") if page == "add" else event_url(page, before["id"])
    assert browser.post(url, {**forged, "_save": "Save"}).status_code == 403
    delete = {"action": "delete_selected", "_selected_action": [str(before["id"])], "post": "yes"}
    browser.post(event_url("changelist"), delete)
    assert RevocationEvent.objects.values().get() == before
    assert client.is_dead(pair)


def test_the_list_costs_the_same_with_two_events_and_with_thousands(make_user, staff, browser):
    counted = []
    for number in (2, 80):
        users = [make_user(f"user{number}x{i}") for i in range(number)]
        for user in users:
            sessions.start(user)
            revoke_session(UserSession.objects.get(user=user).pk, actor=user)
        revoke_users(users, actor=staff)
        RevocationEvent.objects.bulk_create(
            [RevocationEvent(scope="user", subject=str(staff.pk), actor=str(staff.pk)) for _ in range(number * 50)]
        )
        revoke_users(users[:40], actor=users[0])
        browser.get(event_url("changelist"))
        for query in ({}, {"q": str(staff)}):
            queries, answer = count_queries(browser.get, event_url("changelist"), query)
            assert str(staff) in text_of(answer)
            counted.append(queries)
    assert counted[0] == counted[2] <= 7
    assert counted[1] == counted[3] <= 13


# Everything


def test_after_the_phrase_every_request_is_refused_and_every_sign_in_is_not(client, user, make_user, staff, browser):
    pairs = [client.tokens(user), client.tokens(make_user("bob"))]
    answer = browser.post(event_url("revoke_all"), {**EVERYTHING, "reason": "key leaked"})
    assert answer.url == event_url("changelist")
    assert client.get_me(pairs[0]["access_token"]).json()["code"] == "token_revoked"
    assert all(client.is_dead(pair) for pair in pairs)
    assert not client.is_dead(client.tokens(user))
    event = RevocationEvent.objects.get()
    assert (event.scope, event.reason, event.actor) == ("all", "key leaked", str(staff.pk))
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (str(event.pk), "Revoked everything.")
    assert "The tokens of everybody were revoked." in text_of(browser.get(event_url("changelist")))


def test_it_asks_first_and_says_how_many_are_hit(client, user, make_user, browser):
    pairs = [client.tokens(user), client.tokens(user), client.tokens(make_user("bob"))]
    page = text_of(browser.get(event_url("revoke_all")))
    assert "Users with live sessions: <strong>2</strong>" in page
    assert "Live sessions: <strong>3</strong>" in page
    assert "revoke everything" in page
    text_of(browser.get(event_url("revoke_all"), EVERYTHING))
    assert not any(client.is_dead(pair) for pair in pairs)


@pytest.mark.parametrize("phrase", ["", "yes", "revoke", "revoke  everything", "revoke everything!", "\x00"])
def test_another_phrase_revokes_nothing(client, user, browser, phrase):
    pair = client.tokens(user)
    page = text_of(browser.post(event_url("revoke_all"), {"confirmed": "yes", "phrase": phrase, "reason": "kept"}))
    assert "errorlist" in page
    assert "kept" in page
    assert not client.is_dead(pair)
    text_of(browser.post(event_url("revoke_all"), {"phrase": "revoke everything"}))
    assert not client.is_dead(pair)


@pytest.mark.parametrize("phrase", ["revoke everything", " Revoke Everything "])
def test_the_phrase_is_taken_in_any_case(client, user, browser, phrase):
    pair = client.tokens(user)
    assert browser.post(event_url("revoke_all"), {"confirmed": "yes", "phrase": phrase}).status_code == 302
    assert client.is_dead(pair)


def test_everything_needs_a_permission_of_its_own(client, user, clerk):
    pair = client.tokens(user)
    grant(clerk, "revoke_user", "view_usersession")
    browser = signed_in(clerk)
    for url in (event_url("changelist"), session_url("changelist")):
        assert event_url("revoke_all") not in text_of(browser.get(url))
    assert browser.get(event_url("revoke_all")).status_code == 403
    assert browser.post(event_url("revoke_all"), EVERYTHING).status_code == 403
    assert not client.is_dead(pair)
    grant(clerk, "revoke_all")
    browser = signed_in(clerk)
    for url in (event_url("changelist"), session_url("changelist")):
        assert event_url("revoke_all") in text_of(browser.get(url))
    assert browser.post(event_url("revoke_all"), EVERYTHING).status_code == 302
    assert client.is_dead(pair)


def test_those_who_see_no_trail_are_led_to_the_start(client, user, make_user):
    other = make_user("other", is_staff=True)
    grant(other, "revoke_all")
    assert signed_in(other).post(event_url("revoke_all"), EVERYTHING).url == "/admin/"


def test_a_site_without_the_trail_has_no_button_for_everything(staff):
    class Only(RevocationEventAdmin):
        def get_urls(self):
            return super(RevocationEventAdmin, self).get_urls()

    site = admin.AdminSite("other")
    site.register(RevocationEvent, Only)
    with served(site):
        page = text_of(signed_in(staff).get("/other/jwt_auth/revocationevent/"))
    assert "jwt-auth-revoke" not in page


def test_an_event_is_found_by_the_ids_of_the_log(client, user, make_user, browser):
    """The user's `sub`, a session's `sid`, a token's `jti`, and a key's `kid`."""
    pair = client.tokens(user)
    claims = verify(pair["access_token"]).claims
    key = clients.add_secret(clients.register("Reports", user)).key
    revoke_token(claims, reason="of the token")
    revoke_session(UserSession.objects.get().pk, reason="of the session")
    revoke_client_key(key, reason="of the key")
    revoke_user(make_user("bob"), reason="of another")
    assert cells(browser, "why", q=claims.jti) == ["of the token"]
    assert cells(browser, "why", q=f"{claims.iss} {claims.jti}") == ["of the token"]
    assert cells(browser, "why", q=claims.sid) == ["of the session"]
    assert cells(browser, "why", q=key.kid) == ["of the key"]
    assert cells(browser, "why", q=user.get_username()) == ["of the session", "of the token"]
    assert cells(browser, "whom")[1] == f"Reports, {key.kid}"


def test_a_user_of_another_issuer_is_not_taken_for_ours(user, browser):
    event = {"scope": "token", "sub": user_id_of(user), "expires_at": timezone.now()}
    RevocationEvent.objects.create(subject="https://other.example abc", **event)
    assert cells(browser, "whom") == ["https://other.example abc"]
    assert cells(browser, "whom", q=user.get_username()) == []
    RevocationEvent.objects.create(subject=f"{get_settings().ISSUER} abc", **event)
    assert cells(browser, "whom")[0] == str(user)
    assert cells(browser, "whom", q=user.get_username()) == [str(user)]


def test_the_end_of_an_event_s_row_is_not_the_end_of_the_revocation(user, browser):
    revoke_user(user)
    event = RevocationEvent.objects.get()
    page = text_of(browser.get(event_url("change", event.pk)))
    assert "All tokens that it refuses have expired by then" in page
    RevocationEvent.objects.update(expires_at=None)
    assert "The revocation never ends." in text_of(browser.get(event_url("change", event.pk)))
