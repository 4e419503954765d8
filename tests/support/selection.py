"""
The selection of the tests of a run.

- A test marked `thorough` runs only in a thorough run: `THOROUGH=1`, which is `just thorough`.
- A test marked `sampled` runs with each value of each parameter in the usual run, and with all combinations in a
  thorough run.
- With another database than SQLite, or another user model than Django's, a test runs only if it uses the database and
  is not in a place of ONCE.
- With `TEST_SAMPLE=1` a test that has many values runs with three of them, and what no other Python can change does not
  run: so another Python runs each line of the code. A thorough run has everything on each Python.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

THOROUGH = os.environ.get("THOROUGH") == "1"

SAMPLE = os.environ.get("TEST_SAMPLE") == "1" and not THOROUGH

IS_ON_SQLITE = os.environ.get("TEST_DATABASE", "sqlite") == "sqlite"

# The run with all tests.
IS_USUAL = IS_ON_SQLITE and os.environ.get("TEST_USER", "stock") == "stock"

TESTS = Path(__file__).resolve().parent.parent

# The tests in these places do not depend on the database or the user model. All others do.
ONCE = frozenset(
    (
        *(
            "attacks",
            "beginners",
            "checks",
            "client",
            "conf",
            "conformance",
            "contrib",
            "docs",
            "example_project",
            "examples",
            "http",
        ),
        *("interop", "jose", "process", "test_architecture.py", "test_benchmarks.py", "test_no_database.py"),
        *("recipes", "test_recipes.py"),
        *("test_middleware.py", "test_middleware_of_django.py", "test_permissions.py", "test_responses.py"),
        "test_transports_cookies.py",
        *("test_asynchronous_users.py", "test_error_reports.py"),
        "test_settings_of_projects.py",
    )
)

# These start servers or browsers, and run only where they are requested.
_APART = frozenset({"browser", "deployment", "no_database"})

# These read texts, measure, or start a process for each of their projects: another Python finds the same.
_ONE_PYTHON = frozenset({"docs", "test_architecture.py", "test_benchmarks.py", "test_recipes.py"})
_PROJECTS = "contrib/simplejwt/test_projects.py"

# These need Node.js and packages that they install; REQUIRE_EXAMPLES=1 requests them.
_WITH_OTHER_PROGRAMS = frozenset({"examples", "interop"})

# These places of ONCE depend on the database or the user model all the same: on the texts and names that it accepts, or
# on its settings.
_EXCEPT = frozenset(
    (
        *("attacks/test_login.py", "attacks/test_login_throttles.py", "attacks/test_malformed_bodies.py"),
        "attacks/test_admin_requests.py",
        *("checks/test_database.py", "contrib/allauth/test_races.py", "contrib/simplejwt/test_token_races.py"),
        *(
            f"contrib/simplejwt/window/test_{name}.py"
            for name in ("access", "closing", "exchange", "ending", "races", "tokens")
        ),
        *("contrib/packages/test_former_races.py", "contrib/packages/test_former_tokens.py"),
        *("checks/test_revocation.py", "checks/test_settings.py"),
    )
)

_DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_reset_sequences", "live_server"})


def select(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run, and those that don't."""
    covered: dict[str, set[tuple[str, Any]]] = {}
    kept, left_out = [], []
    for item in items:
        (kept if _runs(item, covered) else left_out).append(item)
    if SAMPLE:
        chosen = set(_sample(kept))
        left_out += [item for item in kept if item not in chosen]
        kept = [item for item in kept if item in chosen]
    return kept, left_out


def _sample(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the first, the middle and the last case of each test."""
    sizes, seen = Counter(map(_function_of, items)), Counter[str]()
    for item in items:
        if _folder_of(item) in _ONE_PYTHON or _place_of(item) == _PROJECTS:
            continue
        name = _function_of(item)
        if seen[name] in {0, sizes[name] // 2, sizes[name] - 1}:
            yield item
        seen[name] += 1


def _function_of(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def _runs(item: pytest.Item, covered: dict[str, set[tuple[str, Any]]]) -> bool:
    if not IS_USUAL and not _can_find_something(item):
        return False
    if THOROUGH:
        return True
    if _folder_of(item) in _WITH_OTHER_PROGRAMS and not os.environ.get("REQUIRE_EXAMPLES"):
        return False
    if item.get_closest_marker("thorough"):
        return False
    if item.get_closest_marker("sampled"):
        return _has_something_new(item, covered.setdefault(_function_of(item), set()))
    return True


def _can_find_something(item: pytest.Item) -> bool:
    folder = _folder_of(item)
    if folder in _APART or _place_of(item) in _EXCEPT:
        return True
    if folder in ONCE:
        return False
    return bool(item.get_closest_marker("django_db") or _DATABASE_FIXTURES.intersection(_fixtures_of(item)))


def _place_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).as_posix()


def _folder_of(item: pytest.Item) -> str:
    return item.path.relative_to(TESTS).parts[0]


def _fixtures_of(item: pytest.Item) -> Iterable[str]:
    return getattr(item, "fixturenames", ())


def _has_something_new(item: pytest.Item, seen: set[tuple[str, Any]]) -> bool:
    parameters = item.callspec.params  # type: ignore[attr-defined]  # only a function with parameters is sampled
    values = {(name, id(value)) for name, value in parameters.items()}
    is_new = not values <= seen
    seen |= values
    return is_new
