"""A project with an app that has the name of this one: the errors that the guide names, and its way out."""

import pytest

from tests.support.docs import BLOCKS
from tests.support.guides import Reader, pages_in_order
from tests.support.projects import Project

(GUIDE,) = (page for page in pages_in_order() if page.stem == "rename-jwt-auth")
TEXT = GUIDE.read_text()

MODELS = """
from django.db import models

class ApiKey(models.Model):
    name = models.CharField(max_length=100)
"""

OTHER_MODELS = """
from django.db import models
from jwt_auth.models import ApiKey

class Use(models.Model):
    key = models.ForeignKey(ApiKey, models.CASCADE)
"""

OURS = """
INSTALLED_APPS += ["rest_framework", "jwt_auth"]
REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["jwt_auth.authentication.JWTAuthentication"]}
ALLOWED_HOSTS = ["testserver"]
"""

BEFORE = """
from django.contrib.auth.models import Permission, User
from jwt_auth.models import ApiKey
from uses.models import Use

Use.objects.create(key=ApiKey.objects.create(name="one"))
alice = User.objects.create_user("alice", password="a good password")
alice.user_permissions.add(Permission.objects.get(codename="view_apikey"))
"""

AFTER = """
from django.contrib.auth.models import User
from django.test import Client
from api_keys.models import ApiKey
from jwt_auth.models import UserSession
from uses.models import Use

assert ApiKey.objects.get().name == Use.objects.get().key.name == "one"
assert User.objects.get().has_perm("api_keys.view_apikey")
answer = Client().post("/auth/login/", {"username": "alice", "password": "a good password"}, "application/json")
assert answer.status_code == 200, answer.content
assert UserSession.objects.get().user == User.objects.get()
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project whose app `jwt_auth` has a table with a row, and one of another app that refers to it."""
    made = Project(tmp_path_factory.mktemp("namesakes") / "mysite")
    for app, models in (("jwt_auth", MODELS), ("uses", OTHER_MODELS)):
        (made.root / app / "migrations").mkdir(parents=True)
        for file, text in (("__init__.py", ""), ("migrations/__init__.py", ""), ("models.py", models)):
            (made.root / app / file).write_text(text)
    made.append("mysite/settings.py", 'INSTALLED_APPS += ["jwt_auth", "uses"]\n')
    made.manage("makemigrations", "-v", "0")
    made.manage("migrate", "-v", "0")
    made.script(BEFORE)
    return made


@pytest.fixture
def project(made, tmp_path):
    return made.copy(tmp_path / "mysite")


def error_of(project):
    """Return what `manage.py check` ends with."""
    with pytest.raises(AssertionError) as failed:
        project.manage("check")
    return str(failed.value)


@pytest.mark.parametrize(
    ("settings", "urls", "error"),
    [
        (OURS, "", "Application labels aren't unique, duplicates: jwt_auth"),
        (OURS.replace(', "jwt_auth"', ""), "import rest_framework.views", "No module named 'jwt_auth.authentication'"),
        ("", "from django.urls import include\ninclude('jwt_auth.urls')", "No module named 'jwt_auth.urls'"),
    ],
)
def test_the_errors_are_those_that_the_guide_names(project, settings, urls, error):
    project.append("mysite/settings.py", settings)
    project.append("mysite/urls.py", urls)
    assert error in error_of(project)
    assert error.removeprefix("No module named ") in TEXT


def test_the_project_gets_out_as_the_guide_says(project):
    Reader(project, "namesake").follow(GUIDE)
    project.append("mysite/settings.py", OURS)
    project.append(
        "mysite/urls.py", "from django.urls import include\nurlpatterns += [path('auth/', include('jwt_auth.urls'))]\n"
    )
    project.manage("migrate", "-v", "0")
    project.script(AFTER)


def test_a_new_database_has_the_tables_of_the_old_names(project):
    Reader(project, "namesake").follow(GUIDE)
    (project.root / "db.sqlite3").unlink()
    project.manage("migrate", "-v", "0")
    project.script("from api_keys.models import ApiKey\nApiKey.objects.create(name='two')")
    assert "jwt_auth_apikey" in project.script(
        "from django.db import connection\nprint(connection.introspection.table_names())"
    )


def test_without_the_step_in_the_database_this_app_would_get_no_tables(project):
    """The control for the guide's warning."""
    (shell,) = (block for block in BLOCKS if block.step_in("namesake") == "shell")
    reader = Reader(project, "namesake")
    for block in BLOCKS:
        if (step := block.step_in("namesake")) and block != shell and "--check" not in block.code:
            reader._do(block, step)
    reader._take_steps()
    project.append("mysite/settings.py", OURS)
    assert "[X] 0001_initial" in project.manage("showmigrations", "jwt_auth")
