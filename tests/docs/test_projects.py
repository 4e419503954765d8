"""Pages that begin with a project: each is followed exactly, in a project that `startproject` has just made."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from example_project.demo.server import free_port
from tests.support import ROOT
from tests.support.clients import PASSWORD
from tests.support.docs import BLOCKS

TUTORIAL = ("curl", "shell", "revoke", "inspect", "sign out")

FAST = 'PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]\n'

HELLO = """
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView


class Hello(APIView):
    def get(self, request):
        return Response({"hello": request.user.get_username()})


urlpatterns = [path("hello/", Hello.as_view()), path("auth/", include("jwt_auth.urls"))]
"""


@dataclass
class Project:
    """A project in a directory of its own."""

    root: Path

    def append(self, file, code):
        with (self.root / file).open("a") as opened:
            opened.write(f"\n{code}")

    def follow(self, page):
        """Write the blocks of `page` into the files that they name: `test: <page> <file>`."""
        found = [block for block in BLOCKS if block.how.startswith(f"test: {page} mysite/")]
        assert found, page
        for block in found:
            self.append(block.how.split()[2], block.code)

    def manage(self, *arguments):
        return self.run(sys.executable, "manage.py", *arguments)

    def shell(self, script, **environment):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return self.run("bash", "-c", script, PATH=path, **environment)

    @contextmanager
    def serving(self):
        """Run a development server in the block; the value is its host and port."""
        port = free_port()
        command = [sys.executable, "manage.py", "runserver", "--noreload", f"localhost:{port}"]
        with (self.root / "server.log").open("w") as log:
            server = subprocess.Popen(command, cwd=self.root, env=self.environment(), stdout=log, stderr=log)
            try:
                while not _answers(port):
                    assert server.poll() is None, (self.root / "server.log").read_text()
                    time.sleep(0.1)
                yield f"localhost:{port}"
            finally:
                server.terminate()
                server.wait(10)

    def script(self, code):
        return self.run(sys.executable, "-c", f"import django; django.setup()\n{code}")

    def run(self, *command, **environment):
        """Run `command`, which must succeed, and return its output."""
        env = {**self.environment(), **environment}
        done = subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def environment(self):
        own = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": f"{self.root}{os.pathsep}{ROOT}"}
        return {**{name: value for name, value in os.environ.items() if not name.startswith("COV")}, **own}


def _answers(port):
    try:
        socket.create_connection(("localhost", port), 10).close()
    except OSError:
        return False
    return True


@pytest.fixture
def project(tmp_path):
    made = Project(tmp_path)
    made.run(sys.executable, "-m", "django", "startproject", "mysite", ".", DJANGO_SETTINGS_MODULE="")
    made.append("mysite/settings.py", FAST)
    return made


def test_the_tests_of_a_project_sign_in_as_the_guide_says(project):
    project.append("mysite/settings.py", _drf("jwt_auth", "jwt_auth.authentication"))
    (project.root / "mysite" / "urls.py").write_text(HELLO)
    project.follow("project")
    assert "Ran 6 tests" in project.manage("test", "mysite")


# The outputs do not end with a line break.
SHOWN = 'curl() { command curl "$@"; echo; }; cat() { command cat "$@"; echo; }\n'


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_the_tutorial_is_followed_to_its_end(project):
    project.follow("tutorial")
    steps = {how: [block.code for block in BLOCKS if block.how == f"test: tutorial {how}"] for how in TUTORIAL}
    (start,), (revoke,), (inspect,), (sign_out,) = (steps[how] for how in TUTORIAL[1:])
    *before, after = steps["curl"]
    sign_in = next(code for code in before if "/login/" in code)
    told = [*before, revoke.replace("jwt_revoke", "jwt_revoke --yes"), after, inspect, sign_in, sign_out]
    project.shell(start.replace("--username", "--no-input --username"), DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    with project.serving() as host:
        answers = project.shell(SHOWN + "".join(told).replace("localhost:8000", host))
    expected = [line[2:] for code in told for line in code.splitlines() if line.startswith("# {")]
    shown = [line for line in answers.splitlines() if line.startswith("{")]
    assert len(shown) == len(expected) == 7
    for answer, pattern in zip(shown, expected, strict=True):
        assert re.fullmatch(".*".join(map(re.escape, pattern.split("..."))), answer)
    assert "FAIL  session not revoked" in answers


BEFORE = """
import json
from pathlib import Path
from django.contrib.auth.models import User
from rest_framework_simplejwt.tokens import RefreshToken

users = {name: User.objects.create_user(name, password="a good password") for name in ("alice", "bob", "carol")}
users["dave"] = User.objects.create_user("dave", is_active=False)
tokens = {name: str(RefreshToken.for_user(user)) for name, user in users.items()}
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
assert post("", 401, username="alice", password="another")["code"] == "invalid_credentials"

exchanged = post("refresh/", 200, refresh=former["alice"])
assert me(exchanged["access"]) == 200 and me(former["alice"]) == 401
assert me(post("refresh/", 200, refresh=exchanged["refresh"])["access"]) == 200
assert post("refresh/", 401, refresh=former["alice"])["code"] == "invalid_token"  # it was used up
assert post("refresh/", 401, refresh=former["bob"][:-4] + "AAAA")["code"] == "invalid_token"
assert post("refresh/", 400)["errors"] == {"refresh": ["This field is required."]}
post("verify/", 200, token=exchanged["access"])

revoke_user(User.objects.get(username="bob"), reason="a test")
carol = User.objects.get(username="carol")
carol.set_password("a new password")
carol.save()
for name in ("bob", "carol", "dave"):  # revoked, with a new password, and inactive
    assert post("refresh/", 401, refresh=former[name])["code"] == "invalid_credentials", name
"""


def test_a_project_of_simplejwt_is_moved_and_its_frontend_stays_signed_in(project):
    pytest.importorskip("rest_framework_simplejwt")
    project.append("mysite/settings.py", _drf("rest_framework_simplejwt", "rest_framework_simplejwt.authentication"))
    project.append("mysite/settings.py", 'INSTALLED_APPS += ["rest_framework_simplejwt.token_blacklist"]\n')
    project.manage("migrate", "-v", "0")
    project.script(BEFORE)
    (project.root / "mysite" / "urls.py").write_text("")
    project.follow("simplejwt")
    project.append("mysite/settings.py", 'ALLOWED_HOSTS = ["testserver"]\n')
    project.manage("check", "--fail-level", "WARNING")
    project.manage("migrate", "-v", "0")
    project.script(AFTER)


def _drf(app, authentication):
    return f"""
INSTALLED_APPS += ["rest_framework", "{app}"]
REST_FRAMEWORK = {{
    "DEFAULT_AUTHENTICATION_CLASSES": ["{authentication}.JWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
}}
"""
