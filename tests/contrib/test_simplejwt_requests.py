"""Requests to simplejwt and to its stand-in, compared in a process of its own, which has the apps of simplejwt."""

import os
import subprocess
import sys

from tests.support import ROOT
from tests.support.other_settings import run_tests


def test_clients_get_the_same_answers_as_from_simplejwt():
    run_tests("tests/contrib/simplejwt/compared", "tests.contrib.simplejwt.compared.settings")


WITHOUT = """
import sys
sys.modules["rest_framework_simplejwt"] = None  # an import of it fails
import django
django.setup()
from jwt_auth.contrib.simplejwt import authentication, serializers, tokens, urls
from jwt_auth.contrib.simplejwt.checks import check_simplejwt
from jwt_auth.contrib.spectacular import simplejwt
assert check_simplejwt() == []
print(len(urls.urlpatterns))
"""


def test_the_names_need_no_package():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("4\n", 0), done.stderr
