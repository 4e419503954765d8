"""
System checks of FORMER_TOKENS: tokens of other packages that a project accepts until a date.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.utils import timezone

from jwt_auth.checks.urlconf import routed_views
from jwt_auth.checks.views import lists_of_classes
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.contrib.former_exchange import FormerTokenExchange
from jwt_auth.contrib.former_tokens import FormerTokenMixin, accepted_until


def check_former_tokens(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check FORMER_TOKENS, if our own settings and USE_TZ are valid; else `checks.settings` reports them."""
    return [*_check_dates(), *_check_uses()] if settings_are_valid() and django_settings.USE_TZ else []


def _check_dates() -> Iterator[checks.CheckMessage]:
    for kind in get_settings().FORMER_TOKENS:
        end = accepted_until(kind)
        if end is not None and end <= timezone.now():
            yield checks.Warning(
                f'FORMER_TOKENS["{kind}"] has passed: its tokens are refused, and each one still costs a query.',
                hint=f"Remove it, the class that reads the tokens, the view that exchanges them, and {kind} itself.",
                id="jwt_auth.W110",
            )


def _check_uses() -> Iterator[checks.CheckMessage]:
    """Report each kind of tokens that is read somewhere, and has no date."""
    used: dict[str, str] = {}
    for where, classes in lists_of_classes():
        for found in classes:
            if isinstance(found, type) and issubclass(found, FormerTokenMixin):
                used.setdefault(found.kind, f"{found.__name__} in {where}")
    for routed in routed_views():
        if issubclass(routed.view, FormerTokenExchange):
            used.setdefault(routed.view.former_class.kind, routed.view.__name__)
    for kind, where in used.items():
        if accepted_until(kind) is None:
            yield checks.Error(
                f"{where} reads tokens of {kind}, but FORMER_TOKENS has no date for them: all are refused.",
                hint=f'Write JWT_AUTH["FORMER_TOKENS"] = {{"{kind}": date(...)}}, with the last day on which they are '
                "accepted.",
                id="jwt_auth.E110",
            )
