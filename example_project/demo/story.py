"""
The story of Alice, Bob and a lost phone: how tokens are used and revoked.
"""

from collections.abc import Mapping

from example_project.demo.narrator import Narrator
from example_project.demo.steps import sign_in

# The story has five sign-ins; LOGIN_THROTTLE allows ten a minute from one address.


def tell(narrator: Narrator, passwords: Mapping[str, str]) -> None:
    """
    Tell the whole story.

    Args:
        passwords: the passwords of alice, bob and admin.

    Raises:
        StepFailedError: if a step gets an unexpected answer.
    """
    note = _use_the_api(narrator, passwords)
    _refresh(narrator)
    _end_a_session(narrator, passwords)
    _revoke_a_user(narrator, passwords)
    _come_back(narrator, passwords, note)


def _use_the_api(narrator: Narrator, passwords: Mapping[str, str]) -> str:
    narrator.chapter("An API that asks for a token")
    narrator.step(
        "Without a token the API refuses", "GET /api/notes/", status=401, expect={"code": "not_authenticated"}
    )
    sign_in(
        narrator,
        "Alice signs in on her laptop",
        "alice",
        passwords,
        keep={"LAPTOP_ACCESS": "access_token", "LAPTOP_REFRESH": "refresh_token"},
        expect={"token_type": "Bearer"},
        label="laptop",
    )
    text = {"text": "Buy milk"}
    note = narrator.step(
        "She writes a note",
        "POST /api/notes/",
        token="LAPTOP_ACCESS",
        body=text,
        status=201,
        expect={"id": None, **text},
    )
    narrator.step("She lists her notes", "GET /api/notes/", token="LAPTOP_ACCESS", status=200, expect=[note])
    sign_in(narrator, "Bob signs in", "bob", passwords, keep={"BOB_ACCESS": "access_token"})
    path = f"/api/notes/{note['id']}/"
    narrator.step(
        "Bob does not find Alice's note", f"GET {path}", token="BOB_ACCESS", status=404, expect={"code": "not_found"}
    )
    return path


def _refresh(narrator: Narrator) -> None:
    narrator.chapter("A refresh, and an answer that got lost")
    narrator.step(
        "Alice's laptop refreshes its tokens",
        "POST /auth/refresh/",
        body={"refresh_token": "$LAPTOP_REFRESH"},
        status=200,
        keep={"LAPTOP_ACCESS_2": "access_token", "LAPTOP_REFRESH_2": "refresh_token"},
    )
    narrator.step(
        "It sends the old refresh token again at once: it gets the same successor, and nobody is signed out",
        "POST /auth/refresh/",
        body={"refresh_token": "$LAPTOP_REFRESH"},
        status=200,
        expect={"refresh_token": "$LAPTOP_REFRESH_2"},
    )


def _end_a_session(narrator: Narrator, passwords: Mapping[str, str]) -> None:
    narrator.chapter("One session ends")
    phone = sign_in(
        narrator,
        "Alice signs in on her phone",
        "alice",
        passwords,
        keep={"PHONE_ACCESS": "access_token"},
        expect={"session": None},
        label="phone",
    )
    narrator.step(
        "From the laptop she lists her sessions",
        "GET /auth/sessions/",
        token="LAPTOP_ACCESS_2",
        status=200,
        expect={
            "results": [
                {"label": "laptop", "current": True},
                {"label": "phone", "current": False, "id": phone["session"]},
            ]
        },
    )
    narrator.step(
        "The phone is lost: she ends its session",
        f"DELETE /auth/sessions/{phone['session']}/",
        token="LAPTOP_ACCESS_2",
        status=204,
    )
    _is_refused(narrator, "The phone's access token is refused from now on", "PHONE_ACCESS")


def _revoke_a_user(narrator: Narrator, passwords: Mapping[str, str]) -> None:
    narrator.chapter("A user is revoked")
    order = {"username": "alice", "reason": "laptop stolen"}
    narrator.step(
        "Bob may not revoke anybody",
        "POST /auth/revoke/user/",
        token="BOB_ACCESS",
        body=order,
        status=403,
        expect={"code": "permission_denied"},
    )
    sign_in(narrator, "The admin signs in", "admin", passwords, keep={"ADMIN_ACCESS": "access_token"})
    narrator.step(
        "The admin revokes all of Alice's tokens",
        "POST /auth/revoke/user/",
        token="ADMIN_ACCESS",
        body=order,
        status=200,
        expect={"sessions_revoked": 1},
    )
    _is_refused(narrator, "Her laptop's access token is refused, long before it expires", "LAPTOP_ACCESS_2")
    narrator.step(
        "Its refresh token is refused, too",
        "POST /auth/refresh/",
        body={"refresh_token": "$LAPTOP_REFRESH_2"},
        status=401,
        expect={"code": "token_revoked"},
    )
    narrator.step("Bob is not affected", "GET /api/notes/", token="BOB_ACCESS", status=200)


def _come_back(narrator: Narrator, passwords: Mapping[str, str], note: str) -> None:
    narrator.chapter("Signing in again")
    sign_in(
        narrator,
        "Alice signs in again",
        "alice",
        passwords,
        keep={"ALICE_ACCESS": "access_token"},
        label="new laptop",
    )
    narrator.step("She deletes her note", f"DELETE {note}", token="ALICE_ACCESS", status=204)


def _is_refused(narrator: Narrator, title: str, token: str) -> None:
    narrator.step(title, "GET /api/notes/", token=token, status=401, expect={"code": "token_revoked"})
