"""The order of apps and registrations makes no difference, and without the admin nothing breaks."""

import subprocess
import sys

import pytest
from django.contrib import admin
from django.test import modify_settings

from tests.support.example_project import environment

START = """
import django
django.setup()
from django.urls import get_resolver
from django.contrib.auth import get_user_model
get_resolver().url_patterns
"""
EXTENDED = """
from django.contrib import admin
from jwt_auth.administration.users import TokenRevocationMixin
assert isinstance({site}.get_model_admin(get_user_model()), TokenRevocationMixin)
"""
OWN_SITE = """
from django.contrib import admin
from django.urls import path
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth import get_user_model
site = admin.AdminSite("own")
site.register(get_user_model(), UserAdmin)
urlpatterns = [path("own/", site.urls), path("admin/", admin.site.urls)]
"""
AGAIN = """
from django.contrib import admin
from django.urls import path
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth import get_user_model
class Late(UserAdmin): pass
admin.site.unregister(get_user_model())
admin.site.register(get_user_model(), Late)
urlpatterns = [path("admin/", admin.site.urls)]
"""


def run(folder, settings, code, urls=""):
    """Run `code` in a project with these additional lines in its settings, and these URLs."""
    (folder / "changed_settings.py").write_text(f"from example_project.settings import *\n{settings}\n")
    (folder / "changed_urls.py").write_text(urls)
    done = subprocess.run(
        [sys.executable, "-c", START + code],
        env=environment(folder, "changed_settings"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


WITHOUT = """
from django.urls import include, path
urlpatterns = [path("auth/", include("jwt_auth.urls"))]
"""

ORDERS = {
    "first": 'INSTALLED_APPS = ["jwt_auth", *(app for app in INSTALLED_APPS if app != "jwt_auth")]',
    "last": 'INSTALLED_APPS = [*(app for app in INSTALLED_APPS if app != "jwt_auth"), "jwt_auth"]',
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "urls", [None, OWN_SITE, AGAIN], ids=["autodiscovered", "a site in urls.py", "again in urls.py"]
)
@pytest.mark.sampled
def test_wherever_the_app_stands_and_whenever_users_are_registered_they_are_extended(tmp_path, order, urls):
    settings = ORDERS[order] + ('\nROOT_URLCONF = "changed_urls"' if urls else "")
    site = "__import__('changed_urls').site" if urls is OWN_SITE else "admin.site"
    run(tmp_path, settings, EXTENDED.format(site=site), urls or "")


def test_a_site_that_has_no_urls_is_not_touched(tmp_path):
    """The control: the mixin comes with the URLs and with nothing else."""
    code = "from django.contrib import admin\nfrom jwt_auth.administration.users import TokenRevocationMixin\n"
    code += "assert not isinstance(admin.site.get_model_admin(get_user_model()), TokenRevocationMixin)"
    run(tmp_path, 'ROOT_URLCONF = "changed_urls"', code, "urlpatterns = []")


def test_without_the_admin_the_api_works_and_imports_none_of_it(tmp_path):
    settings = 'INSTALLED_APPS.remove("django.contrib.admin")\nROOT_URLCONF = "changed_urls"'
    code = """
import sys
from django.core.management import call_command
from django.urls import reverse
assert not [name for name in sys.modules if name.startswith("jwt_auth.administration")]
call_command("check", fail_level="WARNING")
assert reverse("jwt_auth:login") == "/auth/login/"
"""
    run(tmp_path, settings, code, WITHOUT)


def test_apps_that_are_loaded_once_more_without_the_admin_and_with_it_extend_sites_once():
    before = admin.AdminSite.get_urls
    with modify_settings(INSTALLED_APPS={"remove": "django.contrib.admin"}):
        assert admin.AdminSite.get_urls is before
    with modify_settings(INSTALLED_APPS={"append": "django.contrib.humanize"}):
        assert admin.AdminSite.get_urls is before


def test_a_project_without_autodiscovery_registers_what_it_wants(tmp_path):
    settings = """
INSTALLED_APPS[INSTALLED_APPS.index("django.contrib.admin")] = "django.contrib.admin.apps.SimpleAdminConfig"
ROOT_URLCONF = "changed_urls"
"""
    code = "import changed_urls\n" + EXTENDED.format(site="changed_urls.site")
    code += "from jwt_auth.models import UserSession; assert not admin.site.is_registered(UserSession)"
    run(tmp_path, settings, code, OWN_SITE)
