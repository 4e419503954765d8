"""
Authentication for `requests`. Only this module requires it: `pip install "django-revocable-jwt[client-requests]"`.
"""

from requests import PreparedRequest
from requests.auth import AuthBase

from jwt_auth.client.origin import api_origin, check
from jwt_auth.client.signer import Signer

__all__ = ["JWTAuth"]


class JWTAuth(AuthBase):
    """
    Add a token to each request to one API: `requests.get(url, auth=JWTAuth(signer, "https://api.example.com"))`.

    A request to another origin raises ForeignOriginError. If the API redirects to another origin, `requests`
    follows without the token (`Session.rebuild_auth`).

    Raises:
        ValueError: if the API is neither https nor on this machine.
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
        raise ValueError("a token can't be bound to a streamed body")
    return body.encode() if isinstance(body, str) else body
