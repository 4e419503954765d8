"""Every entry point at which a client can present a token."""

from collections.abc import Iterator
from typing import Any

from jwt_auth.views.metadata import TOKEN_EXCHANGE
from jwt_auth.views.serializers import ACCESS_TOKEN_URN

# The status codes that an entry point may answer to a string that is not a valid token.
REFUSALS = {
    "authenticator": {401},
    "verify": {400, 401},
    "refresh": {400, 401},
    "logout by body": {204, 400},  # idempotent: an invalid token counts as signed out
    "logout by header": {204, 400},
    "exchange": {400},  # but not because of the audience, which does not exist
    "revoke": {200, 400},  # RFC 7009 section 2.2: an invalid token is no error
    "revoke by form": {200, 400},
}


def knock(client: Any, raw: str) -> Iterator[tuple[str, Any]]:
    """Send `raw` to every entry point, and yield the name of each with its answer."""
    bearer = client.bearer("")
    bearer.credentials(HTTP_AUTHORIZATION=f"Bearer {raw}")
    yield "authenticator", bearer.get("/auth/me/")
    yield "verify", client.send("verify/", {"token": raw})
    yield "refresh", client.refresh(raw)
    exchange = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": ACCESS_TOKEN_URN, "audience": "x"}
    yield "exchange", client.send("token/", {**exchange, "subject_token": raw})
    yield "logout by body", client.send("logout/", {"refresh_token": raw})
    yield "logout by header", bearer.send("logout/")
    yield "revoke", client.send("revoke/", {"token": raw})
    form = "application/x-www-form-urlencoded"
    yield "revoke by form", client.post("/auth/revoke/", f"token={raw}".encode(), content_type=form)


def assert_refused_everywhere(client: Any, raw: str) -> None:
    for entry_point, response in knock(client, raw):
        assert "invalid_target" not in str(response.content), entry_point
        assert response.status_code in REFUSALS[entry_point], (
            entry_point,
            response.status_code,
            response.content[:200],
        )
        assert response.status_code != 401 or response["WWW-Authenticate"].startswith("Bearer "), entry_point
