"""
What a project has to change before it moves: versions of packages, and settings of Django.
"""

import re
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

_DISTRIBUTION = "django-revocable-jwt"

# Files that name the packages of a project.
_LISTS = (
    "requirements*.txt",
    "requirements*.in",
    "requirements/*.txt",
    "requirements/*.in",
    "pyproject.toml",
    "Pipfile",
    "setup.cfg",
)

# The beginning of a requirement of this app, as its metadata has it.
_NEEDED = re.compile(r"(?P<name>[\w-]+)(\[\w+\])?>=(?P<version>[\d.]+)")

# A version that a list pins, or the highest that it allows.
_PINNED = r"""(?mix)
    (?:^|["'\s]) {name} (?:\[[^\]]*\])? ["']?
    \s* (?:=\s*["']{{1}})? \s*
    (?:==|~=|<=|<) \s* (?P<version>\d[\d.]*)
"""


def problems(root: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what has to change first, as sentences."""
    if not django_settings.USE_TZ:
        yield "USE_TZ is False: set it to True, because local times repeat an hour each autumn (jwt_auth.E023)."
    if not values.get("ROTATE_REFRESH_TOKENS", False):
        yield (
            "ROTATE_REFRESH_TOKENS is off, so clients may not store a new refresh token. Here each refresh returns one, "
            "and a client that goes on sending the first one is signed out. Turn it on while you still have "
            "simplejwt, and have all clients store `refresh` from each answer."
        )
    for path, line, name, version, needed in pins(root):
        yield f"{path.relative_to(root)}:{line} pins {name} {version}: this app needs {needed}."


def pins(root: Path) -> Iterator[tuple[Path, int, str, str, str]]:
    """Yield the requirements of the project that are older than what this app needs: file, line, name, versions."""
    for pattern in _LISTS:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8", errors="replace")
            for name, needed in _needs().items():
                for match in re.finditer(_PINNED.format(name=re.escape(name)), text):
                    if _numbers(match["version"]) < _numbers(needed):
                        yield path, text.count("\n", 0, match.start("version")) + 1, name, match["version"], needed


def simplejwt_in_lists(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the places where a list of packages names simplejwt."""
    for pattern in _LISTS:
        for path in sorted(root.glob(pattern)):
            for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
                if re.search(r"(?i)djangorestframework[-_.]simplejwt", line):
                    yield path, number


def _needs() -> Mapping[str, str]:
    """Return the oldest version that this app needs of each package."""
    matches = (_NEEDED.match(text) for text in requires(_DISTRIBUTION) or () if "extra ==" not in text)
    return {match["name"].lower(): match["version"] for match in matches if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))
