"""The URLs of the first server, which has admin pages too."""

from django.contrib import admin
from django.urls import path

from tests.deployment import server

urlpatterns = [*server.urlpatterns, path("admin/", admin.site.urls)]
