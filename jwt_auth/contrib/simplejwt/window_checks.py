"""
System checks of the window: whether simplejwt can check its tokens, and when to close the window and remove simplejwt.

The package is imported only while the window is open.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.utils import timezone

from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.conf.simplejwt import find_simplejwt_problems, simplejwt
from jwt_auth.contrib.simplejwt.window.package import BLACKLIST, find_package_problems, has_blacklist, package
from jwt_auth.user_model import user_field

_PACKAGE = "rest_framework_simplejwt"


def check_window(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check SIMPLEJWT["ACCEPT_UNTIL"] and its requirements, if the settings are valid; else other checks report."""
    if not settings_are_valid() or any(find_simplejwt_problems()):
        return []
    options = simplejwt()
    if options is None or options.ACCEPT_UNTIL is None or not django_settings.USE_TZ:  # which is E023
        return []
    now = timezone.now()
    if not options.accepts_former_tokens(now):
        return list(_check_remains(options.ACCEPT_UNTIL))
    if problems := list(find_package_problems()):
        return [checks.Error(problem.message, hint=problem.hint, id=f"jwt_auth.{problem.id}") for problem in problems]
    return [*_check_blacklist(), *_check_rotation(), *_check_names(), *_check_end(options.ACCEPT_UNTIL, now)]


def _check_remains(end: datetime) -> Iterator[checks.CheckMessage]:
    found = [f'"{name}" in INSTALLED_APPS' for name in (_PACKAGE, BLACKLIST) if apps.is_installed(name)]
    if hasattr(django_settings, "SIMPLE_JWT"):
        found.append("SIMPLE_JWT")
    remains = ", ".join(['SIMPLEJWT["ACCEPT_UNTIL"]', *found, "the package djangorestframework-simplejwt"])
    tables = (
        " Before the app goes, empty its tables and drop them: manage.py flushexpiredtokens, and then "
        "manage.py migrate token_blacklist zero."
    )
    yield checks.Warning(
        f"Tokens of simplejwt have been refused since {end:%Y-%m-%d %H:%M} UTC.",
        hint=f"Remove what is left: {remains}.{tables if apps.is_installed(BLACKLIST) else ''}",
        id="jwt_auth.W104",
    )


def _check_blacklist() -> Iterator[checks.CheckMessage]:
    if not apps.is_installed(BLACKLIST):
        if package().settings.BLACKLIST_AFTER_ROTATION:
            yield checks.Error(
                f'SIMPLE_JWT["BLACKLIST_AFTER_ROTATION"] is set, and "{BLACKLIST}" is missing: blacklisted tokens '
                "would be accepted again.",
                hint=f'Keep "{BLACKLIST}" in INSTALLED_APPS until SIMPLEJWT["ACCEPT_UNTIL"]; or remove the setting, if '
                "the project never had the app.",
                id="jwt_auth.E108",
            )
    elif not has_blacklist():
        yield checks.Warning(
            "The blacklist of simplejwt is in another database than the sessions: after a return to simplejwt, tokens "
            "that were exchanged or signed out here would be accepted again.",
            hint="Route both apps to one database, or silence this if nobody will return to simplejwt.",
            id="jwt_auth.W107",
        )


def _check_rotation() -> Iterator[checks.CheckMessage]:
    if not package().settings.ROTATE_REFRESH_TOKENS:
        yield checks.Warning(
            'SIMPLE_JWT["ROTATE_REFRESH_TOKENS"] is off, so clients may not store the new refresh token of an '
            "answer. Here each refresh returns a new one, and the former one ends the session if it is sent again.",
            hint="Have all clients store `refresh` from each answer before you deploy this app, then silence this.",
            id="jwt_auth.W105",
        )


def _check_names() -> Iterator[checks.CheckMessage]:
    name = package().settings.USER_ID_FIELD
    if name != "pk" and not user_field(name).primary_key:
        yield checks.Warning(
            f'SIMPLE_JWT["USER_ID_FIELD"] is "{name}": if a user is deleted, or changes it, the former tokens are '
            "those of the next user with the same value.",
            hint='Give no value to another user before SIMPLEJWT["ACCEPT_UNTIL"], then silence this.',
            id="jwt_auth.W108",
        )


def _check_end(end: datetime, now: datetime) -> Iterator[checks.CheckMessage]:
    settings = package().settings
    names = ["REFRESH_TOKEN_LIFETIME", "ACCESS_TOKEN_LIFETIME"]
    if any(kind.is_access and kind.is_exchanged for kind in package().kinds.values()):
        names += ["SLIDING_TOKEN_LIFETIME", "SLIDING_TOKEN_REFRESH_LIFETIME"]
    longest = max(getattr(settings, name) for name in names)
    # A day more, because the option may be a date, which ends with the day.
    if end > now + longest + timedelta(days=1):
        yield checks.Warning(
            f'SIMPLEJWT["ACCEPT_UNTIL"] is later than any token of simplejwt can expire ({longest} from now).',
            hint=f"Set it to {now + longest:%Y-%m-%d} or earlier, if simplejwt issues no more tokens.",
            id="jwt_auth.W106",
        )
