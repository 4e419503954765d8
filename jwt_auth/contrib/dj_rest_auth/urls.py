"""
The URLs of dj_rest_auth.urls, by the same names. With REST_AUTH["JWT_AUTH_COOKIE"] the views are those for browsers.
"""

from typing import Any

from dj_rest_auth.app_settings import api_settings
from dj_rest_auth.views import PasswordChangeView, PasswordResetConfirmView, PasswordResetView, UserDetailsView
from django.urls import re_path

from jwt_auth.contrib.dj_rest_auth.views import LoginView, LogoutView, RefreshView
from jwt_auth.contrib.simplejwt.views import TokenVerifyView

__all__ = ["urlpatterns"]


def _of_this_project(view: Any) -> Any:
    return (view.for_browsers() if api_settings.JWT_AUTH_COOKIE else view).as_view()


urlpatterns = [
    re_path(r"^password/reset/?$", PasswordResetView.as_view(), name="rest_password_reset"),
    re_path(r"^password/reset/confirm/?$", PasswordResetConfirmView.as_view(), name="rest_password_reset_confirm"),
    re_path(r"^password/change/?$", PasswordChangeView.as_view(), name="rest_password_change"),
    re_path(r"^user/?$", UserDetailsView.as_view(), name="rest_user_details"),
    re_path(r"^login/?$", _of_this_project(LoginView), name="rest_login"),
    re_path(r"^logout/?$", _of_this_project(LogoutView), name="rest_logout"),
    re_path(r"^token/refresh/?$", _of_this_project(RefreshView), name="token_refresh"),
    re_path(r"^token/verify/?$", TokenVerifyView.as_view(), name="token_verify"),
]
