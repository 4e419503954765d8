"""`jwt_migrate simplejwt`: it changes what it is sure of, names the rest, and leaves all else as it is."""

import ast
import os
import shutil
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError

from jwt_auth.contrib.simplejwt.moving import files, prerequisites
from jwt_auth.contrib.simplejwt.moving.changes import rewritten, with_settings
from jwt_auth.contrib.simplejwt.moving.code import names_in, places_in
from jwt_auth.contrib.simplejwt.moving.files import ProjectFile
from jwt_auth.contrib.simplejwt.moving.settings import Translator
from tests.support.commands import run, type_in

TODAY = date(2026, 5, 17)

VIEWS = "from rest_framework_simplejwt.views import TokenObtainPairView\n"
OURS = VIEWS.replace("rest_framework_simplejwt", "jwt_auth.contrib.simplejwt")

SETTINGS = """\
from datetime import timedelta

SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),
    "ROTATE_REFRESH_TOKENS": True,
}
"""


@pytest.fixture
def project(tmp_path, settings, clock):
    """`project(settings.py=..., name=text)` makes files; the command reads them, and the settings of this process."""
    settings.SIMPLE_JWT = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=5), "ROTATE_REFRESH_TOKENS": True}
    settings.JWT_AUTH = {}

    def make(**texts):
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/")
            path = path.with_name(path.name.replace("_py", ".py").replace("_txt", ".txt").replace("_toml", ".toml"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return make


def move(root, *arguments):
    return run("jwt_migrate", "simplejwt", f"--root={root}", *arguments)


def after(text, path="code.py"):
    """Return the new text of a file, and the advice for each place that a person has to look at."""
    source = ProjectFile(Path(path), text, "utf-8")
    places = places_in(source)
    new = rewritten(text, places)
    ast.parse(new)
    return new, [place.advice for place in places if place.needs_a_person]


# Code


@pytest.mark.parametrize(
    ("text", "new"),
    [
        (VIEWS, OURS),
        ("from rest_framework_simplejwt.tokens import AccessToken as A, RefreshToken\n", None),
        ("from rest_framework_simplejwt.views import (  # views\n    TokenVerifyView,  # one\n)\n", None),
        ("from rest_framework_simplejwt.views import TokenVerifyView  # noqa: F401\n", None),
        ("from rest_framework_simplejwt.views import \\\n    TokenVerifyView\n", None),
        ("def f():\n\tfrom rest_framework_simplejwt.tokens import AccessToken; return AccessToken\n", None),
        ("import os; from rest_framework_simplejwt.tokens import AccessToken\n", None),
        ("from rest_framework_simplejwt import views, tokens as t\nviews.TokenVerifyView\nt.AccessToken\n", None),
        ("from rest_framework_simplejwt.exceptions import TokenError\r\nx = 1\r\n", None),
        ("a = 'ä'; b = 'rest_framework_simplejwt.authentication.JWTAuthentication'\n", None),
        ('b = "rest_framework_simplejwt.authentication.JWTAuthentication"\n', None),
        ('b = ("rest_framework_simplejwt."\n     "authentication.JWTAuthentication")\n', "single"),
        ("b = 'rest_framework_simplejwt.serializers.TokenObtainPairSerializer.validate'\n", None),
        ("b = 'rest_framework_simplejwt.views'\n", None),
        ("x = include('djoser.urls.jwt')\n", "x = include('jwt_auth.contrib.djoser.urls')\n"),
        ("x = 1\x0c\nfrom rest_framework_simplejwt.tokens import AccessToken\n", None),
        ("x = '\u2028'\nfrom rest_framework_simplejwt.tokens import AccessToken\n", None),
        ("x = settings.SIMPLE_JWT['ACCESS_TOKEN_LIFETIME']\n", "x = settings.JWT_AUTH['ACCESS_TOKEN_LIFETIME']\n"),
        ('x = s.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"]\n', 'x = s.JWT_AUTH["SESSION_IDLE_TIMEOUT"]\n'),
        (
            "x = settings.SIMPLE_JWT.get('ACCESS_TOKEN_LIFETIME', timedelta(days=1))\n",
            "x = settings.JWT_AUTH.get('ACCESS_TOKEN_LIFETIME', timedelta(days=1))\n",
        ),
        (
            "x = settings.SIMPLE_JWT.get('AGE', settings.SIMPLE_JWT['ACCESS_TOKEN_LIFETIME'])\n",
            "x = settings.SIMPLE_JWT.get('AGE', settings.JWT_AUTH['ACCESS_TOKEN_LIFETIME'])\n",
        ),
        ("x = settings.SIMPLE_JWT.get('AUTH_COOKIE')\n", "x = settings.SIMPLE_JWT.get('AUTH_COOKIE')\n"),
        ("import rest_framework_simplejwt.tokens as jwt\njwt.AccessToken\n", None),
        ("x = settings.SIMPLE_JWT['AUTH_COOKIE']\n", "x = settings.SIMPLE_JWT['AUTH_COOKIE']\n"),
    ],
)
def test_what_is_sure_is_changed_and_all_else_stays(text, new):
    """None: only the name of the package changes."""
    if new is None:
        new = text.replace("rest_framework_simplejwt", "jwt_auth.contrib.simplejwt")
    elif new == "single":
        new = 'b = ("jwt_auth.contrib.simplejwt.authentication.JWTAuthentication")\n'
    assert after(text) == (new, [])


@pytest.mark.parametrize(
    "text",
    [
        "x = 1\n",
        "# rest_framework_simplejwt.views.TokenVerifyView\n",
        '"""rest_framework_simplejwt.views is where the views are."""\n',
        "from .rest_framework_simplejwt import views\n",
        "from .jwt import decode\n",
        "from jwt import PyJWTError\n",
        "from . import rest_framework_simplejwt\n",
        "from rest_framework_simplejwt_extra.views import X\n",
        "import os  # rest_framework_simplejwt\n",
        "x = f'{name}'  # SIMPLE_JWT\n",
        "x = b'rest_framework_simplejwt.views'\n",
        "path('token_blacklist/', view, name='token_blacklist')\n",
        "x = ('token_blacklist', 1, 2)\n",
        "SIMPLE_JWT = {'AUTH_TOKEN_CLASSES': ('rest_framework_simplejwt.tokens.AccessToken',)}\n",
        "SIMPLE_JWT: dict = {'AUTH_TOKEN_CLASSES': ('rest_framework_simplejwt.tokens.AccessToken',)}\n",
        "other: dict = {}  # SIMPLE_JWT\n",
        "INSTALLED_APPS = ['rest_framework_simplejwt', 'rest_framework_simplejwt.token_blacklist']\n",
    ],
)
def test_other_code_is_left_alone(text):
    assert after(text) == (text, [])


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("import rest_framework_simplejwt.views\n", "Import the names from"),
        ("import rest_framework_simplejwt.utils as u\n", "Import the names from"),
        ("import jwt\njwt.decode(raw, settings.SECRET_KEY)\njwt.PyJWTError\n", "verification.verify(raw)"),
        ("import jwt as pyjwt\npyjwt.encode({}, key)\n", "sessions.start(user)"),
        ("from jwt import decode, PyJWTError\n", "verification.verify(raw)"),
        ("x = settings.SIMPLE_JWT.get('ALGORITHM')\n", "still reads SIMPLE_JWT"),
        ("x = settings.SIMPLE_JWT.copy()\n", "still reads SIMPLE_JWT"),
        ("import os, rest_framework_simplejwt.views as v\n", "Import the names from"),
        ("from rest_framework_simplejwt.views import *\n", "Name what is imported."),
        ("from rest_framework_simplejwt.tokens import SlidingToken\n", "There are no sliding tokens"),
        ("from rest_framework_simplejwt.settings import api_settings\n", "get_settings()"),
        ("from rest_framework_simplejwt.token_blacklist.models import OutstandingToken\n", "UserSession"),
        ("from rest_framework_simplejwt import utils\n", "This app has nothing of this name"),
        ("from rest_framework_simplejwt.utils import aware_utcnow\n", "django.utils.timezone.now()"),
        ("from rest_framework_simplejwt.utils import logger\n", "This app has nothing of this name"),
        ("x = 'rest_framework_simplejwt.tokens.SlidingToken'\n", "There are no sliding tokens"),
        ("x = 'rest_framework_simplejwt.token_blacklist.models.OutstandingToken'\n", "UserSession"),
        ("x = f'rest_framework_simplejwt.{name}'\n", "built at run time"),
        ("x = f\"{load('rest_framework_simplejwt.views')}\"\n", "built at run time"),
        ("x = f\"{settings.SIMPLE_JWT['ALGORITHM']}\"\n", "still reads SIMPLE_JWT"),
        ("@override_settings(SIMPLE_JWT={})\ndef f(): ...\n", "override JWT_AUTH"),
        ("SIMPLE_JWT['ALGORITHM'] = 'HS512'\n", "do the same with JWT_AUTH"),
        ("SIMPLE_JWT.update(ALGORITHM='HS512')\n", "do the same with JWT_AUTH"),
        ("x = getattr(settings, 'SIMPLE_JWT', {})\n", "do the same with JWT_AUTH"),
        ("x = settings.SIMPLE_JWT\n", "still reads SIMPLE_JWT"),
        ("x = settings.SIMPLE_JWT['ALGORITHM']\n", "still reads SIMPLE_JWT"),
        ("x = settings.SIMPLE_JWT[name]\n", "still reads SIMPLE_JWT"),
        ("x = ForeignKey('token_blacklist.OutstandingToken')\n", "needs simplejwt's tables"),
        ("dependencies = [('token_blacklist', '0012_x')]\n", "needs simplejwt's tables"),
        ("x = include('dj_rest_auth.urls')\n", "include jwt_auth.contrib.dj_rest_auth.urls"),
        ("x = include('dj_rest_auth.registration.urls')\n", "jwt_auth.contrib.dj_rest_auth.registration_urls"),
        (
            "from rest_framework_simplejwt.views import (\n    TokenVerifyView,  # good\n    Sliding,\n)\n",
            "Split this import: it has comments",
        ),
    ],
)
def test_the_rest_is_for_a_person(text, advice):
    new, found = after(text)
    assert new == text
    assert len(found) == 1
    assert advice in found[0]


