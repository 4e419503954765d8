"""
The documentation is run: every block of Python and shell in it, and its tables are compared with the code.

A block is preceded by `<!-- test: how -->`; a block without is a failure, so none is forgotten.
"""

import json
import logging.config
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.management import BaseCommand, call_command, get_commands, load_command_class
from django.dispatch import Signal
from django.test import override_settings
from django.urls import reverse
from rest_framework import exceptions as drf

import jwt_auth
from jwt_auth import browser_urls, exceptions, models, sessions, signals, urls
from jwt_auth.authentication.errors import as_api_exception
from jwt_auth.conf import settings as conf
from jwt_auth.conf.simplejwt import SimpleJWT
from jwt_auth.http import logs
from jwt_auth.keyring import configured, encryption
from tests.support import ROOT
from tests.support.browser import ORIGIN, Browser
from tests.support.clients import PASSWORD
from tests.support.docs import BLOCKS, PAGES, code_of, errors_under, run_settings
from tests.support.happenings import HAPPENINGS

CREDENTIALS = "Access-Control-Allow-Credentials"


OPENSSL = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def blocks(how):
    found = [block for block in BLOCKS if block.how == how]
    assert found, how
    return pytest.mark.parametrize("block", found, ids=str)


def test_no_block_is_left_untested():
    known = {
        *("set-up and demo", "set-up and tests", "test: settings", "test: urls", "test: curl", "test: python"),
        *("test: settings without database", "test: cookies"),
        *("test: json logging", "test: sentry", "test: fernet key", "test: derived fernet keys"),
    }
    # tests/docs/test_guides.py and test_namesakes.py follow these in new projects; tests/watching and
    # tests/contrib/channels run some.
    kinds = "guide|reports|simplejwt|namesake|accounts|allauth|authtoken|dj-rest-auth|djoser|second-factor"
    kinds += "|asynchronous|long-lived|websockets"
    known |= {block.how for block in BLOCKS if re.match(rf"test: ({kinds}) ", block.how)}
    # tests/issuers/test_other_issuers.py has a token for each of these.
    known |= {block.how for block in BLOCKS if re.match(r"test: issuer \w+$", block.how)}
    known |= {block.how for block in BLOCKS if re.match(r"test: signatures jwt_auth[.a-z_]*$", block.how)}
    assert {block.how for block in BLOCKS} <= known


@blocks("test: settings")
def test_settings_pass_the_checks(block, settings):
    changes = run_settings(block.code)
    assert changes
    assert not errors_under(changes)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.how.startswith("test: issuer ")], ids=str)
def test_settings_of_other_issuers_pass_the_checks(block, settings):
    """tests/issuers/test_other_issuers.py uses them with tokens."""
    changes = run_settings(block.code)
    assert not errors_under({"JWT_AUTH": {**settings.JWT_AUTH, **changes["JWT_AUTH"]}})


@blocks("test: settings without database")
def test_settings_of_a_database_are_well_formed(block):
    assert run_settings(block.code)["DATABASES"]["default"]["OPTIONS"].keys() & {"connect_timeout", "prepare_threshold"}


@blocks("test: derived fernet keys")
def test_secrets_come_from_derived_keys_to_keys_of_their_own(block, jwt_settings, capsys):
    """Without the derived keys the secrets would be lost: those keys are no longer tried."""
    own = Fernet.generate_key()
    jwt_settings(ENCRYPTION_KEYS=None)
    secret = encryption.encrypt(b"secret")
    call_command(*block.code.removeprefix("python manage.py ").split())
    derived = capsys.readouterr().out.split()
    assert derived
    jwt_settings(ENCRYPTION_KEYS=[own, *derived])
    moved = encryption.reencrypt(secret)
    jwt_settings(ENCRYPTION_KEYS=[own])
    assert encryption.decrypt(moved) == b"secret"
    with pytest.raises(exceptions.DecryptionError):
        encryption.decrypt(secret)


def urls_with(block):
    """Return a context in which a new project's URLs have the lines of the block."""
    module = ModuleType("docs_urls")
    module.urlpatterns = []
    exec(compile(block.code, str(block), "exec"), module.__dict__)
    return override_settings(ROOT_URLCONF=module)


@blocks("test: urls")
def test_urls_resolve(block):
    with urls_with(block):
        assert reverse("jwt_auth:login") == "/auth/login/"


