"""
From server to server: Alice is sent on to a server that has no account of her, no session and no database.
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

# The bounds of both servers, and some patience with a machine that has other things to do.
ARRIVES_WITHIN = 15.0  # seconds

# Between two requests of the traffic; more would come to the limit of how many tokens an address gets in a minute.
PAUSE = 0.1  # seconds


def tell(narrator: Narrator, passwords: Mapping[str, str], *, other: str, standby: str) -> None:
    """
    The whole story.

    Args:
        narrator: at the server that Alice belongs to.
        passwords: of alice and admin.
        other: host and port of the other server.
        standby: name of the key that takes over.

    Raises:
        StepFailedError: when one step went otherwise than it should.
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
        "The second server does not want that token: it is for the first",
        REPORTS,
        at=other,
        token="ALICE_ACCESS",
        status=401,
        expect={"code": "invalid_token"},
    )
    narrator.step(
        "So she exchanges it for one that is good at the second server",
        "POST /auth/token/",
        body={**EXCHANGE, "audience": audience},
        status=200,
        expect={"scope": "reports.read"},
        keep={"REPORTS_ACCESS": "access_token"},
    )
    narrator.step(
        "There she is known by it alone: no account, no session, no database",
        REPORTS,
        at=other,
        token="REPORTS_ACCESS",
        status=200,
        expect={"issuer": f"http://{narrator.address}", "reports": None},
    )


def _keep_apart(narrator: Narrator) -> None:
    narrator.step(
        "The first server does not want that token: it is for the second",
        "GET /api/notes/",
        token="REPORTS_ACCESS",
        status=401,
        expect={"code": "invalid_token"},
    )
    narrator.step(
        "Nobody gets a token for a server that is not on the list",
        "POST /auth/token/",
        body={**EXCHANGE, "audience": "http://elsewhere.example.com"},
        status=400,
        expect={"error": "invalid_target"},
    )


def _rotate(narrator: Narrator, other: str, audience: str, standby: str) -> None:
    narrator.chapter("Another key, while requests come in")
    narrator.command(
        "Another key must not sign before every server can know it",
        *("jwt_keys", "activate", standby),
        status=1,
        expect="It can be activated from",
    )
    with _traffic(narrator, other, audience) as answers:
        narrator.command(
            "We know that the only other server has it already, so it signs from now on",
            *("jwt_keys", "activate", standby, "--emergency", "--yes"),
        )
        narrator.step(
            "A token by the new key",
            "POST /auth/token/",
            body={**EXCHANGE, "audience": audience},
            status=200,
            keep={"NEW_ACCESS": "access_token"},
        )
        narrator.step("It is good at the second server", REPORTS, at=other, token="NEW_ACCESS", status=200)
        narrator.step("And so are the tokens by the old key", REPORTS, at=other, token="REPORTS_ACCESS", status=200)
    refused = [status for status in answers if status != 200]
    if refused or not answers:
        raise StepFailedError(f"Of {len(answers)} requests meanwhile {len(refused)} were refused: {refused[:5]}")
    narrator.remark(f"Meanwhile the two servers answered {len(answers)} other requests, and refused none.")


def _revoke(narrator: Narrator, passwords: Mapping[str, str], other: str) -> None:
    narrator.chapter("A revocation travels")
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
    """Ask both servers again and again: the first for a token, the second with it; each answer's status."""
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
