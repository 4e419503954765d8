"""Sessions in the admin: they can be looked at, searched and ended, but never edited, and no secret is shown."""

import re
from datetime import timedelta
from functools import partial

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.db.models import Value
from django.urls import ResolverMatch
from django.utils import timezone
from django.utils.html import escape

from jwt_auth import sessions
from jwt_auth.admin import UserSessionAdmin
from jwt_auth.administration import lists, sessions as administration, states
from jwt_auth.exceptions import RefreshTokenReusedError
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_all, revoke_session, revoke_user
from jwt_auth.sessions import Peer
from tests.support.admin import MANY, column_of, grant, served, session_url, signed_in, text_of, user_url
from tests.support.queries import count_queries
from tests.support.rows import begin
from tests.support.user_models import managed_by

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(make_user):
    """A member of staff who may look at sessions, and nothing else so far."""
    user = make_user("clerk", is_staff=True)
    grant(user, "view_usersession")
    return user


@pytest.fixture
def session(client, user):
    """A session of alice, begun over HTTP; `session.pair` has its tokens."""
    pair = client.tokens(user, label="alice's phone")
    row = UserSession.objects.get(pk=pair["session"])
    row.pair = pair
    return row


def confirmed(rows, **more):
    keys = [str(row.pk) for row in rows]
    return {"action": "revoke_selected", "_selected_action": keys, "confirmed": "yes", **more}


def listed(browser, **query):
    """The labels of the sessions in the list."""
    return set(column_of(text_of(browser.get(session_url("changelist"), query)), "device"))


# The list and the page


def share(session, agent="curl/8"):
    """Refresh with the session's first token from two peers within the grace period."""
    raw = session.pair["refresh_token"]
    sessions.refresh(raw, peer=Peer(ip_address="192.0.2.7", user_agent="phone"))
    sessions.refresh(raw, peer=Peer(ip_address="203.0.113.9", user_agent=agent))


@pytest.mark.parametrize(("agent", "named"), [("curl/8", "curl/8"), ("", "an unnamed agent")])
def test_a_session_that_another_address_used_says_so(session, client, user, browser, agent, named):
    other = client.tokens(user, label="quiet laptop")
    page = text_of(browser.get(session_url("change", other["session"])))
    assert "Also used by" not in page
    share(session, agent)
    page = text_of(browser.get(session_url("change", session.pk)))
    assert f"Also used by 203.0.113.9, {named} at" in page
    assert "192.0.2.7" in page
    assert listed(browser, shared="yes") == {"alice&#x27;s phone, phone"}
    assert len(listed(browser)) == 2
    assert text_of(browser.get(session_url("changelist"))).count(">Shared<") == 1


def test_a_session_that_another_agent_used_at_an_unknown_address_says_so(session, browser):
    raw = session.pair["refresh_token"]
    sessions.refresh(raw, peer=Peer(user_agent="phone"))
    sessions.refresh(raw, peer=Peer(user_agent="curl/8"))
    assert "Also used by an unknown address, curl/8" in text_of(browser.get(session_url("change", session.pk)))


def test_sign_in_refresh_and_misuse_stand_beside_each_other(session, browser):
    def peers():
        page = text_of(browser.get(session_url("change", session.pk)))
        cells = "".join(f'<td data-label="{title}">([^<]*)</td>' for title in ("Address", "User agent"))
        return re.findall(f'<th scope="row">([^<]+)</th>{cells}', page)

    assert peers() == [("Sign-in", "127.0.0.1", "-")]
    raw = session.pair["refresh_token"]
    sessions.refresh(raw, peer=Peer(ip_address="192.0.2.7", user_agent="phone"))
    UserSession.objects.update(rotated_at=None)
    with pytest.raises(RefreshTokenReusedError):
        sessions.refresh(raw, peer=Peer(ip_address="203.0.113.9", user_agent="<curl>"))
    assert peers() == [
        ("Sign-in", "127.0.0.1", "-"),
        ("Newest refresh", "192.0.2.7", "phone"),
        ("Misuse", "203.0.113.9", "&lt;curl&gt;"),
    ]