@blocks("test: cookies")
def test_a_page_signs_in_and_calls_and_no_other_page_does(block, user, settings):
    changes = run_settings(block.code)
    changes["JWT_AUTH"] = {**settings.JWT_AUTH, **changes.get("JWT_AUTH", {})}
    (origin,) = changes.get("CSRF_TRUSTED_ORIGINS", [ORIGIN])
    site = "same-origin" if origin == ORIGIN else "same-site" if "example.com" in origin else "cross-site"
    page = Browser(HTTP_ORIGIN=origin, HTTP_SEC_FETCH_SITE=site)
    with override_settings(**changes):
        assert not [message for message in checks.run_checks() if message.id.startswith("jwt_auth.")]
        answer = page.sign_in(user).send("/api/notes/", {"text": "from a page"})
        assert answer.status_code == 201
        assert "Cookie" in answer["Vary"]
        assert page.cookies[page.access_name]["samesite"] == changes["JWT_AUTH"].get("COOKIE_SAMESITE", "Strict")
        assert may_read(page, origin) == (origin if "CORS_ALLOWED_ORIGINS" in changes else None)
        evil = {"HTTP_ORIGIN": "https://evil.example.com", "HTTP_SEC_FETCH_SITE": "same-site"}
        assert page.send("/api/notes/", {"text": "forged"}, **evil).json()["code"] == "csrf_failed"
        assert may_read(page, "https://evil.example.com") is None


def may_read(page, origin):
    """Return the origin whose pages may read the user's data, by a preflight and by the answer itself."""
    asks = {"HTTP_ORIGIN": origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST"}
    preflight = page.options("/api/notes/", HTTP_ACCESS_CONTROL_REQUEST_HEADERS="content-type", **asks)
    answers = [preflight, page.get("/api/notes/", HTTP_ORIGIN=origin)]
    found = {(answer.get("Access-Control-Allow-Origin"), answer.get(CREDENTIALS)) for answer in answers}
    assert found in ({(None, None)}, {(origin, "true")})
    return found.pop()[0]


@blocks("test: python")
def test_python_runs(block, user, staff):
    exec(compile(block.code, str(block), "exec"), {"user": user, "staff": staff, "__name__": "docs"})


def test_a_view_without_the_middleware_authenticates_by_itself(user, rf):
    (block,) = (each for each in BLOCKS if "def report(request)" in each.code)
    values = {}
    exec(compile(block.code, str(block), "exec"), values)
    raw = sessions.start(user).access_token
    answers = [values["report"](rf.get("/", headers=headers)) for headers in _headers(raw, "bad")]
    assert [(answer.status_code, json.loads(answer.content)) for answer in answers] == [
        (200, {"user": user.get_username(), "scopes": []}),
        (401, {"detail": "The token is invalid.", "code": "invalid_token"}),
        (401, {"detail": "Sign in."}),
    ]


def _headers(*tokens):
    return [*({"authorization": f"Bearer {raw}"} for raw in tokens), {}]


@blocks("test: json logging")
@pytest.mark.django_db(transaction=True)
def test_the_log_goes_to_json(block, client, user, capsys):
    values = {}
    exec(compile(block.code, str(block), "exec"), values)
    with _logging_as_it_was():
        logging.config.dictConfig(values["LOGGING"])
        client.tokens(user)
        client.get_me("x")
    started, refused = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (started["event"], started["levelname"], started["user_id"]) == ("session_started", "INFO", str(user.pk))
    assert (refused["event"], refused["reason"]) == ("token_refused", "not a compact JWS")


@contextmanager
def _logging_as_it_was():
    logger = logging.getLogger("jwt_auth")
    before = {**vars(logger), "handlers": list(logger.handlers), "filters": list(logger.filters)}
    try:
        yield
    finally:
        vars(logger).update(before)
        logger.setLevel(before["level"])  # drops the cached values


@blocks("test: sentry")
@pytest.mark.django_db(transaction=True)
def test_the_log_goes_to_sentry(block, client, user, monkeypatch):
    sentry_sdk = pytest.importorskip("sentry_sdk")
    sent = []
    with _logging_as_it_was(), sentry_sdk.isolation_scope():
        monkeypatch.setattr(sentry_sdk, "init", _sentry_that_collects_in(sent, sentry_sdk.init))
        exec(compile(block.code, str(block), "exec"), {})
        pair = client.tokens(user)
        client.get_me("x")  # INFO
        models.UserSession.objects.update(counter=7)
        client.refresh(pair["refresh_token"])
        logging.getLogger("jwt_auth").critical("An alarm.", extra={"event": "refresh_token_ahead"})
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)
    event, alarm = [item.get_event() for envelope in sent for item in envelope.items if item.type == "event"]
    assert (alarm["level"], alarm["extra"]["event"]) == ("fatal", "refresh_token_ahead")
    assert (event["level"], event["extra"]["event"]) == ("warning", "refresh_token_reused")
    assert event["extra"]["user_id"] == str(user.pk)
    assert pair["refresh_token"] not in repr(event)


