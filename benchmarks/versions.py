"""The versions of what is measured, which the tables name: the same code costs half or twice as much with others."""

import platform
from importlib.metadata import version


def versions(*packages: str) -> dict[str, str]:
    """Return the version of Python and of each package, by name."""
    return {platform.python_implementation(): platform.python_version(), **{name: version(name) for name in packages}}
