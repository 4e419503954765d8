"""The data that is stored and logged, and the effects of importing the app."""

import json
import logging
import subprocess
import sys

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission

from jwt_auth.models import RevocationEvent, UserSession, UserTokenCutoff
from tests.support import forge
from tests.support.clients import PASSWORD


def all_stored_text():
    """Return every value of every row of every table."""
    rows = (model._base_manager.values_list() for model in apps.get_models(include_auto_created=True))
    return "\n".join(str(value) for query in rows for row in query for value in row)


def secrets_of(pair):
    """Return the tokens, and the parts that are enough to make them."""
    for kind in ("access_token", "refresh_token"):
        yield pair[kind]
        yield pair[kind].rpartition(".")[2]
    yield forge.claims_of(pair["access_token"])["jti"]


def claims_for_a_member(user, session):
    return {"name": "Alice", "tenant": 7}


def test_no_token_and_no_signature_is_stored(client, pair, clock):
    clock.shift(60)
    fresh = client.refresh(pair["refresh_token"]).json()
    client.send("logout/", {"refresh_token": fresh["refresh_token"]})
    stored = all_stored_text()
    assert pair["session"] in stored  # the control: the tables were read
    for secret in (*secrets_of(pair), *secrets_of(fresh)):
        assert secret not in stored


def test_what_is_stored_is_not_enough_to_refresh(client, pair):
    row = UserSession.objects.get()
    forged = f"{row.handle}.0.{'A' * 43}"
    for raw in (row.handle, f"{row.handle}.0", f"{row.handle}.0.", forged, str(row.pk), row.auth_hash):
        assert client.refresh(raw).status_code in {400, 401}
    assert client.refresh(pair["refresh_token"]).status_code == 200


def test_a_token_with_claims_of_the_project_is_revoked_like_any_other(client, user, clock, jwt_settings):
    """simplejwt stored the token as it was signed before the claims were added, which is a different token."""
    jwt_settings(CLAIMS_CALLABLE=claims_for_a_member)
    pair = client.tokens(user)
    assert forge.claims_of(pair["access_token"])["tenant"] == 7
    assert client.get_me(pair["access_token"]).status_code == 200
    assert client.bearer(pair["access_token"]).send("logout/").status_code == 204
    assert client.is_dead(pair)


def test_no_claim_is_made_of_the_password_hash(pair, user):
    session = UserSession.objects.get()
    text = json.dumps(forge.claims_of(pair["access_token"]))
    for secret in (user.password, session.auth_hash, session.handle, *user.password.split("$")[1:]):
        assert secret not in text
    expected = {"iss", "aud", "sub", "client_id", "sid", "jti", "auth_time", "amr", "iat", "exp"}
    assert set(forge.claims_of(pair["access_token"])) == expected


def test_a_deleted_user_leaves_no_row_but_the_record_of_it(client, pair, user):
    pk = user.pk
    user.delete()
    assert not UserSession.objects.exists()
    assert not UserTokenCutoff.objects.exists()
    assert RevocationEvent.objects.get().subject == str(pk)


def test_no_representation_of_a_row_shows_a_secret(pair):
    session = UserSession.objects.get()
    for text in (str(session), repr(session)):
        assert session.handle not in text
        assert session.auth_hash not in text


@pytest.mark.django_db(transaction=True)
def test_each_step_of_a_session_is_logged_and_no_secret_with_it(client, make_user, clock, caplog):
    user = make_user()
    caplog.set_level(logging.DEBUG)
    client.login(user, "wrong")
    pair = client.tokens(user)
    fresh = client.refresh(pair["refresh_token"]).json()
    client.get_me(pair["access_token"][:-4] + "AAAA")
    clock.shift(121)
    client.refresh(pair["refresh_token"])
    client.get_me(fresh["access_token"])
    records = [record for record in caplog.records if record.name == "jwt_auth"]
    messages = " / ".join(record.getMessage() for record in records)
    for step in (
        "Sign-in refused: the credentials",
        "started",
        "refreshed",
        "Token refused",
        "has been ended",
        "Revoked: session",
    ):
        assert step in messages, step
    everything = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    session = UserSession.objects.get()
    for secret in (*secrets_of(pair), *secrets_of(fresh), PASSWORD, "wrong", user.password, session.handle):
        assert secret not in everything, secret


def test_the_permission_to_revoke_users_is_made_by_migrate(db):
    assert Permission.objects.filter(content_type__app_label="jwt_auth", codename="revoke_user").exists()


IMPORT_EVERYTHING = """
import importlib, pathlib, sys, django
from django.conf import settings
contrib = ["admin", "auth", "contenttypes", "messages", "sessions"]
apps = [*(f"django.contrib.{name}" for name in contrib), "rest_framework", "jwt_auth"]
settings.configure(SECRET_KEY="x" * 50, INSTALLED_APPS=apps, USE_TZ=True, DATABASES={})
def snapshot():
    names = set(filter(str.isupper, dir(settings))) - {"DATABASES"}  # Django fills these in by itself
    return {name: repr(getattr(settings, name)) for name in names if hasattr(settings, name)}
before = snapshot()
django.setup()
import jwt_auth
root = pathlib.Path(jwt_auth.__file__).parent
# But contrib: imported only where a project has installed what it is for, which brings along what it likes.
for path in {*root.rglob("*.py")} - {*root.glob("contrib/**/*.py")}:
    if path.name != "__init__.py":
        importlib.import_module(".".join(path.relative_to(root.parent).with_suffix("").parts))
from jwt_auth.conf import get_settings
get_settings()
after = snapshot()
"""


def run(code):
    return subprocess.run([sys.executable, "-c", IMPORT_EVERYTHING + code], capture_output=True, text=True, check=False)


def test_no_module_imports_the_test_tools_of_django_or_pytest():
    """simplejwt imported django.test in production, from six modules."""
    code = "print(sorted({'django.test', 'rest_framework.test', 'pytest', 'unittest'} & set(sys.modules)))"
    result = run(code)
    assert result.returncode == 0, result.stderr
    assert "django.test" not in result.stdout
    assert "rest_framework.test" not in result.stdout
    assert "pytest" not in result.stdout


def test_importing_the_app_leaves_the_settings_of_the_project_as_they_were():
    result = run("print('SAME' if before == after else set(after.items()) ^ set(before.items()))")
    assert result.stdout.strip() == "SAME", result.stdout + result.stderr
