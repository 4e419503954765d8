"""Clients in the admin as staff use it: a secret is seen once and copied, keys are pasted, replaced and revoked."""

import pytest

from jwt_auth import clients
from jwt_auth.issuers.client_keys import to_key
from jwt_auth.models import ClientKey, RegisteredClient
from jwt_auth.revocation import disable_client, revoke_client_key
from jwt_auth.sessions import Peer
from tests.browser.actions import activate, follow
from tests.browser.admin_pages import POLICY, SCREENS, SIZES, SUBMIT, check_fit, confirm, said
from tests.support.admin import client_url, user_url
from tests.support.keys import public_pem


@pytest.fixture
def registered(user):
    return clients.register("Nightly reports", user, "reports:read")


def register(page, user, **fields):
    """Fill in the form for a client of `user` and send it."""
    page.goto(client_url("changelist"))
    follow(page, ".object-tools >> text=Add client")
    for name, value in {"name": "Nightly reports", "user": str(user.pk), "scopes": "reports:read", **fields}.items():
        if name == "user":  # found by its name, by Django's own script
            page.click(".field-user .select2-selection")
            page.fill(".select2-search__field", user.get_username())
            page.click(f".select2-results__option >> text={user.get_username()}")
        else:
            page.fill(f"[name={name}]", value)
    page.check(f"input[name=kind][value={'public_key' if 'public_key' in fields else 'secret'}]")
    follow(page, SUBMIT)


def test_a_secret_is_copied_by_the_button_and_is_then_nowhere(admin, user, look):
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    register(admin, user)
    secret = admin.inner_text(".jwt-auth-secret")
    row = RegisteredClient.objects.get()
    assert to_key(row.keys.get()).verifying == secret.encode()
    look(admin, "secret")
    admin.click(".jwt-auth-copy")
    admin.wait_for_selector(".jwt-auth-copy >> text=Copied")
    assert admin.evaluate("navigator.clipboard.readText()") == secret
    admin.reload()
    assert admin.url.endswith(client_url("change", row.pk))
    assert ClientKey.objects.count() == 1
    assert secret not in admin.content()
    admin.go_back()
    assert secret not in admin.content()


def test_without_scripts_the_secret_is_selected_by_a_click_and_there_is_no_button(new_staff, staff, user):
    page = new_staff(staff, java_script_enabled=False)
    page.goto(client_url("add_key", clients.register("Nightly reports", user).pk))
    page.check("input[name=kind][value=secret]")
    follow(page, SUBMIT)
    assert page.locator(".jwt-auth-secret").is_visible()
    assert not page.locator(".jwt-auth-copy").is_visible()
    follow(page, "text=Go on to the client")
    assert page.inner_text("#content h2") == "Nightly reports"


def test_one_click_selects_the_whole_secret(admin, user):
    register(admin, user)
    admin.click(".jwt-auth-secret")
    assert admin.evaluate("getSelection().toString()") == admin.inner_text(".jwt-auth-secret")


def test_a_public_key_is_pasted_replaced_and_revoked(admin, user, rsa_key, ec_key, look):
    register(admin, user, public_key="-----BEGIN PUBLIC KEY-----")
    assert admin.locator(".errorlist").count() == 1
    look(admin, "refused")
    admin.fill("[name=public_key]", public_pem(rsa_key))
    follow(admin, SUBMIT)
    assert "was added" in said(admin)
    first = ClientKey.objects.get()
    follow(admin, "text=Replace")
    look(admin, "replace")
    confirm(admin, overlap="3")
    assert admin.locator(".errorlist").count() == 1
    admin.fill("[name=public_key]", public_pem(ec_key))
    confirm(admin)
    assert "was added" in said(admin)
    look(admin, "client")
    row = admin.locator("tr", has_text=first.kid)
    assert row.locator("text=Replace").count() == 0
    with admin.expect_navigation():
        activate(row.locator("text=Revoke"))
    look(admin, "revoke-key")
    confirm(admin, reason="the laptop was stolen")
    assert "was revoked" in said(admin)
    first.refresh_from_db()
    assert first.revoked_at is not None
    assert row.locator(".jwt-auth-operations a").count() == 0


