"""
`request.auth`: our claims, which can also be read like a token of simplejwt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from jwt_auth.claims import Claims

__all__ = ["TokenClaims"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenClaims(Claims):
    """
    `request.auth`: the claims, and `token["user_id"]`, `token.get("plan")`, `"plan" in token`, and `str(token)`.

    `user` is the user of the token, which `get_user()` returns without a query.
    """

    raw: str = field(default="", repr=False, compare=False)
    user: Any = field(default=None, repr=False, compare=False)

    token_type = "access"  # noqa: S105  # a word of simplejwt, and no secret

    @property
    def payload(self) -> Mapping[str, Any]:
        """All claims of the token, as received."""
        return self.all

    def __getitem__(self, name: str) -> Any:
        return self.all[name]

    def __contains__(self, name: object) -> bool:
        return name in self.all

    def get(self, name: str, default: Any = None) -> Any:
        return self.all.get(name, default)

    def __str__(self) -> str:
        return self.raw


_NAMES = tuple(item.name for item in fields(Claims))


def readable(claims: Claims, raw: str, user: Any) -> TokenClaims:
    """Return `claims` of the token `raw`, which was verified, as the token of a request."""
    return TokenClaims(**{name: getattr(claims, name) for name in _NAMES}, raw=raw, user=user)
