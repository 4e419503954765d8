"""The suite on every supported Python and Django, and on the built wheel."""

import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True

MATRIX = [
    ("3.10", "5.2"),
    ("3.11", "5.2"),
    ("3.12", "6.0"),
    ("3.13", "5.2"),
    ("3.13", "6.1"),
]


@nox.session
@nox.parametrize(
    "python,django",
    [nox.param(python, django, id=f"python{python}-django{django}") for python, django in MATRIX],
)
def tests(session: nox.Session, django: str) -> None:
    """Run the suite from the source tree."""
    session.install("-q", f"django~={django}.0", "-e", ".[test]")
    # The demo starts servers, for minutes, and is the same everywhere.
    session.run(
        "python", "-m", "pytest", "-q", "-n", "2", "--ignore=tests/example_project/test_demo.py", *session.posargs
    )


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel and run the suite against it, away from the source tree."""
    session.install("-q", "build")
    dist = Path(session.create_tmp()) / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(dist), ".", silent=True)
    (built,) = dist.glob("*.whl")
    session.install("-q", "--force-reinstall", "--no-deps", str(built))
    session.install("-q", f"{built}[test]")
    away = dist.parent / "away"
    shutil.rmtree(away, ignore_errors=True)
    away.mkdir()
    for name in ("tests", "example_project", "examples", "docs", "benchmarks"):
        shutil.copytree(name, away / name)
    for name in ("manage.py", "README.md", "CHANGELOG.md", "pyproject.toml"):
        shutil.copy(name, away / name)
    with session.chdir(away):
        where = session.run("python", "-c", "import jwt_auth; print(jwt_auth.__file__)", silent=True)
        if "site-packages" not in str(where):
            session.error(f"the suite would not test the wheel but {where}")
        session.run("python", "-m", "pytest", "-q", "-n", "2", *session.posargs)