def test_a_name_without_a_place_stays_where_it_was():
    text = "if x:\n    from rest_framework_simplejwt.tokens import AccessToken, SlidingToken as S\r\n"
    new, advice = after(text.replace("x:\n", "x:\r\n"))
    assert new == (
        "if x:\r\n    from jwt_auth.contrib.simplejwt.tokens import AccessToken\r\n"
        "    from rest_framework_simplejwt.tokens import SlidingToken as S\r\n"
    )
    assert advice == ["SlidingToken: There are no sliding tokens: give a browser cookies (jwt_auth.browser_urls)."]
    new, _ = after("if x: from rest_framework_simplejwt.tokens import AccessToken, SlidingToken\n")
    assert new.count("\n") == 1


def test_a_module_that_is_spelled_in_two_lines_is_spelled_in_one():
    new, _ = after("from rest_framework_simplejwt.\\\nviews import TokenVerifyView\n")
    assert new == OURS.replace("TokenObtainPairView", "TokenVerifyView")


def test_a_name_of_a_module_that_has_no_place_is_named():
    text = "from rest_framework_simplejwt import views as v\nv.TokenVerifyView, v.TokenRefreshSlidingView\n"
    assert after(text)[1] == ["There are no sliding tokens: use TokenRefreshView, or cookies."]


