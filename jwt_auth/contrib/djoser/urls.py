"""
The URLs of djoser.urls.jwt, by the same names.
"""

from django.urls import re_path

from jwt_auth.contrib.simplejwt import views

__all__ = ["urlpatterns"]

urlpatterns = [
    re_path(r"^jwt/create/?$", views.TokenObtainPairView.as_view(), name="jwt-create"),
    re_path(r"^jwt/refresh/?$", views.TokenRefreshView.as_view(), name="jwt-refresh"),
    re_path(r"^jwt/verify/?$", views.TokenVerifyView.as_view(), name="jwt-verify"),
]
