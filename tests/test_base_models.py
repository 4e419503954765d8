"""The cutoff as a field of other models: in migrations, in forms, and before the apps are ready."""

import os
import subprocess
import sys

import pytest
from django.db import models
from django.db.migrations.writer import MigrationWriter

from jwt_auth.base_models import TokenCutoffField, TokensValidAfterMixin


def test_it_is_nullable_and_in_no_form_whatever_is_asked_for():
    field = TokenCutoffField(null=False, blank=False, editable=True)
    assert (field.null, field.blank, field.editable) == (True, True, False)
    assert field.formfield() is None or not field.editable


def test_it_is_a_datetime_for_the_database():
    assert TokenCutoffField().get_internal_type() == "DateTimeField"


@pytest.mark.parametrize(
    "options", [{}, {"db_index": True}, {"help_text": "Set by us."}, {"verbose_name": "valid from"}, {"db_column": "x"}]
)
def test_a_migration_makes_the_same_field_again(options):
    field = TokenCutoffField(**options)
    source, imports = MigrationWriter.serialize(field)
    scope = {}
    exec("\n".join(imports), scope)
    again = eval(source, scope)
    assert isinstance(again, TokenCutoffField)
    assert again.deconstruct()[1:] == field.deconstruct()[1:]
    assert (again.null, again.blank, again.editable) == (True, True, False)


def test_what_it_implies_does_not_stand_in_migrations():
    _, path, args, kwargs = TokenCutoffField().deconstruct()
    assert path == "jwt_auth.base_models.TokenCutoffField"
    assert args == []
    assert set(kwargs) <= {"verbose_name"}


def test_a_clone_is_equal():
    field = TokenCutoffField(db_index=True)
    assert field.clone().deconstruct() == field.deconstruct()


def test_the_mixin_is_abstract_and_brings_the_field():
    assert TokensValidAfterMixin._meta.abstract
    assert isinstance(TokensValidAfterMixin._meta.get_field("tokens_valid_after"), TokenCutoffField)


def test_a_first_save_writes_the_value_itself_and_a_later_one_an_expression():
    class Instance:
        moment = None

    field = TokenCutoffField()
    field.attname = "moment"
    assert field.pre_save(Instance(), add=True) is None
    assert isinstance(field.pre_save(Instance(), add=False), models.F)


@pytest.mark.parametrize("apps", [["shop"], ["shop", "jwt_auth"], ["jwt_auth", "shop"]])
def test_a_models_module_can_import_it_while_apps_load_and_without_the_app(tmp_path, apps):
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").touch()
    (shop / "models.py").write_text(
        "from django.contrib.auth.models import AbstractUser\n"
        "from jwt_auth.base_models import TokensValidAfterMixin\n"
        "class Member(TokensValidAfterMixin, AbstractUser): pass\n"
    )
    script = f"""
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *{apps}],
    AUTH_USER_MODEL="shop.Member",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    JWT_AUTH={{"USER_CUTOFF_FIELD": "tokens_valid_after"}},
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    SECRET_KEY="x" * 50,
)
django.setup()
from shop.models import Member
from django.core.management import call_command
assert Member._meta.get_field("tokens_valid_after").null
call_command("check")
"""
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