def test_our_modules_have_the_names_that_projects_import():
    for module, names in {
        "authentication": {"JWTAuthentication"},
        "exceptions": {"AuthenticationFailed", "InvalidToken", "TokenError"},
        "serializers": {"TokenObtainPairSerializer", "TokenRefreshSerializer", "TokenVerifySerializer"},
        "tokens": {"AccessToken", "RefreshToken", "UntypedToken"},
        "views": {"TokenObtainPairView", "token_obtain_pair", "TokenBlacklistView"},
    }.items():
        assert names <= names_in(f"rest_framework_simplejwt.{module}")
    assert names_in("rest_framework_simplejwt.moving") == names_in("rest_framework_simplejwt.views.x") == frozenset()


# Files


def test_only_the_files_of_the_project_are_read(project):
    root = project(
        **dict.fromkeys(("code_py", "app__code_py", "node_modules__code_py", "_venv__code_py", ".git__code_py"), VIEWS),
        venv__pyvenv="",
        venv__code_py=VIEWS,
        notes_txt=VIEWS,
    )
    (root / "venv/pyvenv").rename(root / "venv/pyvenv.cfg")
    (root / "link").symlink_to(root / "app")
    found = [path.relative_to(root).as_posix() for path in files.python_files(root)]
    assert found == ["_venv/code.py", "app/code.py", "code.py"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbf" + VIEWS.encode(),
        b"# -*- coding: latin-1 -*-\r\nx = '\xe4'\r\n" + VIEWS.replace("\n", "\r\n").encode(),
        f"x = 'ä'\r{VIEWS}".replace("\n", "\r").encode(),
        VIEWS.rstrip("\n").encode(),
    ],
    ids=["BOM", "latin-1 and CRLF", "CR", "no end of the last line"],
)
def test_a_file_keeps_its_encoding_and_its_ends_of_lines(project, data):
    root = project(code_py=data)
    move(root, "--write", "--yes")
    assert (root / "code.py").read_bytes() == data.replace(b"rest_framework_simplejwt", b"jwt_auth.contrib.simplejwt")


