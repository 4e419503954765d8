"""
The window: until SIMPLEJWT["ACCEPT_UNTIL"], tokens that simplejwt has issued (former tokens) are accepted.

For that time the project keeps simplejwt installed, its SIMPLE_JWT, and its apps in INSTALLED_APPS. simplejwt itself
checks signature, issuer, audience, type and blacklist, with these settings.

A former token is recognized by its type, and by the missing `kid`, which our tokens always have. It is an access token,
or a refresh token that may be exchanged for a session once, or a sliding token, which is both:

    token               state                                             as access token    at a refresh
    -----------------   -----------------------------------------------   ----------------   -----------------------
    any                 window closed, or SIMPLEJWT not set               not ours           not ours
    any                 another's signature, issuer or audience           refused            refused
    any                 expired                                           refused            refused
    any                 user gone, inactive, or revoked since `iat`;      refused            refused
                        everybody revoked since; with
                        CHECK_REVOKE_TOKEN, another password
    access              LIVE                                              accepted           not ours
    access              its `jti` denied by a sign-out                    refused            not ours
    access              ORPHANED: a session of its user that came from    refused            not ours
                        an exchange, or a refresh token of simplejwt,
                        was ended or revoked after `iat`
    refresh             any                                               not ours           see below
    sliding             LIVE, until `exp`                                 accepted           exchanged until
                                                                                             `refresh_exp`
    refresh, sliding    UNUSED                                            accepted if it     a session begins, and the
                                                                          is a sliding one   token is used up
    refresh, sliding    on simplejwt's blacklist; denied                  refused            refused
    refresh, sliding    REPEATED: used; its session is live, in the       refused            same refresh token, new
                        grace period of the exchange                                         access token
    refresh, sliding    REUSED: used; its session is live, later, or      refused            refused, and the session
                        shared with other peers                                              ends
    refresh, sliding    ENDED: used; its session has ended, or never      refused            refused
                        began

"refused" is 401; "not ours" leaves the token to the rest of the app, which refuses it as `invalid_token`.
USER_AUTHENTICATION_RULE applies to a refresh, as in simplejwt. A user who is inactive is always refused, whatever
CHECK_USER_IS_ACTIVE says.

Signing out leads from UNUSED, REPEATED and REUSED to ENDED, and from LIVE to denied. An exchange, and signing out, also
put the token on simplejwt's blacklist if that app is installed, in the same transaction. If a project goes back to
simplejwt, these tokens are refused there, and all others are still valid.

Access tokens of simplejwt have no link with their refresh token. To be safe, ORPHANED also refuses those of the user's
other devices, whose refresh tokens stay valid.

A cutoff is compared with `iat`, which another machine's clock may have set. So tokens that were issued up to LEEWAY
after it are refused, too.

The session of an exchange begins now: its timeouts are those of a new sign-in. Its `auth_time` is the former `iat`, so
each later cutoff refuses it. It keeps all of the project's own claims: a token whose claims are too long for
`UserSession.data` is refused, and its user signs in again.
"""

from datetime import datetime
from uuid import UUID

from jwt_auth.contrib.simplejwt.window.access import find_former
from jwt_auth.contrib.simplejwt.window.ending import end_former
from jwt_auth.contrib.simplejwt.window.exchange import check_former, exchange_former, read_former
from jwt_auth.http.peer import Peer
from jwt_auth.issuers.directory import connect_former
from jwt_auth.sessions.extensions import Extension, FormerContent, connect_extension
from jwt_auth.sessions.results import TokenPair


class WindowExtension(Extension):
    """Exchanges and revokes the tokens that simplejwt has issued."""

    def refresh(self, raw: str, *, peer: Peer | None, now: datetime | None) -> TokenPair | None:
        return exchange_former(raw, peer=peer, now=now)

    def check(self, raw: str, *, now: datetime | None) -> bool:
        return check_former(raw, now=now)

    def read(self, raw: str, *, now: datetime | None) -> FormerContent | None:
        return read_former(raw, now=now)

    def end(self, raw: str, *, reason: str, now: datetime | None) -> UUID | None:
        return end_former(raw, reason=reason, now=now)


def connect() -> None:
    """Have the app try tokens that are not its own as former tokens. simplejwt is not imported before there is one."""
    connect_former(find_former)
    connect_extension(WindowExtension())
