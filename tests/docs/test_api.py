"""The page of the Python API is compared with the code: the public names, their signatures, and the types in these."""

import ast
import builtins
import importlib
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import jwt_auth
from jwt_auth import exceptions
from tests.support import ROOT
from tests.support.docs import BLOCKS

APP = Path(jwt_auth.__file__).parent

PAGE = (ROOT / "docs/reference/api.md").read_text()
# The page that lists the names in jwt_auth.signals.
SIGNALS_PAGE = (ROOT / "docs/reference/signals.md").read_text()

# The packages whose types may occur in a public signature.
OTHERS = {
    *("asyncio", "collections", "datetime", "pathlib", "types", "typing", "typing_extensions", "uuid"),
    *("django", "rest_framework", "requests", "httpx", "allauth", "ninja"),
}


def listed(text):
    """Yield the dotted names that a page lists: in signatures, in tables of names, and in full."""
    for module, code in re.findall(r"<!-- test: signatures (\S+) -->\n```python\n(.*?)```", text, re.DOTALL):
        yield from (f"{module}.{_name(node)}" for node in ast.parse(code).body)
    for modules, table in re.findall(r"<!-- test: names (.+) -->\n((?:\|.*\n)+)", text):
        for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE):
            yield from (f"{module}.{name}" for module in modules.split())
    yield from (path for path in re.findall(r"`(jwt_auth\.[\w.]+)`", text) if not _is_module(path))


def exported():
    """Yield the dotted names in `__all__`, of all modules that have one."""
    for path in APP.rglob("*.py"):
        place = path.parent if path.stem == "__init__" else path.with_suffix("")
        module = ".".join(place.relative_to(APP.parent).parts)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
                yield from (f"{module}.{name}" for name in ast.literal_eval(node.value))


def _name(node):
    return node.target.id if isinstance(node, ast.AnnAssign) else node.name


def _is_module(path):
    file = APP.parent.joinpath(*path.split("."))
    return file.with_suffix(".py").exists() or (file / "__init__.py").exists()


PUBLIC = sorted(exported())
MODULES = {path.rpartition(".")[0] for path in PUBLIC}


def test_the_pages_list_what_the_modules_export():
    assert set(listed(PAGE + SIGNALS_PAGE)) == set(PUBLIC)
    assert len(PUBLIC) == len(set(PUBLIC)) > 100


@pytest.mark.parametrize(
    ("find", "replace", "difference"),
    [
        ("def refresh(", "def renew(", {"sessions.refresh", "sessions.renew"}),
        ("`jwt_auth.throttling.ClientThrottle`", "a throttle", {"throttling.ClientThrottle"}),
        ("`jwt_auth.views.VerifyView`", "`jwt_auth.views.LogoutView`", {"views.VerifyView", "views.LogoutView"}),
        ("| `ClientKey` |", "| `UsedToken` |", {"models.ClientKey", "models.UsedToken"}),
    ],
)
def test_a_page_that_lists_too_much_or_too_little_is_noticed(find, replace, difference):
    assert PAGE.count(find) == 1
    changed = set(listed(PAGE.replace(find, replace) + SIGNALS_PAGE))
    assert changed ^ set(PUBLIC) == {f"jwt_auth.{name}" for name in difference}


def _look_up(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


# These can be imported only where other packages are among the apps, which say what their methods are.
ELSEWHERE = tuple(f"jwt_auth.contrib.{name}." for name in ("allauth", "dj_rest_auth", "djoser", "knox", "modern_rest"))


def unlisted_types(public):
    """Yield the types in public signatures and attributes that are neither public nor another package's."""
    public = [path for path in public if not path.startswith(ELSEWHERE)]
    values = [_look_up(path) for path in public]
    for path, value in zip(public, values, strict=True):
        for module, node in _definitions(path, value):
            for annotation in _annotations(node):
                for name in _types_in(annotation):
                    if not _may_stand_there(name, module, values):
                        yield path, name


def _definitions(path, value):
    """Yield the definition of a function or a type alias, or those of a class and its bases in this app."""
    if inspect.isclass(value):
        for base in value.__mro__:
            if base.__module__.startswith("jwt_auth."):
                yield importlib.import_module(base.__module__), _source(base)
    elif inspect.isfunction(value):
        yield importlib.import_module(value.__module__), _source(value)
    elif path.rpartition(".")[2][0].isupper():
        yield _assignment(importlib.import_module(path.rpartition(".")[0]), path.rpartition(".")[2])


def _annotations(node):
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        yield from (item.annotation for item in arguments if item is not None and item.annotation is not None)
        yield from [node.returns] * (node.returns is not None)
    elif isinstance(node, ast.AnnAssign):
        yield node.value if ast.unparse(node.annotation) == "TypeAlias" else node.annotation
    else:
        for item in node.body:
            name = getattr(item, "name", "") or getattr(getattr(item, "target", None), "id", "_")
            if not name.startswith("_") or name in {"__init__", "__call__"}:
                yield from _annotations(item) if not isinstance(item, ast.ClassDef) else ()


def _types_in(annotation):
    """Yield the dotted names in an annotation, which may be a string as a whole or in part."""
    if isinstance(annotation, ast.Name | ast.Attribute):
        yield ast.unparse(annotation)
    elif isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        yield from _types_in(ast.parse(annotation.value, mode="eval").body)
    elif isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Literal":
        yield "Literal"
    else:
        for child in ast.iter_child_nodes(annotation):
            yield from _types_in(child)


def _may_stand_there(name, module, values):
    first, *rest = name.split(".")
    package, *path = _origin(first, module)
    if package in OTHERS or (package == module.__name__ and hasattr(builtins, first) and not hasattr(module, first)):
        return True
    if not package.startswith("jwt_auth"):
        return False
    found = importlib.import_module(package)
    for step in (*path, *rest):
        found = getattr(found, step)
        if any(found is value for value in values):
            return True
    return False


def _origin(name, module):
    """Return the place that `module` has `name` from: another package, or a module of this app and a name in it."""
    source, *path = _imports(module).get(name, (module.__name__, name))
    return (source, *path) if source.startswith("jwt_auth") else (source.partition(".")[0],)


@cache
def _imports(module):
    """Return the imports of a module, with those for type checkers, by the names that they have there."""
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.asname or alias.name: (alias.name,) for alias in node.names}
    return found