@pytest.mark.parametrize(
    "data",
    [b"x = '\xe4'\n", b"# coding: unknown\n", VIEWS.encode() + b"x = (\n", VIEWS.encode() + b"x\0\n"],
    ids=["not UTF-8", "unknown encoding", "syntax error", "NUL"],
)
def test_a_file_that_cant_be_read_is_named_and_left_alone(project, data):
    root = project(bad_py=data, code_py=VIEWS)
    assert "bad.py: can't be read: " in move(root)
    assert "bad.py can't be read: " in move(root, "--write", "--yes")
    assert (root / "bad.py").read_bytes() == data
    assert (root / "code.py").read_text() == OURS
    with pytest.raises(CommandError):
        move(root, "--check")


# Settings


def written(values, sources=None):
    return Translator(values, sources or {}, TODAY).written()


def test_the_defaults_of_simplejwt_are_carried_over():
    assert written({}).as_code() == (
        "JWT_AUTH = {\n"
        '    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=5),\n'
        '    "SESSION_IDLE_TIMEOUT": timedelta(days=1),\n'
        '    "SIMPLEJWT": {\n        "ACCEPT_UNTIL": date(2026, 5, 18),\n    },\n}\n'
    )


@pytest.mark.parametrize(
    ("values", "options", "simplejwt", "notice"),
    [
        (
            {"ACCESS_TOKEN_LIFETIME": timedelta(days=2), "REFRESH_TOKEN_LIFETIME": timedelta(days=60)},
            {
                "ACCESS_TOKEN_LIFETIME": "timedelta(days=1)",
                "SESSION_IDLE_TIMEOUT": "timedelta(seconds=5184000)",
                "SESSION_ABSOLUTE_TIMEOUT": "timedelta(seconds=5184000)",
            },
            {"ACCEPT_UNTIL": "date(2026, 7, 16)"},
            "ACCESS_TOKEN_LIFETIME was 2 days",
        ),
        (
            {"ACCESS_TOKEN_LIFETIME": timedelta(hours=1), "REFRESH_TOKEN_LIFETIME": timedelta(minutes=1)},
            {"SESSION_IDLE_TIMEOUT": "timedelta(seconds=3600)"},
            {"ACCEPT_UNTIL": "date(2026, 5, 18)"},
            "REFRESH_TOKEN_LIFETIME was 0:01:00",
        ),
        (
            {"ACCESS_TOKEN_LIFETIME": timedelta(seconds=5), "REFRESH_TOKEN_LIFETIME": timedelta(seconds=9)},
            {"SESSION_IDLE_TIMEOUT": "timedelta(minutes=1)"},
            {},
            "REFRESH_TOKEN_LIFETIME was 0:00:09",
        ),
        ({"SLIDING_TOKEN_REFRESH_LIFETIME": timedelta(days=9)}, {}, {"ACCEPT_UNTIL": "date(2026, 5, 26)"}, None),
        ({"SIGNING_KEY": "x" * 64}, {"SIGNING_KEY": None}, {}, "SIGNING_KEY is not carried over"),
        ({"SIGNING_KEY": None}, {"SIGNING_KEY": None}, {}, "SIGNING_KEY is not carried over"),
        ({"ALGORITHM": "RS256"}, {"ALGORITHM": "'RS256'"}, {}, "SIGNING_KEY is missing"),
        (
            {"ALGORITHM": "RS256", "SIGNING_KEY": "-----BEGIN"},
            {"ALGORITHM": "'RS256'", "SIGNING_KEY": None},
            {},
            "SIGNING_KEY is not shown here",
        ),
        ({"ISSUER": "crm", "AUDIENCE": "app"}, {"ISSUER": "'crm'", "AUDIENCE": "'app'"}, {}, None),
        ({"ISSUER": None, "AUDIENCE": None}, {"ISSUER": None, "AUDIENCE": None}, {}, None),
        ({"AUDIENCE": ["a", "b"]}, {"AUDIENCE": None}, {}, "AUDIENCE had several names"),
        ({"LEEWAY": 5}, {"LEEWAY": "timedelta(seconds=5)"}, {}, None),
        ({"LEEWAY": timedelta(seconds=5)}, {"LEEWAY": "timedelta(seconds=5)"}, {}, None),
        ({"LEEWAY": 300}, {"LEEWAY": "timedelta(seconds=60)"}, {}, "LEEWAY was 0:05:00"),
        ({"USER_ID_FIELD": "id"}, {"USER_ID_FIELD": None}, {"USER_ID_FIELD": None}, None),
        ({"USER_ID_FIELD": "uid"}, {"USER_ID_FIELD": "'uid'"}, {"USER_ID_FIELD": "'uid'"}, None),
        ({"JWK_URL": "https://a.example/jwks"}, {}, {}, "JWK_URL was https://a.example/jwks"),
        ({"AUTH_HEADER_TYPES": "Bearer"}, {}, {"AUTH_HEADER_TYPES": None}, None),
        ({"AUTH_HEADER_TYPES": ["JWT"]}, {}, {"AUTH_HEADER_TYPES": "['JWT']"}, None),
        (
            {"USER_AUTHENTICATION_RULE": print},
            {},
            {"USER_AUTHENTICATION_RULE": None},
            "USER_AUTHENTICATION_RULE is set by code",
        ),
        (
            {"TOKEN_OBTAIN_SERIALIZER": "accounts.serializers.Obtain"},
            {},
            {"TOKEN_OBTAIN_SERIALIZER": "'accounts.serializers.Obtain'"},
            None,
        ),
        (
            {"TOKEN_OBTAIN_SERIALIZER": "rest_framework_simplejwt.serializers.TokenObtainPairSerializer"},
            {},
            {"TOKEN_OBTAIN_SERIALIZER": None},
            None,
        ),
        ({"AUTH_TOKEN_CLASSES": ("rest_framework_simplejwt.tokens.AccessToken",)}, {}, {}, None),
        ({"AUTH_TOKEN_CLASSES": ("accounts.tokens.Own",)}, {}, {}, "AUTH_TOKEN_CLASSES names accounts.tokens.Own"),
    ],
)
def test_settings_are_carried_over(values, options, simplejwt, notice):
    """None: the option is not written."""
    found = written(values)
    assert {name: found.options.get(name) for name in options} == options
    assert {name: found.simplejwt.get(name) for name in simplejwt} == simplejwt
    assert [*found.notices][:1] == ([] if notice is None else [text for text in found.notices if notice in text])
    ast.parse(found.as_code())


