"""
The records of the logger `jwt_auth`: a text for people, and `extra` for machines.

Each record has `event`, a stable name, and the fields that FIELDS lists for that event;
docs/reference/logging.md explains them. No record contains a token, a password or a secret, nor the name that
was typed at a sign-in: people type passwords into that field.

Much of a record is untrusted text: paths, headers, reasons. A filter of the logger makes all of it printable before
any handler gets the record, whichever module has logged it.
"""

import logging
from collections.abc import Callable, Mapping
from numbers import Number
from typing import Any

from django.conf import settings as django_settings
from django.dispatch import Signal
from django.http import HttpRequest

from jwt_auth import signals
from jwt_auth.exceptions import (
    CsrfError,
    GrantError,
    InsufficientUserAuthenticationError,
    InvalidCredentialsError,
    ReasonedError,
    TokenError,
    UnavailableError,
)
from jwt_auth.http.peer import client_address
from jwt_auth.http.text import printable

logger = logging.getLogger("jwt_auth")

_SESSION = ("sid", "user_id", "ip_address", "transport")
_PEERS = ("user_agent", "last_ip_address", "last_user_agent", "peer_ip_address", "peer_user_agent")
_CHANGE = ("user_agent", "peer_ip_address", "peer_user_agent", "former_ip_address", "former_user_agent")
_KEY = ("kid", "algorithm")
_REVOCATION = ("scope", "subject", "actor", "reason")
_REQUEST = ("code", "reason", "ip_address", "path")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "session_started": _SESSION,
    "token_refreshed": (*_SESSION, "rotated"),
    "refresh_token_reused": (*_SESSION, *_PEERS, "presented", "expected"),
    "refresh_token_ahead": (*_SESSION, *_PEERS, "presented", "expected"),
    "refresh_token_shared": (*_SESSION, *_PEERS, "rotations"),
    "session_peer_changed": (*_SESSION, *_CHANGE),
    "token_revoked": (*_REVOCATION, "expires_at"),
    "session_revoked": (*_REVOCATION, "sid"),
    "user_revoked": (*_REVOCATION, "user_id", "cutoff", "sessions_revoked", "clients_left"),
    "all_revoked": (*_REVOCATION, "cutoff"),
    "service_token_issued": ("user_id", "sid", "jti", "audience", "token_scope", "client_id"),
    "key_created": _KEY,
    "key_activated": (*_KEY, "former_kid"),
    "key_revoked": (*_REVOCATION, *_KEY),
    "client_registered": ("client_id", "user_id", "scopes", "actor"),
    "client_changed": ("client_id", "changed", "actor"),
    "client_key_added": ("client_id", *_KEY, "replaced_kid", "actor"),
    "client_key_revoked": (*_REVOCATION, "client_id", *_KEY),
    "client_revoked": (*_REVOCATION, "client_id", "cutoff"),
    "client_disabled": (*_REVOCATION, "client_id"),
    "token_refused": (*_REQUEST, "sid", "user_id"),
    "token_missing": _REQUEST,
    "sign_in_refused": _REQUEST,
    "sign_in_demanded": _REQUEST,
    "csrf_refused": _REQUEST,
    "exchange_refused": _REQUEST,
    "csrf_let_through": _REQUEST,
    "request_throttled": _REQUEST,
    "request_uncounted": _REQUEST,
    "unavailable": _REQUEST,
    # The rest is logged by modules that handle no requests: `revocation.memory`,
    "revocations_dated_late": ("reason",),
    "revocations_unread": ("reason",),
    "revocations_read_again": (),
    # `keyring.stored`,
    "signing_key_unread": ("kid", "reason"),
    # `revocation.wall_clock`,
    "clock_ahead": ("reason",),
    # `issuers.remote.jwks`,
    "key_left_out": ("kid", "reason"),
    "keys_unusable": ("reason",),
    "keys_unread": ("reason",),
    "keys_read_again": (),
    # `transports`,
    "cookies_lost": ("reason",),
    # `contrib.channels`,
    "token_in_url": ("reason",),
    # and `issuers.remote.subscription`.
    "feed_unread": ("reason",),
    "feed_read_again": (),
    "bell_unheard": ("reason",),
    "bell_unrung": ("reason",),
    # `_django.differences`.
    "django_differs": ("reason",),
}


