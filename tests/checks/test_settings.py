"""System checks of settings: one id for one fault, with a hint, and never a secret."""

import ast
import re
import secrets
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connections

import jwt_auth
from jwt_auth import throttling
from jwt_auth.conf.settings import Settings
from jwt_auth.jose.encoding import base64url_encode
from tests.support.checks import found, ids
from tests.support.keys import oct_jwk, pem, private_jwk, public_pem


@pytest.mark.django_db  # since Django 6.1: the check of a JSONField asks SQLite
def test_a_sound_project_passes():
    assert found() == []
    call_command("check")


FAULTS = {
    "E002": {"ISUER": "me"},
    "E003": {"JWT_SECRET_KEY": "hunter2"},
    "E004": {"LEEWAY": 10},
    "E005": {"SESSION_IDLE_TIMEOUT": timedelta(days=60)},
    "E006": {"SESSION_IDLE_TIMEOUT": timedelta(minutes=4)},
    "E029": {"SESSION_MAX_TIMEOUT": timedelta(days=29)},
    "E007": {"ALGORITHM": "ES256"},
    "E008": {"SIGNING_KEY_FALLBACKS": ["key.pem"]},
    "E070": {"KEYS": "database", "ALGORITHM": "HS256"},
    "E072": {"KEYS": "database", "ALGORITHM": "ES256", "REVOCATION": "none"},
    "E071": {"KEYS": "database", "ALGORITHM": "ES256", "SIGNING_KEY": "key.pem"},
    "E010": {"SIGNING_KEY": "no-such-file.pem"},
    "E011": {"SIGNING_KEY": oct_jwk(bytes(31))},
    "E012": {"SIGNING_KEY": {**oct_jwk(bytes(64)), "alg": "HS512"}},
    "E014": {"SIGNING_KEY": oct_jwk(b"hunter2" * 10)},
    "E047": {"COOKIE_REFRESH_NAME": "refresh_token"},
    "E048": {"COOKIE_NAMES_WITHOUT_PREFIX": ["refresh_token"]},
    "E050": {"ISSUER": "client_of_mine"},
    "E020": {"USER_CUTOFF_FIELD": "no_such_field"},
    "E021": {"USER_CUTOFF_FIELD": "last_login"},
    "E022": {"USER_ID_FIELD": "password"},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.django_db  # since Django 6.1: the check of a JSONField asks SQLite
def test_each_fault_is_named_alone(jwt_settings, fault):
    jwt_settings(**FAULTS[fault])
    (message,) = found()
    assert message.id == f"jwt_auth.{fault}"
    assert message.level == checks.ERROR
    assert message.msg.endswith(".")
    assert message.hint
    with pytest.raises(SystemCheckError, match=fault):
        call_command("check")


def test_a_setting_that_is_no_dict_is_e001(settings):
    settings.JWT_AUTH = ["ISSUER"]
    (message,) = found()
    assert message.id == "jwt_auth.E001"
    assert message.hint


def test_a_public_key_that_shall_sign_is_e013(jwt_settings, ec_key):
    jwt_settings(SIGNING_KEY=public_pem(ec_key), ALGORITHM="ES256")
    assert ids() == ["E013"]
    jwt_settings(SIGNING_KEY=pem(ec_key))
    assert ids() == []


@pytest.mark.parametrize("last", [False, True])
def test_one_key_for_two_algorithms_is_e015(jwt_settings, rsa_key, last):
    """Both would have one `kid`, so tokens of one of the two would be refused."""
    other = {**private_jwk(rsa_key), "alg": "PS256"}
    fallbacks = [other] if not last else [pem(rsa_key), other]
    jwt_settings(ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key), SIGNING_KEY_FALLBACKS=fallbacks)
    (message,) = found()
    assert message.id == "jwt_auth.E015"
    assert f"SIGNING_KEY_FALLBACKS[{int(last)}]" in message.msg


def test_one_secret_for_two_algorithms_is_e015(jwt_settings):
    secret = oct_jwk(secrets.token_bytes(64))
    jwt_settings(SIGNING_KEY=secret, SIGNING_KEY_FALLBACKS=[{**secret, "alg": "HS512"}])
    assert ids() == ["E015"]


def test_a_fallback_that_changes_nothing_is_w022(jwt_settings, rsa_key, ec_key):
    """It is the attempt to change ALGORITHM and keep the key: the fallback has the new algorithm as well."""
    known = {"ALGORITHM": "PS256", "SIGNING_KEY": pem(rsa_key)}
    jwt_settings(**known, SIGNING_KEY_FALLBACKS=[pem(ec_key), public_pem(rsa_key), pem(ec_key)])
    assert [message.msg.partition(" ")[0] for message in found()] == [
        "SIGNING_KEY_FALLBACKS[1]",
        "SIGNING_KEY_FALLBACKS[2]",
    ]
    assert ids() == ["W022", "W022"]
    jwt_settings(**known, SIGNING_KEY_FALLBACKS=[pem(ec_key)])
    assert ids() == []


