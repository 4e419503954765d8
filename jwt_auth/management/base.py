"""
The base class of the commands: in an outage, with wrong settings, without the migrations, and for a text that the
database can't store, a command ends with a sentence and an exit code, not with a traceback.
"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from jwt_auth._django.driver_errors import is_of_schema, is_of_text
from jwt_auth._django.outages import is_outage
from jwt_auth.exceptions import ConfigurationError, JWTAuthError, UnavailableError
from jwt_auth.http.text import printable
from jwt_auth.management.terminal import MISUSED, prepare_streams
from jwt_auth.process.renewal import StaleError


class DatabaseCommand(BaseCommand):
    """A command that reads or writes the tables of the app. `--traceback` shows the error of the database."""

    def run_from_argv(self, argv: list[str]) -> None:
        prepare_streams()
        super().run_from_argv(argv)

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except Exception as error:
            cause = _first_cause(error)
            if is_outage(cause):
                raise CommandError(
                    f"The database is unavailable: {_in_one_line(cause)}. Work committed before the failure is kept. "
                    "Run the command again later."
                ) from error
            if is_of_text(cause):  # an old database may store fewer characters than the terminal has
                text = f"An argument has characters that the database can't store: {_in_one_line(cause)}."
                raise CommandError(text, returncode=MISUSED) from error
            if is_of_schema(cause):
                text = f"The database lacks a table or a column: {_in_one_line(cause)}. Run manage.py migrate."
                raise CommandError(text) from error
            if isinstance(error, ConfigurationError):
                raise CommandError(_in_one_line(error)) from error
            if isinstance(error, UnavailableError):  # for example, there is no key to sign with
                text = _in_one_line(error)
                raise CommandError(f"{text[:1].upper()}{text[1:]}.") from error
            raise


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, JWTAuthError | StaleError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _in_one_line(error: BaseException) -> str:
    return printable(" ".join(str(error).split()))