def connect() -> None:
    """Connect the log to all signals. Call it once, when the apps are ready."""
    logger.addFilter(_clean)
    for signal, receiver in _RECEIVERS.items():
        signal.connect(receiver, dispatch_uid="jwt_auth.log")


def _clean(record: logging.LogRecord) -> bool:
    """Make the text and the fields of a record printable; see text.printable(). A filter that keeps each record."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_clean_value, record.args))
    fields = vars(record)
    event = fields.get("event")
    for name in FIELDS.get(event, ()) if isinstance(event, str) else ():
        fields[name] = _clean_value(fields.get(name))
    if record.exc_info:
        # Formatters use this text if it is there. A traceback has many lines, and the last one is the error's own.
        lines = logging.Formatter().formatException(record.exc_info).split("\n")
        record.exc_text = "\n".join(map(printable, lines))
    return True


def _clean_value(value: Any) -> Any:
    """Return a printable text; numbers as they are, because `%d` and `%.1f` accept nothing else."""
    return value if value is None or isinstance(value, Number) else printable(value)


def log_refusal(error: ReasonedError, request: HttpRequest | None) -> None:
    """Log why a token, a sign-in, a token exchange or a cross-site request was refused, or a new sign-in demanded."""
    fields = _of_request(request, error.code, error.reason)
    event, text, reason = "token_refused", "Token refused: %s.", error.reason
    if isinstance(error, InvalidCredentialsError):
        event, text = "sign_in_refused", "Sign-in refused: %s."
    elif isinstance(error, InsufficientUserAuthenticationError):
        event, text = "sign_in_demanded", "New sign-in demanded: %s."
    elif isinstance(error, CsrfError):
        event, text = "csrf_refused", "Cross-site request refused: %s."
    elif isinstance(error, GrantError):
        event, text = "exchange_refused", "Token exchange refused: %s."
    else:
        sid, user_id = (error.sid, error.user_id) if isinstance(error, TokenError) else (None, None)
        fields |= {"sid": sid or "", "user_id": user_id or ""}
        reason += _whose(sid, user_id)
    _log(_visible_level(), event, text, reason, **fields)


def _whose(sid: str | None, user_id: str | None) -> str:
    """Return the session and the user of a refused token for the text of the record, as far as they are known."""
    known = ", ".join(f"{name} {value}" for name, value in (("session", sid), ("user", user_id)) if value)
    return f" ({known})" if known else ""


def _visible_level() -> int:
    """
    Return the level of refusals: WARNING under DEBUG, else INFO.

    A new project has no handler for our logger. Python then prints records from WARNING on to the console, where a
    developer looks for the reason of a refusal. In production anybody could fill the log of warnings with refusals.
    """
    return logging.WARNING if django_settings.DEBUG else logging.INFO


def log_missing_token(reason: str, request: HttpRequest) -> None:
    """Log why no token was found in a request to a view that requires one; for a developer at the console."""
    fields = _of_request(request, "not_authenticated", reason)
    _log(logging.WARNING, "token_missing", "No token: %s.", reason, **fields)


def log_let_through(error: CsrfError, request: HttpRequest) -> None:
    """Log a request of another site's page that CSRF_MODE does not stop yet."""
    fields = _of_request(request, error.code, error.reason)
    text = "Let through, because CSRF_MODE is log_only: %s."
    _log(logging.WARNING, "csrf_let_through", text, error.reason, **fields)


def log_token_in_url() -> None:
    """Log that a handshake of a WebSocket had a token in the URL; the record contains no part of the URL."""
    reason = "the handshake of a WebSocket had a token in the URL, where no token is read"
    _log(logging.WARNING, "token_in_url", "Token ignored: %s.", reason, reason=reason)


def log_throttled(request: HttpRequest | None, limit: str | None) -> None:
    """Log a request over its rate limit; `limit` is the setting that has it, unless it is a throttle of the project."""
    reason = f"too many requests for {limit}" if limit else "too many requests"
    fields = _of_request(request, "throttled", reason)
    _log(logging.WARNING, "request_throttled", "Throttled: %s, %s.", fields["path"], reason, **fields)


def log_uncounted(error: UnavailableError, request: HttpRequest | None) -> None:
    """Log a request that passed without being counted, because the cache of the throttles failed."""
    fields = _of_request(request, error.code, str(error))
    _log(logging.WARNING, "request_uncounted", "Not counted: %s.", error, **fields)


