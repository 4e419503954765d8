"""
A narrator that tells a story in requests: it shows each one as a shell command, sends it, and checks the answer.
"""

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from string import Template
from typing import Any

from django.conf import settings
from django.core.management.color import Style

WIDTH = 96
INDENT = "   "


class StepFailedError(Exception):
    """Raised if a request gets an unexpected answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. `$NAME` in the body, and `token`, refer to variables."""

    method: str
    path: str
    token: str | None = None
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. `body` is parsed if it is JSON, and None if it is empty."""

    status: int
    reason: str
    body: Any


class Narrator:
    """
    Args:
        address: host and port of the server.
        write: writes a text and a line break.
        style: colours of the output.
        pause: called before each step except the first, if given.
    """

    def __init__(
        self,
        address: str,
        *,
        write: Callable[[str], object],
        style: Style,
        pause: Callable[[], object] | None = None,
    ) -> None:
        self.address, self.write, self.style, self.pause = address, write, style, pause
        self.variables: dict[str, str] = {}
        self.steps = 0

    def chapter(self, title: str) -> None:
        """Write a heading."""
        self.write(self.style.MIGRATE_HEADING(f"\n{title}"))

    def step(
        self,
        title: str,
        call: str,
        *,
        status: int,
        expect: Any = None,
        token: str | None = None,
        body: Mapping[str, Any] | None = None,
        keep: Mapping[str, str] | None = None,
        at: str | None = None,
        within: float = 0,
    ) -> Any:
        """
        Send one request, show and check its answer, and return the answer's body.

        Args:
            call: method and path.
            status: the expected status.
            expect: the content that the answer's body must at least have; None stands for any value.
            token: the variable with the access token to send.
            body: the body to send as JSON.
            keep: variables to set, each from a member that the answer must have.
            at: host and port of another server.
            within: the number of seconds for which the request is repeated while the answer has another status.

        Raises:
            StepFailedError: if there is no answer, or an unexpected one.
        """
        self._begin(title)
        method, path = call.split()
        request = Request(method=method, path=path, token=token, body=body)
        address = at or self.address
        self._write(curl(address, request))
        answer = self._send_until(title, address, request, status, within)
        self._show(answer)
        keep = keep or {}
        expect = {**dict.fromkeys(keep.values()), **(expect or {})} if keep else expect
        if answer.status != status or not matches(self._filled(expect), answer.body):
            got = f"{answer.status} {_one_line(shortened(answer.body))}"
            raise self._failure(title, f"{status} {_one_line(expect)}".rstrip(), got.rstrip())
        for name, member in keep.items():
            self.variables[name] = answer.body[member]
            self._write(f"${name} is this {member}.")
        return answer.body

    def command(self, title: str, name: str, *arguments: str, status: int = 0, expect: str = "") -> str:
        """
        Run a command of `manage.py` with the settings of this process, and return its output.

        Args:
            status: the expected exit code.
            expect: text that the output must contain.

        Raises:
            StepFailedError: if the exit code or the output is unexpected.
        """
        self._begin(title)
        words = [name, "--settings", settings.SETTINGS_MODULE, *arguments]
        self._write(f"python manage.py {shlex.join(words)}")
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        said = (done.stdout + done.stderr).strip()
        self._write((self.style.WARNING if done.returncode else self.style.SUCCESS)(said))
        if done.returncode != status or expect not in said:
            raise self._failure(title, f"exit code {status} and {expect!r}", f"exit code {done.returncode} and {said}")
        return said

    def remark(self, text: str) -> None:
        """Write a remark that is not part of an answer."""
        self._write(text)

    def _begin(self, title: str) -> None:
        if self.steps and self.pause:
            self.pause()
        self.steps += 1
        self.write(self.style.MIGRATE_LABEL(f"\n{self.steps}. {title}"))

    def _send_until(self, title: str, address: str, request: Request, status: int, within: float) -> Answer:
        begun = time.monotonic()
        while True:
            answer = self._send(title, address, request)
            passed = time.monotonic() - begun
            if answer.status == status or passed > within:
                break
            time.sleep(0.05)
        if within and answer.status == status:
            self.remark(f"... after {passed:.1f} s:")
        return answer

    def _send(self, title: str, address: str, request: Request) -> Answer:
        headers = {"Accept": "application/json", "User-Agent": "demo"}
        if request.token:
            headers["Authorization"] = f"Bearer {self.variables[request.token]}"
        content = None
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(self._filled(request.body))
        with closing(HTTPConnection(address, timeout=30)) as connection:
            try:
                connection.request(request.method, request.path, content, headers)
                response = connection.getresponse()
                text = response.read().decode()
                is_json = response.headers.get_content_type() == "application/json"
                body = json.loads(text) if is_json else text or None
            except (OSError, HTTPException, ValueError) as error:
                raise self._failure(title, "an answer", f"none, or an unreadable one: {error!r}") from error
        return Answer(status=response.status, reason=response.reason, body=body)

    def _filled(self, value: Any) -> Any:
        """Return `value` with the variables filled in. Their values are tokens, which need no escaping in JSON."""
        return json.loads(Template(json.dumps(value)).substitute(self.variables))

    def _show(self, answer: Answer) -> None:
        colour = self.style.SUCCESS if answer.status < 400 else self.style.WARNING
        self._write(colour(f"{answer.status} {answer.reason}"))
        if answer.body is not None:
            short = shortened(answer.body)
            line = _one_line(short)
            self._write(line if len(line) <= WIDTH - len(INDENT) else json.dumps(short, indent=2))

    def _write(self, text: str) -> None:
        for line in text.splitlines():
            self.write(INDENT + line)

    def _failure(self, title: str, wanted: str, got: str) -> StepFailedError:
        return StepFailedError(f"Step {self.steps} failed: {title}\n  expected: {wanted}\n  got:      {got}")


def curl(address: str, request: Request) -> str:
    """Return `request` as a command for a POSIX shell in which the variables are set."""
    method = "" if request.method == "GET" else f"-X {request.method} "
    parts = [f"curl {method}http://{address}{request.path}"]
    if request.token:
        parts.append(f'-H "Authorization: Bearer ${request.token}"')
    if request.body is not None:
        line = json.dumps(request.body)
        quoted = shlex.quote(line if len(line) <= WIDTH - 2 * len(INDENT) else json.dumps(request.body, indent=2))
        # Variables must be outside of the single quotes: '{"refresh_token": "'$NAME'"}'
        parts += ["-H 'Content-Type: application/json'", "-d " + re.sub(r"\$[A-Z0-9_]+", r"'\g<0>'", quoted)]
    return " \\\n     ".join(parts)


def shortened(body: Any) -> Any:
    """Return `body` without the middle of each token; if it is not JSON, return only its beginning."""
    if isinstance(body, dict):
        return {name: _ends(value) if name.endswith("_token") else value for name, value in body.items()}
    return body[:500] if isinstance(body, str) else body


def _ends(token: object) -> str:
    text = str(token)
    return f"{text[:8]}...{text[-8:]}"


def _one_line(value: Any) -> str:
    return "" if value is None else json.dumps(value)


def matches(expected: Any, got: Any) -> bool:
    """Return whether `got` contains `expected`: members of objects, items of lists. None matches anything."""
    if expected is None:
        return True
    if isinstance(expected, dict):
        return isinstance(got, dict) and all(name in got and matches(v, got[name]) for name, v in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and all(any(matches(item, other) for other in got) for item in expected)
    return bool(expected == got)
