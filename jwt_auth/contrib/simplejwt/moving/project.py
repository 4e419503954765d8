"""
A project of simplejwt: what was found in its files, and what becomes of it.
"""

import ast
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from jwt_auth.contrib.simplejwt.moving.changes import Change, rewritten, with_settings
from jwt_auth.contrib.simplejwt.moving.code import Place, places_in, python_files
from jwt_auth.contrib.simplejwt.moving.settings import Translator, Written, sources_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """
    What was read.

    Args:
        values: SIMPLE_JWT in force; empty if the project does not set it.
        settings_file: where JWT_AUTH belongs; None if no file of the project has the settings.
        has_settings: whether the project sets JWT_AUTH already.
        places: all places that name simplejwt.
        unread: files that are no Python of this version, with the error.
    """

    root: Path
    texts: Mapping[Path, str]
    values: Mapping[str, Any]
    written: Written
    settings_file: Path | None
    has_settings: bool
    places: tuple[Place, ...]
    unread: tuple[tuple[Path, str], ...]

    def changes(self) -> list[Change]:
        """Return the changes that need nobody's decision."""
        changes = []
        for path, before in self.texts.items():
            after = rewritten(before, [place for place in self.places if place.path == path])
            if path == self.settings_file and not self.has_settings:
                after = with_settings(after, self.written)
            if after != before:
                changes.append(Change(path, before, after))
        return changes

    def by_hand(self) -> list[Place]:
        """Return the places that a person has to look at."""
        return [place for place in self.places if place.advice]


def read(root: Path, today: date) -> Reading:
    """Read the project whose files are below `root`."""
    texts: dict[Path, str] = {}
    places: list[Place] = []
    unread: list[tuple[Path, str]] = []
    for path in python_files(root):
        found = _read(path)
        if isinstance(found, Exception):
            unread.append((path, str(found)))
        else:
            texts[path], its_places = found
            places += its_places
    settings_file = _settings_file(texts)
    sources = _sources(texts, settings_file)
    values: Mapping[str, Any] = getattr(django_settings, "SIMPLE_JWT", {})
    return Reading(
        root=root,
        texts=texts,
        values=values,
        written=Translator(values, sources, today).written(),
        settings_file=settings_file,
        has_settings=bool(getattr(django_settings, "JWT_AUTH", {})),
        places=tuple(places),
        unread=tuple(unread),
    )


def _read(path: Path) -> tuple[str, list[Place]] | Exception:
    """Return the text of a file and its places, or the error that prevents it."""
    try:
        # newline="" keeps the ends of lines as they are.
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
        return text, places_in(path, text)
    except (SyntaxError, ValueError, OSError) as error:
        return error


def _settings_file(texts: Mapping[Path, str]) -> Path | None:
    """Return the file that sets SIMPLE_JWT; without one, that of the settings module."""
    setting = [path for path, text in texts.items() if "SIMPLE_JWT" in text and sources_of(ast.parse(text), text)]
    if setting:
        return setting[0]
    module = getattr(django_settings, "SETTINGS_MODULE", None)
    spec = importlib.util.find_spec(module) if module else None
    path = Path(spec.origin) if spec and spec.origin else None
    return path if path in texts else None


def _sources(texts: Mapping[Path, str], path: Path | None) -> Mapping[str, str]:
    return {} if path is None else sources_of(ast.parse(texts[path]), texts[path])
