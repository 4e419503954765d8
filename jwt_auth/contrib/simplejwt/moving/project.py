"""
A project that uses simplejwt: the findings in its files, and the changes.
"""

import ast
import importlib.util
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from jwt_auth.contrib.simplejwt.moving import files
from jwt_auth.contrib.simplejwt.moving.changes import Change, rewritten, with_settings
from jwt_auth.contrib.simplejwt.moving.code import Mention, places_in
from jwt_auth.contrib.simplejwt.moving.files import ProjectFile
from jwt_auth.contrib.simplejwt.moving.settings import Translator, Written, sources_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    The findings in a project.

    Args:
        values: SIMPLE_JWT in force; empty if the project does not set it.
        settings_file: where JWT_AUTH belongs; None if no file of the project has the settings.
        other_files: other files that set SIMPLE_JWT, such as those for production.
        has_settings: whether the project sets JWT_AUTH already.
        places: all places that name simplejwt.
        unread: files that this version of Python can't parse, with the error.
    """

    root: Path
    sources: tuple[ProjectFile, ...]
    values: Mapping[str, Any]
    written: Written
    settings_file: Path | None
    other_files: tuple[Path, ...]
    has_settings: bool
    places: tuple[Mention, ...]
    unread: tuple[tuple[Path, str], ...]

    @property
    def writes_settings(self) -> bool:
        """True if JWT_AUTH is written; otherwise a person has to do it."""
        return self.settings_file is not None and not self.has_settings

    def changes(self) -> list[Change]:
        """Return the changes that need nobody's decision."""
        changes = []
        for source in self.sources:
            after = rewritten(source.text, [place for place in self.places if place.path == source.path])
            if self.writes_settings and source.path == self.settings_file:
                after = with_settings(source, after, self.written)
            if after != source.text:
                _check(source, after)
                changes.append(Change(source, after))
        return changes

    def by_hand(self) -> list[Mention]:
        """Return the places that a person has to look at."""
        return [place for place in self.places if place.needs_a_person]


def read(root: Path, today: date) -> Reading:
    """Read the project whose files are below `root`."""
    sources: list[ProjectFile] = []
    places: list[Mention] = []
    unread: list[tuple[Path, str]] = []
    for path in files.python_files(root):
        if path.is_symlink() and path.resolve().is_relative_to(root):
            continue  # its file is read under its own name
        found = _read(path)
        if isinstance(found, Exception):
            unread.append((path, str(found)))
        else:
            sources.append(found[0])
            places += found[1]
    setting = _files_that_set(sources)
    settings_file = _settings_file(sources, setting)
    expressions = {} if settings_file is None else setting.get(settings_file, {})
    found_values = getattr(django_settings, "SIMPLE_JWT", None)
    values: Mapping[str, Any] = found_values if isinstance(found_values, Mapping) else {}
    return Reading(
        root=root,
        sources=tuple(sources),
        values=values,
        written=Translator(values, expressions, today).written(),
        settings_file=settings_file,
        other_files=tuple(path for path in setting if path != settings_file),
        has_settings=bool(getattr(django_settings, "JWT_AUTH", {})),
        places=tuple(places),
        unread=tuple(unread),
    )


def _check(source: ProjectFile, after: str) -> None:
    """Raise an error if Python could not read the new text: a fault of this command must not reach the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the project's code are none of ours
        # Not only parsed: a misplaced import of __future__ is found by the compiler.
        compile(after.encode(source.encoding), str(source.path), "exec", dont_inherit=True)


def _read(path: Path) -> tuple[ProjectFile, list[Mention]] | Exception:
    """Return a file and its places, or the error that prevents it."""
    try:
        source = files.read(path)
        return source, places_in(source)
    except (SyntaxError, ValueError, RecursionError, OSError) as error:
        return error


def _files_that_set(sources: Iterable[ProjectFile]) -> Mapping[Path, Mapping[str, str]]:
    """Return the files that set SIMPLE_JWT to a dict, each with its expressions."""
    found = {
        source.path: sources_of(ast.parse(source.text), source.text)
        for source in sources
        if "SIMPLE_JWT" in source.text
    }
    return {path: expressions for path, expressions in found.items() if expressions}


def _settings_file(sources: Iterable[ProjectFile], setting: Mapping[Path, Mapping[str, str]]) -> Path | None:
    """Return the file that sets SIMPLE_JWT, the settings module first; without one, the settings module."""
    module = getattr(django_settings, "SETTINGS_MODULE", None)
    spec = importlib.util.find_spec(module) if module else None
    path = Path(spec.origin) if spec and spec.origin else None
    if setting and path not in setting:
        return next(iter(setting))
    return path if any(source.path == path for source in sources) else None
