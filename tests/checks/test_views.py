"""System checks of the views in the URLconf, each with a control."""

import pytest
from django.urls import include, path
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.schemas import get_schema_view
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication, JWTCookieAuthentication, UserOrClientJWTAuthentication
from jwt_auth.checks.views import check_views
from jwt_auth.contrib.simplejwt.views import TokenRefreshView
from jwt_auth.views import LoginView, MetadataView, Reauthentication
from tests.support.checks import found, ids

OURS = path("auth/", include("jwt_auth.urls"))
SESSION = "rest_framework.authentication.SessionAuthentication"
TOKEN = "jwt_auth.authentication.JWTAuthentication"


@pytest.fixture
def project(settings):
    """`project(lists, default)` has a view for each list of authentication classes, and this default list."""

    def change(lists, default=(SESSION,), more=()):
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": [*default]}
        views = [type("Shop", (APIView,), {"authentication_classes": classes}).as_view() for classes in lists]
        patterns = [path(f"{place}/", view) for place, view in enumerate(views)]
        settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [OURS, path("api/", include(patterns)), *more]})

    return change


@pytest.mark.parametrize(
    ("lists", "default", "expected"),
    [
        # The default classes of DRF, and nothing of this app: tokens are issued, and never read.
        ([[SessionAuthentication, BasicAuthentication]], [SESSION], ["W018"]),
        ([[BasicAuthentication], []], [], ["W018"]),
        # Some view reads them, or would.
        ([[SessionAuthentication], [JWTAuthentication]], [SESSION], []),
        ([[SessionAuthentication], [UserOrClientJWTAuthentication]], [SESSION], []),
        ([[SessionAuthentication]], [TOKEN], []),
        # No view of the project authenticates anybody.
        ([[]], [SESSION], []),
        ([], [SESSION], []),
    ],
)
def test_tokens_that_no_view_reads_are_w018(project, lists, default, expected):
    project(lists, default)
    assert ids() == expected


def test_a_view_that_is_decorated_with_its_classes_counts(project):
    project([[SessionAuthentication]], more=[path("x/", APIView.as_view(authentication_classes=[JWTAuthentication]))])
    assert ids() == ["W018"], "a view of DRF itself"
    own = type("Own", (APIView,), {}).as_view(authentication_classes=[JWTAuthentication])
    project([[SessionAuthentication]], more=[path("x/", own)])
    assert ids() == []


def test_sign_ins_of_the_projects_own_speak_for_no_other_view(project, settings):
    own = [path("x/", type("Again", (Reauthentication, LoginView), {}).as_view())]
    project([[SessionAuthentication]], more=own)
    del settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"]
    assert ids() == ["W018", "W026"]
    project([], more=own)
    assert ids() == []


def test_so_do_endpoints_for_clients_of_simplejwt(project, settings):
    own = [path("x/", type("Refresh", (TokenRefreshView,), {"__module__": "shop.views"}).as_view())]
    project([[JWTAuthentication]], [TOKEN], more=own)
    del settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"]
    assert ids() == ["W026"]
    project([], [TOKEN], more=own)
    assert ids() == []


def test_middleware_that_reads_tokens_counts(project, settings):
    project([[SessionAuthentication]])
    assert ids() == ["W018"]
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "jwt_auth.middleware.JWTUserMiddleware"]
    assert ids() == []


def test_a_view_that_is_a_function_is_named(project):
    @api_view()
    @authentication_classes([SessionAuthentication])
    def shop(request): ...

    project([], more=[path("x/", shop)])
    (message,) = found()
    assert message.id == "jwt_auth.W018"
    assert "shop" in message.msg


def test_functions_of_other_packages_may_have_the_same_attributes(project):
    def page(request): ...

    page.cls = "a name"
    project([[]], more=[path("x/", page)])
    assert ids() == []


def test_views_of_packages_are_not_those_of_the_project(project):
    project([], more=[path("schema/", get_schema_view(title="x"))])
    assert ids() == []


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ([SessionAuthentication, JWTAuthentication], ["W021"]),
        ([SessionAuthentication, JWTCookieAuthentication], ["W021"]),
        ([JWTAuthentication, SessionAuthentication], []),
        ([BasicAuthentication, JWTAuthentication], []),
    ],
)
def test_a_first_class_that_turns_401_into_403_is_w021(project, client, user, classes, expected):
    project([classes], [TOKEN])
    assert ids() == expected
    assert client.bearer("no token").get("/api/0/").status_code == (403 if expected else 401)


@api_view()
@permission_classes([AllowAny])
def decorated(request): ...


class Derived(APIView):
    def get_permissions(self): ...


@pytest.mark.parametrize(
    "says",
    [
        type("Own", (APIView,), {"permission_classes": [AllowAny]}).as_view(),
        type("Given", (APIView,), {}).as_view(permission_classes=[IsAuthenticated]),
        decorated,
        Derived.as_view(),
    ],
    ids=["in the class", "in the URLconf", "decorated", "by a method"],
)
def test_views_of_which_nothing_says_who_may_call_them_are_w026(project, settings, says):
    project([[JWTAuthentication]], [TOKEN])
    assert ids() == [], "the default is set"
    del settings.REST_FRAMEWORK["DEFAULT_PERMISSION_CLASSES"]
    (message,) = found()
    assert (message.id, "Shop answers everybody" in message.msg) == ("jwt_auth.W026", True)
    project([[JWTAuthentication]], [TOKEN], more=[path("x/", says)])
    assert ids() == []
    project([], [TOKEN])
    assert ids() == [], "there is no view of the project"


def test_the_default_classes_are_looked_at_too(project):
    project([[JWTAuthentication]], [SESSION, TOKEN])
    assert ids() == ["W021"]
    project([[JWTAuthentication]], [TOKEN, SESSION])
    assert ids() == []


@pytest.mark.parametrize("package", ["simplejwt", "djoser"])
def test_the_urls_for_clients_of_another_package_have_endpoints(settings, package):
    theirs = path("api/", include(f"jwt_auth.contrib.{package}.urls"))
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [path("x/", APIView.as_view())]})
    assert ids() == ["W025"]
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [theirs]})
    assert ids() == []


def test_metadata_without_endpoints_is_w086(project, settings):
    view = path(".well-known/oauth-authorization-server", MetadataView.as_view())
    project([], more=[view])
    assert ids() == []
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [view]})
    assert ids() == ["W086"]
    nested = path("v1/", include(([OURS], "v1")))
    settings.ROOT_URLCONF = type("Project", (), {"urlpatterns": [view, nested]})
    assert ids() == []


@pytest.mark.parametrize("default", [False, True])
def test_a_class_where_a_list_belongs_is_e028(project, settings, default):
    project([[JWTAuthentication], (JWTAuthentication,)], [TOKEN])
    assert ids() == []
    if default:
        settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_AUTHENTICATION_CLASSES": TOKEN}
    else:
        project([JWTAuthentication], [TOKEN])
    (message,) = found()
    assert message.id == "jwt_auth.E028"
    assert "[JWTAuthentication]" in message.hint


def test_nothing_is_said_while_the_settings_are_wrong(project, jwt_settings):
    project([[SessionAuthentication]])
    jwt_settings(LEEWAY=5)
    assert check_views() == []


def test_urls_that_can_not_be_read_are_for_django_to_name(settings):
    settings.ROOT_URLCONF = "no_such_module"
    assert check_views() == []
