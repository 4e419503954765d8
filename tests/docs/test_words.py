"""The English of code, tests and documentation: words that are out, and the beginnings of docstrings."""

import ast
import re
from pathlib import Path

import pytest

import jwt_auth
from tests.support import ROOT

APP = Path(jwt_auth.__file__).parent

CODE = [
    *APP.rglob("*.py"),
    *(path for name in ("example_project", "benchmarks", "examples") for path in (ROOT / name).rglob("*.py")),
    # This module has to name the words.
    *(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)),
]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
OTHERS = [
    path
    for ending in ("html", "js")
    for path in (*APP.rglob(f"*.{ending}"), *ROOT.glob(f"example_project/**/*.{ending}"))
]

# Words that are out, and their replacements.
OUT = {
    r"\bbells?\b": "notification, message, marker",
    r"\bdeeds?\b": "operation",
    r"\bto the letter\b": "exactly",
    r"\bfor ever\b": "permanently",
    r"\bgood for (once|one)\b": "single-use",
    r"\bwho(m|se)?ever\b": "anyone who, the client that",
    r"\bnothing of it\b": "none of it",
    r"\b(take|takes|took|taken|taking)s? back\b": "revoke",
    r"\bis hung\b": "is kept in an attribute",
    r"\bdoors?\b": "entry point",
    r"\beditions?\b": "version",
    r"\byoung\b": "unexpired, fresh",
    r"\bstanding\b": "state, status",
    r"\b(he|his|him)\b": "they, their",
    r"pip install \"?jwt auth": "django-revocable-jwt: the other name is somebody else's package",
}
ANY_OUT = re.compile("|".join(OUT), re.IGNORECASE)
# Names that API users know.
KNOWN = re.compile(r"bell_un(heard|rung)")

HEADLESS = re.compile(r"(who|whom|whose|whoever|what|whether)\b", re.IGNORECASE)


def findings(text):
    """Yield the words of a text that are out, each with its line; an underscore ends a word as a space does."""
    plain = KNOWN.sub("", text).replace("_", " ")
    if not ANY_OUT.search(plain):  # as in nearly all files
        return
    for number, line in enumerate(plain.splitlines(), 1):
        for pattern, instead in OUT.items():
            if found := re.search(pattern, line, re.IGNORECASE):
                yield f"{number}: {found[0]!r}; say {instead}"


@pytest.mark.parametrize("paths", [CODE, PAGES, OTHERS], ids=["code", "pages", "others"])
def test_words_that_are_out_stand_nowhere(paths):
    assert len(paths) > 10
    found = {str(path): list(findings(path.read_text())) for path in paths}
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_they_would_be_found():
    assert list(findings("a\nWhoever takes back")) == [
        "2: 'Whoever'; say anyone who, the client that",
        "2: 'takes back'; say revoke",
    ]
    assert list(findings("_leave_it_to_the_deed"))
    assert list(findings('pip install "jwt_auth[redis]"'))
    assert not list(findings('bell_unheard; pip install "django-revocable-jwt[redis]"'))


def docstrings(path):
    """Yield the docstrings of a module, each with its line, if one of its texts begins with a headless word."""
    source = path.read_text()
    if not re.search(rf"[\"'\\]\s*{HEADLESS.pattern}", source, re.IGNORECASE):  # which is quicker than to parse it
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def test_no_docstring_begins_with_a_headless_word():
    found = [
        f"{path}:{line} {text.splitlines()[0]}"
        for path in CODE
        for line, text in docstrings(path)
        if HEADLESS.match(text)
    ]
    assert found == []


def test_such_a_docstring_would_be_found(tmp_path):
    path = tmp_path / "module.py"
    for text in ('"""Whose key it is."""', '"""\n    What it is.\n    """', "'whether it is'", '"""\\\nWho it is."""'):
        path.write_text(f"def f():\n    {text}\n")
        [(_, found)] = docstrings(path)
        assert HEADLESS.match(found)


def lines_of_paragraphs(text):
    """Yield the lines of a page outside of code, tables, lists, quotes, headings and comments."""
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and line and not re.match(r"\s|[|>#<*-]|\d+\.|!\[", line):
            yield number, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_one_sentence_is_one_line(page):
    """A line of a paragraph ends where its sentence does, and no other sentence begins on it."""
    broken = []
    for number, line in lines_of_paragraphs(page.read_text()):
        plain = re.sub(r"`[^`]*`|\[([^\]]*)\]\([^)]*\)|\([^)]*\)", r"\1", line)
        if not re.search(r"[.:!?][*_\"')]*$", plain) or re.search(r"(?<!e\.g)(?<!i\.e)(?<!\d)[.!?] [A-Z]", plain):
            broken.append(f"{number}: {line[:100]}")
    assert broken == []
