# The recipes of a working day. `just` alone lists them.

set shell := ["bash", "-cu"]
set positional-arguments

default:
    @just --list

# Make the virtual environment with everything in it.
setup:
    python3 -m venv .venv
    .venv/bin/pip install -q -e ".[dev]"

# See it work.
demo:
    .venv/bin/python manage.py demo

# The suite on SQLite, in random order.
test *args:
    .venv/bin/python -m pytest "$@"

# The suite on another database: just test-on postgresql, just test-on mariadb.
test-on database *args:
    TEST_DATABASE="$1" .venv/bin/python -m pytest "${@:2}"

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

# Every supported Python and Django that this machine has.
matrix *args:
    .venv/bin/nox --session tests "$@"

# Everything, as it runs before a change is accepted.
ci:
    bash .ci/run
