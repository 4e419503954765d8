"""OpenAPI: the views in place of those of other packages."""

from django.conf import settings
from django.test import override_settings
from django.urls import path
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from jwt_auth.contrib.authtoken.views import AuthTokenExchangeView, AuthTokenLogoutView
from jwt_auth.contrib.knox.views import KnoxExchangeView
from tests.contrib.packages import urls

urlpatterns = [
    path("exchange/", AuthTokenExchangeView.as_view()),
    path("former-logout/", AuthTokenLogoutView.as_view()),
    path("knox-exchange/", KnoxExchangeView.for_browsers().as_view()),
    *urls.urlpatterns,
]


def test_the_schema_has_the_bodies_of_the_packages():
    with override_settings(
        ROOT_URLCONF=__name__,
        REST_FRAMEWORK={**settings.REST_FRAMEWORK, "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"},
    ):
        GENERATOR_STATS.reset()
        schema = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(schema)
    problems = [*GENERATOR_STATS._error_cache, *GENERATOR_STATS._warn_cache]
    views = ("LoginView", "LogoutView", "RefreshView", "SocialLogin", "ProviderAuth", "Exchange")
    assert [problem for problem in problems if any(name in str(problem) for name in views)] == []
    login = schema["paths"]["/dra/login/"]["post"]
    assert login["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Login"}
    answer = login["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/JWT"}
    assert "201" in schema["paths"]["/djoser/o/{provider}/"]["post"]["responses"]
    assert list(schema["paths"]["/former-logout/"]["post"]["responses"]) == ["204"]
