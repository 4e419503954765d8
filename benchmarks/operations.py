"""The cost of sign-in, refresh, sign-out and revocation in seconds and queries, without the password check."""

from collections.abc import Callable, Iterable
from datetime import timedelta
from statistics import median
from time import perf_counter
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

Operation = Callable[[Any], Callable[[], Any]]


def measure(user: Any, times: int, many: int) -> dict[str, dict[str, float]]:
    """
    Measure each operation `times` times.

    Args:
        many: the number of sessions of the user that `revoke_user` revokes.
    """
    results = {name: _repeat(prepare, user, times) for name, prepare in OPERATIONS.items()}
    results[f"jwt_auth revoke a user with {many} sessions"] = _repeat(lambda u: _revoke(u, many), user, min(times, 20))
    results[f"simplejwt blacklist {many} tokens of a user"] = _repeat(
        lambda u: _blacklist(u, many), user, min(times, 3)
    )
    return results


def _repeat(prepare: Operation, user: Any, times: int) -> dict[str, float]:
    taken = []
    for _ in range(times):
        operation = prepare(user)
        begin = perf_counter()
        operation()
        taken.append(perf_counter() - begin)
    operation = prepare(user)
    with CaptureQueriesContext(connection) as captured:
        operation()
    return {"seconds": median(taken), "queries": len(list(_real(captured)))}


def _real(captured: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
    control = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
    return (query for query in captured if not query["sql"].startswith(control))


def _ours_start(user: Any) -> Callable[[], Any]:
    from jwt_auth import sessions

    return lambda: sessions.start(user)


def _ours_refresh(user: Any) -> Callable[[], Any]:
    from jwt_auth import sessions

    token = sessions.start(user).refresh_token
    return lambda: sessions.refresh(token)


def _ours_end(user: Any) -> Callable[[], Any]:
    from jwt_auth import sessions

    token = sessions.start(user).refresh_token
    return lambda: sessions.end(token)


def _simplejwt_start(user: Any) -> Callable[[], Any]:
    from rest_framework_simplejwt.tokens import RefreshToken

    def start() -> Any:
        token = RefreshToken.for_user(user)
        return str(token), str(token.access_token)

    return start


def _simplejwt_refresh(user: Any) -> Callable[[], Any]:
    from rest_framework_simplejwt.serializers import TokenRefreshSerializer
    from rest_framework_simplejwt.tokens import RefreshToken

    raw = str(RefreshToken.for_user(user))
    return lambda: TokenRefreshSerializer().validate({"refresh": raw})


def _simplejwt_end(user: Any) -> Callable[[], Any]:
    from rest_framework_simplejwt.tokens import RefreshToken

    raw = str(RefreshToken.for_user(user))
    return lambda: RefreshToken(raw).blacklist()  # type: ignore[arg-type]


def _knox_start(user: Any) -> Callable[[], Any]:
    from knox.models import AuthToken

    return lambda: AuthToken.objects.create(user)


def _knox_end(user: Any) -> Callable[[], Any]:
    from knox.models import AuthToken

    return AuthToken.objects.create(user)[0].delete  # type: ignore[no-any-return]


OPERATIONS: dict[str, Operation] = {
    "jwt_auth sign in": _ours_start,
    "simplejwt sign in": _simplejwt_start,
    "knox sign in": _knox_start,
    "jwt_auth refresh": _ours_refresh,
    "simplejwt refresh": _simplejwt_refresh,
    "jwt_auth sign out": _ours_end,
    "simplejwt sign out": _simplejwt_end,
    "knox sign out": _knox_end,
}


def begin_sessions(users: Iterable[Any], number: int) -> None:
    """Create `number` live sessions for each of `users`, without the cost of signing in."""
    from jwt_auth.models import UserSession

    now = timezone.now()
    end = now + timedelta(days=1)
    rows = (
        UserSession(
            user=user,
            started_at=now,
            last_issued_at=now,
            idle_expires_at=end,
            expires_at=end,
            auth_hash=user.get_session_auth_hash(),
        )
        for user in users
        for _ in range(number)
    )
    UserSession.objects.bulk_create(rows, batch_size=5000)


def _revoke(user: Any, many: int) -> Callable[[], Any]:
    from jwt_auth.revocation import revoke_user

    begin_sessions([user], many)
    return lambda: revoke_user(user)


def _blacklist(user: Any, many: int) -> Callable[[], Any]:
    from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
    from rest_framework_simplejwt.tokens import RefreshToken

    OutstandingToken.objects.filter(user=user).delete()
    for _ in range(many):
        RefreshToken.for_user(user)

    def blacklist() -> None:
        for token in OutstandingToken.objects.filter(user=user):
            BlacklistedToken.objects.get_or_create(token=token)

    return blacklist