def test_expressions_of_the_file_are_kept():
    sources = {"ACCESS_TOKEN_LIFETIME": "minutes(5)", "SIGNING_KEY": "env('KEY')", "LEEWAY": "SOME"}
    values = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=5), "ALGORITHM": "ES256", "SIGNING_KEY": "x", "LEEWAY": 3}
    found = written(values, sources)
    assert found.options["ACCESS_TOKEN_LIFETIME"] == "minutes(5)"
    assert found.options["SIGNING_KEY"] == "env('KEY')"
    assert found.options["LEEWAY"] == "timedelta(seconds=SOME)"
    assert not found.notices


def test_the_key_of_django_needs_no_word():
    assert not written({"SIGNING_KEY": django_settings.SECRET_KEY}).notices


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", "from datetime import date, timedelta\n\n{}"),
        ("X = 1", "from datetime import date, timedelta\nX = 1\n\n{}"),
        ('"""Doc."""\nX = 1\n', '"""Doc."""\nfrom datetime import date, timedelta\nX = 1\n\n{}'),
        (
            '"""Doc."""\nfrom __future__ import annotations\nimport os\n',
            '"""Doc."""\nfrom __future__ import annotations\nfrom datetime import date, timedelta\nimport os\n\n{}',
        ),
        (
            "from __future__ import annotations\nX = 1\n",
            "from __future__ import annotations\nfrom datetime import date, timedelta\nX = 1\n\n{}",
        ),
        ("from datetime import date, timedelta\n", "from datetime import date, timedelta\n\n{}"),
        ("from datetime import timedelta\nX = 1\n", "from datetime import date, timedelta\nX = 1\n\n{}"),
        (
            "from datetime import timedelta as td\nX = 1\n",
            "from datetime import date, timedelta, timedelta as td\nX = 1\n\n{}",
        ),
        (
            "from datetime import timedelta  # for JWT\n",
            "from datetime import date\nfrom datetime import timedelta  # for JWT\n\n{}",
        ),
        (
            "from datetime import (\n    timedelta,\n)\n",
            "from datetime import date\nfrom datetime import (\n    timedelta,\n)\n\n{}",
        ),
        (
            "import datetime\nSIMPLE_JWT = {}\nX = 1\n",
            "from datetime import date, timedelta\nimport datetime\nSIMPLE_JWT = {}\n\n{}X = 1\n",
        ),
        ("X = 1\r\n", "from datetime import date, timedelta\r\nX = 1\r\n\r\n{}"),
    ],
)
def test_jwt_auth_stands_behind_simple_jwt_with_what_it_imports(text, new):
    found = written({})
    newline = "\r\n" if "\r" in new else "\n"
    after = with_settings(ProjectFile(Path("settings.py"), text, "utf-8"), text, found)
    assert after == new.replace("{}", "\0").replace("SIMPLE_JWT = \0", "SIMPLE_JWT = {}").replace(
        "\0", found.as_code().replace("\n", newline)
    )
    ast.parse(after)