def _sentry_that_collects_in(sent, init):
    """Start Sentry with its integration of `logging`, and a transport that only collects."""
    from sentry_sdk.integrations.logging import LoggingIntegration
    from sentry_sdk.transport import Transport

    class Collecting(Transport):
        def capture_envelope(self, envelope):
            sent.append(envelope)

    integrations = {"integrations": [LoggingIntegration()], "default_integrations": False}
    return partial(init, transport=Collecting, auto_enabling_integrations=False, **integrations)


@OPENSSL
def test_openssl_makes_keys_that_are_accepted(tmp_path, jwt_settings):
    for line in code_of("keys.md", "openssl genpkey -algorithm ed25519").splitlines():
        command, _, algorithms = line.partition("#")
        subprocess.run(command, shell=True, check=True, cwd=tmp_path, capture_output=True)
        file = tmp_path / command.split()[-1]
        for algorithm in algorithms.split(","):
            jwt_settings(ALGORITHM=algorithm.strip(), SIGNING_KEY=file)
            assert configured.configured_keys().signing.algorithm == algorithm.strip()


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.django_db(transaction=True)
@blocks("test: curl")
def test_curl_lines_work(block, api_server, make_user, client):
    user = make_user("alice", PASSWORD)
    pair = client.tokens(user)
    code = block.code.replace("http://localhost:8000", api_server.url).replace('"username": "alice"', _named(user))
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
    """Return the first cells of the rows of a page's tables, without back quotes."""
    text = (ROOT / page).read_text()
    text = text[text.index(heading) :]
    return [match[1] for match in re.finditer(r"^\| `([^`|[]+)` \|", text, re.MULTILINE)]


