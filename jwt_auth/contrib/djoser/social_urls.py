"""
The URL of djoser.social.urls, by the same name.
"""

from django.urls import re_path

from jwt_auth.contrib.djoser.social import ProviderAuthView

__all__ = ["urlpatterns"]

urlpatterns = [re_path(r"^o/(?P<provider>\S+)/$", ProviderAuthView.as_view(), name="provider-auth")]
