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
    with other settings, or another tenant's tables      no
    later than LONGEST, or than memory mode allows       no: a request that is held open learns of revocations
    after an outage, or by the last known revocations    no: such answers are never remembered

Only what verify() says is remembered, refusals too. What depends on the request is checked each time: CSRF, and that a
client's token was made for this request. A single-use token is used up once for each request.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from django.db import connections, router
from django.views.decorators.debug import sensitive_variables

from jwt_auth._django.table_sets import can_switch, current_set
from jwt_auth.authentication.note import Note
from jwt_auth.conf import get_settings
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import TokenError
from jwt_auth.models import UserSession
from jwt_auth.process.clock import seconds
from jwt_auth.process.last_change import last_change
from jwt_auth.verification import Issuers, Verified, verify

LONGEST = 1.0  # seconds


# The facts that a verdict depends on, besides the time: the token; `issuers`; the name of the database with the
# sessions, which a project's router may choose for each request; the set of tables there, if a package for tenants
# switches between several; a mark of the settings in force; the mark of this process's last revocation.
# It is a plain tuple, which is made faster: most requests ask once and never compare it.
Question: TypeAlias = tuple[str, str, str, str, object, object]


class Verdict(NamedTuple):
    """
    The answer to a question.

    Args:
        is_strict: whether the database was asked.
        at: the time before it was asked, by the clock of the process, in seconds.
        result: the token's principal, or the reason why the token is refused.
    """

    question: Question
    is_strict: bool
    at: float
    result: Verified | TokenError

    def __repr__(self) -> str:
        return f"<Verdict: {self.result!r}>"  # without the token


def verify_once(note: Note, raw: str, *, issuers: Issuers, ask_database: bool) -> Verified:
    """Do the same as verification.verify(), but reuse the verdict that the request's note has, if it still applies."""
    now, database = seconds(), router.db_for_write(UserSession)
    # The marks are read first: after a change in the meantime, the next question goes to the database.
    question = (raw, issuers, database, _tables_in(database), _settings_mark(), last_change())
    is_strict = ask_database or get_settings().REVOCATION == "database"
    known = note.verdict
    if known is not None and known.question == question and known.is_strict >= is_strict and not _is_old(known, now):
        if isinstance(known.result, TokenError):
            raise _without_frames(known.result)
        return known.result
    try:
        verified = verify(raw, issuers=issuers, ask_database=ask_database)
    except TokenError as error:
        note.verdict = Verdict(question, is_strict, now, _without_frames(error))
        raise
    note.verdict = Verdict(question, is_strict, now, verified)
    return verified


def _without_frames(error: TokenError) -> TokenError:
    """Return the same error without the frames that it comes from: they lead back to the note, and stay in memory."""
    same = type(error).__new__(type(error), *error.args)
    vars(same).update(vars(error))
    return same


def _is_old(verdict: Verdict, now: float) -> bool:
    # In memory mode the revocations may already have been as old as allowed, so the verdict may add little to that.
    longest = min(LONGEST, get_settings().REVOCATION_MAX_STALENESS.total_seconds())
    return not 0 <= now - verdict.at < longest


@sensitive_variables("raw")
def use_up_once(note: Note, raw: str, use_up: Callable[[], None], *, only_revokes: bool) -> None:
    """
    Use up a single-use token, unless this request has done so.

    A view that only revokes accepts more while a cache fails, so what it has used up counts only for such views.
    """
    used = note.used_up
    if (raw, False) in used or (only_revokes and (raw, True) in used):
        return
    use_up()
    note.used_up = used | {(raw, only_revokes)}


def _tables_in(database: str) -> str:
    """Return the name of the set of tables in use; "" if there is only one, which is determined once."""
    switching = _switching()
    if database not in switching:
        switching[database] = can_switch(database) or hasattr(connections[database], "schema_name")
    return current_set(database) if switching[database] else ""


@cached_until_settings_change
def _switching() -> dict[str, bool]:
    """Return the names of the databases that were asked for, each with whether it has several sets of tables."""
    return {}


@cached_until_settings_change
def _settings_mark() -> object:
    return object()
