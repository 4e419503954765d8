"""
The user of a former token, and everything that revokes the token, in one query.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import router
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.crypto import constant_time_compare

from jwt_auth._django.compiled import CompiledQuery
from jwt_auth.claims import Claims, moment
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.contrib.simplejwt.window.package import NAME, FormerToken, package
from jwt_auth.exceptions import MissingUserError
from jwt_auth.models import RevocationEvent, UsedToken, UserSession
from jwt_auth.revocation import cutoff, wall_clock
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.verdict import State
from jwt_auth.user_model import as_made, manager_is_plain, read_key, user_field, visible_rows

Scope = RevocationEvent.Scope


def find_user(former: FormerToken) -> tuple[Any, Any]:
    """
    Return the row of a token's user, with the annotations that `state_of` needs, and the user.

    One query, and one more if the project's manager has to be asked.

    Raises:
        MissingUserError: if there is none, or the project's manager hides it.
    """
    name, claims = package().settings.USER_ID_FIELD, former.claims
    field = user_field(name)
    key = read_key(field, claims.sub)
    row = None if key is None else _first(key, former)
    # Compared exactly, because databases may ignore case or blanks, or accept another spelling of a number.
    if row is None or str(field.value_from_object(row)) != claims.sub:
        raise MissingUserError(f"the {name} in the token is that of no user")
    user = as_made(row, shown=True)
    if user is None:
        raise MissingUserError("the user is gone")
    return row, user


def find_user_or_none(former: FormerToken) -> tuple[Any, Any]:
    """Do the same as `find_user`, but return None twice if there is no user."""
    with suppress(MissingUserError):
        return find_user(former)
    return None, None


def _first(key: Any, former: FormerToken) -> Any:
    values = {
        "key": key,
        "subject": former.subject,
        "digest": former.digest,
        "family": family_subject(former.claims),
        "since": moment(former.claims.iat),
    }
    if manager_is_plain():
        return _compiled(router.db_for_write(UserSession)).first(**values)
    return _rows(**values).first()


def _rows(key: Any, subject: str, digest: UUID, family: str, since: datetime) -> QuerySet[Any]:
    """
    Return the row of the user `key`, with the state of a token: whether it is denied, used up or ORPHANED.

    The id of a session that came from an exchange is the digest of a used token.
    """
    tokens = RevocationEvent.objects.filter(scope=RevocationEvent.Scope.TOKEN)
    came_from_exchange = Exists(UsedToken.objects.filter(digest=OuterRef("pk")))
    ended = UserSession.objects.filter(came_from_exchange, user=OuterRef("pk"), revoked_at__gte=since)
    signed_out = tokens.filter(subject=family, created_at__gte=since)
    rows = visible_rows().annotate(
        global_cutoff=cutoff.global_cutoff(),
        jwt_denied=Exists(tokens.filter(subject=subject)),
        jwt_used=Exists(UsedToken.objects.filter(digest=digest)),
        jwt_orphaned=Q(Exists(ended)) | Q(Exists(signed_out)),
    )
    return cutoff.with_cutoff(rows).filter(**{package().settings.USER_ID_FIELD: key})


_compiled_for = cached_until_settings_change(dict[str, CompiledQuery])


def _compiled(alias: str) -> CompiledQuery:
    """See _rows(). Each request needs it, and the ORM takes longer to build it than the database to answer."""
    known = _compiled_for()
    if alias not in known:
        subject = RevocationEvent._meta.get_field("subject")
        known[alias] = CompiledQuery(
            _rows,
            key=user_field(package().settings.USER_ID_FIELD),
            subject=subject,
            digest=UsedToken._meta.pk,
            family=subject,
            since=RevocationEvent._meta.get_field("created_at"),
        )
    return known[alias]


def family_subject(claims: Claims) -> str:
    """Return the subject of the event that a refresh token of this user was revoked. No single token has this name."""
    return token_subject(f"{NAME} refresh", claims.sub)


def state_of(row: Any, user: Any, former: FormerToken, now: datetime) -> State:
    """Return the state of a former token that `find_user` has found the user of."""
    state = State(
        token_denied=bool(row.jwt_denied or row.jwt_used),
        # Only for access tokens, which have no link with the session; the others are used up, or denied, themselves.
        session_revoked=not former.kind.is_exchanged and bool(row.jwt_orphaned),
        session_ends_at=None,
        cutoffs=(cutoff.read(row), row.global_cutoff),
        principal_active=user.is_active,
        credentials_stale=_has_another_password(user, former.claims),
    )
    return wall_clock.judged_by_another_clock(state, now, {Scope.USER: user_id_of(user), Scope.ALL: ""})


def _has_another_password(user: Any, claims: Claims) -> bool:
    from rest_framework_simplejwt.utils import get_md5_hash_password

    settings = package().settings
    if not settings.CHECK_REVOKE_TOKEN:
        return False
    known = claims.all.get(settings.REVOKE_TOKEN_CLAIM)
    return not constant_time_compare(str(known), get_md5_hash_password(user.password))
