# The recipes of a working day. `just` alone lists them.

set shell := ["bash", "-cu"]
set positional-arguments

default:
    @just --list

# Make the virtual environment with everything in it.
setup:
    python3 -m venv .venv
    .venv/bin/pip install -q -U "pip>=25.1"
    .venv/bin/pip install -q -e ".[test]" --group dev

# See it work.
demo:
    .venv/bin/python manage.py demo

# The quick checks: the suite on SQLite, in random order.
test *args:
    .venv/bin/python -m pytest -n auto "$@"

# The suite on another database: just test-on postgresql, just test-on mariadb.
test-on database *args:
    TEST_DATABASE="$1" .venv/bin/python -m pytest "${@:2}"

# All that the usual run leaves out, for an hour or two; it says how long each part took.
thorough *args:
    .venv/bin/nox --session thorough "$@"

# What a request costs here and elsewhere: just bench, just bench --quick. PostgreSQL must answer.
bench *args:
    .venv/bin/python -m benchmarks "$@"

# Style, types and the import contract.
lint:
    .venv/bin/ruff check
    .venv/bin/ruff format --check
    .venv/bin/mypy
    .venv/bin/lint-imports

format:
    .venv/bin/ruff check --fix
    .venv/bin/ruff format

# Write the tables of the architecture page anew.
architecture:
    .venv/bin/python -m tests.support.architecture

# Every supported Python and Django that this machine has.
matrix *args:
    .venv/bin/nox --session tests "$@"

# Everything that a change has to pass.
ci:
    bash .ci/run
