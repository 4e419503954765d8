"""The suite on every supported Python and Django, on the built wheel, and with all that the usual run leaves out."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests"]

MATRIX = [
    ("3.10", "5.2"),
    ("3.11", "5.2"),
    ("3.12", "6.0"),
    ("3.13", "5.2"),
    ("3.13", "6.1"),
    ("3.14", "6.1"),
    ("3.15", "6.1"),
]

# What is installed is what the lock says: a release of somebody else must not turn a run red.
LOCK = Path(__file__).parent / ".ci"


def locked(django: str) -> dict[str, str]:
    """The environment in which pip installs the locked versions, with this Django."""
    return {"PIP_CONSTRAINT": f"{LOCK / 'constraints.txt'} {LOCK / f'django-{django}.txt'}"}


@nox.session
@nox.parametrize(
    "python,django",
    [nox.param(python, django, id=f"python{python}-django{django}") for python, django in MATRIX],
)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite from the source tree."""
    session.install("-q", "-e", ".[test]", env=locked(django))
    session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session
@nox.parametrize(
    "python,django",
    [nox.param(python, django, id=f"python{python}-django{django}") for python, django in MATRIX],
)
def wheel(session: nox.Session, django: str) -> None:
    """Build the wheel and run the suite against it, away from the source tree."""
    session.install("-q", "build", env=locked(django))
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    build = ("python", "-m", "build", "--wheel", "--outdir", str(dist), ".")
    session.run_install(*build, silent=True, env=locked(django))
    for built in dist.glob("*.whl"):  # none with --no-install: the wheel was installed before
        session.install("-q", "--force-reinstall", "--no-deps", str(built))
        session.install("-q", f"{built}[test]", env=locked(django))
    away = dist.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    for name in ("tests", "example_project", "examples", "docs", "benchmarks", ".ci"):
        # Other tests may be at work, whose interpreters and npm write there.
        shutil.copytree(name, away / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ("manage.py", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml", "noxfile.py"):
        shutil.copy(name, away / name)
    with session.chdir(away):
        tested = "import jwt_auth; assert 'site-packages' in jwt_auth.__file__, jwt_auth.__file__"
        session.run("python", "-c", tested)
        session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)


@nox.session(venv_backend="none")
def thorough(session: nox.Session) -> None:
    """
    Run what `.ci/run` leaves out: before a release, and now and then.

    All combinations and many rounds, on each database with each user model, all pages in a real browser, and the
    whole matrix. PostgreSQL, MariaDB, Redis, Chromium, Node.js and wrk must be there.
    """
    everything = {"THOROUGH": "1", "REQUIRE_BROWSER": "1", "REQUIRE_DEPLOYMENT": "1", "REQUIRE_EXAMPLES": "1"}
    apart = ("tests/browser", "tests/deployment", "tests/examples", "tests/interop", "tests/example_project")
    suite = ("python", "-m", "pytest", "-q", "-n", "2")
    ignored = [f"--ignore={name}" for name in apart]
    took: dict[str, float] = {}
    for database in ("sqlite", "postgresql", "mariadb"):
        for user in ("stock", "custom", "uuid"):
            with _timed(took, f"{database}, {user} user model"):
                where = {"TEST_DATABASE": database, "TEST_USER": user}
                session.run(*suite, *ignored, env={**everything, **where})
    for database, user in (("postgresql", "stock"), ("mariadb", "uuid")):
        with _timed(took, f"allauth's flows on {database}"):
            where = {"TEST_DATABASE": database, "TEST_USER": user}
            of_allauth = ("--ds", "tests.contrib.allauth.settings", "tests/contrib/allauth")
            session.run(*suite, *of_allauth, env={**everything, **where})
        with _timed(took, f"tokens of simplejwt on {database}"):
            of_simplejwt = ("--ds", "tests.contrib.simplejwt.window.settings", "tests/contrib/simplejwt/window")
            session.run(*suite, *of_simplejwt, env={**everything, **where})
        with _timed(took, f"projects of other packages on {database}"):
            of_packages = ("--ds", "tests.contrib.packages.settings", "tests/contrib/packages")
            session.run(*suite, *of_packages, env={**everything, **where})
    for name in apart:
        with _timed(took, name):
            database = "postgresql" if name in ("tests/browser", "tests/deployment") else "sqlite"
            session.run(*suite, name, env={**everything, "TEST_DATABASE": database})
    with _timed(took, "every Python and Django"):
        session.run("nox", "--session", "tests", env={"THOROUGH": "1"})
    for name, seconds in took.items():
        session.log(f"{seconds / 60:5.1f} min  {name}")


@contextmanager
def _timed(took: dict[str, float], name: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    took[name] = time.monotonic() - began
    os.write(1, f"{name}: {took[name] / 60:.1f} min\n".encode())
