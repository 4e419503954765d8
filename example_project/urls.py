from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("api/", include("example_project.notes.urls")),
    path("live/", include("example_project.live.urls")),
    path("", include("example_project.browser.urls")),
]