def test_the_terms_of_the_sign_in_are_readable(user, session, browser):
    page = text_of(browser.get(session_url("change", session.pk)))
    assert "14 days, set by SESSION_IDLE_TIMEOUT" in page
    terms = {"amr": ["pwd", "otp"], "acr": "urn:example:two", "data": {"shop": "<Zoë>"}}
    own = sessions.start(user, idle_timeout=timedelta(minutes=90), **terms)
    page = text_of(browser.get(session_url("change", own.session_id)))
    for text in ("pwd otp", "urn:example:two", "&quot;shop&quot;: &quot;&lt;Zoë&gt;&quot;", "1:30:00"):
        assert text in page
    assert "SESSION_IDLE_TIMEOUT" not in page


def test_a_session_says_whether_it_is_tied_to_a_django_session_and_never_to_which(user, session, browser):
    tied = sessions.start(user, tied_to="0123456789abcdef" * 2)
    for sid, says in ((tied.session_id, "Yes: each ends with the other"), (session.pk, "No")):
        page = text_of(browser.get(session_url("change", sid)))
        assert re.search(rf"Tied to a Django session:</label>\s*<div class=.readonly.>{says}</div>", page)
        assert "0123456789abcdef" not in page
    assert "0123456789abcdef" not in text_of(browser.get(session_url("changelist")))


def test_the_page_of_the_user_says_so_too(session, user, browser):
    assert ">Shared<" not in text_of(browser.get(user_url("change", user.pk)))
    share(session)
    assert ">Shared<" in text_of(browser.get(user_url("change", user.pk)))


def test_the_list_says_whose_where_and_whether_it_lives(session, user, browser):
    page = text_of(browser.get(session_url("changelist")))
    assert "alice&#x27;s phone" in page
    assert "127.0.0.1" in page
    assert f'<a href="{user_url("change", user.pk)}">{user}</a>' in page
    assert '<span class="jwt-auth-live">Live</span>' in page


ENDINGS = {
    "Revoked": lambda session: revoke_session(session.pk),
    "All tokens revoked": lambda session: revoke_all(),
    "User inactive": lambda session: get_user_model().objects.update(is_active=False),
    "Password changed": lambda session: get_user_model().objects.filter(pk=session.user_id).update(password="x"),
    "Expired": lambda session: UserSession.objects.update(idle_expires_at=timezone.now() - timedelta(hours=1)),
}


@pytest.mark.parametrize("state", ENDINGS)
def test_a_session_says_what_ended_it(session, browser, staff, state):
    ENDINGS[state](session)
    get_user_model().objects.filter(pk=staff.pk).update(is_active=True)
    page = text_of(browser.get(session_url("changelist")))
    assert f'<span class="jwt-auth-ended">{state}</span>' in page
    assert "jwt-auth-live" not in page


def test_a_session_of_a_hidden_user_is_not_live(session, browser):
    with managed_by(lambda rows: rows.exclude(pk=session.user_id)):
        for url in (session_url("changelist"), session_url("change", session.pk)):
            page = text_of(browser.get(url))
            assert '<span class="jwt-auth-ended">User hidden</span>' in page
            assert "jwt-auth-live" not in page


def test_the_list_asks_an_unusual_manager_once(session, client, make_user, browser):
    def load():
        return count_queries(browser.get, session_url("changelist"))[0]

    load()
    usual = load()
    with managed_by(lambda rows: rows.annotate(more=Value(1))):
        one = load()
        client.tokens(make_user("bob"))
        client.tokens(make_user("carol"))
        assert load() == one
    assert load() == usual < one


def test_each_refusal_of_the_rule_has_its_words(session, monkeypatch, browser):
    """A refusal that is new to the rule is shown as ended all the same."""
    assert set(map(str, states.REFUSALS.values())) == (set(ENDINGS) - {"Expired"}) | {"User hidden"}
    revoke_session(session.pk)
    monkeypatch.setattr(states, "REFUSALS", {})
    assert '<span class="jwt-auth-ended">Ended</span>' in text_of(browser.get(session_url("changelist")))