def test_a_qualified_name_needs_no_import():
    values = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=5), "REFRESH_TOKEN_LIFETIME": timedelta(days=1)}
    found = written(values, dict.fromkeys(values, "datetime.timedelta(days=1)"))
    after = with_settings(ProjectFile(Path("s.py"), "import datetime\n", "utf-8"), "import datetime\n", found)
    assert after.startswith("from datetime import date\nimport datetime\n")


# The command


def test_without_an_option_it_reports_and_writes_nothing(project):
    root = project(
        settings_py=SETTINGS,
        urls_py=VIEWS,
        views_py="from rest_framework_simplejwt.tokens import AccessToken, SlidingToken\n",
        models_py="from rest_framework_simplejwt.token_blacklist.models import OutstandingToken\n",
        requirements_txt="djangorestframework-simplejwt==5.5.1\n",
    )
    said = move(root)
    assert 'ACCESS_TOKEN_LIFETIME: kept as JWT_AUTH["ACCESS_TOKEN_LIFETIME"]. At most a' in said
    assert "ROTATE_REFRESH_TOKENS: not configurable. " in said
    assert "Places in the code: 2 to change, 2 to look at, 0 to stay" in said
    assert f"  urls.py:1\n    - {VIEWS}    + {OURS}" in said
    assert "    ! SlidingToken: There are no sliding tokens" in said
    assert "requirements.txt:1: add django-revocable-jwt; remove simplejwt when --check\n" in said
    assert "--write makes these changes" in said
    assert (root / "urls.py").read_text() == VIEWS
    assert (root / "settings.py").read_text() == SETTINGS


def test_write_shows_the_changes_and_asks(project, monkeypatch):
    root = project(settings_py=SETTINGS, urls_py=VIEWS)
    with pytest.raises(CommandError, match="Nothing was written"):
        move(root, "--write")
    type_in(monkeypatch, "no\n")
    with pytest.raises(CommandError, match="Nothing was written"):
        move(root, "--write")
    assert (root / "urls.py").read_text() == VIEWS
    type_in(monkeypatch, "yes\n")
    said = move(root, "--write")
    assert f"--- a/urls.py\n+++ b/urls.py\n@@ -1 +1 @@\n-{VIEWS}+{OURS}" in said
    assert "2 files written, 12 lines changed." in said
    assert (root / "urls.py").read_text() == OURS
    assert 'ACCEPT_UNTIL": date(2026, 5, 18)' in (root / "settings.py").read_text()


def test_no_line_that_stays_is_shown(project):
    key = "-----BEGIN PRIVATE KEY-----"
    root = project(
        settings_py=f'SIMPLE_JWT = {{"SIGNING_KEY": "{key}"}}\nKEY = "{key}"\n', urls_py=f"{VIEWS}x = '{key}'\n"
    )
    assert key not in move(root) + move(root, "--write", "--yes")


def test_a_second_run_changes_nothing(project, settings):
    root = project(settings_py=SETTINGS, urls_py=VIEWS)
    move(root, "--write", "--yes")
    settings.JWT_AUTH = {"SIMPLEJWT": {"ACCEPT_UNTIL": TODAY}}
    said = move(root, "--write", "--yes")
    assert said.startswith("There is nothing to change.\n")
    assert "JWT_AUTH is set already" in said
    assert "makes these changes" not in move(root)


def test_settings_of_several_stages(project, settings, monkeypatch, tmp_path):
    root = project(conf__base_py=SETTINGS, conf__prod_py=SETTINGS, conf__dev_py="from .base import *\n")
    assert "conf/prod.py sets SIMPLE_JWT too" in move(root)
    monkeypatch.syspath_prepend(root)
    settings.SETTINGS_MODULE = "conf.prod"
    assert "conf/base.py sets SIMPLE_JWT too" in move(root)
    # With no file that sets it as a dict, JWT_AUTH belongs to the settings module.
    for name in ("base", "prod"):
        (root / f"conf/{name}.py").write_text("SIMPLE_JWT = make()\n")
    assert "sets SIMPLE_JWT too" not in move(root)
    move(root, "--write", "--yes")
    assert "\nJWT_AUTH = {" in (root / "conf/prod.py").read_text()
    assert "JWT_AUTH" not in (root / "conf/base.py").read_text()


def test_settings_elsewhere_are_named(project, settings):
    settings.SIMPLE_JWT = {}
    del settings.SIMPLE_JWT
    said = move(project(urls_py=VIEWS))
    assert "No file below this directory has the settings" in said
    assert "SIMPLE_JWT is not set: the defaults of simplejwt are carried over." in said
    settings.SETTINGS_MODULE = "tests.settings"
    assert "No file below this directory has the settings" in move(project(urls_py=VIEWS))


