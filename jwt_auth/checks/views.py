"""
System checks of the project's views: whether they read and require tokens, and whether the metadata can be published.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.urls import get_resolver
from rest_framework.authentication import BaseAuthentication
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.checks.middleware import middleware_classes
from jwt_auth.checks.urlconf import RoutedView, routed_views
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.middleware import JWTUserMiddleware
from jwt_auth.views import MetadataView
from jwt_auth.views.base import TokenView
from jwt_auth.views.metadata import namespaces_in

DEFAULT = "DEFAULT_AUTHENTICATION_CLASSES"
PERMISSIONS = "DEFAULT_PERMISSION_CLASSES"


def check_views(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check the views in the URLconf, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    return [
        *_check_lists(),
        *_check_reading(),
        *_check_order(),
        *_check_permissions(),
        *_check_endpoints(),
        *_check_metadata(),
    ]


def lists_of_classes() -> Iterator[tuple[str, list[Any]]]:
    """Yield the name and the classes of the default list, and of each view of the project with a list of its own."""
    defaults = default_classes()
    yield DEFAULT, defaults
    for view, classes in _views():
        if classes != defaults:
            yield view.__name__, classes


def default_classes() -> list[Any]:
    """Return DRF's default list."""
    return _items(api_settings.DEFAULT_AUTHENTICATION_CLASSES)


def authenticating_views() -> list[tuple[Any, list[Any]]]:
    """Return the views of the project that authenticate requests, and their classes; without sign-ins of its own."""
    return [(view, classes) for view, classes in _views() if classes and not issubclass(view, TokenView)]


def _views() -> Iterator[tuple[Any, list[Any]]]:
    """Yield each view of the project that DRF made, and its authentication classes."""
    for routed in _views_of_project():
        yield routed.view, _items(_classes_of(routed))


def _views_of_project() -> list[RoutedView]:
    return [routed for routed in routed_views() if routed.is_of_project]


def _classes_of(routed: RoutedView) -> Any:
    return getattr(routed.callback, "initkwargs", {}).get("authentication_classes", routed.view.authentication_classes)


def _items(classes: Any) -> list[Any]:
    """Return the classes of a list; none of anything else, which `_check_lists` reports."""
    return list(classes) if isinstance(classes, list | tuple) else []


def _check_lists() -> Iterator[checks.CheckMessage]:
    """Report a single class where a list belongs, often a tuple without its comma: each request would be a 500."""
    lists: list[tuple[str, Any]] = [(DEFAULT, api_settings.DEFAULT_AUTHENTICATION_CLASSES)]
    lists += [(routed.view.__name__, _classes_of(routed)) for routed in _views_of_project()]
    for where, classes in lists:
        if not isinstance(classes, list | tuple):
            yield checks.Error(
                f"{where} has {classes!r} where a list of authentication classes belongs.",
                hint="Write a list, such as [JWTAuthentication]; a tuple with one item needs a comma.",
                id="jwt_auth.E028",
            )


def _check_reading() -> Iterator[checks.CheckMessage]:
    """Warn if there are views that authenticate requests, and none reads a token."""
    authenticating = authenticating_views()
    reads = any(map(_reads_tokens, [default_classes(), *(classes for _, classes in authenticating)]))
    if authenticating and not reads and not any(middleware_classes(JWTUserMiddleware)):
        view, _ = authenticating[0]
        yield checks.Warning(
            f"No view reads access tokens, and {DEFAULT} has no class that does. For example, {view.__name__} treats "
            "requests with a token as if they had none.",
            hint=f"Set REST_FRAMEWORK = {{{DEFAULT!r}: ['jwt_auth.authentication.JWTAuthentication']}}, name the class "
            "in authentication_classes of the views, or silence this if your own classes call jwt_auth.verification.",
            id="jwt_auth.W018",
        )


def _check_order() -> Iterator[checks.CheckMessage]:
    for where, classes in lists_of_classes():
        if _reads_tokens(classes) and classes[0].authenticate_header is BaseAuthentication.authenticate_header:
            yield checks.Warning(
                f"{where} begins with {classes[0].__name__}, so DRF answers an expired or missing token with 403 "
                "instead of 401, and clients don't know that they should refresh.",
                hint="Put the class of jwt_auth.authentication first.",
                id="jwt_auth.W021",
            )


def _reads_tokens(classes: Sequence[Any]) -> bool:
    return any(issubclass(found, JWTAuthentication) for found in classes)


def _check_permissions() -> Iterator[checks.CheckMessage]:
    """Warn if nothing in the project says who may call a view: DRF then lets everybody in, without a token too."""
    if PERMISSIONS in getattr(django_settings, "REST_FRAMEWORK", {}):
        return
    # A sign-in of the project's own says so as well, and nothing about the others.
    found = [routed for routed in _views_of_project() if not routed.is_endpoint]
    if found and not any(map(_says_who_may_call, found)):
        yield checks.Warning(
            f"No view requires a token: {PERMISSIONS} is not set, and no view has permission_classes. For example, "
            f"{found[0].view.__name__} answers everybody.",
            hint=f"Add {PERMISSIONS!r}: ['rest_framework.permissions.IsAuthenticated'] to REST_FRAMEWORK, or "
            "['rest_framework.permissions.AllowAny'] if everybody may call your views.",
            id="jwt_auth.W026",
        )


def _says_who_may_call(routed: RoutedView) -> bool:
    if "permission_classes" in getattr(routed.callback, "initkwargs", {}):
        return True
    names = ("permission_classes", "get_permissions", "check_permissions")
    return any(getattr(routed.view, name) is not getattr(APIView, name) for name in names)


def _check_endpoints() -> Iterator[checks.CheckMessage]:
    """Warn if there is no endpoint to sign in or to refresh at, and tokens are not those of other servers."""
    found, settings = routed_views(), get_settings()
    if not found or settings.REVOCATION == "none" or settings.TRUSTED_ISSUERS:
        return
    if not any(routed.is_endpoint for routed in found):
        yield checks.Warning(
            "No endpoint of this app is in the URLconf: nobody can sign in, or refresh a token.",
            hint='Add path("auth/", include("jwt_auth.urls")) to its urlpatterns, or silence this if another '
            "URLconf has them, or your own views call jwt_auth.sessions.",
            id="jwt_auth.W025",
        )


def _check_metadata() -> Iterator[checks.CheckMessage]:
    used = any(issubclass(routed.view, MetadataView) for routed in routed_views())
    if used and not any(namespaces_in(get_resolver().url_patterns)):
        yield checks.Warning(
            "MetadataView is in the URLconf, but the endpoints that it names are not: it answers 404.",
            hint='Add path("auth/", include("jwt_auth.urls")); a path of your choice, in any namespace.',
            id="jwt_auth.W086",
        )
