"""
System checks of SIMPLEJWT, and of settings of simplejwt that nothing reads any more.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.utils.module_loading import import_string
from rest_framework.serializers import BaseSerializer

from jwt_auth.conf.former import RULES, SERIALIZERS, hint_for
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.conf.simplejwt import SimpleJWT, find_simplejwt_problems, simplejwt
from jwt_auth.user_model import user_field


def check_simplejwt(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check SIMPLEJWT, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    if problems := list(find_simplejwt_problems()):
        return [checks.Error(problem.message, hint=problem.hint, id=f"jwt_auth.{problem.id}") for problem in problems]
    options = simplejwt()
    if options is None:
        return list(_check_leftover())
    return [
        *_check_serializers(options),
        *_check_user_field(options),
        *(_check_leftover() if options.ACCEPT_UNTIL is None else ()),
    ]


def _check_serializers(options: SimpleJWT) -> Iterator[checks.CheckMessage]:
    for name in SERIALIZERS:
        path = getattr(options, name)
        problem = _problem_of_serializer(path)
        if problem is not None:
            yield checks.Error(
                f'SIMPLEJWT["{name}"] is {path!r}, which {problem}.',
                hint="Name your serializer, derived from that of jwt_auth.contrib.simplejwt.serializers, or remove it.",
                id="jwt_auth.E102",
            )


def _problem_of_serializer(path: str) -> str | None:
    try:
        found = import_string(path)
    except Exception as error:  # noqa: BLE001  # whatever the project's module raises is the fault
        return f"can't be imported: {type(error).__name__}: {error}"
    if not isinstance(found, type) or not issubclass(found, BaseSerializer):
        return "is not a serializer"
    former = "rest_framework_simplejwt"
    if any(each.__module__.partition(".")[0] == former for each in found.__mro__):
        return f"is derived from a serializer of {former}, whose tokens this app does not accept"
    return None


def _check_user_field(options: SimpleJWT) -> Iterator[checks.CheckMessage]:
    try:
        field = user_field(options.USER_ID_FIELD)
    except FieldDoesNotExist:
        field = None
    if not getattr(field, "unique", False):
        yield checks.Error(
            f'SIMPLEJWT["USER_ID_FIELD"] is {options.USER_ID_FIELD!r}, which is not a unique field of the user model.',
            hint='Use the field that SIMPLE_JWT had, such as "id"; "pk" is the default.',
            id="jwt_auth.E103",
        )


def _check_leftover() -> Iterator[checks.CheckMessage]:
    """Look for SIMPLE_JWT while no token of simplejwt is accepted: its settings have no effect then."""
    former = getattr(django_settings, "SIMPLE_JWT", None)
    if former is None:
        return
    known = former if isinstance(former, Mapping) else {}
    if known and not any(name in RULES for name in known):
        return  # names that the project's own code reads
    places = " ".join(f"{name}: {hint_for(name)}" for name in known if name in RULES)
    yield checks.Warning(
        "SIMPLE_JWT is in the settings, but this app does not read it.",
        hint="manage.py jwt_migrate simplejwt shows what to change. "
        'Set JWT_AUTH["SIMPLEJWT"] = {"ACCEPT_UNTIL": date(...)} to accept the tokens that simplejwt has issued '
        f"until they expire. Otherwise move what you need, and remove SIMPLE_JWT. {places}".strip(),
        id="jwt_auth.W100",
    )
