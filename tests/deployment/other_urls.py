"""The URLs of the other server: a view for users of the first one."""

from django.urls import path

from tests.deployment.server import Plain, named

urlpatterns = [path("plain/", named(Plain.as_view()))]
