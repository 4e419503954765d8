"""Signing keys in the admin: the same guards as in code, the waiting times in words, and nothing private is shown."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from jwt_auth import signing_keys
from jwt_auth.keyring import states as key_states
from jwt_auth.models import RevocationEvent, SigningKey
from tests.support.admin import grant, key_url, signed_in, text_of

pytestmark = pytest.mark.django_db

WAIT = key_states.PUBLISHED_AFTER.total_seconds()
CONFIRMED = {"confirmed": "yes"}


@pytest.fixture(autouse=True)
def _stored_keys(jwt_settings, clock):
    jwt_settings(KEYS="database", ALGORITHM="ES256")


@pytest.fixture
def active():
    return signing_keys.create(activate=True)


@pytest.fixture
def standby(active):
    return signing_keys.create()


def states():
    return dict(SigningKey.objects.values_list("kid", "state"))


def said(answer):
    return " ".join(str(message) for message in answer.context["messages"])


def buttons(page):
    return re.findall(r'<a href="[^"]*/(?:activate|retire|revoke)/(?:emergency/)?"[^>]*>([^<]*)</a>', page)


def post(browser, page, key, **fields):
    return browser.post(key_url(page, key.pk), {**CONFIRMED, **fields}, follow=True)


def test_the_list_says_what_each_key_does_and_what_comes_next(browser, active, standby, clock):
    page = text_of(browser.get(key_url("changelist")))
    assert active.short_kid in page
    assert "Can be activated in 7 min 0 s" in page
    clock.shift(WAIT)
    assert "Can be activated now" in text_of(browser.get(key_url("changelist")))
    signing_keys.activate(standby.kid)
    assert "Can be revoked in 7 min 1 s" in text_of(browser.get(key_url("changelist")))


def test_nothing_private_is_shown(browser, active):
    page = text_of(browser.get(key_url("change", active.pk)))
    assert active.encrypted_private_jwk not in page
    assert "crv" in page  # the public half is
    assert text_of(browser.get(key_url("changelist"))).count(active.encrypted_private_jwk) == 0


def test_a_key_is_made_after_a_question(browser, active, staff):
    page = text_of(browser.get(key_url("add")))
    assert "A key for ES256 will be created and published." in page
    assert len(states()) == 1
    answer = browser.post(key_url("add"), CONFIRMED, follow=True)
    (made,) = SigningKey.objects.filter(state="standby")
    assert said(answer) == f"The key {made.kid} was created."
    assert LogEntry.objects.get(object_id=str(made.pk)).user == staff


def test_a_standby_key_is_activated_when_its_time_has_come(browser, active, standby, clock):
    answer = post(browser, "activate", standby)
    assert "It can be activated from 2026-05-17 12:37:15 UTC on, in 7 min 0 s." in said(answer)
    assert states()[standby.kid] == "standby"
    clock.shift(WAIT)
    assert "Nobody has to sign in again" in text_of(browser.get(key_url("activate", standby.pk)))
    assert states()[standby.kid] == "standby"  # looking does nothing
    answer = post(browser, "activate", standby, reason="every quarter")
    assert said(answer) == f"Tokens are signed with the key {standby.kid} from now on."
    assert states() == {active.kid: "retiring", standby.kid: "active"}
    assert "every quarter" in LogEntry.objects.get(object_id=str(standby.pk)).change_message


def test_the_active_key_retires_when_another_can_take_over(browser, active, standby, clock):
    assert "It can be activated from" in said(post(browser, "retire", active))
    clock.shift(WAIT)
    assert said(post(browser, "retire", active)) == f"The key {active.kid} was retired."
    assert states() == {active.kid: "retiring", standby.kid: "active"}
    for page in ("retire", "retire_emergency"):
        answer = browser.get(key_url(page, active.pk), follow=True)
        assert "only the active key can be retired" in said(answer)


def test_an_emergency_is_offered_says_whom_it_hits_and_asks_for_a_word(browser, client, user, staff, active):
    client.tokens(user)
    page = text_of(browser.get(key_url("change", active.pk)))
    assert buttons(page) == ["Retire in an emergency", "Revoke in an emergency"]
    assert "There is no standby key to take over. Create one" in page
    assert "Retire it first" in said(post(browser, "revoke", active))
    page = text_of(browser.get(key_url("revoke_emergency", active.pk)))
    assert "Live sessions that may have to refresh: <strong>1</strong>" in page
    text_of(post(browser, "revoke_emergency", active, phrase="what?"))
    assert states()[active.kid] == "active"
    answer = post(browser, "revoke_emergency", active, phrase="emergency", reason="leaked")
    assert said(answer) == f"The key {active.kid} was revoked."
    assert sorted(states().values()) == ["active", "revoked"]
    event = RevocationEvent.objects.get(scope="key")
    assert (event.reason, event.actor) == ("leaked", str(staff.pk))
    assert buttons(text_of(browser.get(key_url("change", active.pk)))) == []
    assert "was revoked at" in said(post(browser, "revoke_emergency", active, phrase="emergency"))


def test_a_key_that_another_has_just_moved_is_left_as_it_is(browser, active, standby, clock, monkeypatch):
    clock.shift(WAIT)

    def too_late(*arguments, **options):
        raise key_states.KeyStateError("Another key was created or activated at the same moment. Try again.")

    monkeypatch.setattr(signing_keys, "activate", too_late)
    assert "Try again" in said(post(browser, "activate", standby))


@pytest.mark.parametrize("page", ["activate", "retire", "revoke", "activate_emergency", "revoke_emergency"])
def test_a_key_that_is_not_there_is_gone(browser, active, page):
    answer = browser.post(key_url(page, 4711), CONFIRMED, follow=True)
    assert "doesn’t exist" in said(answer)


def test_who_may_only_look_does_nothing(make_user, active, standby):
    clerk = make_user("clerk", is_staff=True)
    grant(clerk, "view_signingkey")
    browser = signed_in(clerk)
    assert buttons(text_of(browser.get(key_url("change", standby.pk)))) == []
    for page in ("activate", "revoke", "retire", "revoke_emergency"):
        assert browser.post(key_url(page, standby.pk), CONFIRMED).status_code == 403
    assert browser.post(key_url("add"), CONFIRMED).status_code == 403
    assert states() == {active.kid: "active", standby.kid: "standby"}
    grant(clerk, "rotate_signingkey")  # the control
    assert "Revoke" in buttons(text_of(signed_in(clerk).get(key_url("change", standby.pk))))


def test_no_key_is_edited_or_deleted(browser, active):
    assert browser.get(key_url("delete", active.pk)).status_code == 403
    before = SigningKey.objects.values().get()
    browser.post(key_url("change", active.pk), {"state": "revoked"})
    assert SigningKey.objects.values().get() == before


def test_where_keys_are_settings_they_are_only_looked_at(browser, active, jwt_settings):
    jwt_settings(KEYS="settings", ALGORITHM="HS256")
    assert buttons(text_of(browser.get(key_url("change", active.pk)))) == []
    assert browser.get(key_url("add")).status_code == 403
    assert browser.post(key_url("revoke_emergency", active.pk), CONFIRMED).status_code == 403


def test_the_private_half_can_not_be_guessed_letter_by_letter(browser, active):
    assert browser.get(key_url("changelist"), {"encrypted_private_jwk__startswith": "g"}).status_code == 400
    text_of(browser.get(key_url("changelist"), {"kid__startswith": active.kid[0], "state__exact": "active"}))


def test_a_key_is_found_by_its_id_and_by_its_short_one(browser, active, standby):
    for text in (active.kid, active.short_kid):
        page = text_of(browser.get(key_url("changelist"), {"q": text}))
        assert active.short_kid in page
        assert standby.short_kid not in page


def test_with_keys_in_the_settings_the_list_says_where_they_are(browser, active, jwt_settings):
    note = "This server signs with the keys in its settings"
    page = text_of(browser.get(key_url("changelist")))
    assert note not in page
    assert '<span class="jwt-auth-live">Active</span>' in page
    jwt_settings(KEYS="settings", ALGORITHM="HS256")
    page = text_of(browser.get(key_url("changelist")))
    assert note in page
    assert '<span class="jwt-auth-ended">Not in use</span>' in page


def test_a_move_that_can_only_fail_is_no_button_but_a_reason(browser, active, standby, clock):
    page = text_of(browser.get(key_url("change", standby.pk)))
    assert buttons(page) == ["Activate in an emergency", "Revoke"]
    assert "It can be activated from 2026-05-17 12:37:15 UTC on" in page
    clock.shift(WAIT)
    assert buttons(text_of(browser.get(key_url("change", standby.pk)))) == ["Activate", "Revoke"]
    assert buttons(text_of(browser.get(key_url("change", active.pk)))) == ["Retire", "Revoke in an emergency"]


@pytest.mark.parametrize(
    ("page", "danger"),
    [("activate_emergency", False), ("retire_emergency", False), ("revoke_emergency", True), ("revoke", True)],
)
def test_a_question_names_the_key_and_only_a_revocation_is_red_and_has_figures(browser, active, standby, page, danger):
    key = active if page in ("retire_emergency", "revoke_emergency") else standby
    text = text_of(browser.get(key_url(page, key.pk)))
    assert f"{key.short_kid}" in text.partition("<title>")[2].partition("</title>")[0]
    assert f"{key.kid} (" in text
    assert (" delete-confirmation" in text) == danger
    assert ("Live sessions that may have to refresh" in text) == (page == "revoke_emergency")
    assert ("up to 5 minutes" in text) == (page.endswith("emergency") and not danger)
