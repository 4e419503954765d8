"""The tutorial and the guides are followed exactly, one after another in one project, or in one as they require it."""

import shutil

import pytest

from tests.support.docs import BLOCKS
from tests.support.guides import Reader, pages_in_order
from tests.support.projects import Project

PAGES = {page.stem: page for page in pages_in_order()}

pytestmark = [
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
    pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed"),
]


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "mysite")


def test_the_tutorial_and_the_guides_are_followed_one_after_another(project, tmp_path):
    other = Reader(Project(tmp_path / "reports", "reports"), "reports", address="localhost:8001")
    Reader(project, "guide", other=other).follow(*PAGES.values())


def test_each_guide_is_followed_there_or_says_why_not():
    elsewhere = {
        "async",  # needs packages that need Python 3.11
        "allauth",  # needs URLs without the sign-in of the other guides
        "dj-rest-auth",  # the same
        "djoser",  # the same
        "websockets",  # needs an ASGI server: tests/contrib/channels/test_guide.py
        "from-authtoken",  # begins with a project of authtoken
        "second-factor",  # the same
        "custom-user",  # needs another project, because a database keeps its user model
        "from-simplejwt",  # begins with a project of simplejwt
        "long-lived",  # tests/watching/test_long_lived.py runs it: a server for ASGI is needed
        "rename-jwt-auth",  # begins with a project that has an app of this name
    }
    followed = {block.page.stem for block in BLOCKS if block.step_in("guide")}
    assert set(PAGES) - elsewhere == followed


def test_a_user_model_of_the_projects_own_is_there_from_the_beginning(project):
    reader = Reader(project, "accounts")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["custom-user"])


def test_a_project_that_signs_in_with_allauth(project):
    pytest.importorskip("allauth")
    reader = Reader(project, "allauth")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["allauth"])


def test_a_project_with_asynchronous_views(project):
    pytest.importorskip("dmr")
    reader = Reader(project, "asynchronous")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["async"])


def test_a_project_that_registers_users_with_dj_rest_auth(project):
    pytest.importorskip("allauth")
    reader = Reader(project, "dj-rest-auth")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["dj-rest-auth"])


def test_a_project_that_registers_users_with_djoser(project):
    reader = Reader(project, "djoser")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["djoser"])


DRF_AND_AUTHTOKEN = """
INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}
"""


def test_a_project_of_authtoken_is_moved_and_its_devices_stay_signed_in(project):
    project.append("mysite/settings.py", DRF_AND_AUTHTOKEN)
    project.manage("migrate", "-v", "0")
    Reader(project, "authtoken").follow(PAGES["from-authtoken"])


def test_a_project_with_a_second_factor(project):
    pytest.importorskip("django_otp")
    reader = Reader(project, "second-factor")
    reader.write_first_files(PAGES["tutorial"], "guide")
    reader.follow(PAGES["second-factor"])


BEFORE = """
import json
from pathlib import Path
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import RefreshToken

users = {name: User.objects.create_user(name, password="a good password") for name in ("alice", "bob", "carol")}
users["dave"] = User.objects.create_user("dave", is_active=False)
tokens = {name: str(RefreshToken.for_user(user)) for name, user in users.items()}
tokens["erin"] = str(RefreshToken.for_user(User.objects.create_user("erin")).access_token)
Path("tokens.json").write_text(json.dumps(tokens))
"""

AFTER = """
import json
from pathlib import Path
from django.contrib.auth.models import User
from django.test import Client
from jwt_auth.revocation import revoke_user

former, client = json.loads(Path("tokens.json").read_text()), Client()
def post(path, status, **body):
    answer = client.post(f"/api/token/{path}", body, content_type="application/json")
    assert answer.status_code == status, (path, body, answer.content)
    return answer.json()
def me(token):
    return client.get("/auth/me/", headers={"Authorization": f"Bearer {token}"}).status_code

signed_in = post("", 200, username="alice", password="a good password")
assert set(signed_in) == {"access", "refresh"} and me(signed_in["access"]) == 200
assert set(post("", 401, username="alice", password="another")) == {"detail"}

exchanged = post("refresh/", 200, refresh=former["alice"])
assert me(exchanged["access"]) == 200 and me(former["alice"]) == 401
assert post("refresh/", 200, refresh=former["alice"])["refresh"] == exchanged["refresh"]  # two tabs
assert me(post("refresh/", 200, refresh=exchanged["refresh"])["access"]) == 200
assert post("refresh/", 401, refresh=former["bob"][:-4] + "AAAA")["code"] == "token_not_valid"
assert post("refresh/", 400) == {"refresh": ["This field is required."]}

revoke_user(User.objects.get(username="bob"), reason="a test")
carol = User.objects.get(username="carol")
carol.set_password("a new password")
carol.save()
for name in ("bob", "carol", "dave"):  # revoked, with a new password, and inactive
    post("refresh/", 401, refresh=former[name])
assert me(former["erin"]) == 200  # an access token
"""


EMPTY = """
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

OutstandingToken.objects.all().delete()
"""

WITHOUT_SIMPLEJWT = """
INSTALLED_APPS = [name for name in INSTALLED_APPS if not name.startswith("rest_framework_simplejwt")]
del SIMPLE_JWT, JWT_AUTH["SIMPLEJWT"]["ACCEPT_UNTIL"]
"""

DRF_AND_SIMPLEJWT = """
INSTALLED_APPS += ["rest_framework", "rest_framework_simplejwt", "rest_framework_simplejwt.token_blacklist"]
INSTALLED_APPS += ["jwt_auth"]  # as the guide says
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"]}
SIMPLE_JWT = {"ROTATE_REFRESH_TOKENS": True, "BLACKLIST_AFTER_ROTATION": True}
"""

URLS_OF_SIMPLEJWT = """
from django.urls import path
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view(), name="token_obtain_pair"),
    path("api/token/refresh/", TokenRefreshView.as_view(), name="token_refresh"),
]
"""


def test_a_project_of_simplejwt_is_moved_and_its_frontend_stays_signed_in(project):
    pytest.importorskip("rest_framework_simplejwt")
    project.append("mysite/settings.py", DRF_AND_SIMPLEJWT)
    project.append("mysite/urls.py", URLS_OF_SIMPLEJWT)
    project.manage("migrate", "-v", "0")
    project.script(BEFORE)
    Reader(project, "simplejwt").follow(PAGES["from-simplejwt"])
    project.append("mysite/settings.py", 'ALLOWED_HOSTS = ["testserver"]\n')
    project.script(AFTER)
    project.script(EMPTY)
    assert "Unapplying token_blacklist.0001_initial" in project.manage("migrate", "token_blacklist", "zero")
    project.append("mysite/settings.py", WITHOUT_SIMPLEJWT)
    assert "no issues" in project.manage("check", "--fail-level", "WARNING")
    assert "Nothing needs simplejwt" in project.manage("jwt_migrate", "simplejwt", "--check")
