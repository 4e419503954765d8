"""
The selection of the tests of a run.

- A test marked `thorough` runs only in a thorough run: `THOROUGH=1`, which is `just thorough`.
- A test marked `sampled` runs with each value of each parameter in the usual run, and with all combinations in a
  thorough run.
- With another database than SQLite, or another user model than Django's, a test runs only if it uses the database and
  is not in a place of ONCE.
- There, a test in a place of _THREE_VALUES that has many values runs with three of them. What differs between its
  values is decided before a statement is sent: the body, the media type, the header, the cookie, the cache. In a run on
  SQLite, the three sent each statement that all of them sent. A test of these places is marked `every_value` if the
  database or the user model could tell its values apart.
- With `TEST_SAMPLE=2` a test that has many values runs with two of them, and what no other Python can change does not
  run. With `TEST_SAMPLE=1` it runs with one, which is enough where only Python differs, and not Django. A thorough run
  has everything on each Python.
- Under the tracer of the coverage a test takes half as long again. A test is measured where it may run a line that no
  other test runs: see is_measured().
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

THOROUGH = os.environ.get("THOROUGH") == "1"

# How many values of a test run on another Python; 0 means all.
SAMPLE = 0 if THOROUGH else int(os.environ.get("TEST_SAMPLE", "0"))

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

# The values of the tests in these places never reach the database, or are those of a place that runs with all of them:
# each way to revoke, in revocation/test_matrix.py.
_THREE_VALUES = frozenset(
    (
        *("issuers/remote/test_subscription.py", "keyring/test_configured.py", "revocation/test_matrix_in_cookies.py"),
        *("test_budgets.py", "test_exception_handlers.py", "test_service_tokens.py", "test_signals.py"),
        *("test_step_up.py", "test_throttling.py"),
        *(f"views/test_{name}.py" for name in ("browser", "parsers", "sign_out", "users")),
    )
)

# Each line that these tests run is run by other tests, too. Should one become the only one that runs a line, the
# coverage will miss that line, and the place has to go from here.
_UNMEASURED = frozenset(
    (
        *(f"attacks/test_{name}.py" for name in ("acceptance", "fuzz", "login", "login_throttles")),
        *(f"attacks/test_malformed_{name}.py" for name in ("bodies", "claims", "tokens")),
        *(f"attacks/test_{name}.py" for name in ("data_and_imports", "keys_and_settings", "peers", "simplejwt_flaws")),
        *("client/test_server.py", "conformance/test_answers.py", "contrib/channels/test_channels.py"),
        *(f"docs/test_{name}.py" for name in ("guides", "keys", "modes", "pages", "words")),
        *("example_project/test_demo.py", "example_project/test_project.py"),
        *("http/test_csrf.py", "http/test_csrf_guard.py", "http/test_logs.py", "issuers/test_other_issuers.py"),
        *("races/test_sqlite_file.py", "revocation/feed/test_model.py", "revocation/memory/test_model.py"),
        *("revocation/test_ends.py", "revocation/test_matrix.py", "revocation/test_matrix_in_cookies.py"),
        *(f"sessions/test_{name}.py" for name in ("names", "rotation_model", "sharing_model", "shown")),
        *("test_base_models.py", "test_budgets.py", "test_exception_handlers.py", "test_flows.py"),
        *("test_middleware_of_django.py", "test_other_writers.py", "views/test_sign_out.py", "views/test_users.py"),
    )
)

# The tests of these places run the lines that are only for PostgreSQL or MariaDB, for a cutoff in the user's row, or
# for a package that the README does not install.
_MEASURED_ON_DATABASES = frozenset(
    (
        *("_django", "checks", "races", "sessions"),
        *("management/test_jwt_copy_cutoffs.py", "revocation/memory/test_notifications.py"),
        *("revocation/test_cutoff.py", "revocation/test_saved_cutoffs.py", "revocation/test_wall_clock.py"),
        "views/test_clients.py",
    )
)

_DATABASE_FIXTURES = frozenset({"db", "transactional_db", "django_db_reset_sequences", "live_server"})


def select(items: list[pytest.Item]) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Return the tests that run, and those that don't."""
    covered: dict[str, set[tuple[str, Any]]] = {}
    kept, left_out = [], []
    for item in items:
        (kept if _runs(item, covered) else left_out).append(item)
    if THOROUGH or (IS_USUAL and not SAMPLE):
        return kept, left_out
    some = set(_sample(kept, SAMPLE or 3))
    chosen = {item for item in kept if item in some or not (SAMPLE or _three_will_do(item))}
    if SAMPLE:
        chosen = {item for item in chosen if _folder_of(item) not in _ONE_PYTHON and _place_of(item) != _PROJECTS}
    left_out += [item for item in kept if item not in chosen]
    return [item for item in kept if item in chosen], left_out


def is_measured(item: pytest.Item) -> bool:
    """Return whether a test runs under the tracer when the coverage is measured."""
    if IS_ON_SQLITE:
        return _place_of(item) not in _UNMEASURED
    return not _MEASURED_ON_DATABASES.isdisjoint((_folder_of(item), _place_of(item)))


def _sample(items: list[pytest.Item], number: int) -> Iterator[pytest.Item]:
    """Yield the first, the last and the middle case of each test, or the first one or two of these."""
    sizes, seen = Counter(map(_function_of, items)), Counter[str]()
    for item in items:
        name = _function_of(item)
        if seen[name] in (0, sizes[name] - 1, sizes[name] // 2)[:number]:
            yield item
        seen[name] += 1


def _three_will_do(item: pytest.Item) -> bool:
    return _place_of(item) in _THREE_VALUES and not item.get_closest_marker("every_value")


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
    return _relative(item.path).as_posix()


def _folder_of(item: pytest.Item) -> str:
    return _relative(item.path).parts[0]


@cache
def _relative(path: Path) -> Path:
    return path.relative_to(TESTS)


def _fixtures_of(item: pytest.Item) -> Iterable[str]:
    return getattr(item, "fixturenames", ())


def _has_something_new(item: pytest.Item, seen: set[tuple[str, Any]]) -> bool:
    parameters = item.callspec.params  # type: ignore[attr-defined]  # only a function with parameters is sampled
    values = {(name, id(value)) for name, value in parameters.items()}
    is_new = not values <= seen
    seen |= values
    return is_new
