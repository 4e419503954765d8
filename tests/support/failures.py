"""Clients that ask a server for everything it offers, while its database fails."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployment import PASSWORD, USERNAMES, Server

PAUSE = 0.05  # seconds between the requests of one client
NEVER = float("inf")


@dataclass
class Seen:
    """The answers to one kind of request."""

    statuses: Counter[Any] = field(default_factory=Counter)
    """By status; None if no answer came."""
    without_retry_after: int = 0
    slowest: float = 0.0
    first_good: float = NEVER
    """When the first good answer came, by a monotonic clock."""


class Clients:
    """
    One client for each kind of request, which asks without end; `seen` has the answers by kind.

    Args:
        cookie: the session of a member of staff at the admin, see `staff_cookie`.
        patience: seconds after which a client gives up.
    """

    def __init__(self, server: Server, cookie: str, patience: float = 10.0) -> None:
        self._server, self._cookie, self._patience = server, cookie, patience
        self._stop = threading.Event()
        self._kinds: dict[str, Callable[[Any], Any]] = {
            "sign in": self._sign_in,
            "refresh": self._refresh,
            "use a token": self._use,
            "list sessions": self._list,
            "revoke a token": self._revoke,
            "sign out everywhere": self._sign_out,
            "admin list": self._look,
        }
        self._threads = [threading.Thread(target=self._run, args=(name,)) for name in self._kinds]
        self.begin()

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        self.wait_for_all(time.monotonic())
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def begin(self) -> dict[str, Seen]:
        """Forget the answers so far, and return them. Answers to requests that are under way count for neither."""
        former = deepcopy(getattr(self, "seen", {}))
        self.seen = {name: Seen() for name in self._kinds}
        return former

    def wait_for_all(self, since: float, limit: float = 60.0) -> float:
        """Wait until each kind of request was answered well, and return how long after `since` that was."""
        while any(seen.first_good == NEVER for seen in self.seen.values()):
            assert time.monotonic() < since + limit, {name: seen.statuses for name, seen in self.seen.items()}
            time.sleep(0.01)
        return max(seen.first_good for seen in self.seen.values()) - since

    def wait_for_answers(self, number: int, limit: float = 60.0) -> None:
        """Wait until each kind of request has so many answers, good or not, of those that began after `begin()`."""
        deadline = time.monotonic() + limit
        while any(seen.statuses.total() < number for seen in self.seen.values()):
            assert time.monotonic() < deadline, {name: seen.statuses for name, seen in self.seen.items()}
            time.sleep(0.01)

    def _run(self, name: str) -> None:
        state = None
        while not self._stop.wait(PAUSE):
            begun, seen = time.monotonic(), self.seen[name]  # what `begin()` forgets is not counted later
            answer, is_good, state = self._kinds[name](state)
            now = time.monotonic()
            seen.statuses[answer.status if answer else None] += 1
            seen.slowest = max(seen.slowest, now - begun)
            if answer and answer.status == 503 and not answer.headers["Retry-After"]:
                seen.without_retry_after += 1
            if is_good:
                seen.first_good = min(seen.first_good, now)

    # Each takes the tokens of its client, if it has any; and returns the answer, whether it is good, and the tokens.

    def _sign_in(self, state: Any, name: str = "") -> Any:
        body = {"username": name or self._server.username, "password": PASSWORD}
        answer = self._ask("POST", "/auth/login/", body)
        is_good = answer is not None and answer.status == 200
        return answer, is_good, json.loads(answer.body) if is_good else None

    def _refresh(self, pair: Any) -> Any:
        if pair is None:
            return self._first(self._sign_in(None))
        answer = self._ask("POST", "/auth/refresh/", {"refresh_token": pair["refresh_token"]})
        is_good = answer is not None and answer.status == 200
        # A second refresh soon after would write nothing.
        return answer, is_good, None if is_good else pair

    def _use(self, pair: Any) -> Any:
        return self._get(pair, "/plain/")

    def _list(self, pair: Any) -> Any:
        return self._get(pair, "/auth/sessions/")

    def _revoke(self, pair: Any) -> Any:
        if pair is None:
            return self._first(self._sign_in(None))
        answer = self._ask("POST", "/auth/revoke/", {"token": pair["refresh_token"]})
        is_good = answer is not None and answer.status == 200
        return answer, is_good, None if is_good else pair

    def _sign_out(self, pair: Any) -> Any:
        if pair is None:
            return self._first(self._sign_in(None, USERNAMES[-1]))
        answer = self._ask("POST", "/auth/logout/all/", token=pair["access_token"])
        is_good = answer is not None and answer.status == 204
        return answer, is_good, None if is_good else pair

    def _look(self, state: Any) -> Any:
        headers = {"Cookie": f"sessionid={self._cookie}"}
        path = "/admin/jwt_auth/usersession/"
        answer = self._server.answer("GET", path, headers=headers, timeout=self._patience)
        return answer, answer is not None and answer.status == 200, None

    def _get(self, pair: Any, path: str) -> Any:
        if pair is None:
            return self._first(self._sign_in(None))
        answer = self._ask("GET", path, token=pair["access_token"])
        return answer, answer is not None and answer.status == 200, pair

    def _first(self, found: Any) -> Any:
        """Return the result of a sign-in that is only a preparation, and so is not good itself."""
        answer, _, pair = found
        return answer, False, pair

    def _ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        document = None if body is None else json.dumps(body)
        return self._server.answer(method, path, document, headers, self._patience)


STAFF_COOKIE = (
    "from django.contrib.auth.models import User; from django.test import Client; "
    "client = Client(); client.force_login(User.objects.get(username='staff')); "
    "print(client.cookies['sessionid'].value)"
)
