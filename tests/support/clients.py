"""API clients, which speak JSON and may hold a token."""

from typing import Any

from rest_framework.test import APIClient

PASSWORD = "correct horse battery staple"


class Client(APIClient):
    """An API client that speaks JSON and can hold a token."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.raise_request_exception = False  # a crash is a 500, as for a real client

    def bearer(self, token: str) -> "Client":
        """Return a client that sends `token` with each request."""
        client = Client()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    def send(self, path: str, body: Any = None, method: str = "post", **extra: Any) -> Any:
        """Send `body` as JSON to an endpoint of jwt_auth, or to an absolute path."""
        url = path if path.startswith("/") else f"/auth/{path}"
        return getattr(self, method)(url, body, format="json", **extra)

    def login(self, user: Any, password: str = PASSWORD, **extra: Any) -> Any:  # type: ignore[override]
        """POST to login and return the response."""
        return self.send("login/", {user.USERNAME_FIELD: user.get_username(), "password": password, **extra})

    def tokens(self, user: Any, **extra: Any) -> dict[str, Any]:
        """Sign in, which must succeed, and return the body."""
        response = self.login(user, **extra)
        assert response.status_code == 200, response.content
        return response.json()

    def refresh(self, token: str) -> Any:
        """POST to refresh and return the response."""
        return self.send("refresh/", {"refresh_token": token})

    def get_me(self, token: str) -> Any:
        """GET a protected page with `token` and return the response."""
        return self.bearer(token).get("/auth/me/")

    def is_dead(self, tokens: dict[str, Any]) -> bool:
        """Return whether both tokens of a pair are refused with 401."""
        answers = {self.get_me(tokens["access_token"]).status_code, self.refresh(tokens["refresh_token"]).status_code}
        assert answers in ({200}, {401}), answers
        return answers == {401}