def test_a_session_s_page_has_its_facts_and_no_form(session, browser):
    revoke_session(session.pk, reason="lost in a taxi")
    page = text_of(browser.get(session_url("change", session.pk)))
    assert str(session.pk) in page
    assert "lost in a taxi" in page
    assert 'name="_save"' not in page
    assert 'name="label"' not in page


@pytest.mark.parametrize("page", ["list", "session", "history", "question", "deletion of the user"])
def test_nothing_secret_is_shown(session, user, browser, page):
    UserSession.objects.update(upgraded_auth_hash="upgraded-hash-of-the-user")
    shown = text_of(
        {
            "list": lambda: browser.get(session_url("changelist")),
            "session": lambda: browser.get(session_url("change", session.pk)),
            "history": lambda: browser.get(session_url("history", session.pk)),
            "question": lambda: browser.get(session_url("revoke", session.pk)),
            "deletion of the user": lambda: browser.get(user_url("delete", user.pk)),
        }[page]()
    )
    assert str(session.pk) in shown or page == "list"
    for secret in (session.handle, session.auth_hash, "upgraded-hash-of-the-user"):
        assert secret not in shown


@pytest.mark.parametrize("name", ["handle", "auth_hash", "upgraded_auth_hash", "tied_to", "user__password"])
def test_nothing_secret_can_be_guessed_letter_by_letter(session, browser, name):
    """
    Django's lists accept lookups of any field in the address: an empty page would tell a wrong guess from a right one.
    """
    assert browser.get(session_url("changelist"), {f"{name}__startswith": "a"}).status_code == 400
    text_of(browser.get(session_url("changelist"), {"label__startswith": "a"}))


def test_on_a_site_without_users_the_list_names_them_without_a_link(session, staff):
    site = admin.AdminSite("other")
    site.register(UserSession, UserSessionAdmin)
    with served(site):
        page = text_of(signed_in(staff).get("/other/jwt_auth/usersession/"))
    assert column_of(page, "owner") == [str(session.user)]
    assert "Revoke everything" not in page


# Search


def test_the_list_is_filtered_by_state_and_by_transport(client, user, make_user, browser):
    rows = {name: client.tokens(user, label=name)["session"] for name in ("live", "revoked", "expired", "cookie")}
    revoke_session(UserSession.objects.get(pk=rows["revoked"]).pk)
    UserSession.objects.filter(pk=rows["expired"]).update(expires_at=timezone.now() - timedelta(hours=1))
    UserSession.objects.filter(pk=rows["cookie"]).update(transport="cookie")
    bob = make_user("bob")
    client.tokens(bob, label="cut off")
    UserSession.objects.filter(user=bob).update(started_at=timezone.now() - timedelta(hours=1))
    revoke_user(bob, at=timezone.now() - timedelta(minutes=30))
    UserSession.objects.filter(user=bob).update(revoked_at=None)
    assert listed(browser) == {"live", "revoked", "expired", "cookie", "cut off"}
    assert listed(browser, state="live") == {"live", "cookie"}
    assert listed(browser, state="ended") == {"revoked", "expired", "cut off"}
    assert listed(browser, transport__exact="cookie") == {"cookie"}
    assert listed(browser, user__exact=str(bob.pk)) == {"cut off"}
    revoke_all()
    assert listed(browser, state="live") == set()
    assert len(listed(browser, state="ended")) == 5


AMR = {"phone": ["pwd"], "laptop": ["pwd", "otp", "mfa"], "tablet": ["otpx", "xpwd"], "old": []}


def test_the_list_and_the_user_s_page_say_how_the_user_signed_in(user, browser):
    for label, amr in AMR.items():
        sessions.start(user, amr=amr, label=label)
    page = text_of(browser.get(session_url("changelist")))
    cells = dict(zip(column_of(page, "device"), column_of(page, "started"), strict=True))
    assert {label: re.findall(r"\((.*)\)$", cell) for label, cell in cells.items()} == {
        label: [" ".join(amr)] if amr else [] for label, amr in AMR.items()
    }
    assert " (pwd otp mfa)</td>" in text_of(browser.get(user_url("change", user.pk)))


