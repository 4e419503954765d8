"""The admin as staff use it: which tokens a click revokes, and what staff without permissions can't do."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from jwt_auth import clients
from jwt_auth.administration import lists
from jwt_auth.models import RevocationEvent, UserSession
from jwt_auth.revocation import revoke_session, revoke_token, revoke_user
from jwt_auth.sessions import Peer, start
from jwt_auth.verification import verify
from tests.browser.actions import follow
from tests.browser.admin_pages import POLICY, RING, SCREENS, SIZES, STYLED, SUBMIT, check_fit, confirm, said
from tests.support.admin import client_url, event_url, grant, session_url, user_url
from tests.support.clients import Client


@dataclass
class Alice:
    """A user with two devices, and the token of one."""

    client: Client
    user: Any
    pair: dict[str, Any]

    def is_welcome(self):
        """Return whether the API accepts the user's token."""
        return self.client.get_me(self.pair["access_token"]).status_code == 200


@pytest.fixture
def alice(client, user):
    pair = client.tokens(user, label="alice's phone")
    client.tokens(user, label="laptop in the office")
    return Alice(client, user, pair)


@pytest.fixture
def bob(client, make_user):
    user = make_user("bob")
    return Alice(client, user, client.tokens(user, label="bob's tablet"))


def choose_action(page, rows, text):
    """Mark rows of a list and choose what to do with them."""
    for row in rows:
        page.check(f"input[name=_selected_action][value='{row.pk}']")
    option = page.locator("select[name=action] option", has_text=text)
    page.select_option("select[name=action]", value=option.get_attribute("value"))
    follow(page, "button[name=index]")


def test_the_action_asks_and_then_the_next_request_is_refused(make_user, admin, alice, bob, look):
    carol = Alice(alice.client, user := make_user("carol"), alice.client.tokens(user))
    admin.goto(user_url("changelist"))
    choose_action(admin, [alice.user, bob.user], "Revoke all tokens")
    assert admin.inner_text("#content h1") == "Revoke all tokens of 2 users"
    assert "Live sessions: 3" in admin.inner_text("#content")
    look(admin, "question")
    assert [person.is_welcome() for person in (alice, bob, carol)] == [True, True, True]
    confirm(admin, reason="breach of the mail server")
    assert "All tokens of 2 users were revoked. 3 live sessions ended." in said(admin)
    assert [person.is_welcome() for person in (alice, bob, carol)] == [False, False, True]
    alice.client.tokens(alice.user)
    assert set(RevocationEvent.objects.values_list("reason", flat=True)) == {"breach of the mail server"}


def test_no_leads_back_and_does_nothing(admin, alice):
    address = f"{user_url('changelist')}?is_active__exact=1"
    admin.goto(address)
    choose_action(admin, [alice.user], "Revoke all tokens")
    follow(admin, "text=Cancel")
    admin.wait_for_url(f"**{address}")
    assert admin.locator("#result_list").is_visible()
    assert alice.is_welcome()


def test_the_button_on_a_user_s_page(admin, alice, look):
    admin.goto(user_url("change", alice.user.pk))
    panel = admin.locator(".jwt-auth-tokens")
    assert "Never" in panel.inner_text()
    assert "alice's phone" in panel.inner_text()
    look(admin, "user")
    follow(admin, "text=Sign out everywhere")
    assert alice.is_welcome()
    confirm(admin, reason="laptop stolen")
    assert "All tokens of 1 user were revoked. 2 live sessions ended." in said(admin)
    assert "alice's phone" not in panel.inner_text()
    assert "Never" not in panel.inner_text()
    assert not alice.is_welcome()
    follow(admin, ".jwt-auth-tokens >> text=All sessions")
    assert admin.locator(".field-state >> text=Revoked").count() == 2


def test_one_session_ends_and_the_others_go_on(admin, alice, look):
    other = Alice(alice.client, alice.user, alice.client.tokens(alice.user, label="tablet"))
    admin.goto(session_url("changelist"))
    admin.fill("input[name=q]", alice.user.get_username())
    with admin.expect_navigation():
        admin.press("input[name=q]", "Enter")
    follow(admin, "#changelist-filter >> text=Live")
    admin.wait_for_url("**state=live**")
    follow(admin, 'a:has-text("alice\'s phone")')
    look(admin, "session")
    follow(admin, ".object-tools >> text=End the session")
    confirm(admin)
    assert "1 session was ended." in said(admin)
    assert not alice.is_welcome()
    assert other.is_welcome()
    assert admin.locator(".object-tools >> text=End the session").count() == 0


