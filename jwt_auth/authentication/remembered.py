"""
Remember the verdict on a token for the rest of the request.

A middleware that needs the user, and then DRF, verify the same token. The second verification would ask the database
the same question again.

    asked again                                          the verdict is remembered
    -------------------------------------------------    ----------------------------------------------------------
    the same token, the same `issuers`                   yes
    another token: the header or cookie has changed      no
    by a stricter class, of a verdict from memory        no; the other way round it is
    after this process has written a revocation          no: a request sees what it has revoked itself
    with other settings, or other tables of a tenant     no
    later than LONGEST, or than memory mode allows       no: a request that is held open learns of revocations
    after an outage, or by the last known revocations    no: such answers are never remembered

Only what verify() says is remembered, refusals too. What depends on the request is checked each time: CSRF, and that a
client's token was made for this request. A single-use token is used up once for each request.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from django.db import router
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.table_sets import current_set
from jwt_auth.authentication.note import Note
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import TokenError
from jwt_auth.models import UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.process.last_change import last_change
from jwt_auth.verification import Issuers, Verified, verify

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST = 1.0  # seconds


class Question(NamedTuple):
    """
    The facts that a verdict depends on, besides the time.

    Args:
        tables: the set of tables that the connection uses, if a package for tenants switches between several.
        settings: a mark of the settings in force.
        change: the mark of this process's last revocation.
    """

    raw: str
    issuers: str
    tables: str
    settings: object
    change: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    The answer to a question.

    Args:
        is_strict: whether the database was asked.
        at: the time before it was asked, by the clock of the process, in seconds.
        result: the token's principal, or the reason why the token is refused.
    """

    question: Question = field(repr=False)
    is_strict: bool
    at: float
    result: Verified | TokenError


@sensitive_variables("raw", "question", "known")
def verify_once(note: Note, raw: str, *, issuers: Issuers, ask_database: bool) -> Verified:
    """Do the same as verification.verify(), but return or raise what the request's note remembers, if it counts."""
    settings, now = get_settings(), seconds()
    # The marks are read before the database is asked: a change in the meantime has it asked again.
    question = Question(raw, issuers, current_set(router.db_for_write(UserSession)), _settings_mark(), last_change())
    is_strict = ask_database or settings.REVOCATION == "database"
    known = note.verdict
    if known is None or known.question != question or known.is_strict < is_strict or _is_old(known, now):
        known = note.verdict = Verdict(
            question=question, is_strict=is_strict, at=now, result=_result(raw, issuers, ask_database)
        )
    if isinstance(known.result, TokenError):
        raise known.result.with_traceback(None)
    return known.result


@sensitive_variables("raw")
def _result(raw: str, issuers: Issuers, ask_database: bool) -> Verified | TokenError:
    try:
        return verify(raw, issuers=issuers, ask_database=ask_database)
    except TokenError as error:
        return error


def _is_old(verdict: Verdict, now: float) -> bool:
    # In memory mode the revocations may have been as old as allowed: the two ages must not add up to much.
    longest = min(LONGEST, get_settings().REVOCATION_MAX_STALENESS.total_seconds())
    return not 0 <= now - verdict.at < longest


@sensitive_variables("raw")
def use_up_once(note: Note, raw: str, use_up: "Callable[[], None]", *, only_revokes: bool) -> None:
    """
    Use up a single-use token, unless this request has done so.

    A view that only revokes accepts more while a cache fails, so what it has used up counts only for such views.
    """
    used = note.used_up
    if (raw, False) in used or (only_revokes and (raw, True) in used):
        return
    use_up()
    note.used_up = used | {(raw, only_revokes)}


@cached_until_settings_change
def _settings_mark() -> object:
    return object()
