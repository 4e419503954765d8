"""Settings of Django and DRF that a project may have: the endpoints do the same, whatever these are."""

import pytest

from tests.support.other_project import in_another_project

MODELS = """
from django.contrib.auth.models import AbstractUser

class Person(AbstractUser):
    pass
"""

# DRF binds many of its settings when a view is defined, so each project is a process of its own.
FLOW = """
from people.models import Person

Person.objects.create_superuser("ann", password="pw")

def ask(method, path, body=None, token=None):
    answer = getattr(client(token), method)(f"{PREFIX}/auth/{path}", body, format="json")
    text = answer.content.decode()
    return {"status": answer.status_code, **(json.loads(text) if text.startswith("{") else {})}

pair = ask("post", "login/", {"username": "ann", "password": "pw"})
token = pair["access_token"]
(session,) = ask("get", "sessions/", token=token)["results"]
client_id = ask("post", "clients/", {"client_name": "x", "username": "ann"}, token)["client_id"]
key = ask("post", f"clients/{client_id}/keys/", {"expires_at": "2050-01-02T03:04:05"}, token)
tell({
    "wrong password": ask("post", "login/", {"username": "ann", "password": "no"})["code"],
    "nobody": [ask("get", path)["status"] for path in ("me/", "sessions/", "clients/")],
    "started at": session["started_at"][-1],
    "expires at": key["expires_at"],
    "refresh": ask("post", "refresh/", {"refresh_token": pair["refresh_token"]})["status"],
    "no refresh": ask("post", "refresh/", {})["code"],
    "introspect": ask("post", "introspect/", {"token": token}, token)["active"],
    "jwks": ask("get", ".well-known/jwks.json")["status"],
    "logout": ask("post", "logout/", {"refresh_token": pair["refresh_token"]})["status"],
    "afterwards": ask("get", "me/", token=token)["code"],
})
"""

EXPECTED = {
    "wrong password": "invalid_credentials",
    "nobody": [401, 401, 401],
    "started at": "Z",
    "expires at": "2050-01-02T03:04:05Z",
    "refresh": 200,
    "no refresh": "invalid_request",
    "introspect": True,
    "jwks": 200,
    "logout": 204,
    "afterwards": "token_revoked",
}

DRF = """
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.TemplateHTMLRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.FileUploadParser"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_THROTTLE_CLASSES": ["rest_framework.throttling.AnonRateThrottle"],
    "DEFAULT_THROTTLE_RATES": {"anon": "1/day"},
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.CursorPagination",
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.AcceptHeaderVersioning",
    "ALLOWED_VERSIONS": ["v1"],
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "DATETIME_FORMAT": "%d.%m.%Y",
    "DATETIME_INPUT_FORMATS": ["%d.%m.%Y"],
    "NON_FIELD_ERRORS_KEY": "oops",
    "URL_FORMAT_OVERRIDE": None,
    "PAGE_SIZE": 1,
    "TEST_REQUEST_DEFAULT_FORMAT": "multipart",
}
"""

DJANGO = """
MIDDLEWARE = []
TIME_ZONE = "America/New_York"
USE_I18N = False
APPEND_SLASH = False
DATA_UPLOAD_MAX_MEMORY_SIZE = None
DATA_UPLOAD_MAX_NUMBER_FIELDS = None
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
MIGRATION_MODULES = {"jwt_auth": None}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "jwt_auth", "people"]
SECRET_KEY = b"a secret key of bytes, which Django allows, and which is long enough"
"""

VERSIONED = """
from django.urls import include, path

urlpatterns = [path("<str:version>/auth/", include("jwt_auth.urls"))]
"""

URL_VERSIONS = """
REST_FRAMEWORK = {"DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.URLPathVersioning", "ALLOWED_VERSIONS": ["v1"]}
"""


@pytest.mark.parametrize("settings", [DRF, DJANGO], ids=["of DRF", "of Django"])
def test_the_endpoints_do_not_depend_on_settings_for_other_views(tmp_path, settings):
    found = in_another_project(tmp_path, code=f"PREFIX = ''\n{FLOW}", models=MODELS, settings=settings)
    assert found == EXPECTED


def test_the_endpoints_can_be_below_the_version_in_a_path(tmp_path):
    code = f"PREFIX = '/v1'\n{FLOW}"
    found = in_another_project(tmp_path, code=code, models=MODELS, settings=URL_VERSIONS, urls=VERSIONED)
    assert found == EXPECTED
