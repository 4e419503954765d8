"""
System checks of TRUSTED_ISSUERS, and of a project that has no database.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.core import checks
from django.core.exceptions import FieldDoesNotExist
from django.db import router

from jwt_auth._django.outages import has_database
from jwt_auth.authentication.replay import shared_cache
from jwt_auth.conf import get_settings
from jwt_auth.conf.issuers import TrustedIssuer, find_trust_problems, trusted_issuers
from jwt_auth.conf.settings import settings_are_valid
from jwt_auth.models import UserSession
from jwt_auth.user_model import user_field

# Issuers that sign a token with any `aud` for everybody, and their claims that name who asked for it; first the best.
_OPEN_TO_ALL = {
    "https://accounts.google.com": ("azp", "hd", "sub"),
    "https://token.actions.githubusercontent.com": (
        *("repository_id", "repository", "repository_owner_id", "repository_owner", "sub"),
    ),
    "https://gitlab.com": ("project_id", "project_path", "namespace_id", "namespace_path", "sub"),
    "https://app.terraform.io": (
        *("terraform_workspace_id", "terraform_project_id", "terraform_organization_id"),
        *("terraform_organization_name", "sub"),
    ),
    "https://agent.buildkite.com": ("organization_id", "organization_slug", "pipeline_id", "sub"),
}


def check_trust(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check TRUSTED_ISSUERS, if our own settings are valid; else `checks.settings` reports them."""
    if not settings_are_valid():
        return []
    if problems := list(find_trust_problems()):
        return [checks.Error(problem.message, hint=problem.hint, id=f"jwt_auth.{problem.id}") for problem in problems]
    return [*_check_user_fields(), *_check_subjects(), *_check_open_issuers(), *_check_database()]


def check_no_revocation(app_configs: Sequence[Any] | None = None, **kwargs: Any) -> list[checks.CheckMessage]:
    """Check that revocations take effect if there is a database. For `--deploy`: "none" may be intended."""
    if not settings_are_valid() or get_settings().REVOCATION != "none" or not _has_database():
        return []
    return [
        checks.Warning(
            'REVOCATION is "none", and there is a database: users who sign out or are revoked keep access until the '
            "access token expires.",
            hint='Set REVOCATION to "database" or "memory", or silence this if nobody signs in at this server.',
            id="jwt_auth.W076",
        )
    ]


def _with_user_field() -> Iterator[tuple[str, TrustedIssuer]]:
    return ((trusted.USER_FIELD, trusted) for trusted in trusted_issuers().values() if trusted.USER_FIELD)


def _check_user_fields() -> Iterator[checks.CheckMessage]:
    for name, trusted in _with_user_field():
        if not getattr(_field(name), "unique", False):
            user = get_user_model().__name__
            yield checks.Error(
                f"TRUSTED_ISSUERS[{trusted.name!r}]: USER_FIELD is {name!r}, which is not a unique field of {user}.",
                hint="Name a unique field that holds nothing but this issuer's `sub`.",
                id="jwt_auth.E083",
            )


def _check_subjects() -> Iterator[checks.CheckMessage]:
    """Check that no issuer can name the users of another issuer."""
    names = [get_settings().USER_ID_FIELD, *(name for name, _ in _with_user_field())]
    used = Counter(map(_field, names))  # the primary key has two names
    for name, trusted in _with_user_field():
        if used[_field(name)] > 1:
            yield checks.Warning(
                f"TRUSTED_ISSUERS[{trusted.name!r}]: USER_FIELD {name!r} also holds the `sub` of another issuer, "
                "so each of them can issue tokens for the users of both.",
                hint="Give each issuer its own field, or silence this if both use the same ids for the same users.",
                id="jwt_auth.W075",
            )


def _check_open_issuers() -> Iterator[checks.CheckMessage]:
    """Warn if anybody at a public service can get a token that is accepted: any job may ask for our audience."""
    for name, owners in _OPEN_TO_ALL.items():
        trusted = trusted_issuers().get(name)
        if (
            trusted
            and not trusted.USER_FIELD
            and not any(None not in trusted.REQUIRE.get(claim, (None,)) for claim in owners)
        ):
            yield checks.Warning(
                f"TRUSTED_ISSUERS[{name!r}] has no REQUIRE that names who asked for the token: everybody there can "
                "get one for us, from a job or a service account.",
                hint=f'Require your own, such as "REQUIRE": {{"{owners[0]}": "<id>"}}; {", ".join(owners[1:])} do too.',
                id="jwt_auth.W077",
            )


def _check_database() -> Iterator[checks.CheckMessage]:
    if _has_database():
        return
    needs = [] if get_settings().REVOCATION == "none" else [f"REVOCATION is {get_settings().REVOCATION!r}"]
    needs += [f"TRUSTED_ISSUERS[{trusted.name!r}] has USER_FIELD" for _, trusted in _with_user_field()]
    burning = [its for its in trusted_issuers().values() if its.ONE_TIME and shared_cache() is None]
    needs += [f"TRUSTED_ISSUERS[{trusted.name!r}] has ONE_TIME, and there is no REPLAY_CACHE" for trusted in burning]
    if needs:
        yield checks.Error(
            f"There is no database, but {' and '.join(needs)}.",
            hint='Set REVOCATION = "none", leave PRINCIPAL at "claims", name a REPLAY_CACHE for '
            "ONE_TIME, or configure DATABASES.",
            id="jwt_auth.E084",
        )


def _has_database() -> bool:
    return has_database(router.db_for_write(UserSession))


def _field(name: str) -> Any:
    try:
        return user_field(name)
    except FieldDoesNotExist:
        return None
