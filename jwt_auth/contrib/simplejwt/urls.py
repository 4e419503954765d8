"""
The URLs of these views, with simplejwt's names, for `include()`.
"""

from django.urls import path

from jwt_auth.contrib.simplejwt import views

__all__ = ["urlpatterns"]

urlpatterns = [
    path("token/", views.token_obtain_pair, name="token_obtain_pair"),
    path("token/refresh/", views.token_refresh, name="token_refresh"),
    path("token/verify/", views.token_verify, name="token_verify"),
    path("token/blacklist/", views.token_blacklist, name="token_blacklist"),
]
