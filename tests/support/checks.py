"""The messages of `manage.py check` about this app."""

from django.core import checks


def found():
    return [message for message in checks.run_checks(tags=["security"]) if message.id.startswith("jwt_auth.")]


def ids():
    return [message.id.removeprefix("jwt_auth.") for message in found()]
