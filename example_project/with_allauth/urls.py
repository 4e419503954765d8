"""
The URLs of the example project with allauth, which replaces this app's `login/`.
"""

from typing import Any

from django.contrib import admin
from django.urls import include, path

from example_project.with_allauth.views import AllauthPageView
from jwt_auth import browser_urls, urls


def without_login(module: Any) -> Any:
    """Leave out the endpoint that checks the password alone: it would not ask for the second factor."""
    return include(([pattern for pattern in module.urlpatterns if pattern.name != "login"], module.app_name))


urlpatterns = [
    path("admin/", admin.site.urls),
    path("auth/", without_login(urls)),
    path("auth/browser/", without_login(browser_urls)),
    path("_allauth/", include("allauth.headless.urls")),
    path("accounts/", include("allauth.urls")),
    path("api/", include("example_project.notes.urls")),
    path("live/", include("example_project.live.urls")),
    path("", AllauthPageView.as_view(), name="page"),
]
