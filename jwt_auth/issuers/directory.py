"""
The issuers that a caller accepts, by their names in `iss`: this server and TRUSTED_ISSUERS, API clients, or both.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from jwt_auth.claims import shown
from jwt_auth.conf.issuers import trusted_issuers
from jwt_auth.conf.settings import cached_until_settings_change
from jwt_auth.exceptions import UntrustedIssuerError
from jwt_auth.issuers.base import Directory, Issuer
from jwt_auth.issuers.clients import issuer_of_client
from jwt_auth.issuers.foreign import foreign_issuer
from jwt_auth.issuers.ours import ourselves
from jwt_auth.jose.tokens import UnverifiedToken
from jwt_auth.models import CLIENT_PREFIX

# Finds the issuer of a token that another package signed at this server, before the project moved here; None if the
# token is no such token.
FindFormer: TypeAlias = Callable[[UnverifiedToken], Issuer | None]

_former: list[FindFormer] = []


def connect_former(find: FindFormer) -> None:
    """Have `find` called for each token that names no key, which ours always do."""
    _former.append(find)


def issuer_of_user(token: UnverifiedToken) -> Issuer:
    """Find the issuer of a token among this server and TRUSTED_ISSUERS; raise UntrustedIssuerError."""
    if token.kid is None:  # such tokens may have the name of this server in `iss`
        for find in _former:
            if issuer := find(token):
                return issuer
    # Looked up here first, because every request does so, and one more function call takes longer than the look-up.
    return _trusted().get(token.issuer) or find_issuer(token.issuer)  # type: ignore[arg-type]  # None is not in it


def issuer_of_anyone(token: UnverifiedToken) -> Issuer:
    """Find the issuer of a token among API clients, this server and TRUSTED_ISSUERS; raise UntrustedIssuerError."""
    return issuer_of_client(token) if (token.issuer or "").startswith(CLIENT_PREFIX) else issuer_of_user(token)


DIRECTORIES: Mapping[str, Directory] = {
    "users": issuer_of_user,
    "clients": issuer_of_client,
    "anyone": issuer_of_anyone,
}


def find_issuer(name: str | None) -> Issuer:
    """Return this server, or the trusted issuer with exactly this name; raise UntrustedIssuerError."""
    try:
        return _trusted()[name]  # type: ignore[index]  # None is simply not in it
    except KeyError:
        # The name may be as long as a token, and a log cuts its texts.
        named = "it names no issuer" if name is None else f"its issuer {shown([name])} is not trusted"
        raise UntrustedIssuerError(f"{named}; trusted: {shown(_trusted())}") from None


@cached_until_settings_change
def _trusted() -> Mapping[str, Issuer]:
    own = ourselves()
    return {own.name: own, **{name: foreign_issuer(trusted) for name, trusted in trusted_issuers().items()}}
