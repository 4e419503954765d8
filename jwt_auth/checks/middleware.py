"""
The middleware that the project uses, for system checks.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

T = TypeVar("T")


def middleware_classes(wanted: type[T]) -> Iterator[type[T]]:
    """Yield the subclasses of `wanted` in MIDDLEWARE; Django reports paths that can't be imported when it starts."""
    for path in django_settings.MIDDLEWARE:
        with suppress(ImportError):
            found = import_string(path)
            if isinstance(found, type) and issubclass(found, wanted):
                yield found