def rows(page, heading=""):
    """Return the cells of all rows of a page's tables that begin with a name, from `heading` to the next heading."""
    text = (ROOT / page).read_text()
    text = text[text.index(heading) :].partition("\n## ")[0]
    found = re.findall(r"^\| (`.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in found]


def test_the_settings_table_has_each_field_of_the_dataclass_with_its_default():
    text = (ROOT / "docs/reference/settings.md").read_text()
    text = text[text.index("<!-- test: settings table -->") : text.index("Here is what a line")]
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", text, re.MULTILINE)
    defaults = {item.name: getattr(conf.Settings(), item.name) for item in fields(conf.Settings)}
    assert dict(listed) == {name: _written(value) for name, value in defaults.items()} | {"AUDIENCE": "the issuer"}


def _written(value):
    """Return a default as the table writes it."""
    if isinstance(value, timedelta):
        number, unit = next(
            (value // timedelta(**{unit: 1}), unit)
            for unit in ("days", "minutes", "seconds")
            if not value % timedelta(**{unit: 1})
        )
        return f"{number} {unit if number > 1 else unit[:-1]}"
    if type(value) is int:
        return str(value)
    return f"`{json.dumps(value)}`" if value is not None else "`None`"


def test_each_setting_has_its_paragraph():
    page = (ROOT / "docs/reference/settings.md").read_text()
    headings = set(re.findall(r"[A-Z][A-Z_]+", " ".join(re.findall(r"^## (.*)$", page, re.MULTILINE))))
    assert headings == {item.name for item in fields(conf.Settings)}


def test_the_options_of_simplejwt_are_listed_with_their_defaults():
    listed = {cells[0].strip("`"): cells[1] for cells in rows("docs/reference/settings.md", "<!-- test: simplejwt")}
    place = "jwt_auth.contrib.simplejwt.serializers."
    defaults = {item.name: getattr(SimpleJWT(), item.name) for item in fields(SimpleJWT)}
    assert listed == {
        name: f"`{value.removeprefix(place)}`"
        if isinstance(value, str) and value.startswith(place)
        else f"`{json.dumps(value)}`"
        if isinstance(value, str)
        else f"`{value!r}`".replace("'", '"')
        for name, value in defaults.items()
    }


def test_the_checks_page_has_each_id_in_the_code():
    source = "".join(path.read_text() for path in Path(jwt_auth.__file__).parent.rglob("*.py"))
    in_code = {f"jwt_auth.{number}" for number in re.findall(r'"(?:jwt_auth\.)?([EW][01]\d\d)"', source)}
    listed = table("docs/reference/checks.md")
    assert len(listed) == len(set(listed))
    assert set(listed) == in_code


def test_the_errors_page_has_each_code_with_its_status():
    def subclasses(cls):
        return {cls, *(found for child in cls.__subclasses__() for found in subclasses(child))}

    ours = [cls for cls in subclasses(exceptions.JWTAuthError) if hasattr(cls, "code")]
    raised = {(cls.code, str(as_api_exception(_raised(cls)).status_code)) for cls in ours}
    listed = {(code.strip("`"), status) for code, status, *_ in rows("docs/reference/errors.md")}
    of_drf = (drf.NotAuthenticated, drf.PermissionDenied, drf.NotFound, drf.MethodNotAllowed, drf.Throttled)
    raised |= {(cls.default_code, str(cls.status_code)) for cls in of_drf}
    assert listed == raised | {("invalid_request", "400"), ("unsupported_media_type", "415")}


def _raised(cls):
    error = cls.__new__(cls)
    error.scopes = error.acr_values = error.amr_values = ()
    error.max_age = None
    return error


def test_the_signals_page_has_each_signal():
    names = {name for name, value in vars(signals).items() if isinstance(value, Signal)}
    assert set(table("docs/reference/signals.md")) == names


def test_the_logging_page_has_each_event_with_its_level_and_fields():
    text = (ROOT / "docs/reference/logging.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    assert {event: tuple(re.findall(r"`(\w+)`", listed)) for event, _, listed in listed} == logs.FIELDS
    assert {(event, level) for event, level, _ in listed} == set(HAPPENINGS.values())
    explained = set(re.findall(r"`(\w+)`", text[text.index("The fields:") : text.index("## To JSON")]))
    assert {name for names in logs.FIELDS.values() for name in names} <= explained


def test_the_commands_page_has_each_command_with_its_options():
    page = (ROOT / "docs/reference/commands.md").read_text()
    documented = {
        section.split("\n", 1)[0]: set(re.findall(r"^\| `(--[a-z-]+)` \|", section, re.MULTILINE))
        for section in page.split("\n## ")[1:]
    }
    common = {option for action in BaseCommand().create_parser("", "")._actions for option in action.option_strings}
    names = [name for name, app in get_commands().items() if app == "jwt_auth"]
    assert documented == {name: _options(name) - common for name in names}
    for name in names:
        assert load_command_class("jwt_auth", name).help


def _options(name):
    """Return the first spelling of each option."""
    parser = load_command_class("jwt_auth", name).create_parser("", name)
    return {action.option_strings[0] for action in parser._actions if action.option_strings}


@pytest.mark.parametrize(("heading", "module"), [("| URL name |", urls), ("| URL name (browser)", browser_urls)])
def test_the_endpoints_page_has_each_method_of_each_url(heading, module):
    listed = set()
    for name, asked, *_ in rows("docs/reference/endpoints.md", heading):
        methods, _, address = asked.rpartition(" ")
        listed |= {(name, method, address) for method in methods.split(", ")}
    assert listed == {
        (
            f"`{pattern.name}`",
            method.upper(),
            f"`{str(pattern.pattern).replace('uuid:session_id', 'uuid').replace('str:', '')}`",
        )
        for pattern in module.urlpatterns
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(pattern.callback.cls, method)
    }


def _as_listed(pattern):
    return str(pattern).replace("uuid:session_id", "uuid").replace("str:", "")


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text()):
            found = page.parent / target if target else page
            assert found.exists(), f"{page}: {target}"
            assert not anchor or anchor in _anchors(found), f"{page}: {target}#{anchor}"


def _anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_page_is_found_from_the_first_one():
    """The overview names every page except the single decisions, which have an overview of their own."""
    overview = ROOT / "docs" / "README.md"
    linked = {(overview.parent / target).resolve() for target in re.findall(r"\]\(([^)#]+)", overview.read_text())}
    pages = {page for page in PAGES if page.parent.name != "decisions" and page.name != "README.md"}
    assert pages <= linked
