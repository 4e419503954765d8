"""Wrong settings: `manage.py check` says what is wrong with them, and what to write instead."""

import os
import secrets
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpResponse
from django.urls import include, path

from jwt_auth.conf.installed import require_apps
from jwt_auth.contrib.simplejwt.views import token_refresh
from jwt_auth.jose.encoding import base64url_encode
from tests.support.checks import found
from tests.support.keys import oct_jwk, pem, public_pem

SECRET = "django-insecure-" + "x7!k" * 12

PLAIN_STRING = ("A plain string, such as SECRET_KEY, is no key", "Without SIGNING_KEY", "secrets.token_urlsafe(64)")
UNSET = ("Is the variable set that it comes from?",)
DIRECTORY = ("The working directory is",)

KEYS = {
    "a secret": (SECRET, PLAIN_STRING),
    "a secret as bytes": (bytes(range(130, 200)), PLAIN_STRING),
    "a variable whose bytes are no text": (os.fsdecode(bytes(range(130, 200))), PLAIN_STRING),
    "half a surrogate pair": ("\ud800" * 40, PLAIN_STRING),
    "a long secret": (SECRET * 100, PLAIN_STRING),
    "the body of a PEM": (base64url_encode(bytes(range(90))), ("A PEM has the line -----BEGIN",)),
    "an unset variable": ("", ("it is empty", *UNSET)),
    "spaces": ("  ", ("it is empty", *UNSET)),
    "a wrong path": ("keys/missing.pem", ("No such file or directory", *DIRECTORY)),
    "a wrong Path": (Path("keys/missing"), ("No such file or directory", *DIRECTORY)),
    "a directory": (Path(__file__).parent, ("Is a directory", *DIRECTORY)),
    "a directory as text": (str(Path(__file__).parent), ("Is a directory", *DIRECTORY)),
    "a damaged PEM": ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", ("Check that it is complete",)),
    "a JWK as text": ('{"kty": "oct"}', ("Correct the JWK",)),
    "a file without a key": (Path(__file__).with_name("__init__.py"), ("the file holds neither a PEM nor a JWK",)),
    "a JWK without kty": ({"k": "AAAA"}, ('"kty" must be oct, RSA, EC or OKP', "Correct the JWK")),
}


@pytest.mark.parametrize("mistake", KEYS)
def test_a_text_that_is_no_key(jwt_settings, mistake):
    value, texts = KEYS[mistake]
    jwt_settings(SIGNING_KEY=value)
    (message,) = found()
    assert message.id == "jwt_auth.E010"
    assert all(text in f"{message.msg} {message.hint}" for text in texts)
    assert SECRET[:20] not in f"{message.msg} {message.hint}"


def test_the_nearest_right_keys(jwt_settings, ec_key, tmp_path):
    file = tmp_path / "signing key"
    file.write_text(pem(ec_key))
    for key in (file, str(file), pem(ec_key), pem(ec_key).encode()):
        jwt_settings(SIGNING_KEY=key, ALGORITHM="ES256")
        assert found() == []
    jwt_settings(SIGNING_KEY=oct_jwk(secrets.token_bytes(64)), ALGORITHM="HS256")
    assert found() == []


def test_a_pem_without_line_breaks(jwt_settings, ec_key):
    text = pem(ec_key).replace("\n", "\\n")
    jwt_settings(SIGNING_KEY=text, ALGORITHM="ES256")
    (message,) = found()
    assert (message.id, "a backslash and an n" in message.msg) == ("jwt_auth.E010", True)
    assert '.replace("\\\\n", "\\n")' in message.hint
    jwt_settings(SIGNING_KEY=text.replace("\\n", "\n"))  # as the hint says
    assert found() == []


def test_a_key_for_another_algorithm_and_a_public_one(jwt_settings, ec_key):
    jwt_settings(SIGNING_KEY=pem(ec_key), ALGORITHM="HS256")
    assert [message.hint.startswith('Set ALGORITHM to "ES256"') for message in found()] == [True]
    jwt_settings(SIGNING_KEY=public_pem(ec_key), ALGORITHM="ES256")
    assert [message.hint.startswith("Set it to the private key") for message in found()] == [True]


VALUES = {
    "no key for ES256": ({"ALGORITHM": "ES256", "SIGNING_KEY": None}, "E007", "If it is set to a variable"),
    "lower case": ({"ALGORITHM": "es256"}, "E004", 'must be "ES256"'),
    "upper case": ({"REVOCATION": "Memory"}, "E004", 'must be "memory"'),
    "None for a choice": ({"COOKIE_SAMESITE": None}, "E004", 'must be one of "Strict", "Lax", "None". It is None.'),
    "no choice": ({"REVOCATION": "redis"}, "E004", 'must be one of "database", "memory", "none". It is \'redis\''),
    "seconds": ({"ACCESS_TOKEN_LIFETIME": 300}, "E004", "such as timedelta(seconds=300)"),
    "words": ({"ACCESS_TOKEN_LIFETIME": "5 minutes"}, "E004", "such as timedelta(minutes=5)"),
    "one string for a list": ({"ENCRYPTION_KEYS": "abc"}, "E004", "must be a list or a tuple. It is of type str."),
    "a list of issuers": ({"TRUSTED_ISSUERS": ["https://x.org"]}, "E004", '{"https://login.example.com": {"JWKS_URL"'),
    "a list of audiences": ({"SERVICE_AUDIENCES": ["billing"]}, "E004", '{"billing": {"USERS": ["invoices.read"]}}'),
    "an unset variable": ({"REVOCATION_PUSH": ""}, "E004", "Is the variable set that it comes from?"),
    "no dotted path": ({"CLAIMS_CALLABLE": "claims"}, "E004", 'such as "accounts.tokens.claims"'),
    "a wrong module": ({"CLAIMS_CALLABLE": "acounts.tokens.claims"}, "E004", "No module named 'acounts'"),
    "a wrong name": ({"CLAIMS_CALLABLE": "tests.urls.claim"}, "E004", "has no attribute 'claim'"),
    "a misspelt name": ({"ACESS_TOKEN_LIFETIME": 1}, "E002", 'Did you mean "ACCESS_TOKEN_LIFETIME"?'),
    "a name in lower case": ({"access_token_lifetime": 1}, "E002", 'Did you mean "ACCESS_TOKEN_LIFETIME"?'),
    "a rate in words": ({"LOGIN_THROTTLE": "10 per minute"}, "E004", 'must be a rate such as "10/min"'),
    "an issuer with spaces": ({"ISSUER": "My App"}, "E004", "must have no space"),
}