def test_an_unknown_field_for_the_id_is_e022_and_a_unique_one_is_not(jwt_settings, django_user_model):
    jwt_settings(USER_ID_FIELD="no_such_field")
    assert ids() == ["E022"]
    jwt_settings(USER_ID_FIELD=django_user_model.USERNAME_FIELD)
    assert ids() == []


@pytest.mark.parametrize("name", ["jwt_sessions", "groups", "logentry"])
def test_a_relation_is_no_field_for_an_id_or_a_cutoff(jwt_settings, name):
    jwt_settings(USER_ID_FIELD=name)
    assert ids() == ["E022"]
    jwt_settings(USER_ID_FIELD="pk", USER_CUTOFF_FIELD=name)
    assert ids() in (["E020"], ["E021"])


def test_local_times_are_e023(settings):
    settings.USE_TZ = False
    (message,) = found()
    assert (message.id, message.level) == ("jwt_auth.E023", checks.ERROR)
    assert "USE_TZ = True" in message.hint


@pytest.mark.parametrize(
    ("zone", "expected"), [("Europe/Berlin", ["E027"]), ("Asia/Tokyo", ["E027"]), ("UTC", []), (None, [])]
)
def test_local_times_in_the_database_are_e027(monkeypatch, settings, zone, expected):
    settings.TIME_ZONE = "Europe/Berlin"  # for people
    monkeypatch.setitem(connections["default"].settings_dict, "TIME_ZONE", zone)
    assert ids() == expected


NO_REVOCATION = {"REVOCATION": "none"}
IN_DATABASE = {"REVOCATION": "database"}
KEY_PAIR = {"ALGORITHM": "ES256", "SIGNING_KEY": pem(ec.generate_private_key(ec.SECP256R1()))}


@pytest.mark.parametrize(
    ("idle", "condition"),
    [
        ({"REVOCATION_CACHE": "default", **NO_REVOCATION}, {}),
        ({"REVOCATION_PUSH": "redis://localhost", **NO_REVOCATION}, IN_DATABASE),
        ({"REVOCATION_ON_STALE": "allow_safe_methods", **NO_REVOCATION}, IN_DATABASE),
        ({"SERVICE_TOKEN_LIFETIME": timedelta(seconds=60)}, {**KEY_PAIR, "SERVICE_AUDIENCES": {"https://a.b": {}}}),
    ],
)
def test_a_setting_that_nothing_reads_is_w002(jwt_settings, idle, condition):
    jwt_settings(**idle)
    assert "W002" in ids()
    assert any(next(iter(idle)) in message.msg for message in found())
    if condition:
        jwt_settings(**{**idle, **condition})
        assert ids() == []
    jwt_settings(**{name: getattr(Settings(), name) for name in idle})
    assert ids() == [], "the default, in words"


@pytest.mark.parametrize(("seconds", "idle", "expected"), [(40, 2, ["W003"]), (30, 2, []), (60, 2, []), (40, 3, [])])
def test_a_grace_period_that_is_cut_is_w003(jwt_settings, seconds, idle, expected):
    """The default is cut as well, but it is not what the project asked for."""
    times = {"ACCESS_TOKEN_LIFETIME": timedelta(minutes=1), "SESSION_IDLE_TIMEOUT": timedelta(minutes=idle)}
    jwt_settings(ROTATION_GRACE_PERIOD=timedelta(seconds=seconds), **times)
    assert ids() == expected


def test_a_cutoff_field_that_nothing_reads_is_w002(jwt_settings):
    """No user is looked up without revocation."""
    jwt_settings(REVOCATION="none", USER_CUTOFF_FIELD=None)
    assert "W002" not in ids()
    jwt_settings(REVOCATION="none", USER_CUTOFF_FIELD="last_login")
    assert "W002" in ids()


