"""The blocks of code in the documentation, and the tests that it names."""

import ast
import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings as django_settings
from django.core import checks
from django.test import override_settings

from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?:<!-- (?P<how>[^>]+) -->\n)?```(?P<kind>python|sh|text|html|js)\n(?P<code>.*?)```", re.DOTALL)


# How a page names a test: the path of its module, and its name.
REFERENCE = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


@dataclass(frozen=True)
class Block:
    page: Path
    how: str
    code: str

    def __str__(self):
        line = self.page.read_text().partition(self.code)[0].count("\n") + 1
        return f"{self.page.relative_to(ROOT)}:{line}"

    def step_in(self, project):
        """Return what a reader does with the block in the project of this name, or ""; see tests/support/guides.py."""
        prefix = f"test: {project} "
        return self.how.removeprefix(prefix) if self.how.startswith(prefix) else ""


BLOCKS = [
    Block(page, match["how"] or f"untested {match['kind']}", match["code"])
    for page in PAGES
    for match in _BLOCK.finditer(page.read_text())
    if match["kind"] in ("python", "sh") or match["how"]
]


def code_of(page, first):
    """Return the code of the block of a guide that begins with `first`."""
    (code,) = (block.code for block in BLOCKS if block.page.name == page and block.code.startswith(first))
    return code


def run_settings(code):
    """Return the settings that `code` gives to a project whose JWT_AUTH is empty."""
    given = {
        "BASE_DIR": Path(),
        "JWT_AUTH": {},
        "INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes"],
        "MIDDLEWARE": [item for item in django_settings.MIDDLEWARE if "jwt_auth" not in item],
    }
    values = {**deepcopy(given), "__name__": "docs"}
    exec(compile(code, "docs", "exec"), values)
    return {
        name: value
        for name, value in values.items()
        if name.isupper() and name != "INSTALLED_APPS" and value != given.get(name)
    }


def errors_under(settings):
    with override_settings(**settings):
        return [message for message in checks.run_checks(tags=["security"]) if message.id.startswith("jwt_auth.E")]


def missing_tests(text):
    """Return the tests that `text` names and that do not exist, as pairs of a path and a name."""
    return [(path, name) for path, name in REFERENCE.findall(text) if _functions_in(path).count(name) != 1]


@cache
def _functions_in(path):
    """Return the names of the functions at the top of a module, without importing it; none if there is no module."""
    if not (ROOT / path).is_file():
        return []
    return [node.name for node in ast.parse((ROOT / path).read_text()).body if isinstance(node, ast.FunctionDef)]
