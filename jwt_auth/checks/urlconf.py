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

from jwt_auth.views.base import TokenView

# Views of packages, which are for anybody, or for developers.
_NOT_OF_THE_PROJECT = ("jwt_auth.", "rest_framework.", "drf_spectacular.")

# Routes without parameters, which are also paths. In the expression of a re_path(), a point matches itself, too.
_LITERAL = re.compile(r"[\w./-]*")


@dataclass(frozen=True)
class Place:
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
    def is_endpoint(self) -> bool:
        """Whether it is an endpoint of this app, or derived from one."""
        return issubclass(self.view, TokenView)

    @property
    def is_of_project(self) -> bool:
        """Whether it is a view of DRF that no package brought."""
        return issubclass(self.view, APIView) and not self.view.__module__.startswith(_NOT_OF_THE_PROJECT)


def places() -> list[Place]:
    """Return the views in the order in which Django tries them."""
    with suppress(ImportError, AttributeError, ImproperlyConfigured):  # Django's own checks report these errors
        return list(_places_in(get_resolver().url_patterns, ""))
    return []


def _places_in(patterns: Sequence[URLPattern | URLResolver], prefix: str) -> Iterator[Place]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _places_in(pattern.url_patterns, route)
        else:
            yield Place(route.removesuffix("$"), pattern.callback)


def answering(place: Place, all_places: Sequence[Place]) -> Place:
    """Return the view that answers requests to the route of `place`: Django uses the first one that matches."""
    callback = next(other for other in all_places if other.route == place.route).callback
    if _LITERAL.fullmatch(place.route):
        with suppress(Resolver404):  # of a pattern whose class is the project's own
            callback = resolve(f"/{place.route}").func
    return Place(place.route, callback)