def test_a_disabled_client_has_nothing_left_to_click(admin, registered, look):
    clients.add_secret(registered)
    admin.goto(client_url("change", registered.pk))
    follow(admin, ".object-tools >> text=Disable")
    look(admin, "disable")
    confirm(admin, reason="no longer used")
    assert "The client was disabled." in said(admin)
    assert admin.locator(".jwt-auth-revoke, .jwt-auth-operations a, input[name=_save]").count() == 0
    registered.refresh_from_db()
    assert not registered.is_active


def test_all_works_under_a_strict_content_security_policy(admin, registered, user, strict_policy):
    blocked = []
    admin.on("console", lambda message: blocked.append(message.text) if "Content Security" in message.text else None)
    for url in (client_url("add"), client_url("change", registered.pk), client_url("add_key", registered.pk)):
        assert admin.goto(url).headers["content-security-policy"] == POLICY
    admin.check("input[name=kind][value=secret]")
    follow(admin, SUBMIT)
    admin.click(".jwt-auth-copy")  # which the script has shown
    admin.wait_for_selector(".jwt-auth-copy >> text=Copied")
    assert not blocked


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_fit_and_can_be_read(screen, staff, new_staff, user, registered, rsa_key, ec_key, look):
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    first = clients.add_secret(registered).key
    clients.rotate(first)
    clients.add_public_key(registered, public_pem(rsa_key))
    revoke_client_key(clients.add_public_key(registered, public_pem(ec_key)).key)
    disable_client(clients.register("Old importer", user))
    pages = {
        "clients": client_url("changelist"),
        "client": client_url("change", registered.pk),
        "register": client_url("add"),
        "add-key": client_url("add_key", registered.pk),
        "replace": client_url("rotate_key", registered.pk, registered.keys.latest("pk").pk - 1),
        "question": client_url("revoke_tokens", registered.pk),
    }
    seen = 0
    for name, url in pages.items():
        page.goto(url)
        seen += check_fit(page, name, look, ELEMENTS)
    page.goto(client_url("add_key", registered.pk))
    page.check("input[name=kind][value=secret]")
    follow(page, SUBMIT)
    seen += check_fit(page, "secret", look, ELEMENTS)
    assert seen > 20


ELEMENTS = "[class^=jwt-auth-], .jwt-auth-answers > *, .jwt-auth-facts dt, .jwt-auth-operations a"


@pytest.mark.parametrize("screen", SCREENS)
def test_what_outlives_a_revocation_is_readable_and_ends_by_a_tick(
    new_staff, staff, user, make_user, look, screen, strict_policy
):
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    thief = make_user("clerk", is_staff=True)
    for name in ("Nightly reports", "Import of the partners in the north"):
        row = clients.register(name, user, actor=thief, peer=Peer(ip_address="2001:db8:85a3::8a2e:370:7334"))
        clients.add_secret(row, actor=thief, peer=Peer(ip_address="203.0.113.66"))
    seen = 0
    for name, url in (
        ("left-user", user_url("change", thief.pk)),
        ("left-question", user_url("revoke_tokens", thief.pk)),
    ):
        page.goto(url)
        seen += check_fit(page, name, look, "[class^=jwt-auth-], .jwt-auth-tokens th, .jwt-auth-tokens td")
        assert page.locator("text=Nightly reports").is_visible()
    assert seen
    confirm(page)
    assert "API clients stay, and can sign new tokens: clerk (2)" in said(page)
    look(page, "left-told")
    follow(page, "text=Sign out everywhere")
    page.check("input[name=with_clients]")
    confirm(page)
    assert "API clients disabled: 2" in said(page)
    assert not RegisteredClient.objects.filter(is_active=True).exists()


@pytest.mark.parametrize("screen", SCREENS)
def test_a_key_in_doubt_is_marked_on_the_page_of_its_client(new_staff, staff, user, make_user, look, screen):
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    clerk = make_user("clerk")
    row = clients.register("Nightly reports", user, actor=clerk, peer=Peer(ip_address="203.0.113.66"))
    clients.add_secret(row, actor=clerk, peer=Peer(ip_address="203.0.113.66"))
    user.is_staff = True
    user.save()
    page.goto(client_url("change", row.pk))
    assert check_fit(page, "doubt", look, ".jwt-auth-doubt, .jwt-auth-ended") == 2
    assert page.inner_text(".jwt-auth-doubt") == "Issued before the user was promoted; refused"
    page.goto(client_url("changelist"))
    check_fit(page, "doubt-list", look, "[class^=jwt-auth-]")
