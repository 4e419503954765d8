"""The URLs of this app as they are, with the sign-in by the password alone."""

from django.urls import include, path

from tests.contrib.allauth.urls import urlpatterns as without_login

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    *without_login,
]
