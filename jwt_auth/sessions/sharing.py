"""
The rule for a second peer in the grace period.

The grace period is for a lost answer and for parallel tabs. A thief who presents the owner's refresh token within it
must do so after each rotation, because a token from before the predecessor is never accepted. A rotation is shared if
another peer than that of the rotation uses its grace period. The app announces each shared rotation, and ends the
session after more than FORGIVEN consecutive ones. A phone that changes networks while an answer is lost is counted,
too. A rotation that is not shared resets the count.
"""

from datetime import datetime

from jwt_auth.http.peer import Peer
from jwt_auth.models import UserSession
from jwt_auth.sessions import refresh_tokens
from jwt_auth.signals import refresh_token_shared, send_on_commit, session_peer_changed

# The number of consecutive shared rotations that are tolerated.
FORGIVEN = 2


def rotations_in_a_row(counter: int, shared_counter: int | None, shared_rotations: int) -> int:
    """
    Return the number of consecutive shared rotations, if the one that led to `counter` is shared. Pure.

    Args:
        counter: the counter of the session.
        shared_counter: the counter at the last shared rotation; None if there was none.
        shared_rotations: the number of consecutive ones then.
    """
    if shared_counter == counter:
        return shared_rotations
    return shared_rotations + 1 if shared_counter == counter - 1 else 1


def last_peer(peer: Peer | None) -> dict[str, str | None]:
    """Return the columns for the peer of a rotation. Code that names no peer leaves the one before."""
    return {} if peer is None else {"last_ip_address": peer.ip_address, "last_user_agent": peer.user_agent}


def misused_by(peer: Peer | None) -> dict[str, str | None]:
    """Return the columns for the peer that presented a misused refresh token."""
    return {} if peer is None else {"misused_ip_address": peer.ip_address, "misused_user_agent": peer.user_agent}


def announce_change(session: UserSession, peer: Peer | None, former: Peer) -> None:
    """
    Announce that `peer` has rotated the token of `session`, if it may not be `former`, the peer of the rotation before.

    A `former` without an address and an agent is unknown: code that named no peer started the session.
    """
    if peer is not None and former != Peer() and not peer.may_be(former):
        send_on_commit(session_peer_changed, UserSession, session=session, peer=peer, former=former)


def is_tolerated(session: UserSession, peer: Peer | None, now: datetime) -> bool:
    """
    Return whether `peer` may use the newest rotation of `session` too. Code that names no peer may.

    A use by another client than that of the rotation is recorded and announced.
    """
    return peer is None or peer.may_be(refresh_tokens.rotated_by(session)) or _is_forgiven(session, peer, now)


def _is_forgiven(session: UserSession, peer: Peer, now: datetime) -> bool:
    """Record and announce that `peer` shares the newest rotation of `session`; return whether it is forgiven."""
    rotations = rotations_in_a_row(session.counter, session.shared_counter, session.shared_rotations)
    if session.shared_counter != session.counter:
        _record(session, peer, rotations, now)
    return rotations <= FORGIVEN


def _record(session: UserSession, peer: Peer, rotations: int, now: datetime) -> None:
    """Record the first such use of this rotation; the condition of the UPDATE decides which is the first."""
    found = {
        "shared_at": now,
        "shared_ip_address": peer.ip_address,
        "shared_user_agent": peer.user_agent,
        "shared_counter": session.counter,
        "shared_rotations": rotations,
    }
    rows = UserSession.objects.filter(
        pk=session.pk, counter=session.counter, shared_counter=session.shared_counter
    ).update(**found)
    if rows:
        vars(session).update(found)
        send_on_commit(refresh_token_shared, UserSession, session=session, peer=peer, rotations=rotations)
