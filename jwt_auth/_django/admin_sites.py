"""
The admin sites of a project, and the admins that are registered with them.

Django does not document how an admin lists its actions or the rows of a deletion, nor that its class can be changed.
If a release does it in another way, the admins are left as the project made them: a project can still derive its own
from the mixin.
"""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import NestedObjects
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from jwt_auth._django.differences import note_difference


def before_urls(do: Callable[[admin.AdminSite], None]) -> None:
    """
    Call `do` with each site when it builds its URLs: replaces `AdminSite.get_urls` for the whole process.

    A site whose own `get_urls()` does not call `super()` is not reached.
    """
    original = admin.AdminSite.get_urls

    @wraps(original)
    def get_urls(self: admin.AdminSite) -> Any:
        do(self)
        return original(self)

    admin.AdminSite.get_urls = get_urls  # type: ignore[method-assign]  # on purpose, see the docstring


def list_at_most(number: int, model: Any) -> None:
    """
    Have the pages that confirm a deletion list only `number` rows of `model` that are deleted together with others.

    They would load and format each of them. This replaces a method of Django's for the whole process; deleting itself
    does not use it.
    """
    original = getattr(NestedObjects, "related_objects", None)
    if original is None:
        note_difference("the page that deletes a user lists all sessions", "no NestedObjects.related_objects")
        return

    @wraps(original)
    def related_objects(self: NestedObjects, related_model: Any, *arguments: Any, **options: Any) -> Any:
        rows = original(self, related_model, *arguments, **options)
        return rows[:number] if related_model is model else rows

    NestedObjects.related_objects = related_objects  # type: ignore[method-assign]  # on purpose, see the docstring


def replace_views(urls: Iterable[Any], replace: Callable[[Callable[..., Any]], Callable[..., Any]]) -> list[Any]:
    """Replace the view of each URL pattern of an admin by what `replace` makes of it, and return the patterns."""
    patterns = list(urls)
    for pattern in patterns:
        pattern.callback = replace(pattern.callback)
    return patterns


def admins(site: admin.AdminSite) -> list[tuple[Any, Any]]:
    """Return each model that is registered with `site`, and its admin."""
    return [(model, site.get_model_admin(model)) for model in apps.get_models() if site.is_registered(model)]


def admin_of(site: admin.AdminSite, model: Any) -> Any:
    """Return the admin of `model` on `site`; None if there is none."""
    return site.get_model_admin(model) if site.is_registered(model) else None


def put_before(model_admin: Any, mixin: type) -> None:
    """Change the class of an admin to a new one of the same name, with `mixin` before its own class."""
    own = type(model_admin)
    names = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    try:
        model_admin.__class__ = type(own.__name__, (mixin, own), names)
    except TypeError as error:
        note_difference("the admin has no pages to revoke a user's tokens", repr(error))
        return
    if not hasattr(own, "_get_base_actions"):
        note_difference("the admin's list of users has no action to revoke their tokens", "no _get_base_actions")


def redirect_from_missing(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
    """Return the response of the admin's own pages for a row that does not exist."""
    usual = getattr(model_admin, "_get_obj_does_not_exist_redirect", None)
    if usual is None:
        note_difference("the admin leads from a missing row to its first page", "no _get_obj_does_not_exist_redirect")
        return HttpResponseRedirect(reverse(f"{model_admin.admin_site.name}:index"))
    response: HttpResponse = usual(request, model_admin.opts, object_id)
    return response
