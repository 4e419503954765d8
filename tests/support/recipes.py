"""The way of a sign-in in a project that uses another package: call, refresh, and be revoked."""

from typing import Any

from jwt_auth.revocation import revoke_user
from tests.support import forge
from tests.support.clients import Client


def make_the_tour(client: Client, answer: Any, user: Any) -> dict[str, Any]:
    """
    Use the tokens of `answer` until they are revoked.

    Returns:
        The claims of the access token.
    """
    assert answer.status_code == 200, answer.content
    pair = answer.json()
    assert client.get_me(pair["access_token"]).json()["user"]["id"] == str(user.pk)
    renewed = client.refresh(pair["refresh_token"])
    assert renewed.status_code == 200, renewed.content
    assert client.get_me(renewed.json()["access_token"]).status_code == 200
    revoke_user(user)
    assert client.is_dead(renewed.json())
    return forge.claims_of(pair["access_token"])


def end_others(client: Client, own: dict[str, Any], other: dict[str, Any]) -> None:
    """Sign the user's other devices out, by the tokens `own`; those of `other` are dead then, and `own` are not."""
    assert client.bearer(own["access_token"]).send("sessions/", method="delete").status_code == 204
    assert client.is_dead(other)
    assert client.get_me(own["access_token"]).status_code == 200
