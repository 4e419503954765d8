"""
The tables of docs/explanation/architecture.md, generated from the import contract and the modules' docstrings.

`python -m tests.support.architecture` writes them into the page.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[no-redef]

PAGE = ROOT / "docs/explanation/architecture.md"
MARKS = ("<!-- made from the contract -->\n", "<!-- end -->\n")


def contract() -> list[list[str]]:
    """Return the rooms and modules at the root, floor by floor from the top."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = next(each["layers"] for each in options["contracts"] if each["containers"] == ["jwt_auth"])
    return [layer.split(" | ") for layer in layers]


def purpose(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    sentence = re.split(r"(?<=\.)\s", " ".join(text.split("\n\n")[0].split()), maxsplit=1)[0]
    return sentence.rstrip(":.")


def modules_of(place: Path) -> list[Path]:
    """Return the modules and rooms within a room, by name."""
    files = [path for path in place.glob("*.py") if path.stem != "__init__"]
    return sorted([*files, *(path.parent for path in place.glob("*/__init__.py"))])


def tables(app: Path) -> str:
    """Return both tables, as the page has them between the marks."""
    return "".join([MARKS[0], *_floors(app), "\n", *_rooms(app), MARKS[1]])


def _floors(app: Path) -> Iterator[str]:
    yield "| floor | room or module | what it is for |\n| --- | --- | --- |\n"
    floors = contract()
    for number, names in zip(range(len(floors), 0, -1), floors, strict=True):
        for name in names:
            room = app / name
            yield f"| {number} | `{name}{'/' if room.is_dir() else ''}` | {_purpose_of(room)} |\n"


def _rooms(app: Path) -> Iterator[str]:
    yield "| room | module | what it is for |\n| --- | --- | --- |\n"
    for names in contract():
        for name in names:
            yield from _inside(app / name, name)


def _inside(room: Path, name: str) -> Iterator[str]:
    if not room.is_dir():
        return
    inner = modules_of(room)
    for path in inner:
        if path.is_file():
            yield f"| `{name}/` | `{path.stem}` | {purpose(path)} |\n"
    for path in inner:
        yield from _inside(path, f"{name}/{path.name}") if path.is_dir() else ()


def _purpose_of(room: Path) -> str:
    return purpose(room / "__init__.py" if room.is_dir() else room.with_suffix(".py"))


if __name__ == "__main__":
    text = PAGE.read_text()
    before, after = text.split(MARKS[0])[0], text.split(MARKS[1])[1]
    PAGE.write_text(before + tables(ROOT / "jwt_auth") + after)
