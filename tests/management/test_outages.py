"""In an outage each command ends with one sentence and an exit code, and not with a traceback."""

import pytest
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import Error, OperationalError, ProgrammingError, connection, transaction

from jwt_auth._django.outages import outage_is_unavailable
from jwt_auth.exceptions import UnavailableError
from jwt_auth.management.base import DatabaseCommand
from jwt_auth.models import UserSession
from jwt_auth.process.renewal import StaleError
from tests.support.outages import outage, read_only

COMMANDS = [
    ("jwt_clear_expired",),
    ("jwt_client", "list"),
    ("jwt_keys", "list"),
    ("jwt_reencrypt",),
    ("jwt_revocations", "export"),
    ("jwt_revoke", "--all", "--yes"),
    ("jwt_sessions", "--user=alice"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_database_that_is_down_ends_a_command_with_a_sentence(db, command):
    down = OperationalError("server closed the connection\n\tThis probably means \x1b[2J")
    with outage(down) as failed, pytest.raises(CommandError) as caught:
        call_command(*command)
    assert failed
    assert str(caught.value).startswith("The database is unavailable: ")
    assert "server closed the connection This probably means \\x1b[2J" in str(caught.value)
    assert caught.value.returncode == 1


def test_a_text_that_the_database_can_t_store_is_an_invalid_argument(user):
    command = ("jwt_revoke", "--user", user.get_username(), "--yes", "--reason", "lost")
    narrow = OperationalError(1366, "Incorrect string value: '\\xF0' for column 'revoked_reason'")
    with outage(narrow, of=lambda sql: "revoked_reason" in sql), pytest.raises(CommandError) as caught:
        call_command(*command)
    assert str(caught.value).startswith("An argument has characters that the database can't store: ")
    assert caught.value.returncode == 2
    call_command(*command)


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_ends_a_revocation_with_a_sentence(client, user):
    client.tokens(user)
    with read_only():
        call_command("jwt_sessions", "--user", user.get_username())
        with pytest.raises(CommandError, match="The database is unavailable: "):
            call_command("jwt_revoke", "--user", user.get_username(), "--yes")
    assert UserSession.objects.get().revoked_at is None


def test_all_commands_end_in_this_way():
    ours = [name for name, app in get_commands().items() if app == "jwt_auth"]
    assert len(ours) > len(COMMANDS)
    assert all(isinstance(load_command_class("jwt_auth", name), DatabaseCommand) for name in ours)


def caused_by(error):
    """Return an error of signing keys that could not be read."""
    for kind in (UnavailableError, StaleError, UnavailableError):
        following = kind("the signing keys can't be read")
        following.__cause__, error = error, following
    return error


class Failing(DatabaseCommand):
    def handle(self, *, error, **options):
        with outage_is_unavailable():
            raise error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OperationalError("disk full"), "The database is unavailable: disk full. Work committed"),
        (UnavailableError("there is no key to sign with"), "There is no key to sign with."),
        (caused_by(OperationalError("disk full")), "The database is unavailable: disk full. Work committed"),
    ],
)
def test_the_reason_is_said_once_and_other_reasons_are_no_outages_of_the_database(error, text):
    with pytest.raises(CommandError) as caught:
        Failing().execute(error=error, no_color=True, force_color=False, skip_checks=True)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("query", ["SELECT * FROM no_such_table", "SELECT no_such_column FROM jwt_auth_usersession"])
def test_a_database_without_the_migrations_is_no_outage_and_ends_with_what_to_run(db, query):
    with pytest.raises(Error) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(query)
    with pytest.raises(CommandError, match=r"lacks a table or a column: .*no_such.* Run manage\.py migrate\."):
        Failing().execute(error=caught.value, no_color=True, force_color=False, skip_checks=True)


def test_a_fault_is_no_outage(db):
    with outage(ProgrammingError('relation "jwt_auth_usersession" does not exist')), pytest.raises(ProgrammingError):
        call_command("jwt_revoke", "--all", "--yes")
