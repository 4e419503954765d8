"""
The files of a project: found, read as Python reads them, and written back with their encoding and line endings.
"""

import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Directories that hold no code of the project.
_SKIPPED = frozenset(("node_modules", "site-packages", "__pycache__", "build", "dist"))


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """The text of a file, with its line endings, and its encoding."""

    path: Path
    text: str
    encoding: str

    @property
    def newline(self) -> str:
        """The end of the first line; a line feed if there is none."""
        first = next(iter(lines_of(self.text)), "")
        return first[len(first.rstrip("\r\n")) :] or "\n"


def python_files(root: Path) -> Iterator[Path]:
    """Yield the files of a project, without those of a virtualenv, in the order of their names."""
    for path in sorted(root.iterdir()):
        if path.is_dir() and not _is_skipped(path):
            yield from python_files(path)
        elif path.suffix == ".py" and path.is_file():
            yield path


def _is_skipped(path: Path) -> bool:
    # pyvenv.cfg marks a virtualenv, whatever its name.
    is_foreign = path.name in _SKIPPED or (path / "pyvenv.cfg").exists()
    return is_foreign or path.name.startswith(".") or path.is_symlink()


def read(path: Path) -> ProjectFile:
    """
    Return the text of a file, in the encoding that its first lines name.

    Raises:
        SyntaxError: if they name none that Python has.
        UnicodeDecodeError: if the text is in another one.
        OSError: if it can't be read, or is a link, whose file may be none of the project.
    """
    if path.is_symlink():
        raise OSError("it is a link to a file elsewhere")
    with path.open("rb") as file:
        encoding, _ = tokenize.detect_encoding(file.readline)
    with path.open(encoding=encoding, newline="") as opened:
        return ProjectFile(path, opened.read(), encoding)


def write(path: Path, text: str, encoding: str) -> None:
    """Write a text as it is; leave the file as it was, and raise UnicodeEncodeError, if the encoding can't."""
    data = text.encode(encoding)  # before the file is opened, which empties it
    path.write_bytes(data)


def lines_of(text: str) -> list[str]:
    """Return the lines with their endings. Unlike `str.splitlines`, do not split at a form feed, as Python does not."""
    return list(io.StringIO(text, newline=""))
