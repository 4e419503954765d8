"""
The changes to a project's files: each file as it is and as it becomes, and the difference between them.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from jwt_auth.contrib.simplejwt.moving import files
from jwt_auth.contrib.simplejwt.moving.code import Mention
from jwt_auth.contrib.simplejwt.moving.files import ProjectFile, lines_of
from jwt_auth.contrib.simplejwt.moving.settings import Written, assigned

# The names of `datetime` that JWT_AUTH may need.
_NAMES = ("date", "timedelta")


@dataclass(frozen=True, slots=True)
class Change:
    """A file as it is, and the text that it becomes."""

    source: ProjectFile
    after: str

    def diff(self, root: Path) -> Iterator[str]:
        """Yield the changed lines, with the path below `root`; no other line, because it may have a secret."""
        name = self.source.path.relative_to(root).as_posix()
        yield from self._lines(f"a/{name}", f"b/{name}")

    def count(self) -> int:
        """Return the number of lines that are added or removed."""
        return sum(line[:1] in "+-" for line in [*self._lines("", "")][2:])

    def _lines(self, before: str, after: str) -> Iterator[str]:
        old, new = ([line.rstrip("\r\n") for line in lines_of(text)] for text in (self.source.text, self.after))
        yield from unified_diff(old, new, before, after, lineterm="", n=0)

    def write(self) -> None:
        files.write(self.source.path, self.after, self.source.encoding)


def rewritten(text: str, places: Iterable[Mention]) -> str:
    """Return a text with the new text of each place that has one."""
    for place in sorted(places, key=lambda place: place.start, reverse=True):
        if place.new is not None:
            text = text[: place.start] + place.new + text[place.end :]
    return text


def with_settings(source: ProjectFile, text: str, written: Written) -> str:
    """
    Return the text of a settings file with JWT_AUTH, and with the imports that it needs.

    JWT_AUTH comes after SIMPLE_JWT, or else at the end.
    """
    tree = ast.parse(text)
    lines = lines_of(text)
    ends = [node.end_lineno or 0 for node in tree.body if assigned(node) == "SIMPLE_JWT"]
    at = ends[-1] if ends else len(lines)
    code = written.as_code()
    if lines and not lines[at - 1].endswith(("\r", "\n")):
        lines[at - 1] += source.newline
    lines.insert(at, f"\n{code}".replace("\n", source.newline))
    needed = [name for name in _NAMES if re.search(rf"(?<![\w.]){name}\(", code) and not _imports(tree, name)]
    if needed:
        _import(lines, tree, needed, source.newline)
    return "".join(lines)


def _imports(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.ImportFrom) and any((alias.asname or alias.name) == name for alias in node.names)
        for node in tree.body
    )


def _import(lines: list[str], tree: ast.Module, names: list[str], newline: str) -> None:
    """Add names of `datetime` to the import of others, if it is one line, or as a line before the first import."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "datetime" and not node.level:
            line = lines[node.lineno - 1]
            alone = re.fullmatch(r"from datetime import [\w, ]+", line.rstrip("\r\n"))
            if alone:
                all_names = sorted({*names, *(ast.unparse(alias) for alias in node.names)})
                lines[node.lineno - 1] = f"from datetime import {', '.join(all_names)}{newline}"
                return
    lines.insert(max(_first_import(tree), _comments(lines)), f"from datetime import {', '.join(names)}{newline}")


def _comments(lines: list[str]) -> int:
    """Return the number of comments at the top: the first two lines may name the interpreter and the encoding."""
    return next((number for number, line in enumerate(lines[:2]) if not line.startswith("#")), min(len(lines), 2))


def _first_import(tree: ast.Module) -> int:
    """Return the number of lines before the first import, but after the docstring and imports of `__future__`."""
    last = 0
    for node in tree.body:
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
            return max(node.lineno - 1, last)  # the two may share a line
        if isinstance(node, ast.ImportFrom) or (node is tree.body[0] and ast.get_docstring(tree, clean=False)):
            last = node.end_lineno or 0
    return last
