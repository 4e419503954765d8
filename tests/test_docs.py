"""
The documentation is run: every block of Python and shell in it, and its tables are compared with the code.

A block is preceded by `<!-- test: how -->`; a block without is a failure, so none is forgotten.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from types import ModuleType

import pytest
from django.core import checks
from django.dispatch import Signal
from django.test import override_settings
from django.urls import get_resolver, reverse

import jwt_auth
from jwt_auth import conf, exceptions, keys, signals, urls
from tests.conftest import PASSWORD, pem

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"(?:<!-- (?P<how>[^>]+) -->\n)?```(?P<language>python|sh)\n(?P<code>.*?)```", re.DOTALL)

OPENSSL = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


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


def blocks(how):
    found = [block for block in BLOCKS if block.how == how]
    assert found, how
    return pytest.mark.parametrize("block", found, ids=str)


def run_settings(code):
    values = {"INSTALLED_APPS": ["django.contrib.auth", "django.contrib.contenttypes"], "__name__": "docs"}
    exec(compile(code, "docs", "exec"), values)
    return {name: value for name, value in values.items() if name.isupper() and name != "INSTALLED_APPS"}


def errors_under(settings):
    with override_settings(**settings):
        return [message for message in checks.run_checks(tags=["security"]) if message.id.startswith("jwt_auth.E")]


def test_no_block_is_left_untested():
    known = {
        *("set-up and demo", "set-up and tests", "test: settings", "test: urls", "test: curl", "test: python"),
        *("test: openssl", "test: hmac", "test: settings with signing_key.pem", "test: settings without check"),
    }
    assert {block.how for block in BLOCKS} <= known


@blocks("test: settings")
def test_settings_pass_the_checks(block, settings):
    changes = run_settings(block.code)
    assert changes
    assert not errors_under(changes)


@blocks("test: settings with signing_key.pem")
def test_settings_with_a_key_file_pass_the_checks(block, tmp_path, monkeypatch, rsa_key, settings):
    (tmp_path / "signing_key.pem").write_text(pem(rsa_key))
    monkeypatch.chdir(tmp_path)
    changes = run_settings(block.code)
    changes["JWT_AUTH"] = {**settings.JWT_AUTH, **changes["JWT_AUTH"]}
    assert not errors_under(changes)


@blocks("test: settings without check")
def test_settings_for_another_user_model_are_well_formed(block):
    assert not list(conf.find_problems(run_settings(block.code)["JWT_AUTH"]))


@blocks("test: hmac")
def test_a_random_hmac_key_is_accepted(block, settings):
    changes = run_settings(block.code)
    assert not errors_under({"JWT_AUTH": {**settings.JWT_AUTH, **changes["JWT_AUTH"]}})


@blocks("test: urls")
def test_urls_resolve(block):
    module = ModuleType("docs_urls")
    exec(compile(block.code, "docs", "exec"), module.__dict__)
    with override_settings(ROOT_URLCONF=module):
        assert reverse("jwt_auth:login") == "/auth/login/"


@blocks("test: python")
def test_python_runs(block, user, staff):
    exec(compile(block.code, str(block), "exec"), {"user": user, "staff": staff, "__name__": "docs"})


@OPENSSL
@blocks("test: openssl")
def test_openssl_makes_keys_that_are_accepted(block, tmp_path, jwt_settings):
    for line in block.code.splitlines():
        command, _, algorithms = line.partition("#")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)
        for algorithm in algorithms.split(","):
            jwt_settings(ALGORITHM=algorithm.strip(), SIGNING_KEY=tmp_path / "signing_key.pem")
            assert keys.own_keys().signing.algorithm == algorithm.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
@blocks("test: curl")
def test_curl_lines_work(block, live_server, make_user, client):
    user = make_user("alice", PASSWORD)
    pair = client.tokens(user)
    code = block.code.replace("http://localhost:8000", live_server.url).replace('"username": "alice"', _named(user))
    commands = re.findall(r"^curl(?:\\\n|.)*$", code, re.MULTILINE)
    answers = [_run(command, pair) for command in commands]
    assert len(answers) == 4
    assert "access_token" in answers[0]
    assert str(user.pk) in answers[1]
    assert "access_token" in answers[2]
    assert answers[3] == "204"
    assert client.is_dead(pair)


def _named(user):
    return f'"{user.USERNAME_FIELD}": "{user.get_username()}"'


def _run(command, pair):
    if "logout" in command:
        command += " -o /dev/null -w '%{http_code}'"
    environment = {
        "ACCESS_TOKEN": pair["access_token"],
        "REFRESH_TOKEN": pair["refresh_token"],
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True, env=environment)
    return done.stdout


def table(page, heading=""):
    """The first cells of the rows of a page's tables, without back quotes."""
    text = (ROOT / page).read_text()
    text = text[text.index(heading) :]
    return [match[1] for match in re.finditer(r"^\| `([^`|[]+)` \|", text, re.MULTILINE)]


def test_the_settings_table_is_the_dataclass():
    assert table("README.md", "<!-- test: settings table -->") == [item.name for item in fields(conf.Settings)]


def test_each_setting_has_its_paragraph():
    page = (ROOT / "docs/reference/settings.md").read_text()
    headings = set(re.findall(r"[A-Z][A-Z_]+", " ".join(re.findall(r"^## (.*)$", page, re.MULTILINE))))
    assert headings == {item.name for item in fields(conf.Settings)}


def test_the_checks_page_has_each_id_in_the_code():
    source = "".join(path.read_text() for path in Path(jwt_auth.__file__).parent.rglob("*.py"))
    in_code = {f"jwt_auth.{number}" for number in re.findall(r'"(?:jwt_auth\.)?([EW]0\d\d)"', source)}
    listed = table("docs/reference/checks.md")
    assert len(listed) == len(set(listed))
    assert set(listed) == in_code


def test_the_errors_page_has_each_code():
    def subclasses(cls):
        return {cls, *(found for child in cls.__subclasses__() for found in subclasses(child))}

    codes = {cls.code for cls in subclasses(exceptions.JWTAuthError) if hasattr(cls, "code")}
    assert codes <= set(table("docs/reference/errors.md"))


def test_the_signals_page_has_each_signal():
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert set(table("docs/reference/signals.md")) == names


def test_the_endpoints_page_has_each_url():
    assert set(table("docs/reference/endpoints.md", "| URL name")) == {pattern.name for pattern in urls.urlpatterns}
    assert get_resolver()


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page}: {target}"
