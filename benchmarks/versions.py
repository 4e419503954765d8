"""The versions of what is measured, which the tables name: the same code costs half or twice as much with others."""

import platform
from importlib.metadata import version

# The names of the packages as people know them, where they differ.
_NAMES = {
    "djangorestframework": "DRF",
    "djangorestframework-simplejwt": "simplejwt",
    "django-rest-knox": "knox",
}


def versions(*packages: str) -> dict[str, str]:
    """Return the version of Python and of each package, by name."""
    named = {_NAMES.get(name, name): version(name) for name in packages}
    return {platform.python_implementation(): platform.python_version(), **named}
