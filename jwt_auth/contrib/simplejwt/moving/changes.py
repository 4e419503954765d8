"""
The changes to a project's files: each file as it is and as it becomes, and the difference between them.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from jwt_auth.contrib.simplejwt.moving.code import Place
from jwt_auth.contrib.simplejwt.moving.settings import Written, assigned


@dataclass(frozen=True, slots=True)
class Change:
    """A file, its text, and the text that it becomes."""

    path: Path
    before: str
    after: str

    def diff(self, root: Path) -> Iterator[str]:
        """Yield the lines of the difference, with the path below `root`."""
        name = self.path.relative_to(root).as_posix()
        yield from unified_diff(
            self.before.splitlines(), self.after.splitlines(), f"a/{name}", f"b/{name}", lineterm="", n=2
        )

    def count(self) -> int:
        """Return the number of lines that are added or taken out."""
        lines = unified_diff(self.before.splitlines(), self.after.splitlines(), lineterm="", n=0)
        return sum(line[:1] in "+-" and not line.startswith(("+++", "---")) for line in lines)


def rewritten(text: str, places: Iterable[Place]) -> str:
    """Return a text with the new text of each place that has one."""
    for place in sorted(places, key=lambda place: place.start, reverse=True):
        if place.new is not None:
            text = text[: place.start] + place.new + text[place.end :]
    return text


def with_settings(text: str, written: Written) -> str:
    """
    Return a settings file with JWT_AUTH, and with the imports that it needs.

    It stands behind SIMPLE_JWT, or else at the end.
    """
    tree = ast.parse(text)
    lines = text.splitlines(keepends=True)
    ends = [node.end_lineno or 0 for node in tree.body if assigned(node) == "SIMPLE_JWT"]
    at = ends[-1] if ends else len(lines)
    if lines and not lines[at - 1].endswith("\n"):
        lines[at - 1] += "\n"
    lines.insert(at, f"\n{written.as_code()}")
    missing = [name for name in ("date", "timedelta") if f"{name}(" in written.as_code() and not _imports(tree, name)]
    if missing:
        lines.insert(_first_import(tree), f"from datetime import {', '.join(missing)}\n")
    return "".join(lines)


def _imports(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names)
        for node in tree.body
    )


def _first_import(tree: ast.Module) -> int:
    """Return the number of lines before the first import that is not of `__future__`."""
    for node in tree.body:
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
            return node.lineno - 1
    return tree.body[0].end_lineno or 0 if ast.get_docstring(tree, clean=False) is not None else 0
