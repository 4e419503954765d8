"""The options that every command of Django has, given to commands that have actions."""

import pytest
from django.core.management import BaseCommand, load_command_class

OPTIONS = [
    [action.option_strings[-1], *([] if action.nargs == 0 else ["2"])]
    for action in BaseCommand().create_parser("manage.py", "")._actions
    if action.dest not in ("help", "version")
]


def parse(command, *arguments):
    return vars(load_command_class("jwt_auth", command).create_parser("manage.py", command).parse_args(arguments))


@pytest.mark.parametrize(
    ("command", "action"), [("jwt_keys", "list"), ("jwt_client", "audit"), ("jwt_revocations", "export")]
)
def test_the_options_of_django_are_accepted_before_and_after_the_action(command, action):
    usual = parse(command, action)
    assert len(OPTIONS) >= 7
    for option in OPTIONS:
        assert parse(command, action, *option) == parse(command, *option, action) != usual