def test_the_list_is_filtered_by_method(user, browser):
    for label, amr in AMR.items():
        sessions.start(user, amr=amr, label=label)
    assert listed(browser) == listed(browser, method="") == set(AMR)
    for method, labels in {
        "pwd": {"phone", "laptop"},
        "otp": {"laptop"},
        "mfa": {"laptop"},
        "xpwd": {"tablet"},  # a method of the project's own
        "%": set(),
        "sms": set(),
    }.items():
        assert listed(browser, method=method) == labels, method


def test_the_list_is_searched_by_name_and_by_address(client, user, make_user, browser):
    bob = make_user("robert", **({"email": "bob@example.net"} if user.USERNAME_FIELD != "email" else {}))
    client.tokens(user, label="of alice")
    client.tokens(bob, label="of bob")
    UserSession.objects.filter(user=bob).update(
        ip_address="192.0.2.7", shared_ip_address="198.51.100.9", misused_ip_address="203.0.113.9"
    )
    assert listed(browser, q="ALICE") == {"of alice"}
    assert listed(browser, q="robert") == {"of bob"}
    assert listed(browser, q="192.0.2.7") == {"of bob"}
    assert listed(browser, q="192.0.2.") == {"of bob"}
    assert listed(browser, q="198.51.100.9") == listed(browser, q="203.0.113.9") == {"of bob"}
    assert listed(browser, q="nobody") == set()
    if user.USERNAME_FIELD != "email":
        assert listed(browser, q="example.net") == {"of bob"}


def test_words_beyond_the_longest_search_cost_nothing(client, user, browser):
    client.tokens(user, label="of alice")
    assert listed(browser, q="alice " * 40 + "nobody") == {"of alice"}
    assert listed(browser, q="alice " * 20 + "nobody") == set()  # the control


@pytest.mark.parametrize("permission", [None, "view", "change"])
def test_an_address_that_is_not_shown_is_searched_by_those_alone_who_may_look_at_users(
    client, make_user, clerk, permission
):
    model = get_user_model()
    if model.USERNAME_FIELD == "email":
        pytest.skip("the name is the address: run with TEST_USER=stock")
    client.tokens(make_user("bob", email="robert@example.net"), label="of bob")
    if permission:
        grant(clerk, f"{permission}_user")
    browser = signed_in(clerk)
    assert listed(browser, q="bob") == {"of bob"}
    assert listed(browser, q="robert@exam") == ({"of bob"} if permission else set())
    assert "robert" not in text_of(browser.get(session_url("changelist")))


@pytest.mark.parametrize(
    "query", ["q=%00", "user__exact=x", "state=x", "method=%00", "p=9999", "o=99", "started_at__gte=x"]
)
def test_a_strange_address_is_no_error(session, browser, query):
    assert browser.get(f"{session_url('changelist')}?{query}").status_code in (200, 302)


# Ended


@pytest.mark.parametrize("way", ["action", "button"])
def test_after_the_click_the_next_request_is_refused_and_other_sessions_go_on(client, session, staff, browser, way):
    other = client.tokens(session.user)
    if way == "action":
        answer = browser.post(session_url("changelist"), confirmed([session], reason="lost"))
        assert answer.url == session_url("changelist")
    else:
        answer = browser.post(session_url("revoke", session.pk), {"confirmed": "yes", "reason": "lost"})
        assert answer.url == session_url("change", session.pk)
    assert client.get_me(session.pair["access_token"]).json()["code"] == "token_revoked"
    assert client.is_dead(session.pair)
    assert not client.is_dead(other)
    event = RevocationEvent.objects.get()
    assert (event.scope, event.subject, event.actor) == ("session", session.sid, str(staff.pk))
    assert (event.reason, UserSession.objects.get(pk=session.pk).revoked_reason) == ("lost", "lost")
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.get_change_message()) == (str(session.pk), "Revoked.")
    assert "1 session was ended." in text_of(browser.get(session_url("changelist")))


