"""Helpers for the tests of the admin: members of staff, their permissions and their requests."""

import re
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client, override_settings
from django.urls import path, reverse

from tests.support.selection import THOROUGH
from tests.urls import urlpatterns

# Enough rows to notice a query for each of them, or one that loads them all.
MANY = 10_000 if THOROUGH else 2_000


def user_url(page: str, *arguments: Any, model: Any = None, site: str = "admin") -> str:
    """Return the URL of a page in the admin of users."""
    meta = (model or get_user_model())._meta
    return reverse(f"{site}:{meta.app_label}_{meta.model_name}_{page}", args=arguments)


def session_url(page: str, *arguments: Any) -> str:
    return reverse(f"admin:jwt_auth_usersession_{page}", args=arguments)


def event_url(page: str, *arguments: Any) -> str:
    return reverse(f"admin:jwt_auth_revocationevent_{page}", args=arguments)


def grant(user: Any, *names: str) -> None:
    """Give permissions: `view_usersession` of this app, `view_user` of the user model whatever its name."""
    own = get_user_model()._meta
    for name in names:
        if name.endswith("_user") and name != "revoke_user":
            codename, label = f"{name.removesuffix('user')}{own.model_name}", own.app_label
        else:
            codename, label = name, "jwt_auth"
        user.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label=label))


def signed_in(user: Any) -> Client:
    """
    Return a browser in which `user` is signed in to the admin. The client raises the exceptions of views in the test.
    """
    client = Client()
    client.force_login(user)
    return client


@contextmanager
def served(*sites: Any) -> Any:
    """Serve these admin sites instead of the project's, each under its name."""
    module = ModuleType("urls_of_admin_sites")
    rest = [pattern for pattern in urlpatterns if getattr(pattern, "namespace", None) != "admin"]
    module.urlpatterns = [*(path(f"{site.name}/", site.urls) for site in sites), *rest]  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=module):
        yield


def text_of(response: Any) -> str:
    """Return the text of the page, whose status must be 200."""
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def column_of(page: str, name: str) -> list[str]:
    """Return the texts of a column of a list, from the top; HTML in them stays escaped."""
    found = re.findall(rf'<t[dh] class="field-{name}[ "][^>]*?>(.*?)</t[dh]>', page)
    return [re.sub(r"<[^>]*>", "", cell) for cell in found]


def client_url(page, *arguments):
    return reverse(f"admin:jwt_auth_registeredclient_{page}", args=arguments)


def key_url(page, *arguments):
    return reverse(f"admin:jwt_auth_signingkey_{page}", args=arguments)
