"""
Authentication for `httpx`, which need not be installed for the rest: `pip install jwt_auth[client-httpx]`.
"""

from collections.abc import Generator

import httpx

from jwt_auth.client.origin import api_origin, check
from jwt_auth.client.signer import Signer


class JWTAuth(httpx.Auth):
    """
    Gives each request to one API a token: `httpx.Client(auth=JWTAuth(signer, "https://api.example.com"))`,
    or an AsyncClient.

    A request to another origin raises ForeignOriginError; a redirect there is followed without the token,
    which `httpx` sees to.

    Raises:
        ValueError: when the API is neither https nor on this machine.
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
