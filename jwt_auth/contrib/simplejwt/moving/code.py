"""
The places in a project's code that name simplejwt, and what each becomes. It reads syntax trees, not words.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from jwt_auth.contrib.simplejwt.moving.settings import PACKAGE, assigned

# The package whose modules have the names of simplejwt's.
OURS = "jwt_auth.contrib.simplejwt"

# Directories that hold no code of the project.
_SKIPPED = frozenset(("node_modules", "site-packages", "__pycache__", "build", "dist"))

# What takes the place of a name that has none in OURS.
ADVICE = {
    "SlidingToken": "There are no sliding tokens: give a browser cookies (jwt_auth.browser_urls).",
    "TokenObtainSlidingView": "There are no sliding tokens: use TokenObtainPairView, or cookies.",
    "TokenRefreshSlidingView": "There are no sliding tokens: use TokenRefreshView, or cookies.",
    "OutstandingToken": "UserSession has one row for each sign-in; revoke_user(user) ends all of a user.",
    "BlacklistedToken": "sessions.end(token), or revoke_user(user), takes tokens back.",
    "TokenUser": 'REVOCATION = "memory" needs no query either, and has real users.',
    "JWTStatelessUserAuthentication": 'JWTAuthentication with REVOCATION = "memory" needs no query either.',
    "JWTTokenUserAuthentication": 'JWTAuthentication with REVOCATION = "memory" needs no query either.',
    "api_settings": "jwt_auth.conf.get_settings() has the settings in force.",
    "token_backend": "verification.verify(raw) verifies a token, and sessions.start(user) issues one.",
    "TokenBackend": "verification.verify(raw) verifies a token, and sessions.start(user) issues one.",
    "TokenBackendError": "verification.verify(raw) raises jwt_auth.exceptions.InvalidTokenError.",
}
_NO_ADVICE = "Nothing here has this name: see what the code needs it for."

_APPS = (PACKAGE, f"{PACKAGE}.token_blacklist")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """
    One place in a file.

    Args:
        start, end: the first and the last character, as offsets in the text.
        line: the number of the line, from 1.
        old: the text of the place.
        new: what it becomes; None if a person has to decide.
        advice: what to do, or why nothing is to be done now.
    """

    path: Path
    start: int
    end: int
    line: int
    old: str
    new: str | None = None
    advice: str = ""


def python_files(root: Path) -> Iterator[Path]:
    """Yield the files of a project, without those of its virtual environment, in the order of their names."""
    for path in sorted(root.iterdir()):
        if path.is_dir() and not _is_skipped(path):
            yield from python_files(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


def _is_skipped(path: Path) -> bool:
    # pyvenv.cfg marks a virtual environment, whatever its name.
    is_foreign = path.name in _SKIPPED or (path / "pyvenv.cfg").exists()
    return is_foreign or path.name.startswith(".") or path.is_symlink()


def names_in(module: str) -> frozenset[str]:
    """Return the names that our module has in the place of `module`, a module of simplejwt; none if there is none."""
    if module == PACKAGE:
        return frozenset()
    try:
        return frozenset(vars(import_module(OURS + module.removeprefix(PACKAGE))))
    except ModuleNotFoundError:
        return frozenset()


def places_in(path: Path, text: str) -> list[Place]:
    """
    Return the places of a file, in the order of the text.

    Raises:
        SyntaxError: if it is no Python of this version.
    """
    if PACKAGE not in text and "SIMPLE_JWT" not in text:
        return []
    reader = _Reader(path, text)
    reader.visit(ast.parse(text))
    return sorted(reader.places, key=lambda place: place.start)


class _Reader(ast.NodeVisitor):
    def __init__(self, path: Path, text: str) -> None:
        self.places: list[Place] = []
        self._path, self._text = path, text
        # Columns of a syntax tree count bytes.
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))
        self._bytes = [line.encode() for line in text.splitlines(keepends=True)]

    def _offset(self, line: int, column: int) -> int:
        return self._lines[line - 1] + len(self._bytes[line - 1][:column].decode())

    def _note(self, node: ast.expr | ast.stmt, *, new: str | None = None, advice: str = "") -> None:
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0)
        old = self._text[start:end]
        self.places.append(
            Place(path=self._path, start=start, end=end, line=node.lineno, old=old, new=new, advice=advice)
        )

    def visit_Assign(self, node: ast.Assign) -> None:
        self._visit_assignment(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._visit_assignment(node)

    def _visit_assignment(self, node: ast.Assign | ast.AnnAssign) -> None:
        if assigned(node) != "SIMPLE_JWT":  # which simplejwt reads as long as its tokens are accepted
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg == "SIMPLE_JWT":
            self._note(node.value, advice="A test that overrides SIMPLE_JWT has no effect here: override JWT_AUTH.")
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if node.attr == "SIMPLE_JWT":
            self._note(node, advice="Read JWT_AUTH, or jwt_auth.conf.get_settings().")
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        if any(_is_of_package(alias.name) for alias in node.names):
            self._note(node, advice=f"Import the names from {OURS}.")

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level or not _is_of_package(node.module or ""):
            return
        module = node.module or ""
        ours = names_in(module)
        moved = [alias for alias in node.names if alias.name in ours]
        left = [alias for alias in node.names if alias.name not in ours]
        indent = " " * node.col_offset
        lines = [_import(OURS + module.removeprefix(PACKAGE), moved)] if moved else []
        lines += [_import(module, left)] if left else []
        advice = " ".join(dict.fromkeys(f"{alias.name}: {ADVICE.get(alias.name, _NO_ADVICE)}" for alias in left))
        self._note(node, new=f"\n{indent}".join(lines) if moved else None, advice=advice)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Do nothing: the parts of an f-string have no places of their own before Python 3.12."""

    def visit_Constant(self, node: ast.Constant) -> None:
        if not isinstance(node.value, str) or not _is_of_package(node.value):
            return
        if node.value in _APPS:
            self._note(node, advice="Stays as long as former tokens are accepted.")
            return
        module, _, name = node.value.rpartition(".")
        if name in names_in(module):
            quote = "'" if (ast.get_source_segment(self._text, node) or "").startswith("'") else '"'
            self._note(node, new=f"{quote}{OURS}{node.value.removeprefix(PACKAGE)}{quote}")
        else:
            self._note(node, advice=ADVICE.get(name, _NO_ADVICE))


def _is_of_package(name: str) -> bool:
    return name == PACKAGE or (name.startswith(f"{PACKAGE}.") and " " not in name)


def _import(module: str, aliases: list[ast.alias]) -> str:
    names = [alias.name + (f" as {alias.asname}" if alias.asname else "") for alias in aliases]
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= 88:
        return line
    return "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
