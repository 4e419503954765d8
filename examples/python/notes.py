"""Write a note, and list all notes, as a client that signs its own tokens. See ../README.md for the variables."""

import os
import sys
from pathlib import Path
from typing import Any

import requests

from jwt_auth.client import Signer
from jwt_auth.client.requests import JWTAuth

API = os.environ["API"]
NOTES = f"{API}/api/client/notes/"

signer = Signer(
    client_id=os.environ["CLIENT_ID"],
    kid=os.environ["KID"],
    audience=os.environ["AUDIENCE"],
    algorithm=os.environ["ALGORITHM"],
    key=Path(os.environ["KEY_FILE"]),
)


def answer(response: requests.Response) -> Any:
    """Return the body of a response; exit if the server refused the request."""
    if not response.ok:
        sys.exit(f"{response.status_code} {response.json()['code']}")
    return response.json()


with requests.Session() as session:
    session.auth = JWTAuth(signer, API)
    answer(session.post(NOTES, json={"text": "Written by Python"}, timeout=10))
    for note in answer(session.get(NOTES, timeout=10)):
        print(note["text"])