def test_several_sessions_end_at_once(admin, alice, bob):
    admin.goto(session_url("changelist"))
    admin.check("#action-toggle")
    choose_action(admin, [], "End selected sessions")
    assert "Sessions: 3" in admin.inner_text("#content")
    confirm(admin, reason="clean-up")
    assert "3 sessions were ended." in said(admin)
    assert not alice.is_welcome()
    assert not bob.is_welcome()


def test_everything_wants_a_phrase(staff, admin, alice, look):
    admin.goto(event_url("changelist"))
    follow(admin, "text=Revoke everything")
    look(admin, "everything")
    admin.click(SUBMIT)
    assert admin.url.endswith(event_url("revoke_all"))  # the browser itself requires the field
    assert admin.locator(".errorlist").count() == 0
    confirm(admin, phrase="yes")
    assert "to go on" in admin.inner_text(".errorlist")
    look(admin, "everything-refused")
    assert alice.is_welcome()
    confirm(admin, phrase="revoke everything", reason="signing key leaked")
    assert "The tokens of everybody were revoked." in said(admin)
    assert not alice.is_welcome()
    newest = admin.locator("#result_list tbody tr").first.inner_text()
    for word in ("everybody", staff.get_username(), "signing key leaked"):
        assert word in newest


def test_who_lacks_the_permission_sees_no_button_and_can_do_nothing(make_user, new_staff, alice):
    clerk = make_user("clerk", is_staff=True)
    grant(clerk, "view_user", "view_usersession", "view_revocationevent")
    page = new_staff(clerk)
    key, sid = alice.user.pk, alice.pair["session"]
    lists = [user_url("changelist"), session_url("changelist"), event_url("changelist")]
    for url in [*lists, user_url("change", key), session_url("change", sid)]:
        assert page.goto(url).status == 200
        assert page.locator(".jwt-auth-revoke, select[name=action] >> text=Revoke").count() == 0
    for url in (user_url("revoke_tokens", key), session_url("revoke", sid), event_url("revoke_all")):
        assert page.goto(url).status == 403
    assert alice.is_welcome()
    grant(clerk, "revoke_user")
    page.goto(user_url("change", key))
    follow(page, "text=Sign out everywhere")
    confirm(page)
    assert "1 user" in said(page)
    assert not alice.is_welcome()


def test_all_works_under_a_strict_content_security_policy(admin, alice, strict_policy):
    """The pages have no inline scripts or styles: the browser would refuse them and report it."""
    blocked = []
    admin.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    key, sid = alice.user.pk, alice.pair["session"]
    for url in (session_url("revoke", sid), user_url("revoke_tokens", key), event_url("revoke_all")):
        assert admin.goto(url).headers["content-security-policy"] == POLICY
        assert admin.locator(".jwt-auth-answers input").evaluate(STYLED)
    admin.goto(user_url("change", key))
    assert admin.locator(".jwt-auth-links").evaluate(STYLED)
    admin.goto(session_url("changelist"))
    assert admin.locator(".field-state >> text=Live").count() == 2
    admin.goto(user_url("revoke_tokens", key))
    confirm(admin)
    assert "1 user" in said(admin)
    assert not alice.is_welcome()
    assert not blocked
    admin.goto(event_url("revoke_all"))
    with admin.expect_console_message(lambda message: "Content Security" in message.text):  # the control
        admin.evaluate("""document.body.insertAdjacentHTML("beforeend", '<p style="color: red">inline</p>')""")


