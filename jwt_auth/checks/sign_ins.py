"""
System checks of the project's own sign-ins: whether they can work, are reached, and can't be avoided.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core import checks

from jwt_auth.checks.urlconf import RoutedView, answering, routed_views
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.contrib.simplejwt.sign_in import TokenObtainPairView
from jwt_auth.views import LoginView, Reauthentication, SignInView
from jwt_auth.views.serializers import name_field_of

_CHECK_PASSWORDS = (LoginView, TokenObtainPairView)


def check_sign_ins(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check the sign-ins in the URLconf, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    found = routed_views()
    endpoints = [routed for routed in found if routed.is_endpoint]
    reached = [routed for routed in endpoints if answering(routed, found).callback is routed.callback]
    return [*_check_names(found), *_check_reached(found, reached), *_check_avoided(reached), *_check_factors(reached)]


def _check_names(found: Sequence[RoutedView]) -> Iterator[checks.CheckMessage]:
    for view in (routed.view for routed in found if routed.is_of_project and issubclass(routed.view, SignInView)):
        name = name_field_of(view)
        if view.serializer_class is None:  # one that a setting names
            continue
        if name is not None and name not in view.serializer_class(context={"view": view()}).fields:
            yield checks.Error(
                f"{view.__name__} looks for the login name in the field {name!r}, which its serializer does not have: "
                "each sign-in is refused.",
                hint=f"Add the field to {view.serializer_class.__name__}, or set serializer_class or name_field.",
                id="jwt_auth.E036",
            )


def _check_reached(found: Sequence[RoutedView], reached: Sequence[RoutedView]) -> Iterator[checks.CheckMessage]:
    """Warn about each endpoint that the project derived, if another view answers at its URL."""
    for routed in found:
        if routed.is_endpoint and routed.is_of_project and routed not in reached:
            yield checks.Warning(
                f"{routed.name_in_project} is never called at /{routed.route}: {answering(routed, found).name} comes "
                "before it in the URLconf.",
                hint=f"Put the path() of {routed.name_in_project} before the one that matches first, such as that of "
                'include("jwt_auth.urls").',
                id="jwt_auth.W027",
            )


def _check_avoided(reached: Sequence[RoutedView]) -> Iterator[checks.CheckMessage]:
    """
    Warn if the project has a sign-in that does more than to check the password, and an endpoint that checks it alone.

    A sign-in of another kind may be another way in, beside the password, so it says nothing.
    """
    for is_again in (False, True):
        with_password = list(_with_password(reached, is_again))
        own = [routed for routed in with_password if _does_more(routed)]
        for routed in with_password if own else ():
            if not routed.is_of_project and not _does_more(routed):
                name = own[0].name_in_project
                browsers = f", or for browsers with {name}.for_browsers().as_view()"
                yield checks.Warning(
                    f"/{routed.route} gives tokens for the password alone: whatever else {name} requires can be "
                    "avoided.",
                    hint=f"Put a path() with the same route before it, with {name}.as_view()"
                    f"{browsers if issubclass(own[0].view, LoginView) else ''}. Silence this if the password alone is "
                    "enough.",
                    id="jwt_auth.W028",
                )


def _check_factors(reached: Sequence[RoutedView]) -> Iterator[checks.CheckMessage]:
    """Warn about this app's own sign-ins if allauth, which they do not ask, knows the second factors of users."""
    for routed in _with_password(reached, is_again=False) if apps.is_installed("allauth.mfa") else ():
        if not routed.is_of_project and not _does_more(routed):
            yield checks.Warning(
                f"/{routed.route} signs in users who have a second factor at allauth by their password alone.",
                hint="Include the URLs of jwt_auth without the one named login: include(([pattern for pattern in "
                'urls.urlpatterns if pattern.name != "login"], urls.app_name)); the same with browser_urls, and '
                "with token_obtain_pair of contrib.simplejwt.urls.",
                id="jwt_auth.W090",
            )


def _with_password(found: Sequence[RoutedView], is_again: bool) -> Iterator[RoutedView]:
    """Yield the views that check the password: the re-authentications, or the others."""
    for routed in found:
        if issubclass(routed.view, _CHECK_PASSWORDS) and issubclass(routed.view, Reauthentication) is is_again:
            yield routed


def _does_more(routed: RoutedView) -> bool:
    """
    Return whether the project requires more than the password: it overrides `authenticate()`, in which it can return a
    Pending, or refuse users; or its serializer reads a further field, such as a code.
    """
    view = routed.view
    own = view.__mro__[: next(place for place, base in enumerate(view.__mro__) if base in _CHECK_PASSWORDS)]
    if any("authenticate" in vars(base) and not base.__module__.startswith("jwt_auth.") for base in own):
        return True
    return issubclass(view, TokenObtainPairView) and _reads_more(routed)


def _reads_more(routed: RoutedView) -> bool:
    view = routed.view(**getattr(routed.callback, "initkwargs", {}))
    try:
        serializer = view.get_serializer_class()(context={"view": view})
        names = {name for name, field in serializer.fields.items() if not field.read_only}
    except Exception:  # noqa: BLE001  # of the project's code; E102 reports a serializer that can't be imported
        return False
    return len(names - {"password", getattr(serializer, "username_field", "")}) > 0
