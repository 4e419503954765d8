"""
The reasons why simplejwt can't be removed yet, and the last steps.
"""

from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Max

from jwt_auth.conf.simplejwt import simplejwt
from jwt_auth.contrib.simplejwt.moving.code import Handling
from jwt_auth.contrib.simplejwt.moving.project import Reading

# What a person does when nothing needs simplejwt any more.
_STEPS = (
    'Remove ACCEPT_UNTIL from JWT_AUTH["SIMPLEJWT"].',
    "manage.py flushexpiredtokens and then manage.py migrate token_blacklist zero drop its tables, if it is installed.",
    "Remove rest_framework_simplejwt and its token_blacklist from INSTALLED_APPS, and it from the requirements.",
    'JWT_AUTH["SIMPLEJWT"] and the imports of jwt_auth.contrib.simplejwt stay for as long as clients need them.',
)


def last_steps(reading: Reading) -> list[str]:
    """Return the last steps, as sentences."""
    readers = [place for place in reading.places if place.kind in (Handling.SETTING, Handling.OWN)]
    verb = "names" if len(readers) == 1 else "name"
    named = ", ".join(f"{place.path.relative_to(reading.root)}:{place.line}" for place in readers)
    setting = "Remove SIMPLE_JWT from the settings."
    if named:
        setting = f"Remove the settings of simplejwt from SIMPLE_JWT, which {named} {verb}."
    return [*_STEPS, setting]


def reasons_to_wait(reading: Reading, now: datetime) -> list[str]:
    """Return why simplejwt is still needed, as sentences; none if it is not."""
    return [*_window(now), *_tokens(now), *_code(reading)]


def _window(now: datetime) -> list[str]:
    options = simplejwt()
    end = None if options is None else options.ACCEPT_UNTIL
    if end is None or end <= now:
        return []
    return [f"Former tokens are accepted until {end:%Y-%m-%d %H:%M} UTC (ACCEPT_UNTIL)."]


def _tokens(now: datetime) -> list[str]:
    """Read simplejwt's table of issued refresh tokens, if the project has it."""
    if not apps.is_installed("rest_framework_simplejwt.token_blacklist"):
        return []
    model: Any = apps.get_app_config("token_blacklist").get_model("OutstandingToken")
    rows = model._default_manager.filter(expires_at__gt=now, blacklistedtoken=None)
    found = rows.aggregate(last=Max("expires_at"))
    if found["last"] is None:
        return []
    number, users = rows.count(), rows.values("user_id").distinct().count()
    end = f"{found['last']:%Y-%m-%d %H:%M} UTC. After the window"
    if number == 1:
        return [f"1 refresh token of 1 user was not exchanged yet; it expires at {end} this user signs in again."]
    of = "1 user" if users == 1 else f"{users:,} users"
    text = f"{number:,} refresh tokens of {of} were not exchanged yet; the last one expires at {end} "
    return [f"{text}{'this user signs' if users == 1 else 'these users sign'} in again."]


def _code(reading: Reading) -> list[str]:
    left = [place for place in reading.places if place.needs_the_package]
    named = [f"{place.path.relative_to(reading.root)}:{place.line} still names simplejwt." for place in left]
    return [*named, *(f"{path.relative_to(reading.root)} can't be read: {error}" for path, error in reading.unread)]
