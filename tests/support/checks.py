"""What `manage.py check` says of this app."""

from django.core import checks


def found():
    return [message for message in checks.run_checks(tags=["security"]) if message.id.startswith("jwt_auth.")]


def ids():
    return [message.id.removeprefix("jwt_auth.") for message in found()]
