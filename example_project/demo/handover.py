"""
The story of two servers: Alice uses a server that has no account for her, no session and no database.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from json import dumps, loads
from threading import Event, Thread
from typing import Any

from example_project.demo.narrator import Narrator, StepFailedError
from example_project.demo.steps import sign_in

REPORTS = "GET /reports/"
EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token": "$ALICE_ACCESS",
}

# The bounds of both servers, and a margin for a busy machine.
ARRIVES_WITHIN = 15.0  # seconds

# The time between two requests of the traffic; with less, the exchange throttle would refuse requests.
PAUSE = 0.1  # seconds


def tell(narrator: Narrator, passwords: Mapping[str, str], *, other: str, standby: str) -> None:
    """
    Tell the whole story.

    Args:
        narrator: a narrator for the server that has Alice's account.
        passwords: the passwords of alice and admin.
        other: host and port of the other server.
        standby: id of the key that takes over.

    Raises:
        StepFailedError: if a step has an unexpected result.
    """
    audience = f"http://{other}"
    _hand_over(narrator, passwords, other, audience)
    _keep_apart(narrator)
    _rotate(narrator, other, audience, standby)
    _revoke(narrator, passwords, other)


def _hand_over(narrator: Narrator, passwords: Mapping[str, str], other: str, audience: str) -> None:
    narrator.chapter("From server to server")
    sign_in(narrator, "Alice signs in at the first server", "alice", passwords, keep={"ALICE_ACCESS": "access_token"})
    narrator.step(
        "The second server refuses that token, because it is for the first server",
        REPORTS,
        at=other,
        token="ALICE_ACCESS",
        status=401,
        expect={"code": "invalid_token"},
    )
    narrator.step(
        "She exchanges it for a token for the second server",
        "POST /auth/token/",
        body={**EXCHANGE, "audience": audience},
        status=200,
        expect={"scope": "reports.read"},
        keep={"REPORTS_ACCESS": "access_token"},
    )
    narrator.step(
        "The second server accepts that token, without an account, a session or a database",
        REPORTS,
        at=other,
        token="REPORTS_ACCESS",
        status=200,
        expect={"issuer": f"http://{narrator.address}", "reports": None},
    )


def _keep_apart(narrator: Narrator) -> None:
    narrator.step(
        "The first server refuses that token, because it is for the second server",
        "GET /api/notes/",
        token="REPORTS_ACCESS",
        status=401,
        expect={"code": "invalid_token"},
    )
    narrator.step(
        "There are no tokens for a server that is not listed",
        "POST /auth/token/",
        body={**EXCHANGE, "audience": "http://elsewhere.example.com"},
        status=400,
        expect={"error": "invalid_target"},
    )


def _rotate(narrator: Narrator, other: str, audience: str, standby: str) -> None:
    narrator.chapter("A new key, while requests come in")
    narrator.command(
        "A new key must not sign before every server can know it",
        *("jwt_keys", "activate", standby),
        status=1,
        expect="It can be activated from",
    )
    with _traffic(narrator, other, audience) as answers:
        narrator.command(
            "The only other server already has the key, so we activate it now",
            *("jwt_keys", "activate", standby, "--emergency", "--yes"),
        )
        narrator.step(
            "Alice gets a token that is signed with the new key",
            "POST /auth/token/",
            body={**EXCHANGE, "audience": audience},
            status=200,
            keep={"NEW_ACCESS": "access_token"},
        )
        narrator.step("The second server accepts it", REPORTS, at=other, token="NEW_ACCESS", status=200)
        narrator.step("It still accepts tokens of the old key", REPORTS, at=other, token="REPORTS_ACCESS", status=200)
    refused = [status for status in answers if status != 200]
    if refused or not answers:
        raise StepFailedError(f"Of {len(answers)} other requests {len(refused)} were refused: {refused[:5]}")
    narrator.remark(f"Meanwhile the two servers answered {len(answers)} other requests, and refused none.")


def _revoke(narrator: Narrator, passwords: Mapping[str, str], other: str) -> None:
    narrator.chapter("A revocation reaches the other server")
    sign_in(
        narrator, "The admin of the first server signs in", "admin", passwords, keep={"ADMIN_ACCESS": "access_token"}
    )
    narrator.step(
        "The admin revokes Alice",
        "POST /auth/revoke/user/",
        token="ADMIN_ACCESS",
        body={"username": "alice", "reason": "laptop stolen"},
        status=200,
        expect={"sessions_revoked": 1},
    )
    narrator.step(
        "Her token is refused at the second server, long before it expires",
        REPORTS,
        at=other,
        token="NEW_ACCESS",
        status=401,
        expect={"code": "token_revoked"},
        within=ARRIVES_WITHIN,
    )


@contextmanager
def _traffic(narrator: Narrator, other: str, audience: str) -> Iterator[list[int]]:
    """Request a token from the first server and use it at the second, repeatedly; yield the list of statuses."""
    answers: list[int] = []
    over = Event()

    def ask() -> None:
        form = {**EXCHANGE, "subject_token": narrator.variables["ALICE_ACCESS"], "audience": audience}
        while not over.wait(PAUSE):
            status, body = _send(narrator.address, "POST", "/auth/token/", body=form)
            answers.append(status)
            if status == 200:
                answers.append(_send(other, "GET", "/reports/", token=body["access_token"])[0])

    thread = Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield answers
    finally:
        over.set()
        thread.join()


def _send(address: str, method: str, path: str, *, token: str = "", body: Any = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    connection = HTTPConnection(address, timeout=30)
    try:
        connection.request(method, path, None if body is None else dumps(body), headers)
        response = connection.getresponse()
        return response.status, loads(response.read())
    finally:
        connection.close()
