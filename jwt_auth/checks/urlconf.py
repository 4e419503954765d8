"""
The views in the project's URLconf, for system checks.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve
from rest_framework.views import APIView

from jwt_auth.contrib.simplejwt.base import TokenViewBase
from jwt_auth.views.base import TokenView

# Views of packages, which are for anybody, or for developers.
_NOT_OF_THE_PROJECT = ("jwt_auth.", "rest_framework.", "drf_spectacular.")

# Routes without parameters, which are also paths. In the expression of a re_path(), a point matches itself, too.
_LITERAL = re.compile(r"[\w./-]*")


@dataclass(frozen=True)
class RoutedView:
    """A view in the URLconf, and its route there."""

    route: str
    callback: Any

    @property
    def view(self) -> type[Any]:
        """The class of the view; `object` if DRF did not make it."""
        found = getattr(self.callback, "cls", None)  # set by DRF
        return found if isinstance(found, type) else object

    @property
    def name(self) -> str:
        """The name of the view, for people."""
        found: Any = getattr(self.callback, "view_class", self.callback)  # set by Django
        return f"{found.__module__}.{getattr(found, '__qualname__', found)}"

    @property
    def name_in_project(self) -> str:
        """The name of the class, as the project wrote it: `for_browsers()` derives another one from it."""
        base = self.view.__bases__[-1].__name__
        return base if self.view.__name__ == f"Browser{base}" else self.view.__name__

    @property
    def is_endpoint(self) -> bool:
        """True for an endpoint of this app, and for a view that is derived from one."""
        return issubclass(self.view, TokenView | TokenViewBase)

    @property
    def is_of_project(self) -> bool:
        """True for a view of DRF that no package brought."""
        return issubclass(self.view, APIView) and not self.view.__module__.startswith(_NOT_OF_THE_PROJECT)


def routed_views() -> list[RoutedView]:
    """Return the views in the order in which Django tries them."""
    with suppress(ImportError, AttributeError, ImproperlyConfigured):  # Django's own checks report these errors
        return list(_routed_views_in(get_resolver().url_patterns, ""))
    return []


def _routed_views_in(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[RoutedView]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _routed_views_in(pattern.url_patterns, route)
        else:
            yield RoutedView(route.removesuffix("$"), pattern.callback)


def answering(routed: RoutedView, all_views: Sequence[RoutedView]) -> RoutedView:
    """Return the view that answers requests to the route of `routed`: Django uses the first one that matches."""
    callback = next(other for other in all_views if other.route == routed.route).callback
    if _LITERAL.fullmatch(routed.route):
        with suppress(Resolver404):  # of a pattern whose class is the project's own
            callback = resolve(f"/{routed.route}").func
    return RoutedView(routed.route, callback)