@pytest.mark.parametrize("way", ["action", "button"])
def test_it_asks_first(client, session, browser, way):
    if way == "action":
        chosen = {"action": "revoke_selected", "_selected_action": [str(session.pk)], "index": "0"}
        page = text_of(browser.post(session_url("changelist"), chosen))
        assert f'name="_selected_action" value="{session.pk}"' in page
    else:
        assert session_url("revoke", session.pk) in text_of(browser.get(session_url("change", session.pk)))
        page = text_of(browser.get(session_url("revoke", session.pk)))
    assert f"<h1>End the session “alice&#x27;s phone” of {escape(session.user)}</h1>" in page
    assert f"{escape(session.user)}: alice&#x27;s phone; 127.0.0.1; {session.pk}</a>" in page
    assert not client.is_dead(session.pair)


def test_a_session_ends_once_and_its_record_is_never_rewritten(session, browser):
    revoke_session(session.pk, reason="first")
    browser.post(session_url("changelist"), confirmed([session], reason="second"))
    browser.post(session_url("revoke", session.pk), {"confirmed": "yes", "reason": "second"})
    assert UserSession.objects.get().revoked_reason == "first"
    assert RevocationEvent.objects.count() == 1
    assert not LogEntry.objects.exists()
    assert 'class="jwt-auth-revoke"' not in text_of(browser.get(session_url("change", session.pk)))


def test_more_sessions_than_one_batch_end(client, user, browser, monkeypatch):
    monkeypatch.setattr(administration, "BATCH", 2)
    begin(user, 5)
    one = UserSession.objects.first()
    browser.post(session_url("changelist"), confirmed([one], select_across="1"))
    assert not UserSession.objects.filter(revoked_at=None).exists()
    assert RevocationEvent.objects.count() == 5


def test_without_the_permission_sessions_are_only_looked_at(client, session, clerk):
    browser = signed_in(clerk)
    assert "revoke_selected" not in text_of(browser.get(session_url("changelist")))
    assert 'class="jwt-auth-revoke"' not in text_of(browser.get(session_url("change", session.pk)))
    browser.post(session_url("changelist"), confirmed([session]))
    assert browser.get(session_url("revoke", session.pk)).status_code == 403
    assert browser.post(session_url("revoke", session.pk), {"confirmed": "yes"}).status_code == 403
    assert not client.is_dead(session.pair)
    grant(clerk, "revoke_user")
    browser = signed_in(clerk)
    assert "revoke_selected" in text_of(browser.get(session_url("changelist")))
    assert browser.post(session_url("revoke", session.pk), {"confirmed": "yes"}).status_code == 302
    assert client.is_dead(session.pair)


def test_the_permission_to_revoke_alone_opens_no_list(client, session, make_user):
    other = make_user("other", is_staff=True)
    grant(other, "revoke_user")
    browser = signed_in(other)
    assert browser.get(session_url("changelist")).status_code == 403
    assert browser.post(session_url("changelist"), confirmed([session])).status_code == 403
    assert browser.post(session_url("revoke", session.pk), {"confirmed": "yes"}).status_code == 403
    assert not client.is_dead(session.pair)


@pytest.mark.parametrize("pk", ["x", "00000000-0000-0000-0000-000000000000", "1" * 400])
def test_a_session_that_is_not_there_is_not_found(browser, pk):
    answer = browser.post(f"/admin/jwt_auth/usersession/{pk}/revoke/", {"confirmed": "yes"})
    assert answer.status_code == 302


# Never un-revoked


@pytest.mark.parametrize("page", ["change", "add", "delete"])
def test_a_forged_form_changes_nothing(client, session, browser, page):
    revoke_session(session.pk)
    before = UserSession.objects.values().get()
    forged = {"revoked_at": "", "revoked_at_0": "", "revoked_at_1": "", "revoked_reason": "", "post": "yes"}
    url = session_url("add") if page == "add" else session_url(page, session.pk)
    assert browser.post(url, {**forged, "_save": "Save"}).status_code == 403
    assert UserSession.objects.values().get() == before
    assert client.is_dead(session.pair)