def test_names_of_the_project_in_simple_jwt_are_its_own(project, settings):
    settings.SIMPLE_JWT = {"AUTH_COOKIE": "token"}
    assert "AUTH_COOKIE: a setting of your own, which stays in SIMPLE_JWT" in move(project(urls_py=VIEWS))


def test_a_wrong_directory_is_a_misuse(tmp_path):
    with pytest.raises(CommandError, match="is no directory") as caught:
        move(tmp_path / "absent")
    assert caught.value.returncode == 2


def test_a_file_that_cant_be_written_is_named(project, monkeypatch):
    root = project(settings_py=SETTINGS, urls_py=VIEWS)

    def fail(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(files, "write", fail)
    with pytest.raises(CommandError, match=r"0 files were written, and then this failed: .*settings\.py"):
        move(root, "--write", "--yes")


# Before, and after


@pytest.mark.parametrize(
    ("versions", "allowed"),
    [
        ("==5.1.4", False),
        ("==5.2", True),
        ("===5.2.1", True),
        ("==5.*", True),
        ("==4.*", False),
        ("==5.1.*", False),
        ("!=5.1.*,>=5", True),
        ("~=5.1", True),
        ("~=5.1.2", False),
        ("~=4.2", False),
        (">=4.2,<5", False),
        (">=4.2, <5.2", False),
        (">=4.2,<5.3", True),
        (">=4,<=5.1", False),
        (">=4,<=5.2", True),
        (">=4", True),
        (">4", True),
        ("!=5.2", True),
        ("^4.2", False),
        ("^5.1", True),
        ("~5.1", False),
        ("~5", True),
    ],
)
def test_versions_are_read_as_pip_and_poetry_read_them(versions, allowed):
    assert prerequisites.allows(versions, "5.2") is allowed


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("requirements.txt", "requests\nDjango==4.2.1\n", 2),
        ("requirements-dev.txt", "Django>=4,<5  # old\n", 1),
        ("requirements/base.in", "django[argon2] ~= 4.2\n", 1),
        ("pyproject.toml", 'dependencies = [\n  "django>=4.2,<5",\n]\n', 2),
        ("pyproject.toml", '[tool.poetry.dependencies]\nDjango = "^4.2"\n', 2),
        ("Pipfile", 'django = {version = "==4.2.*", extras = ["argon2"]}\n', 1),
        ("setup.cfg", "install_requires =\n    django<5\n", 2),
    ],
)
def test_requirements_that_are_too_old_are_named(project, name, text, line):
    root = project()
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text(text)
    assert f"{name}:{line} allows django " in move(root)
    (root / name).write_text(text.replace("4.2.1", "5.2.1").replace("4.2", "5.2").replace("<5", "<6"))
    assert "allows django" not in move(root)


def test_other_packages_are_not_taken_for_ours(project):
    root = project(requirements_txt="django-cors-headers==4.9\ndjango-filter<3\nmy-django==1\nrequests\n")
    assert "allows" not in move(root)


def test_what_has_to_change_first_is_said_first(project, settings):
    settings.USE_TZ = False
    settings.SIMPLE_JWT = {}
    said = move(project(urls_py=VIEWS))
    assert said.index("USE_TZ is False") < said.index("ROTATE_REFRESH_TOKENS is off") < said.index("Settings")


def test_check_names_the_code_that_needs_simplejwt(project, settings, jwt_settings):
    root = project(urls_py=VIEWS)
    with pytest.raises(CommandError, match="simplejwt can't be removed yet") as caught:
        move(root, "--check")
    assert caught.value.returncode == 1
    (root / "urls.py").write_text(OURS)
    assert "- Remove SIMPLE_JWT from the settings." in move(root, "--check")
    (root / "views.py").write_text("x = settings.SIMPLE_JWT['AUTH_COOKIE']\n")
    assert "Remove the settings of simplejwt from SIMPLE_JWT, which views.py:1 names." in move(root, "--check")
    (root / "more.py").write_text("x = settings.SIMPLE_JWT\n")
    assert "which more.py:1, views.py:1 name." in move(root, "--check")


def test_check_waits_for_the_window(project, jwt_settings, clock):
    root = project(urls_py=OURS)
    jwt_settings(SIMPLEJWT={"ACCEPT_UNTIL": TODAY})
    with pytest.raises(CommandError):
        move(root, "--check")
    clock.move_to(datetime(2026, 5, 18, tzinfo=timezone.utc))
    assert "Nothing needs simplejwt any more." in move(root, "--check")