@cache
def _tree(module):
    return ast.parse(inspect.getsource(module))


def test_no_type_stands_in_a_public_signature_that_the_pages_do_not_list():
    assert list(unlisted_types(PUBLIC)) == []


@pytest.mark.parametrize(
    ("name", "places"),
    [
        (
            "jwt_auth.verification.Issuers",
            {"jwt_auth.verification.verify", "jwt_auth.authentication.JWTAuthentication"},
        ),
        ("jwt_auth.sessions.TokenPair", {"jwt_auth.sessions.start", "jwt_auth.views.LoginView"}),
        ("jwt_auth.client.KeyMaterialSource", {"jwt_auth.client.Signer"}),
        ("jwt_auth.models.RegisteredClient", {"jwt_auth.authentication.client_of", "jwt_auth.clients.register"}),
    ],
)
def test_a_type_that_is_not_listed_is_noticed(name, places):
    found = list(unlisted_types([path for path in PUBLIC if path != name]))
    assert places <= {place for place, _ in found}
    assert {found.rpartition(".")[2] for _, found in found} == {name.rpartition(".")[2]}


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.how.startswith("test: signatures ")], ids=str)
def test_signatures_are_those_of_the_code(block):
    module = importlib.import_module(block.how.split()[2])
    for node in ast.parse(block.code).body:
        value = getattr(module, _name(node))
        source = _assignment(module, _name(node))[1] if isinstance(node, ast.AnnAssign) else _source(value)
        assert _outline(node) == _outline(source, {name for name, _ in _outline(node)})


def _source(value):
    nodes = _tree(importlib.import_module(value.__module__)).body
    return next(node for node in nodes if getattr(node, "name", "") == value.__name__)


def _assignment(module, name):
    """Return the module that defines a type alias, and the definition; `module` may import the alias."""
    for node in _tree(module).body:
        if isinstance(node, ast.AnnAssign) and node.target.id == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return _assignment(importlib.import_module(node.module), name)
    raise LookupError(name)


def _outline(node, names=None):
    """Return the fields and methods of a class, or the signature of a function; only those in `names`, if given."""
    if isinstance(node, ast.AnnAssign):
        return [(node.target.id, f"{ast.unparse(node.annotation)} = {ast.unparse(node.value)}")]
    if not isinstance(node, ast.ClassDef):
        return [(node.name, f"{ast.unparse(node.args)} -> {ast.unparse(node.returns)}")]
    found = []
    for item in node.body:
        if isinstance(item, ast.AnnAssign):
            default = None if isinstance(item.value, ast.Call) else item.value
            found.append((item.target.id, f"{ast.unparse(item.annotation)} = {default and ast.unparse(default)}"))
        elif isinstance(item, ast.FunctionDef):
            found += _outline(item)
    return [(name, outline) for name, outline in found if names is None or name in names]


def test_the_page_of_the_python_api_has_all_that_the_documentation_imports():
    imported = {
        (node.module, name.name)
        for block in BLOCKS
        if "```python\n" + block.code in block.page.read_text()
        for node in ast.walk(ast.parse(block.code))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("jwt_auth")
        for name in node.names
    }
    assert imported
    assert {f"{module}.{name}" for module, name in imported} <= {*PUBLIC, *MODULES}


def test_the_page_of_the_python_api_has_the_tree_of_errors():
    rows = re.findall(r"^\| `(\w+Error)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert len(rows) > 5
    for name, listed in rows:
        bases = [base.__name__ for base in getattr(exceptions, name).__bases__]
        assert re.findall(r"`(\w+)`", listed) == bases
