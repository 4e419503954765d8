"""The rules between the modules."""

import ast
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import median

import pytest

import jwt_auth
from tests.support import ROOT
from tests.support.architecture import PAGE, contract, modules_of, tables

APP = Path(jwt_auth.__file__).parent


@pytest.mark.parametrize(
    "module",
    [
        "jwt_auth",
        "jwt_auth.apps",
        "jwt_auth.authentication",
        "jwt_auth.conf",
        "jwt_auth.http.csrf",
        "jwt_auth.responses",
    ],
)
def test_what_settings_and_models_name_can_be_imported_before_the_apps_are_ready(module):
    subprocess.run([sys.executable, "-W", "error", "-c", f"import {module}"], check=True)


def test_models_can_not_be_imported_so_early():
    """The control: without it the test above would only prove that imports work."""
    done = subprocess.run([sys.executable, "-c", "import jwt_auth.models"], capture_output=True, text=True)
    assert "AppRegistryNotReady" in done.stderr


def test_importing_the_app_leaves_the_settings_alone():
    code = (
        "import django; from django.conf import settings; django.setup(); before = dict(vars(settings._wrapped));"
        "import jwt_auth.urls, jwt_auth.conf; jwt_auth.conf.get_settings(); after = dict(vars(settings._wrapped));"
        "assert before == after"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_of_the_test_tools_is_imported_in_production():
    """This app does not import them; drf-spectacular, which these tests have installed, does so itself."""
    code = "import sys, django; django.setup(); import jwt_auth.urls; assert 'django.test' not in sys.modules"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "example_project.settings"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


def test_the_page_on_the_architecture_is_made_from_the_contract():
    """`python -m tests.support.architecture` writes it anew."""
    assert tables(APP) in PAGE.read_text()


def test_the_contract_names_all_that_stands_at_the_root_and_no_more():
    named = {name for floor in contract() for name in floor}
    assert named == {path.stem for path in modules_of(APP)} - {"migrations"}
    assert len(contract()) == 16


def test_the_root_can_be_held_in_the_head():
    at_root = [path for path in modules_of(APP) if path.name != "migrations"]
    assert len([path for path in at_root if path.is_file()]) <= 25
    assert len([path for path in at_root if path.is_dir()]) <= 18


def test_modules_are_short():
    lengths = [len(path.read_text().splitlines()) for path in APP.rglob("*.py") if "migrations" not in path.parts]
    full = [length for length in lengths if length > 10]  # except the public modules of rooms
    assert max(lengths) <= 400
    assert 100 <= median(full) <= 150


def imported_tests(code):
    """Return the test modules, and conftest.py, that a module of the tests imports anywhere in it."""
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=module, names=aliases, level=level):
                place = ".".join([*["tests"] * bool(level), *[module] * bool(module)])
                names = [f"{place}.{alias.name}" for alias in aliases]
            case _:
                continue
        for name in names:
            top, *rest = name.split(".")
            if top == "tests" and any(part == "conftest" or part.startswith("test_") for part in rest):
                yield name


def test_no_test_module_is_imported_by_another():
    """Helpers are in tests/support, and pytest finds fixtures without an import. The controls come first."""
    for control in (
        "import tests.jose.test_keys",
        "from tests.jose.test_keys import SECRET",
        "from tests.jose import test_keys",
        "from tests.conftest import client",
        "from .conftest import client",
        "from . import test_keys",
        "def test():\n    from tests import conftest",
    ):
        assert len(list(imported_tests(control))) == 1, control
    assert not list(imported_tests("import tests.urls\nfrom django.test import Client\nfrom tests.support import keys"))
    files = list((ROOT / "tests").rglob("*.py"))
    assert len(files) > 100
    assert {path.name: names for path in files if (names := list(imported_tests(path.read_text())))} == {}


def classes_of(code):
    """Return the public classes at the top of a module."""
    return [node.name for node in ast.parse(code).body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]


OF_SIMPLEJWT = {"AccessToken", "ExpiredTokenError", "JWTAuthentication", "TokenError"}
OF_OTHER_PACKAGES = {"LoginView", "LogoutView", "RefreshView", "RefreshSerializer", "TokenStrategy"}


