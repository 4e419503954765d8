"""The blocks of code in the documentation."""

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings as django_settings
from django.core import checks
from django.test import override_settings

from tests.support import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?:<!-- (?P<how>[^>]+) -->\n)?```(?P<language>python|sh)\n(?P<code>.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    page: Path
    how: str
    code: str

    def __str__(self):
        line = self.page.read_text().partition(self.code)[0].count("\n") + 1
        return f"{self.page.relative_to(ROOT)}:{line}"


BLOCKS = [
    Block(page, match["how"] or f"untested {match['language']}", match["code"])
    for page in PAGES
    for match in _BLOCK.finditer(page.read_text())
]


def run_settings(code):
    given = {
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
