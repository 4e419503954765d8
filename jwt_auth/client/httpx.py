"""
Authentication for `httpx`. Only this module requires it: `pip install "django-revocable-jwt[client-httpx]"`.
"""

from collections.abc import Generator

import httpx

from jwt_auth.client.origin import api_origin, check
from jwt_auth.client.signer import Signer

__all__ = ["JWTAuth"]


class JWTAuth(httpx.Auth):
    """
    Add a token to each request to one API: `httpx.Client(auth=JWTAuth(signer, "https://api.example.com"))`.

    It works with an AsyncClient too. A request to another origin raises ForeignOriginError. If the API redirects to
    another origin, `httpx` follows without the token.

    Raises:
        ValueError: if the API is neither https nor on this machine.
    """

    def __init__(self, signer: Signer, api: str) -> None:
        self.signer = signer
        self.origin = api_origin(api)
        self.requires_request_body = signer.bind

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        url = str(request.url)
        check(url, self.origin)
        body = request.content if self.signer.bind else b""
        request.headers["Authorization"] = f"Bearer {self.signer.token(request.method, url, body)}"
        yield request