@pytest.mark.parametrize("mistake", VALUES)
def test_a_wrong_value(jwt_settings, mistake):
    values, code, text = VALUES[mistake]
    jwt_settings(**values)
    (message,) = found()
    assert message.id == f"jwt_auth.{code}"
    assert text in f"{message.msg} {message.hint}"


@pytest.mark.parametrize(("value", "type_name"), [("ES256", "str"), (None, "NoneType"), (({"ISSUER": "x"},), "tuple")])
def test_a_setting_that_is_no_dict(settings, value, type_name):
    settings.JWT_AUTH = value
    (message,) = found()
    assert message.msg == f"JWT_AUTH must be a dict, and is of type {type_name}."
    assert "without a comma after the brace" in message.hint


def test_another_name_for_the_dict(settings):
    wanted = settings.JWT_AUTH
    settings.JWTAUTH = {"ISSUER": "x"}
    assert found() == []  # both are set: the other one belongs to somebody
    del settings.JWT_AUTH
    (message,) = found()
    assert (message.id, "Rename JWTAUTH to JWT_AUTH" in message.hint) == ("jwt_auth.W004", True)
    settings.JWT_AUTH = wanted


@pytest.mark.parametrize("name", ["SESSION_EXCHANGE", "ROTATION_GRACE_PERIOD"])
def test_a_setting_beside_the_dict(settings, jwt_settings, name):
    jwt_settings(AUDIENCE="x")
    settings.ISSUER = settings.LEEWAY = "of the project"  # names that a project may use for itself
    assert found() == []
    value = {"SESSION_EXCHANGE": "keep", "ROTATION_GRACE_PERIOD": timedelta(seconds=30)}[name]
    setattr(settings, name, value)
    (message,) = found()
    assert (message.id, f'JWT_AUTH = {{"{name}"' in message.hint) == ("jwt_auth.W007", True)
    jwt_settings(AUDIENCE="x", **{name: value})  # with a constant of the project
    assert found() == []


def test_settings_beside_an_empty_dict(settings):
    settings.JWT_AUTH = {}
    settings.ISSUER = "of the project"
    assert found() == []
    settings.ACCESS_TOKEN_LIFETIME = timedelta(minutes=1)
    messages = found()
    assert {message.id for message in messages} == {"jwt_auth.W007"}
    assert [message.msg.split()[0] for message in messages] == ["ISSUER", "ACCESS_TOKEN_LIFETIME"]
    del settings.JWT_AUTH
    assert found() == messages
    settings.JWT_AUTH = {"AUDIENCE": "x"}
    assert found() == [], "both are of the project"


def test_a_staleness_that_outlasts_the_tokens(jwt_settings):
    jwt_settings(REVOCATION="memory", ACCESS_TOKEN_LIFETIME=timedelta(seconds=30))
    for seconds, ids in ((30, ["jwt_auth.W006"]), (29, [])):
        jwt_settings(REVOCATION_MAX_STALENESS=timedelta(seconds=seconds))
        assert [message.id for message in found()] == ids
    jwt_settings(REVOCATION="database", REVOCATION_MAX_STALENESS=timedelta(seconds=60))
    assert found() == []


def test_missing_apps(settings):
    everything = settings.INSTALLED_APPS
    settings.INSTALLED_APPS = [name for name in everything if name != "rest_framework"]
    (message,) = found()
    assert (message.id, 'Add "rest_framework"' in message.hint) == ("jwt_auth.W005", True)
    require_apps()
    settings.INSTALLED_APPS = [name for name in everything if name != "jwt_auth"]
    with pytest.raises(ImproperlyConfigured, match='Add "jwt_auth" to INSTALLED_APPS, and run'):
        require_apps()


urlpatterns = [path("", lambda request: HttpResponse())]


class Included:
    urlpatterns = [*urlpatterns, path("auth/", include("jwt_auth.urls"))]


class Moved:
    """A project that came from simplejwt, and signs users in by a view of its own."""

    urlpatterns = [*urlpatterns, path("refresh/", token_refresh)]


def test_endpoints_that_are_not_included(settings, jwt_settings):
    settings.ROOT_URLCONF = __name__
    (message,) = found()
    assert (message.id, 'Add path("auth/", include("jwt_auth.urls"))' in message.hint) == ("jwt_auth.W025", True)
    jwt_settings(REVOCATION="none")  # a server that only verifies
    assert "jwt_auth.W025" not in [message.id for message in found()]
    jwt_settings(REVOCATION="database")
    settings.ROOT_URLCONF = Moved
    assert "jwt_auth.W025" not in [message.id for message in found()]
    settings.ROOT_URLCONF = Included
    assert found() == []
