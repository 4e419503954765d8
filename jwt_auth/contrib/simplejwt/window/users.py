"""
The user of a former token, and all that revokes the token: one query.
"""

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.utils.crypto import constant_time_compare

from jwt_auth.claims import Claims, moment
from jwt_auth.conf.user_keys import user_id_of
from jwt_auth.contrib.simplejwt.window.package import NAME, package
from jwt_auth.exceptions import MissingUserError
from jwt_auth.models import RevocationEvent, UsedToken, UserSession
from jwt_auth.revocation import cutoff, wall_clock
from jwt_auth.revocation.subjects import token_subject
from jwt_auth.revocation.verdict import State
from jwt_auth.user_model import as_made, read_key, user_field, visible_rows

Scope = RevocationEvent.Scope


def find_user(claims: Claims, **facts: Any) -> tuple[Any, Any]:
    """
    Return the row of a token's user, with the annotations that `state_of` needs and `facts`, and the user.

    One query, and one more if the project's manager has to be asked.

    Raises:
        MissingUserError: if there is none, or the project's manager hides it.
    """
    name = package().settings.USER_ID_FIELD
    field = user_field(name)
    key = read_key(field, claims.sub)
    rows = cutoff.with_cutoff(visible_rows().annotate(global_cutoff=cutoff.global_cutoff(), **facts))
    row = None if key is None else rows.filter(**{name: key}).first()
    # Compared exactly, because databases may ignore case or blanks, or accept another spelling of a number.
    if row is None or str(field.value_from_object(row)) != claims.sub:
        raise MissingUserError(f"the {name} in the token is that of no user")
    user = as_made(row, shown=True)
    if user is None:
        raise MissingUserError("the user is gone")
    return row, user


def is_denied(subject: str) -> Exists:
    """Return whether a token was revoked by itself, as an annotation."""
    return Exists(RevocationEvent.objects.filter(scope=Scope.TOKEN, subject=subject))


def is_used(digest: Any) -> Exists:
    """Return whether a token is used up, as an annotation."""
    return Exists(UsedToken.objects.filter(digest=digest))


def is_orphaned(claims: Claims) -> Q:
    """
    Return the condition for the row of a token's user by which an access token is ORPHANED.

    The id of a session that came from an exchange is the digest of a used token.
    """
    since = moment(claims.iat)
    came_from_exchange = Exists(UsedToken.objects.filter(digest=OuterRef("pk")))
    sessions = UserSession.objects.filter(came_from_exchange, user=OuterRef("pk"), revoked_at__gte=since)
    signed_out = RevocationEvent.objects.filter(
        scope=Scope.TOKEN, subject=family_subject(claims), created_at__gte=since
    )
    return Q(Exists(sessions)) | Q(Exists(signed_out))


def family_subject(claims: Claims) -> str:
    """Return the subject of the event that a refresh token of this user was revoked. No single token is called so."""
    return token_subject(f"{NAME} refresh", claims.sub)


def state_of(row: Any, user: Any, claims: Claims, now: datetime) -> State:
    """Return the state of a former token that `find_user` has found the user of."""
    state = State(
        token_denied=getattr(row, "jwt_denied", False),
        session_revoked=getattr(row, "jwt_orphaned", False),
        session_ends_at=None,
        cutoffs=(cutoff.read(row), row.global_cutoff),
        principal_active=user.is_active,
        credentials_stale=_has_another_password(user, claims),
    )
    return wall_clock.judged_by_another_clock(state, now, {Scope.USER: user_id_of(user), Scope.ALL: ""})


def _has_another_password(user: Any, claims: Claims) -> bool:
    from rest_framework_simplejwt.utils import get_md5_hash_password

    settings = package().settings
    if not settings.CHECK_REVOKE_TOKEN:
        return False
    known = claims.all.get(settings.REVOKE_TOKEN_CLAIM)
    return not constant_time_compare(str(known), get_md5_hash_password(user.password))