@pytest.mark.django_db  # since Django 6.1: the check of a JSONField asks SQLite
def test_atomic_requests_are_warned_of(monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    (message,) = found()
    assert (message.id, message.level) == ("jwt_auth.W001", checks.WARNING)
    assert "non_atomic_requests" in message.hint
    call_command("check")


@pytest.mark.django_db  # since Django 6.1: the check of a JSONField asks SQLite
def test_the_warning_can_be_silenced(monkeypatch, settings):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    settings.SILENCED_SYSTEM_CHECKS = ["jwt_auth.W001"]
    call_command("check", fail_level="WARNING")


def test_faults_of_all_places_are_named_together(jwt_settings, settings, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    settings.USE_TZ = False
    jwt_settings(USER_CUTOFF_FIELD="nothing", USER_ID_FIELD="nothing", SIGNING_KEY=oct_jwk(b"a"))
    assert ids() == ["E014", "E020", "E022", "E023", "W001"]


def texts_of(message):
    return f"{message.msg} {message.hint} {message.obj}"


SECRET = "hunter2-is-a-secret-" + secrets.token_hex(32)

HIDDEN = {
    "a text": lambda: SECRET,
    "a text in bytes": lambda: SECRET.encode(),
    "a text too long for a path": lambda: SECRET * 100,
    "a text with a line feed": lambda: f"{SECRET}\n{SECRET}",
    "a secret of text": lambda: oct_jwk(SECRET.encode()),
    "a short secret": lambda: oct_jwk(SECRET.encode()[:20]),
    "a JWK cut short": lambda: '{"kty": "oct", "k": "' + SECRET,
    "a JWK of a wrong type": lambda: {"kty": "RSA", "n": SECRET, "e": SECRET, "d": SECRET},
    "a PEM cut short": lambda: f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n",
    "a list": lambda: [SECRET],
    "a weak RSA key": lambda: private_jwk(rsa.generate_private_key(65537, 1024)),
}


@pytest.mark.parametrize("name", ["SIGNING_KEY", "SIGNING_KEY_FALLBACKS"])
@pytest.mark.parametrize("kind", HIDDEN)
def test_no_check_shows_a_key(jwt_settings, name, kind):
    value = HIDDEN[kind]()
    good = oct_jwk(bytes(range(128, 192)))
    jwt_settings(**({"SIGNING_KEY": value} if name == "SIGNING_KEY" else {"SIGNING_KEY": good, name: [value]}))
    (message,) = found()
    hidden = [SECRET[:16], base64url_encode(SECRET.encode())[:16]]
    hidden += [value["d"][:16]] if isinstance(value, dict) and "d" in value else []
    assert not [text for text in hidden if text in texts_of(message)], message


def test_no_misspelt_setting_shows_its_value(jwt_settings):
    jwt_settings(SIGNING_KYE=SECRET, JWT_SECRET_KEY=SECRET)
    assert ids() == ["E002", "E003"]
    assert not [message for message in found() if "hunter2" in texts_of(message)]


def test_an_id_stands_for_one_fault_in_the_whole_package():
    used = Counter()
    for path in Path(jwt_auth.__file__).parent.rglob("*.py"):
        # An argument or the id of a check counts; a mention in a text does not.
        used.update(re.findall(r'"(?:jwt_auth\.)?([EW]\d{3})"', path.read_text()))
    assert used
    assert not [fault for fault, times in used.items() if times > 1]
    assert {*FAULTS, "E001", "E013", "E023", "W001"} <= set(used)


def test_an_id_that_may_be_missing_is_e022(jwt_settings, django_user_model, monkeypatch):
    field = django_user_model._meta.get_field(django_user_model.USERNAME_FIELD)
    monkeypatch.setattr(field, "null", True)
    jwt_settings(USER_ID_FIELD=field.name)
    assert ids() == ["E022"]


@pytest.mark.parametrize(("rate", "expected"), [("10/parsec", ["E024"]), (10, ["E024"]), ("10/min", []), (None, [])])
def test_rates_for_the_endpoints_are_rates(settings, rate, expected):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"jwt_auth_refresh": rate}}
    assert ids() == expected


@pytest.mark.parametrize(
    ("scope", "hint"),
    [
        ("jwt_auth_login", "LOGIN_THROTTLE"),
        ("jwt_auth_login_failures", "LOGIN_THROTTLE"),
        ("jwt_auth_refrehs", "jwt_auth_refresh"),
    ],
)
def test_a_rate_that_no_throttle_reads_is_e026(settings, scope, hint):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {scope: "1/min"}}
    (message,) = found()
    assert message.id == "jwt_auth.E026"
    assert hint in message.hint


def test_each_adjustable_rate_is_known(settings):
    rates = dict.fromkeys(throttling.ADJUSTABLE, "1/min")
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": rates}
    assert ids() == []
    assert {"jwt_auth_refresh", "jwt_auth_user", "jwt_auth_client"} <= set(rates)


def test_rates_of_other_throttles_are_not_ours_to_judge(settings):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_RATES": {"mine": "whatever"}}
    assert ids() == []


@pytest.mark.parametrize(("proxies", "expected"), [("1", ["E025"]), (-1, ["E025"]), (True, ["E025"]), (0, []), (2, [])])
def test_the_number_of_proxies_is_a_number(settings, proxies, expected):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": proxies}
    assert ids() == expected


def test_no_text_that_is_shown_names_a_page_of_the_repository():
    """A project has the wheel alone. Docstrings and comments are for those who read the source."""
    shown = []
    for path in Path(jwt_auth.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text())
        nodes = list(ast.walk(tree))
        statements = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings among them
        texts = [node for node in nodes if isinstance(node, ast.Constant) and id(node) not in statements]
        shown += [
            f"{path.name}: {node.value}" for node in texts if isinstance(node.value, str) and "docs/" in node.value
        ]
    assert shown == []
