"""
System checks of the project's views: whether they read and require tokens, and whether the metadata can be published.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.authentication import BaseAuthentication
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from jwt_auth.authentication import JWTAuthentication
from jwt_auth.checks.middleware import middleware_classes
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.middleware import JWTUserMiddleware
from jwt_auth.views import MetadataView, SignInView
from jwt_auth.views.base import TokenView
from jwt_auth.views.metadata import namespaces_in
from jwt_auth.views.serializers import name_field_of

DEFAULT = "DEFAULT_AUTHENTICATION_CLASSES"
PERMISSIONS = "DEFAULT_PERMISSION_CLASSES"

# Views of packages, which are for anybody, or for developers.
_NOT_OF_THE_PROJECT = ("jwt_auth.", "rest_framework.", "drf_spectacular.")


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
        *_check_sign_ins(),
    ]


def lists_of_classes() -> Iterator[tuple[str, list[Any]]]:
    """Yield the name and the classes of the default list, and of each view of the project with a list of its own."""
    defaults = _items(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    yield DEFAULT, defaults
    for view, classes in _views():
        if classes != defaults:
            yield view.__name__, classes


def _views() -> Iterator[tuple[Any, list[Any]]]:
    """Yield each view of the project that DRF made, and its authentication classes."""
    for callback, view in _callbacks_of_views():
        yield view, _items(_classes_of(callback, view))


def _classes_of(callback: Any, view: Any) -> Any:
    return getattr(callback, "initkwargs", {}).get("authentication_classes", view.authentication_classes)


def _items(classes: Any) -> list[Any]:
    """Return the classes of a list; none of anything else, which `_check_lists` reports."""
    return list(classes) if isinstance(classes, list | tuple) else []


def _callbacks_of_views() -> Iterator[tuple[Any, Any]]:
    for callback in _callbacks():
        view = _class_of(callback)
        if issubclass(view, APIView) and not view.__module__.startswith(_NOT_OF_THE_PROJECT):
            yield callback, view


def _class_of(callback: Any) -> type:
    found = getattr(callback, "cls", None)  # set by DRF
    return found if isinstance(found, type) else object


def _callbacks() -> list[Any]:
    with suppress(ImportError, AttributeError, ImproperlyConfigured):  # Django's own checks report these errors
        return list(_callbacks_in(get_resolver().url_patterns))
    return []


def _callbacks_in(patterns: Sequence[URLPattern | URLResolver]) -> Iterator[Any]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _callbacks_in(pattern.url_patterns)
        else:
            yield pattern.callback


def _check_lists() -> Iterator[checks.CheckMessage]:
    """Report a single class where a list belongs, often a tuple without its comma: each request would be a 500."""
    lists: list[tuple[str, Any]] = [(DEFAULT, api_settings.DEFAULT_AUTHENTICATION_CLASSES)]
    lists += [(view.__name__, _classes_of(callback, view)) for callback, view in _callbacks_of_views()]
    for where, classes in lists:
        if not isinstance(classes, list | tuple):
            yield checks.Error(
                f"{where} has {classes!r} where a list of authentication classes belongs.",
                hint="Write a list, such as [JWTAuthentication]; a tuple with one item needs a comma.",
                id="jwt_auth.E028",
            )


def _check_reading() -> Iterator[checks.CheckMessage]:
    """Warn if there are views that authenticate requests, and none reads a token."""
    authenticating = [(view, classes) for view, classes in _views() if classes and not issubclass(view, TokenView)]
    defaults = _items(api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    reads = any(map(_reads_tokens, [defaults, *(classes for _, classes in authenticating)]))
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
    found = [(callback, view) for callback, view in _callbacks_of_views() if not issubclass(view, TokenView)]
    if found and not any(_says_who_may_call(callback, view) for callback, view in found):
        _, view = found[0]
        yield checks.Warning(
            f"No view requires a token: {PERMISSIONS} is not set, and no view has permission_classes. For example, "
            f"{view.__name__} answers everybody.",
            hint=f"Add {PERMISSIONS!r}: ['rest_framework.permissions.IsAuthenticated'] to REST_FRAMEWORK, or "
            "['rest_framework.permissions.AllowAny'] if everybody may call your views.",
            id="jwt_auth.W026",
        )


def _says_who_may_call(callback: Any, view: Any) -> bool:
    if "permission_classes" in getattr(callback, "initkwargs", {}):
        return True
    names = ("permission_classes", "get_permissions", "check_permissions")
    return any(getattr(view, name) is not getattr(APIView, name) for name in names)


def _check_endpoints() -> Iterator[checks.CheckMessage]:
    """Warn if there is no endpoint to sign in or to refresh at, and tokens are not those of other servers."""
    callbacks, settings = _callbacks(), get_settings()
    if not callbacks or settings.REVOCATION == "none" or settings.TRUSTED_ISSUERS:
        return
    if not any(issubclass(_class_of(callback), TokenView) for callback in callbacks):
        yield checks.Warning(
            "No endpoint of this app is in the URLconf: nobody can sign in, or refresh a token.",
            hint='Add path("auth/", include("jwt_auth.urls")) to its urlpatterns, or silence this if another '
            "URLconf has them, or your own views call jwt_auth.sessions.",
            id="jwt_auth.W025",
        )


def _check_metadata() -> Iterator[checks.CheckMessage]:
    used = any(issubclass(_class_of(callback), MetadataView) for callback in _callbacks())
    if used and not any(namespaces_in(get_resolver().url_patterns)):
        yield checks.Warning(
            "MetadataView is in the URLconf, but the endpoints that it names are not: it answers 404.",
            hint='Add path("auth/", include("jwt_auth.urls")); a path of your choice, in any namespace.',
            id="jwt_auth.W086",
        )


def _check_sign_ins() -> Iterator[checks.CheckMessage]:
    for _, view in _callbacks_of_views():
        if not issubclass(view, SignInView):
            continue
        name = name_field_of(view)
        if name is not None and name not in view.serializer_class(context={"view": view()}).fields:
            yield checks.Error(
                f"{view.__name__} looks for the login name in the field {name!r}, which its serializer does not have: "
                "each sign-in is refused.",
                hint=f"Add the field to {view.serializer_class.__name__}, or set serializer_class or name_field.",
                id="jwt_auth.E036",
            )