def log_outage(error: Exception, request: HttpRequest | None) -> None:
    """Log a request that was answered with 503; an error other than UnavailableError with its traceback."""
    code = error.code if isinstance(error, UnavailableError) else UnavailableError.code
    fields = _of_request(request, code, str(error))
    # Our own errors say in one line what failed; during an outage there is one for each request.
    exc_info = None if isinstance(error, UnavailableError) else error
    _log(logging.ERROR, "unavailable", "Unavailable: %s.", error, exc_info=exc_info, **fields)


def _log(
    level: int, event: str, message: str, *arguments: Any, exc_info: BaseException | None = None, **fields: Any
) -> None:
    logger.log(level, message, *arguments, exc_info=exc_info, extra={"event": event, **fields})


def _of_request(request: HttpRequest | None, code: str, reason: str) -> dict[str, Any]:
    return {
        "code": code,
        "reason": reason,
        "ip_address": request and client_address(request),
        "path": request and request.path,
    }


def _of_session(session: Any) -> dict[str, Any]:
    return {
        "sid": session.sid,
        "user_id": str(session.user_id),
        "ip_address": session.ip_address,
        "transport": str(session.transport),
    }


def _of_peers(session: Any, peer: Any) -> dict[str, Any]:
    """Return the peers of the sign-in and of the newest rotation, and `peer`; None stands for code that names none."""
    return {
        "user_agent": session.user_agent,
        "last_ip_address": session.last_ip_address,
        "last_user_agent": session.last_user_agent,
        "peer_ip_address": peer and peer.ip_address,
        "peer_user_agent": "" if peer is None else peer.user_agent,
    }


def _of_event(event: Any) -> dict[str, Any]:
    return {"scope": str(event.scope), "subject": event.subject, "actor": event.actor, "reason": event.reason}


def _session_started(session: Any, **kwargs: Any) -> None:
    text = "Session %s of user %s started."
    _log(logging.INFO, "session_started", text, session.pk, session.user_id, **_of_session(session))


def _token_refreshed(session: Any, rotated: bool, **kwargs: Any) -> None:
    fields = {**_of_session(session), "rotated": rotated}
    _log(logging.DEBUG, "token_refreshed", "Session %s refreshed.", session.pk, **fields)


def _refresh_token_reused(session: Any, presented: int, expected: int, peer: Any, **kwargs: Any) -> None:
    # Someone signed a counter that we never issued with our key, or our database was restored to an earlier state.
    ahead = presented > expected
    level, event = (logging.CRITICAL, "refresh_token_ahead") if ahead else (logging.WARNING, "refresh_token_reused")
    text = "Refresh token %s of session %s was presented, but %s was expected; the session has been ended."
    fields = {**_of_session(session), **_of_peers(session, peer), "presented": presented, "expected": expected}
    _log(level, event, text, presented, session.pk, expected, **fields)


def _refresh_token_shared(session: Any, peer: Any, rotations: int, **kwargs: Any) -> None:
    fields = {**_of_session(session), **_of_peers(session, peer), "rotations": rotations}
    text = "Another peer used the refresh token of session %s within the grace period."
    _log(logging.WARNING, "refresh_token_shared", text, session.pk, **fields)


def _session_peer_changed(session: Any, peer: Any, former: Any, **kwargs: Any) -> None:
    fields = {
        **_of_session(session),
        "user_agent": session.user_agent,
        "peer_ip_address": peer.ip_address,
        "peer_user_agent": peer.user_agent,
        "former_ip_address": former.ip_address,
        "former_user_agent": former.user_agent,
    }
    text = "Session %s was refreshed by another peer than before."
    _log(logging.INFO, "session_peer_changed", text, session.pk, **fields)


def _token_revoked(event: Any, **kwargs: Any) -> None:
    _log_revocation("token_revoked", event, expires_at=event.expires_at.isoformat())


def _session_revoked(event: Any, session_id: Any, **kwargs: Any) -> None:
    _log_revocation("session_revoked", event, sid=session_id.hex)


def _user_revoked(
    event: Any, user_id: Any, cutoff: Any, sessions_revoked: int, clients_left: int, **kwargs: Any
) -> None:
    fields = {"user_id": str(user_id), "cutoff": cutoff.isoformat()}
    fields |= {"sessions_revoked": sessions_revoked, "clients_left": clients_left}
    text = "Revoked: %s (%s). API clients that stay: %s."
    _log(logging.INFO, "user_revoked", text, event, event.reason, clients_left, **_of_event(event), **fields)