def test_the_list_offers_no_deletion(session, browser):
    assert "delete_selected" not in text_of(browser.get(session_url("changelist")))
    forged = {"action": "delete_selected", "_selected_action": [str(session.pk)], "post": "yes"}
    browser.post(session_url("changelist"), forged)
    assert UserSession.objects.exists()


def test_a_session_whose_row_is_gone_is_refused(client, session):
    """Rows are deleted with their users; the tokens must not become valid by that."""
    UserSession.objects.all().delete()
    assert client.is_dead(session.pair)


def test_a_session_that_may_not_be_ended_stops_the_rest_before_anything_is_done(client, user, browser, monkeypatch):
    pairs = [client.tokens(user) for _ in range(3)]
    refused = UserSession.objects.order_by("-pk")[0]
    monkeypatch.setattr(administration, "BATCH", 1)
    monkeypatch.setattr(UserSessionAdmin, "has_revoke_permission", lambda self, request, obj=None: obj != refused)
    chosen = confirmed([refused], select_across="1")
    assert browser.post(session_url("changelist"), chosen).status_code == 403
    assert not any(client.is_dead(pair) for pair in pairs)
    assert browser.post(session_url("changelist"), {**chosen, "confirmed": ""}).status_code == 403


def test_a_session_that_begins_after_the_check_is_checked_too(client, user, make_user, browser, monkeypatch):
    pairs, bob, demand = [client.tokens(user)], make_user("bob"), UserSessionAdmin._demand

    def demand_before_others_sign_in(self, request, rows):
        demand(self, request, rows)
        pairs.extend(client.tokens(each) for each in (user, bob))

    monkeypatch.setattr(administration, "BATCH", 1)
    monkeypatch.setattr(UserSessionAdmin, "_demand", demand_before_others_sign_in)
    monkeypatch.setattr(
        UserSessionAdmin, "has_revoke_permission", lambda self, request, obj=None: obj is None or obj.user_id == user.pk
    )
    browser.post(session_url("changelist"), confirmed([UserSession.objects.get()], select_across="1"))
    assert [client.is_dead(pair) for pair in pairs] == [True, True, False]
    assert (RevocationEvent.objects.count(), LogEntry.objects.count()) == (2, 2)


# Queries


def test_pages_cost_the_same_with_sixty_sessions_and_with_many(user, make_user, browser):
    pages = {
        "list": (session_url("changelist"), {}),
        "live": (session_url("changelist"), {"state": "live"}),
        "ended": (session_url("changelist"), {"state": "ended"}),
        "search": (session_url("changelist"), {"q": str(user)}),
    }
    counted = {name: [] for name in pages}
    for number in (60, MANY):
        begin(user, number)
        for i in range(20):
            begin(make_user(f"user{number}x{i}"), 2)
        browser.get(session_url("changelist"))
        for name, (url, query) in pages.items():
            queries, answer = count_queries(browser.get, url, query)
            assert f"{user}" in text_of(answer) or name == "ended"
            assert '<select name="user' not in answer.content.decode()
            counted[name].append(queries)
    for name, (few, many) in counted.items():
        assert few == many, name
        assert many <= 9, name


def test_the_question_costs_the_same_for_two_sessions_and_for_more_than_a_page_has(user, browser):
    counted = []
    for number in (2, 118):
        begin(user, number)
        one = UserSession.objects.first()
        chosen = {"action": "revoke_selected", "_selected_action": [str(one.pk)], "index": "0", "select_across": "1"}
        queries, answer = count_queries(browser.post, session_url("changelist"), chosen)
        counted.append(queries)
    assert "Sessions: <strong>120</strong>" in text_of(answer)
    assert counted[0] == counted[1]