def test_classes_of_two_modules_never_share_a_name():
    """
    Exceptions: classes that Django finds by their name (Command), one class for each library of HTTP clients (JWTAuth),
    and names of other packages, which code of projects imports.
    """
    assert classes_of("class One: ...\nclass _Two: ...\nx = 3") == ["One"]
    files = [path for path in APP.rglob("*.py") if "migrations" not in path.parts]
    counts = Counter(name for path in files for name in classes_of(path.read_text()))
    assert len(counts) > 100
    assert {name for name, count in counts.items() if count > 1} == {
        "Command",
        "JWTAuth",
        *OF_SIMPLEJWT,
        *OF_OTHER_PACKAGES,
    }


# Django documents the first ones by name, DRF `_request`, and Python the last ones, of named tuples. Extensions of
# drf-spectacular call `_map_serializer`, its own ones too.
DOCUMENTED = {
    *("_meta", "_state", "_default_manager", "_base_manager", "_request", "_map_serializer"),
    *("_fields", "_make", "_replace"),
}
# Attributes of Django's objects that it does not document, although they have no underscore.
UNDOCUMENTED = {"in_atomic_block", "atomic_blocks", "run_on_commit", "errors_occurred", "fields_cache", "klass_info"}


def foreign_privates(code):
    """The private attributes that a module reads of objects that it does not define itself."""
    nodes = list(ast.walk(ast.parse(code)))
    own = {node.name for node in nodes if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}
    own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    own |= {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    read |= {
        node.args[1].value
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("getattr", "hasattr")
        if isinstance(node.args[1], ast.Constant)
    }
    private = {name for name in read - own - DOCUMENTED if name.startswith("_") and not name.startswith("__")}
    return private | (read & UNDOCUMENTED)


def test_undocumented_attributes_are_read_in_one_room():
    assert foreign_privates("rows._raw_delete(1)\nrows._meta") == {"_raw_delete"}
    assert foreign_privates("getattr(rows, '_hints', None)") == {"_hints"}
    assert foreign_privates("connection.in_atomic_block") == {"in_atomic_block"}
    assert not foreign_privates("class Own:\n def __init__(self): self._own = 1\n def read(self): return self._own")
    files = [path for path in APP.rglob("*.py") if path.parent.name != "_django"]
    found = {str(path.relative_to(APP)): foreign_privates(path.read_text()) for path in files}
    assert {path: names for path, names in found.items() if names} == {}


def locks_of_the_process(code):
    """Return the locks that exist from the import of a module on, in the module or in its classes."""
    module = ast.parse(code)
    statements = [*module.body, *(each for node in module.body if isinstance(node, ast.ClassDef) for each in node.body)]
    values = [node.value for node in statements if isinstance(node, ast.Assign | ast.AnnAssign) and node.value]
    calls = [node for value in values for node in ast.walk(value) if isinstance(node, ast.Call)]
    return {"Lock", "RLock", "Condition", "Semaphore"} & {ast.unparse(call.func).split(".")[-1] for call in calls}


def test_no_lock_belongs_to_the_process():
    """A forked child would inherit it locked if a thread of its parent holds it. ForkReset renews those of objects."""
    assert locks_of_the_process("import threading\n_lock: Any = threading.Lock()") == {"Lock"}
    assert locks_of_the_process("class One:\n    lock = RLock()") == {"RLock"}
    assert not locks_of_the_process("class One:\n    def __init__(self): self._lock = Lock()")
    files = [path for path in APP.rglob("*.py") if locks_of_the_process(path.read_text())]
    assert files == []


def test_each_run_has_the_same_tests(pytestconfig):
    """They are selected before pytest-randomly shuffles them: hooks that are later in the list are called earlier."""
    hooks = pytestconfig.hook.pytest_collection_modifyitems.get_hookimpls()
    places = [getattr(hook.plugin, "__file__", hook.plugin_name) for hook in hooks]
    ours = places.index(str(ROOT / "tests/conftest.py"))
    assert not [place for place in places[ours:] if "pytest_randomly" in place]
