"""
The changes that a project needs before it moves: versions of packages, and settings of Django.
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

# A requirement in a list: behind its name all versions, such as `>=2,<2.10`, `[crypto]==2.*` or, in TOML, ` = "~5.1"`.
_REQUIREMENT = r"""(?mix)
    (?: ^ | ["'] ) [ \t]* {name} (?: \[[^\]\n]*\] )? ["']? [ \t]*
    (?: = [ \t]* (?: \{{ .*? version [ \t]* = [ \t]* )? ["'] )?
    (?P<versions> [ \t]* (?: [<>=~!^]=?=? [ \t]* \d [\w.*]* [ \t]* ,? [ \t]* )+ )
"""

_VERSION = re.compile(r"(?P<operator>[<>=~!^]=?=?)\s*(?P<version>\d[\d.]*)(?P<any>\*?)")


def problems(root: Path, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the changes to make first, as sentences."""
    if not django_settings.USE_TZ:
        yield "USE_TZ is False: set it to True, because local times repeat an hour each autumn (jwt_auth.E023)."
    if not values.get("ROTATE_REFRESH_TOKENS", False):
        yield (
            "ROTATE_REFRESH_TOKENS is off, so clients may not store a new refresh token. Here each refresh returns "
            "one, and a client that goes on sending the first one is signed out. Turn it on while you still have "
            "simplejwt, and have all clients store `refresh` from each answer."
        )
    for path, line, name, version, needed in pins(root):
        yield f"{path.relative_to(root)}:{line} allows {name} {version}: this app needs {needed}."


def pins(root: Path) -> Iterator[tuple[Path, int, str, str, str]]:
    """Yield the requirements that allow no version that this app needs: file, line, name, versions, what is needed."""
    for path, text in _lists(root):
        for name, needed in _needs().items():
            for match in re.finditer(_REQUIREMENT.format(name=re.escape(name)), text):
                if not allows(match["versions"], needed):
                    line = text.count("\n", 0, match.start("versions")) + 1
                    yield path, line, name, match["versions"].strip(" ,\t"), needed


def allows(versions: str, needed: str) -> bool:
    """Return whether a list of versions, such as `>=2,<2.10`, allows `needed` or a later one."""
    return all(_reaches(match, _numbers(needed)) for match in _VERSION.finditer(versions))


def _reaches(match: re.Match[str], needed: tuple[int, ...]) -> bool:
    operator, version = match["operator"], _numbers(match["version"])
    if operator in ("~=", "~", "^") or match["any"]:  # ~=5.1 is any of 5 from 5.1 on, ==5.* is any of 5
        kept = {"^": 1, "~=": len(version) - 1, "~": min(len(version), 2)}.get(operator, len(version))
        return operator in ("!=", ">=", ">") or version[:kept] >= needed[:kept]
    if operator == "<":
        return _padded(version) > _padded(needed)
    return operator in ("!=", ">=", ">") or _padded(version) >= _padded(needed)


def _padded(version: tuple[int, ...]) -> tuple[int, ...]:
    return (*version, 0, 0, 0, 0)[:4]


def _lists(root: Path) -> Iterator[tuple[Path, str]]:
    for pattern in _LISTS:
        for path in sorted(root.glob(pattern)):
            yield path, path.read_text(encoding="utf-8", errors="replace")


def simplejwt_in_lists(root: Path) -> Iterator[tuple[Path, int]]:
    """Yield the places where a list of packages names simplejwt."""
    for path, text in _lists(root):
        for number, line in enumerate(text.splitlines(), 1):
            if re.search(r"(?i)djangorestframework[-_.]simplejwt", line):
                yield path, number


def _needs() -> Mapping[str, str]:
    """Return the oldest version that this app needs of each package."""
    matches = (_NEEDED.match(text) for text in requires(_DISTRIBUTION) or () if "extra ==" not in text)
    return {match["name"].lower(): match["version"] for match in matches if match}


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.strip(".").split("."))
