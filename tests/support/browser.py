"""A browser as the server sees it: it keeps cookies, and names the page that a request comes from."""

from typing import Any

from tests.support.clients import PASSWORD, Client

HOST = "www.example.com"
ORIGIN = f"https://{HOST}"


def credentials(user: Any, password: str = PASSWORD) -> dict[str, str]:
    """Return the sign-in form of `user`."""
    return {user.USERNAME_FIELD: user.get_username(), "password": password}


class Browser(Client):
    """A browser with a page of ours on https. Options change the headers of a request by name; None removes one."""

    access_name = "__Host-Http-access"
    refresh_name = "__Host-Http-refresh"

    def __init__(self, *, secure: bool = True, **headers: Any) -> None:
        super().__init__(enforce_csrf_checks=True, HTTP_HOST=HOST)
        self.secure = secure
        self.page = {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": ORIGIN, **headers}

    def generic(self, method: str, path: str, *args: Any, **extra: Any) -> Any:
        headers = {**self.page, **extra}
        sent = {name: value for name, value in headers.items() if value is not None}
        response = super().generic(method, path, *args, **{"secure": self.secure, **sent})
        for name in [name for name, cookie in response.cookies.items() if cookie["max-age"] == 0]:
            del self.cookies[name]  # which Django's client leaves to the browser
        return response

    def send(self, path: str, body: Any = None, method: str = "post", **extra: Any) -> Any:
        return super().send(path if path.startswith("/") else f"browser/{path}", body, method, **extra)

    def sign_in(self, user: Any, password: str = PASSWORD, **extra: Any) -> "Browser":
        """Sign in, which must succeed, and return the browser."""
        response = self.login(user, password, **extra)
        assert response.status_code == 200, response.content
        return self

    def renew(self) -> Any:
        """POST to refresh with the cookies and return the response."""
        return self.send("refresh/")

    def me(self, **extra: Any) -> Any:
        """GET a protected page and return the response."""
        return self.get("/auth/browser/me/", **extra)

    @property
    def pair(self) -> dict[str, str]:
        """The tokens in the cookies, as a copy of the cookies would contain them; scripts can't read them."""
        return {"access_token": self.cookie(self.access_name), "refresh_token": self.cookie(self.refresh_name)}

    def cookie(self, name: str) -> str:
        """Return the value of the cookie `name`."""
        return self.cookies[name].value if name in self.cookies else ""

    def is_signed_out(self) -> bool:
        """Return whether both tokens are refused."""
        answers = {self.me().status_code, self.renew().status_code}
        assert answers in ({200}, {401}), answers
        return answers == {401}
