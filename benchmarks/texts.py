"""
The CPU time that one unauthenticated request costs, with each text in the request at its largest.

    python -m benchmarks.texts

It prints a table: the request, its text, the status of the answer, and the median milliseconds of CPU. The password
check is as cheap as in the other benchmarks.
"""

import argparse
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from time import thread_time
from typing import Any

from benchmarks.databases import set_up

# The body may have 64 KiB. Servers limit a header to 8 or 64 KiB.
LARGE = 60_000

FORM = {"content-type": "application/x-www-form-urlencoded"}

LIGATURE = "\ufdfa"  # NFKC makes 18 characters of it, more than of any other

MARKS = "\u0301\u0327" * (LARGE // 4)  # combining marks in the wrong order, of two bytes each


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request with a text in it; `path` is below `/auth/`."""

    what: str
    path: str
    body: Any = None
    form: str | None = None
    method: str = "post"
    headers: dict[str, str] = field(default_factory=dict)


def cases() -> Iterator[Case]:
    """Yield a request for each place of a text."""
    text = "x" * LARGE
    password = {"username": "alice", "password": "wrong"}
    yield Case(what="nothing", path="login/", body=password)
    yield Case(what="a name of combining marks", path="login/", body={**password, "username": MARKS})
    yield Case(what="a name of 512 combining marks", path="login/", body={**password, "username": MARKS[:512]})
    yield Case(what="a name of 512 ligatures", path="login/", body={**password, "username": LIGATURE * 512})
    yield Case(what="a password", path="login/", body={**password, "password": text})
    yield Case(what="a password of 4,096 characters", path="login/", body={**password, "password": text[:4096]})
    yield Case(what="a label", path="login/", body={**password, "label": MARKS})
    yield Case(what="6,000 members", path="login/", body={f"{number:x}": 1 for number in range(6_000)})
    yield Case(what="nested lists", path="login/", form="[" * LARGE)
    yield Case(what="a number", path="login/", form='{"username": ' + "9" * LARGE + "}")
    yield Case(what="a name of combining marks", path="browser/login/", body={**password, "username": MARKS})
    yield Case(what="a refresh token", path="refresh/", body={"refresh_token": text})
    yield Case(what="a refresh token", path="logout/", body={"refresh_token": text})
    for path in ("verify/", "revoke/"):
        yield Case(what="a token", path=path, body={"token": text})
        yield Case(what="a token of 8 KiB, well-formed", path=path, body={"token": _token()})
    exchange = {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "x"}
    exchange["subject_token_type"] = "urn:ietf:params:oauth:token-type:access_token"  # a name
    for name in ("subject_token", "audience", "scope", "client_id", "grant_type"):
        yield Case(what=f"a value of {name}", path="token/", body={"audience": "x", **exchange, name: "a " * 30_000})
    assertion = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    for what, value in (("60 kB", text), ("8 KiB, well-formed", _token())):
        body = {**exchange, **assertion, "client_assertion": value}
        yield Case(what=f"a client assertion of {what}", path="token/", body=body)
    for path in ("token/", "revoke/"):
        yield Case(what="a form of percent signs", path=path, form="token=" + "%" * LARGE, headers=FORM)
        yield Case(what="a form of escapes", path=path, form="token=" + "%41" * 9_990, headers=FORM)
    yield Case(what="10,000 texts in a list", path="token/", body={"audience": ["a"] * 10_000})
    for header, value in _headers():
        yield Case(what=f"{header} of 60 kB", path="login/", body=password, headers={header: value})
    yield Case(what="Authorization of 60 kB", path="me/", method="get", headers={"authorization": f"Bearer {text}"})
    yield Case(
        what="Authorization of spaces", path="me/", method="get", headers={"authorization": "Bearer" + " " * LARGE}
    )
    yield Case(what="If-None-Match of 60 kB", path=".well-known/jwks.json", method="get", headers=_tags())
    for path, name in (("refresh/", "refresh"), ("logout/", "refresh"), ("logout/", "access"), ("login/", "access")):
        cookies = "; ".join(f"__Host-Http-{name}={number:x}.a.b" for number in range(LARGE // 30))
        what = f"2,000 {name} cookies"
        yield Case(what=what, path=f"browser/{path}", body=password, headers={"cookie": cookies})
    for path in ("logout/", "refresh/", "me/"):
        method = "get" if path == "me/" else "post"
        yield Case(what="60,000 empty cookies", path=f"browser/{path}", method=method, headers={"cookie": ";" * LARGE})
    cookies = f"__Host-Http-access={_token()}; " * 7
    yield Case(what="access cookies of 8 KiB", path="browser/logout/", body={}, headers={"cookie": cookies})
    yield Case(what="an id of 60 kB", path=f"clients/{text}/", method="get")


def _headers() -> Iterator[tuple[str, str]]:
    yield "user-agent", "Mozilla/5.0 (" * (LARGE // 13)
    yield "x-forwarded-for", "1:" * (LARGE // 2)
    yield "x-forwarded-for", "192.0.2.1, " * (LARGE // 11)
    yield "sec-fetch-site", "x" * LARGE
    yield "origin", "https://" + "a." * (LARGE // 2)
    yield "accept", "text/html," * (LARGE // 10)
    yield "content-type", "application/json; a=" + ";" * LARGE
    yield "authorization", "Bearer " + "x" * LARGE


def _tags() -> dict[str, str]:
    return {"if-none-match": '"a",' * (LARGE // 4)}


def _token() -> str:
    """Return an unsigned token of almost 8 KiB, with as many members as fit in."""
    claims = {"iss": "jwt_auth", **{f"{number:x}": 1 for number in range(600)}}
    parts = (json.dumps({"alg": "HS256", "typ": "at+jwt"}), json.dumps(claims), "x" * 32)
    return ".".join(base64.urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in parts)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.texts", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args(arguments)
    with set_up("sqlite"):
        print("| request | text | status | ms of CPU |\n| --- | --- | --- | --- |")
        for case in cases():
            status, seconds = measure(case, options.rounds)
            print(f"| {case.method.upper()} `{case.path[:30]}` | {case.what} | {status} | {seconds * 1000:.1f} |")
        status, seconds = _over_budget(options.rounds)
        print(f"| POST `login/` | a name of combining marks, over budget | {status} | {seconds * 1000:.1f} |")


def measure(case: Case, rounds: int) -> tuple[int, float]:
    """Return the status and the median seconds of CPU of a request."""
    from django.test import Client

    headers = {"sec-fetch-site": "same-origin", "origin": "https://testserver", **case.headers}
    content_type = headers.pop("content-type", "application/json")
    client = Client(raise_request_exception=False, headers=headers)
    sent = case.form if case.form is not None else json.dumps(case.body or {}, ensure_ascii=False)
    taken, status = [], 0
    for _ in range(rounds):
        begin = thread_time()
        if case.method == "get":
            status = client.get(f"/auth/{case.path}", secure=True).status_code
        else:
            url = f"/auth/{case.path}"
            status = client.post(url, sent.encode(), content_type=content_type, secure=True).status_code
        taken.append(thread_time() - begin)
    return status, median(taken)


def _over_budget(rounds: int) -> tuple[int, float]:
    from django.conf import settings
    from django.test.utils import override_settings

    case = Case(what="", path="login/", body={"username": MARKS, "password": "x"})
    with override_settings(JWT_AUTH={**settings.JWT_AUTH, "LOGIN_THROTTLE": "1/day"}):
        measure(case, 1)
        return measure(case, rounds)


if __name__ == "__main__":
    main()
