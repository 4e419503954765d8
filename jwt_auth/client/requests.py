"""
Authentication for `requests`, which need not be installed for the rest: `pip install jwt_auth[client-requests]`.
"""

from requests import PreparedRequest
from requests.auth import AuthBase

from jwt_auth.client.origin import api_origin, check
from jwt_auth.client.signer import Signer


class JWTAuth(AuthBase):
    """
    Gives each request to one API a token: `requests.get(url, auth=JWTAuth(signer, "https://api.example.com"))`.

    A request to another origin raises ForeignOriginError; a redirect there is followed without the token,
    which `requests` sees to (`Session.rebuild_auth`).

    Raises:
        ValueError: when the API is neither https nor on this machine.
    """

    def __init__(self, signer: Signer, api: str) -> None:
        self.signer = signer
        self.origin = api_origin(api)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        url = request.url or ""
        check(url, self.origin)
        body = _body(request) if self.signer.bind else b""
        request.headers["Authorization"] = f"Bearer {self.signer.token(request.method or 'GET', url, body)}"
        return request


def _body(request: PreparedRequest) -> bytes:
    body = request.body or b""
    if not isinstance(body, str | bytes):
        raise ValueError("a token can't be bound to a body that is streamed")
    return body.encode() if isinstance(body, str) else body