def _all_revoked(event: Any, cutoff: Any, **kwargs: Any) -> None:
    _log_revocation("all_revoked", event, cutoff=cutoff.isoformat())


def _service_token_issued(claims: Any, user: Any, actor: str | None, **kwargs: Any) -> None:
    fields = {
        "user_id": str(user.pk),
        "sid": claims.sid,
        "jti": claims.jti,
        "audience": claims.aud[0],
        "token_scope": claims.scope or "",
        "client_id": actor or "",
    }
    text = "Token for %s issued to %s of user %s."
    _log(logging.INFO, "service_token_issued", text, claims.aud[0], actor or "the session", user.pk, **fields)


def _key_created(key: Any, **kwargs: Any) -> None:
    _log(logging.INFO, "key_created", "Signing key %s created.", key.kid, **_of_key(key))


def _key_activated(key: Any, former: Any, **kwargs: Any) -> None:
    fields = {**_of_key(key), "former_kid": former.kid if former else ""}
    _log(logging.WARNING, "key_activated", "Tokens are signed with key %s from now on.", key.kid, **fields)


def _key_revoked(event: Any, key: Any, **kwargs: Any) -> None:
    _log(logging.WARNING, "key_revoked", "Revoked: %s (%s).", event, event.reason, **_of_event(event), **_of_key(key))


def _of_key(key: Any) -> dict[str, Any]:
    return {"kid": key.kid, "algorithm": key.algorithm}


def _of_client_key(key: Any) -> dict[str, Any]:
    return {"client_id": key.client.client_id, **_of_key(key)}


def _client_registered(client: Any, actor: str, **kwargs: Any) -> None:
    fields = {"client_id": client.client_id, "user_id": str(client.user_id), "scopes": client.scopes, "actor": actor}
    _log(logging.INFO, "client_registered", "Client %s registered.", client, **fields)


def _client_changed(client: Any, changed: list[str], actor: str, **kwargs: Any) -> None:
    fields = {"client_id": client.client_id, "changed": ", ".join(changed), "actor": actor}
    _log(logging.INFO, "client_changed", "Client %s changed: %s.", client, fields["changed"], **fields)


def _client_key_added(client_key: Any, replaced: Any, actor: str, **kwargs: Any) -> None:
    fields = {**_of_client_key(client_key), "replaced_kid": replaced.kid if replaced else "", "actor": actor}
    _log(logging.INFO, "client_key_added", "Key %s added to client %s.", client_key, client_key.client, **fields)


def _client_key_revoked(event: Any, client_key: Any, **kwargs: Any) -> None:
    _log_revocation("client_key_revoked", event, **_of_client_key(client_key))


def _client_revoked(event: Any, client: Any, cutoff: Any, **kwargs: Any) -> None:
    _log_revocation("client_revoked", event, client_id=client.client_id, cutoff=cutoff.isoformat())


def _client_disabled(event: Any, client: Any, **kwargs: Any) -> None:
    _log_revocation("client_disabled", event, client_id=client.client_id)


def _log_revocation(name: str, event: Any, **fields: Any) -> None:
    _log(logging.INFO, name, "Revoked: %s (%s).", event, event.reason, **_of_event(event), **fields)


# Not `new_device_seen`: the check for new devices costs a query, and is only made if a receiver is connected.
_RECEIVERS: Mapping[Signal, Callable[..., None]] = {
    signals.session_started: _session_started,
    signals.token_refreshed: _token_refreshed,
    signals.refresh_token_reused: _refresh_token_reused,
    signals.refresh_token_shared: _refresh_token_shared,
    signals.session_peer_changed: _session_peer_changed,
    signals.token_revoked: _token_revoked,
    signals.session_revoked: _session_revoked,
    signals.user_revoked: _user_revoked,
    signals.all_revoked: _all_revoked,
    signals.service_token_issued: _service_token_issued,
    signals.key_created: _key_created,
    signals.key_activated: _key_activated,
    signals.key_revoked: _key_revoked,
    signals.client_registered: _client_registered,
    signals.client_changed: _client_changed,
    signals.client_key_added: _client_key_added,
    signals.client_key_revoked: _client_key_revoked,
    signals.client_revoked: _client_revoked,
    signals.client_disabled: _client_disabled,
}
