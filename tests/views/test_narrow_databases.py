"""
Databases that lack characters, as those of before 2018: a LATIN1 database of PostgreSQL, and utf8mb3 tables of MariaDB.

Each way in for text refuses such a character as it refuses any wrong text. None takes it for an outage or crashes.
"""

import pytest
from django.db import connection

from tests.support.other_project import in_another_project
from tests.support.own_connections import execute, own_connection

SETTINGS = """
from tests.settings import INSTALLED_APPS, MIDDLEWARE
AUTH_USER_MODEL = "auth.User"
ROOT_URLCONF = "tests.urls"
SECURE_SSL_REDIRECT = False
DATABASES = {"default": __DATABASE__}
JWT_AUTH = {"LOGIN_THROTTLE": "1000/min"}
REST_FRAMEWORK = {"DEFAULT_THROTTLE_RATES": {"jwt_auth_user": "1000/min"}}
"""

CODE = r"""
    import io
    from django.contrib.auth.models import User
    from django.core.management import CommandError
    from django.test import Client
    from jwt_auth.models import RegisteredClient, UserSession

    TEXT = "phone \N{GRINNING FACE}"
    boss = User.objects.create_superuser("boss", password="pw")
    User.objects.create_user("ann", password="pw")

    def sign_in(**body):
        body = {"username": "ann", "password": "pw", **body}
        return client().post("/auth/login/", body, format="json")

    token = client().post("/auth/login/", {"username": "boss", "password": "pw"}, format="json").json()["access_token"]
    api = client(token)
    made = api.post("/auth/clients/", {"client_name": "x", "username": "ann"}, format="json").json()
    own = f"/auth/clients/{made['client_id']}/"
    admin = Client(raise_request_exception=False)
    admin.force_login(boss)
    row = RegisteredClient.objects.get()
    session = sign_in().json()["session"]

    def post(path, **body):
        return api.post("/auth/" + path, body, format="json").status_code

    def page(path, **data):
        return admin.get("/admin/" + path, data).status_code

    def submit(path, **data):
        answer = admin.post("/admin/" + path, data)
        return answer.status_code

    def command(name, *arguments):
        try:
            call_command(name, *arguments, stdout=io.StringIO(), stderr=io.StringIO())
        except CommandError as error:
            return error.returncode
        return 0

    answers = {
        "name": sign_in(username=TEXT).status_code,
        "password": sign_in(password=TEXT).status_code,
        "label": sign_in(label=TEXT).status_code,
        "user agent": client().post("/auth/login/", {"username": "ann", "password": "pw"}, format="json",
                                    HTTP_USER_AGENT=TEXT.encode().decode("latin-1") + "\xff").status_code,
        "forwarded": client().post("/auth/login/", {"username": "ann", "password": "pw"}, format="json",
                                   HTTP_X_FORWARDED_FOR=TEXT).status_code,
        "refresh token": post("refresh/", refresh_token=TEXT),
        "idempotency key": client().post("/auth/refresh/", {"refresh_token": sign_in().json()["refresh_token"]},
                                         format="json", HTTP_IDEMPOTENCY_KEY=TEXT).status_code,
        "revoked name": post("revoke/user/", username=TEXT),
        "revoked key": post("revoke/user/", user=TEXT),
        "reason": post("revoke/user/", username="ann", reason=TEXT),
        "subject": post("revoke/global/", sub_id={"format": "opaque", "id": TEXT}),
        "token": [post(path, token=TEXT) for path in ("revoke/", "verify/", "introspect/")],
        "client name": post("clients/", client_name=TEXT, username="ann"),
        "client user": post("clients/", client_name="x", username=TEXT),
        "client scope": post("clients/", client_name="x", username="ann", scope=TEXT),
        "client id": [api.get(f"/auth/clients/{TEXT}/").status_code, post(f"clients/{TEXT}/revoke/")],
        "client key": api.delete(f"{own}keys/{TEXT}/").status_code,
        "changed name": api.patch(own, {"client_name": TEXT}, format="json").status_code,
        "client reason": api.post(own + "revoke/", {"reason": TEXT}, format="json").status_code,
        "audience": api.post("/auth/token/", {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "audience": TEXT,
        }, format="json").status_code,
        "cursor": client().get("/auth/.well-known/revocations", {"after": TEXT}).status_code,
        "admin lists": [page(f"jwt_auth/{name}/", q=TEXT) for name in
                        ("usersession", "registeredclient", "revocationevent", "signingkey")],
        "admin users": page("auth/user/", q=TEXT),
        "admin client": submit("jwt_auth/registeredclient/add/", name=TEXT, user=boss.pk, scopes="", kind="secret"),
        "admin client change": submit(f"jwt_auth/registeredclient/{row.pk}/change/", name=TEXT, scopes=""),
        "admin session": submit(f"jwt_auth/usersession/{session}/revoke/", confirmed="yes", reason=TEXT),
        "admin user": submit("auth/user/", action="jwt_auth_revoke_tokens", _selected_action=boss.pk,
                             confirmed="yes", reason=TEXT),
        "command names": [command("jwt_sessions", "--user", TEXT), command("jwt_revoke", "--user", TEXT, "--yes")],
        "command reason": command("jwt_revoke", "--user", "ann", "--yes", "--reason", TEXT),
        "command client": command("jwt_client", "create", TEXT, "--user", "ann"),
        "command client id": command("jwt_client", "show", TEXT),
        "command key": command("jwt_keys", "retire", TEXT, "--yes"),
        "afterwards": [sign_in(label="phone").status_code, post("revoke/user/", username="ann", reason="lost")],
    }
    tell(answers)
"""


# Endpoints name nobody or nothing by such a text (401, 404), or can't store it (400). The admin shows a form once more
# (200) or a list without such a search (302), and commands end with a sentence and an exit code.
ANSWERS = {
    **dict.fromkeys(("name", "password", "refresh token", "audience"), 401),
    **dict.fromkeys(("label", "idempotency key", "reason", "client name", "client scope"), 400),
    **dict.fromkeys(("changed name", "client reason"), 400),
    **dict.fromkeys(("admin client", "admin client change", "admin session", "admin user"), 200),
    **dict.fromkeys(("revoked name", "revoked key", "subject", "client user", "client key", "cursor"), 404),
    **dict.fromkeys(("user agent", "forwarded"), 200),
    "token": [200, 401, 200],
    "client id": [404, 404],
    # MariaDB compares any text with the ids of keys, which are ASCII.
    "admin lists": [302, 302, 302, 200 if connection.vendor == "mysql" else 302],
    "admin users": 302,
    "command names": [1, 1],
    "command reason": 2,
    "command client": 2,
    "command client id": 1,
    "command key": 1,
    "afterwards": [200, 200],
}


@pytest.fixture
def narrow(db):
    """The settings of a database that lacks characters."""
    name = f"{connection.settings_dict['NAME']}_narrow"
    encoding = {
        "postgresql": "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
        "mysql": "CHARACTER SET utf8mb3",
    }[connection.vendor]
    names = ("ENGINE", "USER", "PASSWORD", "HOST", "PORT", "OPTIONS")
    with own_connection() as own:
        execute(own, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name} {encoding}")
        try:
            yield {key: connection.settings_dict[key] for key in names} | {"NAME": name}
        finally:
            execute(own, f"DROP DATABASE {name}")


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite stores each character")
def test_every_way_in_refuses_characters_that_the_database_lacks(narrow, tmp_path):
    settings = SETTINGS.replace("__DATABASE__", repr(narrow))
    answers = in_another_project(tmp_path, settings=settings, code=CODE)
    assert answers == ANSWERS
