"""The same API in each of the packages."""

import sys

from django.urls import include, path

from tests.contrib.asynchronous.with_ninja import api, bare

urlpatterns = [
    path("auth/", include("jwt_auth.urls")),
    path("auth/browser/", include("jwt_auth.browser_urls")),
    path("plain/", include("tests.contrib.asynchronous.plain")),
    path("adrf/", include("tests.contrib.asynchronous.with_adrf")),
    path("ninja/", api.urls),
    path("bare-ninja/", bare.urls),
]
if sys.version_info >= (3, 11):  # these packages need it
    urlpatterns += [
        path("modern-rest/", include("tests.contrib.asynchronous.with_modern_rest")),
        path("strawberry/", include("tests.contrib.asynchronous.with_strawberry")),
    ]