def test_colours_are_for_terminals(project):
    root = project(urls_py=VIEWS)
    done = subprocess.run(
        [sys.executable, "-m", "django", "jwt_migrate", "simplejwt", "--write", "--yes", "--force-color"],
        cwd=shutil.copytree(root, root / "copy"),
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "\x1b[" in done.stdout


# What it must never do


# Rule: a tool that writes below a directory resolves each path first, and writes to nothing outside.
def test_a_link_is_not_followed_out_of_the_project(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "views.py"
    elsewhere.write_text(VIEWS)
    root = project(code_py=VIEWS)
    (root / "outside.py").symlink_to(elsewhere)
    (root / "inside.py").symlink_to(root / "code.py")
    out = move(root, "--write", "--yes")
    assert elsewhere.read_text() == VIEWS
    assert (root / "code.py").read_text() == OURS
    assert "outside.py can't be read: it is a link to a file elsewhere" in " ".join(str(out).split())
    assert "inside.py" not in str(out)


# Rule: whatever is printed of a settings file may be a secret, so only what the tool itself writes is printed.
def test_secrets_beside_a_change_are_not_shown(project):
    text = SETTINGS.replace("}\n", '    "SIGNING_KEY": "hush-hush",\n}\nSECRET_KEY = "hush-hush"\n')
    test = '@override_settings(SIMPLE_JWT={"SIGNING_KEY": "hush-hush"})\ndef test_it():\n    pass\n'
    root = project(settings_py=text, test_it_py=test)
    assert "hush" not in str(move(root))
    assert "hush" not in str(move(root, "--write", "--yes"))
    assert "JWT_AUTH" in (root / "settings.py").read_text()


# Rule: encode before opening for writing: opening empties the file.
def test_a_character_that_the_encoding_lacks_leaves_the_file(tmp_path):
    path = tmp_path / "code.py"
    path.write_bytes(b"# coding: latin-1\n# \xe4\n")
    with pytest.raises(UnicodeEncodeError):
        files.write(path, "\N{EURO SIGN}", "latin-1")
    assert path.read_bytes() == b"# coding: latin-1\n# \xe4\n"
    files.write(path, "\xe4\r\n", "latin-1")
    assert path.read_bytes() == b"\xe4\r\n"


# Rule: what is written is compiled as the file that it becomes, with its first lines, and not parsed as a text.
@pytest.mark.parametrize(
    ("text", "first"),
    [
        (b"from __future__ import annotations; import os\n", b"from __future__ import annotations; import os\n"),
        (
            b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\n# \xe4\n",
            b"#!/usr/bin/python\n# -*- coding: latin-1 -*-\nfrom",
        ),
        (b"# One.\n", b"# One.\nfrom datetime"),
        (b"# -*- coding: latin-1 -*-\n# \xe4\nimport os\n", b"# -*- coding: latin-1 -*-\n# \xe4\nfrom datetime"),
    ],
)
def test_what_must_be_first_stays_first(project, text, first):
    root = project(settings_py=text + b"SIMPLE_JWT = {'ROTATE_REFRESH_TOKENS': True}\n")
    move(root, "--write", "--yes")
    written = (root / "settings.py").read_bytes()
    assert written.startswith(first)
    compile(written, "settings.py", "exec", dont_inherit=True)
    assert (files.read(root / "settings.py").encoding == "iso-8859-1") is (b"latin-1" in text)


def test_an_import_behind_a_continued_line():
    text = "if x: \\\n    from rest_framework_simplejwt.tokens import RefreshToken, SlidingToken\n"
    new, _ = after(text)
    moved = "from jwt_auth.contrib.simplejwt.tokens import RefreshToken"
    assert new == f"if x: \\\n    {moved}; from rest_framework_simplejwt.tokens import SlidingToken\n"


@pytest.mark.parametrize("value", [None, []])
def test_a_setting_that_is_no_dict(project, settings, value):
    settings.SIMPLE_JWT = value
    assert "SIMPLE_JWT is not set" in str(move(project(code_py=VIEWS)))


@pytest.mark.parametrize(
    "value",
    [
        {"ACCESS_TOKEN_LIFETIME": 300},
        {"REFRESH_TOKEN_LIFETIME": timedelta.max},
        {"REFRESH_TOKEN_LIFETIME": timedelta(days=365 * 8000)},
        {"LEEWAY": "a minute"},
        {"AUTH_HEADER_TYPES": 5},
    ],
)
def test_a_value_that_simplejwt_itself_can_not_use(project, settings, value):
    settings.SIMPLE_JWT = value
    with pytest.raises(CommandError, match="SIMPLE_JWT has a value that can't be carried over"):
        move(project(code_py=VIEWS))