@pytest.fixture
def past(alice, bob, staff):
    """Sessions and events of several kinds."""
    ended = alice.client.tokens(alice.user, label="old laptop")
    revoke_session(UUID(hex=verify(ended["access_token"]).claims.sid), reason="ended by the user", actor=alice.user)
    revoke_token(verify(alice.pair["access_token"]).claims, reason="seen in a log file", actor=staff)
    revoke_user(bob.user, reason="laptop stolen", actor=staff)
    alice.client.tokens(bob.user, label="bob's new tablet")


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("screen", SCREENS)
def test_a_list_with_more_rows_than_it_shows_fits_and_says_so(screen, staff, new_staff, look, monkeypatch):
    monkeypatch.setattr(lists, "LISTED", 2)
    monkeypatch.setattr(lists, "FOUND", 1)
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    for name, query, text in (
        ("cut-list", "", "Only the newest 2 rows are listed, and filters apply to these."),
        ("cut-search", "?q=alice", "There may be more matches than are listed."),
    ):
        page.goto(f"{session_url('changelist')}{query}")
        assert text in page.inner_text("p.jwt-auth-cut")
        assert check_fit(page, name, look, "p.jwt-auth-cut") == 1


@pytest.mark.usefixtures("past")
@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_fit_and_can_be_read(screen, staff, new_staff, alice, look):
    """No page is wider than the screen, and red and grey texts have the contrast that WCAG 2 requires."""
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    key, sid = alice.user.pk, alice.pair["session"]
    pages = {
        "users": user_url("changelist"),
        "user": user_url("change", key),
        "user-question": user_url("revoke_tokens", key),
        "sessions": session_url("changelist"),
        "session": session_url("change", sid),
        "session-question": session_url("revoke", sid),
        "events": event_url("changelist"),
        "event": event_url("change", RevocationEvent.objects.latest("pk").pk),
        "everything": event_url("revoke_all"),
    }
    seen = 0
    for name, url in pages.items():
        page.goto(url)
        seen += check_fit(page, name, look, "[class^=jwt-auth-], .jwt-auth-answers > *, .jwt-auth-tokens dt")
    assert seen > 20


AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"


@pytest.mark.parametrize("screen", SCREENS)
def test_the_longest_names_hide_nothing_that_a_decision_needs(screen, staff, new_staff, make_user, look):
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    user = make_user("wolfeschlegelsteinhausenbergerdorff.hubert.blaine.the.third@procurement.example")
    peer = Peer(ip_address="2001:db8:85a3:8d3:1319:8a2e:370:7348", user_agent=AGENT)
    terms = {"amr": [f"method-{number}" for number in range(20)], "acr": "a" * 255, "data": {"note": "d" * 900}}
    session = UserSession.objects.get(pk=start(user, label="x" * 100, peer=peer, **terms).session_id)
    misused = {"misused_ip_address": peer.ip_address, "misused_user_agent": "u" * 255, "revoked_at": session.started_at}
    UserSession.objects.filter(pk=session.pk).update(counter=1, last_ip_address="203.0.113.7", **misused)
    registered = clients.register("y" * 100, user, actor=user, peer=peer)
    key = clients.add_secret(registered, actor=user, peer=peer).key
    revoke_session(start(user).session_id, reason="z" * 255, actor=user)
    pages = {
        "long-sessions": session_url("changelist"),
        "long-session": session_url("change", session.pk),
        "long-session-question": session_url("revoke", session.pk),
        "long-events": event_url("changelist"),
        "long-event": event_url("change", RevocationEvent.objects.latest("pk").pk),
        "long-clients": client_url("changelist"),
        "long-client": client_url("change", registered.pk),
        "long-key-question": client_url("revoke_key", registered.pk, key.pk),
        "long-user": user_url("change", user.pk),
        "long-user-question": user_url("revoke_tokens", user.pk),
        "long-user-deletion": user_url("delete", user.pk),
    }
    for name, url in pages.items():
        page.goto(url)
        check_fit(page, name, look, ".jwt-auth-cell, .jwt-auth-scroll td, .jwt-auth-warning")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_focus_of_the_keyboard_is_seen(scheme, staff, new_staff, alice):
    page = new_staff(staff, color_scheme=scheme)
    for url, selector in (
        (user_url("change", alice.user.pk), ".jwt-auth-links a, .jwt-auth-operations a"),
        (user_url("revoke_tokens", alice.user.pk), ".jwt-auth-answers > *"),
        (event_url("changelist"), ".object-tools .jwt-auth-revoke"),
    ):
        page.goto(url)
        page.keyboard.press("Tab")
        found = page.locator(selector).all()
        assert found
        for element in found:
            element.focus()
            assert element.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
            assert element.evaluate(RING) >= 3
