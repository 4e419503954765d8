"""Lists of tables that may have any number of rows look at the newest ones, and say so."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from jwt_auth import clients
from jwt_auth._django.slices import Counted
from jwt_auth.administration import lists
from jwt_auth.administration.pages import describe
from jwt_auth.models import UserSession
from jwt_auth.revocation import revoke_client_key, revoke_user
from tests.support.admin import client_url, column_of, event_url, session_url, text_of
from tests.support.queries import Queries
from tests.support.rows import begin

pytestmark = pytest.mark.django_db

CUT = '<p class="jwt-auth-cut">'
MORE = "There may be more matches than are listed."


def labels(page):
    return column_of(page, "device")


def sessions(browser, **query):
    return text_of(browser.get(session_url("changelist"), query))


@pytest.fixture
def many(monkeypatch, user):
    """Five sessions of alice, begun a minute apart, with labels from 0, the newest, to 4; lists have three rows."""
    monkeypatch.setattr(lists, "LISTED", 3)
    begin(user, 5)
    for number, row in enumerate(UserSession.objects.order_by("pk")):
        moment = timezone.now() - timedelta(minutes=number)
        UserSession.objects.filter(pk=row.pk).update(started_at=moment, label=str(number))


def test_a_list_has_the_newest_rows_and_says_that_there_are_older_ones(many, browser):
    page = sessions(browser)
    assert labels(page) == ["0", "1", "2"]
    assert f"{CUT}Only the newest 3 rows are listed, and filters apply to these." in page


def test_a_list_of_all_rows_says_nothing(many, browser):
    UserSession.objects.filter(label__in=["3", "4"]).delete()
    page = sessions(browser)
    assert labels(page) == ["0", "1", "2"]
    assert CUT not in page


def test_filters_and_orders_choose_among_the_newest(many, browser):
    UserSession.objects.filter(label__in=["1", "4"]).update(transport="cookie")
    assert labels(sessions(browser, transport__exact="cookie")) == ["1"]
    assert labels(sessions(browser, o="6")) == ["2", "1", "0"]


def test_the_sessions_of_one_user_are_the_newest_of_that_user(many, browser, user, make_user):
    bob = make_user("bob")
    begin(bob, 2)
    UserSession.objects.filter(user=bob).update(started_at=timezone.now() - timedelta(days=1), label="of bob")
    assert "of bob" not in labels(sessions(browser))
    assert labels(sessions(browser, user__exact=str(bob.pk))) == ["of bob", "of bob"]
    assert labels(sessions(browser, user__exact=str(user.pk))) == ["0", "1", "2"]
    assert labels(sessions(browser, q="bob")) == ["of bob", "of bob"]


def test_all_are_chosen_among_those_that_are_listed(many, browser):
    one = str(UserSession.objects.get(label="0").pk)
    chosen = {"action": "revoke_selected", "_selected_action": [one], "select_across": "1", "confirmed": "yes"}
    browser.post(session_url("changelist"), chosen)
    assert set(UserSession.objects.filter(revoked_at=None).values_list("label", flat=True)) == {"3", "4"}


def test_a_search_finds_a_number_of_rows_and_says_that_there_are_more(many, browser, monkeypatch):
    page = sessions(browser, q="alice")
    assert set(labels(page)) == {"0", "1", "2", "3", "4"}
    assert CUT not in page
    monkeypatch.setattr(lists, "FOUND", 2)
    page = sessions(browser, q="alice")
    assert labels(page) == ["0", "1"]
    assert f"{CUT}{MORE}" in page


def test_an_address_is_looked_for_in_the_newest_sessions_or_in_those_of_a_user(many, browser, monkeypatch):
    UserSession.objects.filter(label__in=["1", "4"]).update(ip_address="192.0.2.7")
    UserSession.objects.filter(label="2").update(ip_address="2001:db8::7")
    assert labels(sessions(browser, q="2001:db8")) == ["2"]
    page = sessions(browser, q="192.0.2.")
    assert labels(page) == ["1"]
    assert MORE in page
    page = sessions(browser, q="alice 192.0.2.")
    assert labels(page) == ["1", "4"]
    assert MORE not in page
    assert labels(sessions(browser, q="alice 203.0.")) == []
    monkeypatch.setattr(lists, "LISTED", 5)
    page = sessions(browser, q="192.0.2.")
    assert labels(page) == ["1", "4"]
    assert MORE not in page


def test_of_many_users_the_one_with_exactly_that_name_is_found(browser, make_user, monkeypatch):
    users = [make_user(name) for name in ("anna", "hanna", "ann")]
    for user in users:
        begin(user, 1)
    UserSession.objects.update(label="x")
    names = [user.get_username() for user in users]
    name = names[0]
    assert len(labels(sessions(browser, q="ann"))) == 3
    monkeypatch.setattr(lists, "USERS", 1)
    page = sessions(browser, q=name)
    assert f">{name}</a>" in page
    assert MORE in page  # hanna's name contains it
    monkeypatch.setattr(lists, "USERS", 2)
    assert MORE not in sessions(browser, q=names[1])


def test_words_in_quotes_are_one_word():
    assert lists.words_of('a "b c" d') == ["a", "b c", "d"]


def test_texts_of_events_are_searched_in_the_newest_and_people_in_all(user, staff, browser, monkeypatch):
    monkeypatch.setattr(lists, "SEARCHED", 1)
    revoke_user(user, reason="stolen", actor=staff)
    revoke_user(staff, reason="lost")

    def reasons(**query):
        return column_of(text_of(browser.get(event_url("changelist"), query)), "why")

    assert reasons(q="lost") == ["lost"]
    assert reasons(q="stolen") == []
    assert reasons(q=str(user)) == ["stolen"]
    assert MORE in text_of(browser.get(event_url("changelist"), {"q": "stolen"}))


def test_events_of_a_client_s_keys_are_found_by_its_id(user, browser):
    client = clients.register("reports", user)
    revoke_client_key(clients.add_secret(client).key, reason="seen in a log")
    assert "seen in a log" in text_of(browser.get(event_url("changelist"), {"q": client.client_id}))
    assert "seen in a log" not in text_of(browser.get(event_url("changelist"), {"q": "client_0"}))


def test_events_of_this_server_s_keys_are_found_by_its_name(browser, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256", ISSUER="https://api.example.com")
    from jwt_auth import signing_keys

    kid = signing_keys.create(activate=True).kid
    signing_keys.revoke(kid, emergency=True, reason="in a repository")
    assert "in a repository" in text_of(browser.get(event_url("changelist"), {"q": "https://api.example.com"}))


def test_a_client_is_found_by_its_id_and_user_however_old_it_is(user, make_user, browser, monkeypatch):
    monkeypatch.setattr(lists, "SEARCHED", 1)
    old = clients.register("Old reports", make_user("bob"))
    clients.register("New reports", user)

    def names(**query):
        return column_of(text_of(browser.get(client_url("changelist"), query)), "called")

    assert names(q="reports") == ["New reports"]
    assert names(q=old.client_id) == names(q="bob") == ["Old reports"]


def test_no_statement_of_a_list_reads_more_than_the_newest_rows(many, browser):
    """Each statement about sessions has the index's condition or a limit."""
    narrowed = ({"state": "live"}, {"state": "ended"}, {"shared": "yes"}, {"method": "otp"})
    for query in ({}, *narrowed, {"o": "4"}, {"q": "192.0.2."}):
        with Queries() as queries:
            sessions(browser, **query)
        about = [sql for sql in queries.statements if re.search(r"FROM .jwt_auth_usersession.", sql)]
        assert about
        assert all(("started_at" in sql and ("LIMIT" in sql or ">=" in sql)) or " IN (" in sql for sql in about), about


def test_a_search_of_the_admin_s_own_kind_finds_the_same(user, staff):
    from django.contrib import admin
    from django.test import RequestFactory

    begin(user, 2)
    request = RequestFactory().get("/")
    request.user = staff
    found, duplicates = admin.site.get_model_admin(UserSession).get_search_results(
        request, UserSession.objects.all(), "alice"
    )
    assert (found.count(), duplicates) == (2, False)


@pytest.mark.parametrize(
    ("number", "text"), [(1200, "1,200"), (Counted(7), "7"), (Counted(10_000, is_all=False), "at least 10,000")]
)
def test_a_number_that_was_not_counted_to_the_end_says_so(number, text, settings):
    settings.USE_THOUSAND_SEPARATOR = True
    assert describe(number) == text
