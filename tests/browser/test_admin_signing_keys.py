"""Signing keys in the admin as staff use them: a key is made, waits, takes over, and one is revoked in an emergency."""

import pytest

from jwt_auth import signing_keys
from jwt_auth.models import SigningKey
from tests.browser.actions import follow
from tests.browser.admin_pages import SCREENS, SIZES, check_fit, confirm, said
from tests.support.admin import key_url


@pytest.fixture(autouse=True)
def active(jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    return signing_keys.create(activate=True)


def test_a_key_is_made_waits_and_takes_over_in_an_emergency(admin, active, client, user, look):
    pair = client.tokens(user)
    admin.goto(key_url("changelist"))
    follow(admin, "text=Add signing key")
    confirm(admin)
    assert "was created" in said(admin)
    assert "It can be activated from" in admin.inner_text(".jwt-auth-offers")
    admin.goto(key_url("change", active.pk))
    look(admin, "active")
    follow(admin, "text=Revoke in an emergency")
    assert "Live sessions that may have to refresh: 1" in admin.inner_text("#content")
    confirm(admin, phrase="emergency", reason="seen in a repository")
    assert f"The key {active.kid} was revoked." in said(admin)
    assert sorted(SigningKey.objects.values_list("state", flat=True)) == ["active", "revoked"]
    assert client.get_me(pair["access_token"]).status_code == 401
    assert client.refresh(pair["refresh_token"]).status_code == 200


@pytest.mark.parametrize("screen", SCREENS)
def test_the_pages_fit_and_can_be_read(screen, staff, new_staff, active, look):
    standby = signing_keys.create()
    scheme, size = screen
    page = new_staff(staff, color_scheme=scheme, viewport=SIZES[size])
    pages = {
        "keys": key_url("changelist"),
        "key": key_url("change", standby.pk),
        "key-create": key_url("add"),
        "key-question": key_url("retire", active.pk),
        "key-emergency": key_url("revoke_emergency", active.pk),
    }
    seen = 0
    for name, url in pages.items():
        page.goto(url)
        seen += check_fit(page, name, look, "[class^=jwt-auth-], .jwt-auth-answers > *")
    assert seen > 8
