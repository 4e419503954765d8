"""
The URLs of dj_rest_auth.registration.urls, with the view of this app for the registration itself.
"""

from dj_rest_auth.registration.urls import urlpatterns as of_the_package
from django.urls import path

from jwt_auth.contrib.dj_rest_auth.registration import RegisterView

__all__ = ["urlpatterns"]

urlpatterns = [
    path("", RegisterView.as_view(), name="rest_register"),
    *(pattern for pattern in of_the_package if pattern.name != "rest_register"),
]
