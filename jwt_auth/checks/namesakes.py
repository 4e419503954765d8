"""
System check for other packages and modules that have the name of this app.

A project may have an app `jwt_auth` of its own. Python imports the first one that it finds, and the other is hidden.
Nothing is imported here, because importing an unknown module may have any effect.
"""

import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from django.core import checks

import jwt_auth

# A file that only this app has: a second copy of this app is not reported.
_MARK = "browser_urls.py"


def check_namesakes(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Look for other packages and modules named `jwt_auth` in each entry of `sys.path`."""
    here = _place(jwt_auth.__spec__)
    if here is None:  # in a program that was frozen into one file
        return []
    return [
        checks.Warning(
            f"Two packages are named jwt_auth. This one is at {here}, and hides the one at {there}. A process that "
            "begins with another sys.path imports the other one.",
            hint="Rename the other one. If it is an app with tables, first move its rows in django_migrations and "
            "django_content_type to its new label, and keep the names of its tables with db_table. Otherwise "
            "manage.py migrate considers this app's migrations applied.",
            id="jwt_auth.W058",
        )
        for there in dict.fromkeys(_places())
        if there != here and not (there / _MARK).is_file()
    ]


def _places() -> Iterator[Path]:
    for entry in sys.path:
        # A directory without __init__.py has no place: it hides nothing, and may be anything, such as a checkout.
        if (place := _place(_spec_in(entry))) is not None:
            yield place


def _spec_in(entry: str) -> ModuleSpec | None:
    try:
        return PathFinder.find_spec("jwt_auth", [entry])
    except Exception:  # noqa: BLE001  # whatever an entry and its finder raise, other modules are imported all the same
        return None


def _place(spec: ModuleSpec | None) -> Path | None:
    """Return the directory of a package, or the file of a module; None if it has none."""
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    file = Path(spec.origin).resolve()
    return file.parent if spec.submodule_search_locations is not None else file