def test_a_session_without_a_label_is_named_after_what_came(user, browser):
    sessions.start(user)
    assert listed(browser) == {"Unnamed device"}
    UserSession.objects.update(user_agent="Firefox/" + "1" * 80)
    assert listed(browser) == {"Firefox/" + "1" * 51 + "…"}


def test_a_page_that_does_not_name_its_admin_gives_no_right_to_delete(rf, user):
    """Django does not document that a view names its admin."""
    session, request = UserSession.objects.get(pk=sessions.start(user).session_id), rf.get("/")
    of_sessions, of_users = (admin.site.get_model_admin(model) for model in (UserSession, get_user_model()))
    for view, allowed in {
        partial(id): False,
        named(of_sessions): False,
        named(of_users): True,  # the control: rows are deleted with their users
    }.items():
        request.resolver_match = ResolverMatch(view, (), {})
        assert of_sessions.has_delete_permission(request, session) is allowed
    request.resolver_match = None
    assert not of_sessions.has_delete_permission(request, session)


def named(model_admin):
    view = partial(id)
    view.model_admin = model_admin
    return view


# Found


def test_a_session_is_found_by_its_id_however_old_it_is(user, browser, monkeypatch):
    begin(user, 3)
    UserSession.objects.update(label="x")
    monkeypatch.setattr(lists, "LISTED", 1)
    oldest = UserSession.objects.order_by("started_at").first()
    for text in (oldest.sid, str(oldest.pk), f" {oldest.sid} "):
        page = text_of(browser.get(session_url("changelist"), {"q": text}))
        assert session_url("change", oldest.pk) in page
        assert page.count('class="field-device"') == 1
        assert "There may be more matches" not in page
    assert listed(browser, q=oldest.sid[:-1] + ("0" if oldest.sid[-1] != "0" else "1")) == set()


@pytest.mark.parametrize(
    "query", ["kitchen", "TABLET", "Opera", "alice tablet", "alice opera", "192.0.2.8", "alice 192.0.2."]
)
def test_a_session_is_found_by_label_agent_and_last_address(user, make_user, browser, query):
    sessions.start(make_user("bob"), label="hall", peer=Peer(user_agent="curl/8", ip_address="203.0.113.1"))
    row = UserSession.objects.get(pk=sessions.start(user, label="kitchen tablet").session_id)
    UserSession.objects.filter(pk=row.pk).update(user_agent="Opera/9", last_ip_address="192.0.2.8")
    page = text_of(browser.get(session_url("changelist"), {"q": query}))
    assert session_url("change", row.pk) in page
    assert page.count('class="field-device"') == 1


def test_a_session_says_from_where_it_was_used_last(user, browser):
    pair = sessions.start(user, peer=Peer(ip_address="192.0.2.7"))
    column = column_of(text_of(browser.get(session_url("changelist"))), "address")
    assert column == ["192.0.2.7"]
    sessions.refresh(pair.refresh_token, peer=Peer(ip_address="203.0.113.9"))
    column = column_of(text_of(browser.get(session_url("changelist"))), "address")
    assert column == ["192.0.2.7, last used from 203.0.113.9"]


def test_some_sessions_are_counted_in_the_title_and_none_is_no_question(user, browser):
    begin(user, 2)
    rows = list(UserSession.objects.all())
    chosen = {"action": "revoke_selected", "_selected_action": [str(row.pk) for row in rows], "index": "0"}
    page = text_of(browser.post(session_url("changelist"), chosen))
    assert "<h1>End 2 sessions</h1>" in page
    assert 'value="End the sessions"' in page
    assert "Of these, live: <strong>2</strong>" in page
    for row in rows:
        revoke_session(row.pk)
    answer = browser.post(session_url("changelist"), chosen, follow=True)
    assert "Nothing was done: the session had already ended." in text_of(answer)


def test_a_list_without_a_filter_has_no_number_of_results(user, browser):
    begin(user, 2)
    assert "Show all" not in text_of(browser.get(session_url("changelist")))
    assert "Show all" in text_of(browser.get(session_url("changelist"), {"state": "live"}))
