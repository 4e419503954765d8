"""Texts in the place of a token: commands, log and exceptions name the mistake, and repeat no part of it."""

import json
import re

import pytest
from django.core.management import CommandError

from jwt_auth.exceptions import MalformedTokenError, TokenError
from jwt_auth.jose.mistakes import mistake_in
from jwt_auth.sessions import refresh
from jwt_auth.verification import verify
from tests.support.commands import look, run, type_in
from tests.support.keys import public_pem

ACCESS, REFRESH = "access_token", "refresh_token"

MISTAKES = {
    "Bearer": (lambda raw: f"Bearer {raw}", 'it begins with "Bearer"; give the token alone'),
    "Token": (lambda raw: f"Token {raw}", 'it begins with "Token"; give the token alone'),
    "JWT": (lambda raw: f"JWT {raw}", 'it begins with "JWT"; give the token alone'),
    "a header": (lambda raw: f"Authorization: Bearer {raw}", "it is a whole header"),
    "an option": (lambda raw: f'-H "Authorization: Bearer {raw}"', "it is an option of curl"),
    "quotes": (lambda raw: f'"{raw}"', "it is in quotes; leave them out"),
    "single quotes": (lambda raw: f"'{raw}'", "it is in quotes; leave them out"),
    "line breaks": (lambda raw: f"{raw[:30]}\n{raw[30:]}", "it has spaces or line breaks in it"),
    "two": (lambda raw: f"{raw} {raw}", "it has spaces or line breaks in it"),
    "the answer": (lambda raw: json.dumps({"access_token": raw}), "it is JSON"),
    "a placeholder": (lambda raw: "<token>", "it is a placeholder"),
    "undefined": (lambda raw: "undefined", "it is the word for a variable without a value"),
    "null": (lambda raw: "null", "it is the word for a variable without a value"),
    "an object": (lambda raw: "[object Object]", "it is the word for a variable without a value"),
    "a key": (lambda raw: "-----BEGIN PUBLIC KEY-----", "it is a key; give a token"),
    "a comma": (lambda raw: f"{raw},", "it has characters that no token has"),
    "nothing": (lambda raw: "", "it is empty"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_mistake_is_named_in_python(pair, mistake):
    make, text = MISTAKES[mistake]
    for read, name in ((verify, ACCESS), (refresh, REFRESH)):
        with pytest.raises(MalformedTokenError, match=f": {re.escape(text)}") as caught:
            read(make(pair[name]))
        assert pair[name][:12] not in str(caught.value)
    assert verify(pair[ACCESS])


@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "nothing"])
def test_the_mistake_is_named_by_the_commands(pair, mistake, monkeypatch):
    make, text = MISTAKES[mistake]
    type_in(monkeypatch, make(pair[ACCESS]), terminal=False)
    assert f"FAIL  form: not a compact JWS: {text}" in look("-")[0]
    type_in(monkeypatch, make(pair[ACCESS]), terminal=False)
    with pytest.raises(CommandError, match=f"not a token of this project: {re.escape(text)}"):
        run("jwt_revoke", "--token=-", "--dry-run")
    assert "Nothing was revoked" in run("jwt_revoke", f"--token={pair[ACCESS]}", "--dry-run")


@pytest.mark.parametrize("command", [["jwt_inspect", ""], ["jwt_inspect", "  "], ["jwt_revoke", "--token="]])
def test_no_token_at_all(db, command):
    with pytest.raises(CommandError, match="No token was given"):
        run(*command)


def test_one_kind_for_the_other(pair):
    with pytest.raises(MalformedTokenError, match="it is an access token; refresh_token stands beside it"):
        refresh(pair[ACCESS])
    with pytest.raises(MalformedTokenError, match="or it is a refresh token"):
        verify(pair[REFRESH])
    with pytest.raises(MalformedTokenError, match="only a piece was given"):
        verify(pair[ACCESS].rpartition(".")[0])
    with pytest.raises(MalformedTokenError, match="it was cut off or changed"):
        verify(pair[ACCESS][:-2])
    for read in (verify, refresh):
        with pytest.raises(MalformedTokenError, match="longer than 8192 characters"):
            read("x" * 9000)
    assert [mistake_in("<" + "x" * length) for length in (100, 20_000)] == [
        ": it is a placeholder; put the token in its place",
        ": it is longer than any token",
    ]


@pytest.mark.parametrize("value", [None, 5, b"eyJ.eyJ.eyJ"])
def test_what_is_no_text_is_a_mistake_of_the_caller(db, value):
    for read in (verify, refresh):
        with pytest.raises(TypeError, match=f"a token is a str, not {type(value).__name__}"):
            read(value)


def test_a_token_of_another_server_and_both_names(pair, jwt_settings):
    jwt_settings(AUDIENCE="https://other.example.com")
    assert "claim 'aud' is 'jwt_auth', and accepted is 'https://other.example.com'" in look(pair[ACCESS])[0]
    jwt_settings(ISSUER="https://other.example.com")
    text = "FAIL  issuer: its issuer 'jwt_auth' is not trusted; trusted: 'https://other.example.com'"
    assert text in look(pair[ACCESS])[0]


def test_many_names_are_shown_in_part(pair, jwt_settings, ec_key):
    trusted = {
        f"https://{number}.example.com": {"KEYS": public_pem(ec_key), "ALGORITHMS": ["ES256"]} for number in range(9)
    }
    jwt_settings(ISSUER="https://here.example.com", TRUSTED_ISSUERS=trusted)
    text = look(pair[ACCESS])[0]
    assert "'https://0.example.com'" in text
    assert "'https://4.example.com', ..." in text


def test_a_token_of_another_key(pair, settings):
    settings.SECRET_KEY = "another" * 10
    assert "no key has the token's kid: the token was signed with another key" in look(pair[ACCESS])[0]
    assert "SECRET_KEY was another one when it was issued" in look(pair[REFRESH])[0]


@pytest.mark.parametrize("text", ["alice", "a.b", "ä.b.c", "x" * 7000])
def test_nothing_is_guessed_of_other_texts(text):
    assert mistake_in(text) in ("", ": it has characters that no token has")


def test_a_refusal_is_the_same_for_requests(client, pair, log):
    for make, text in MISTAKES.values():
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {make(pair[ACCESS])}".replace("\n", " "))
        answer = client.get("/auth/me/")
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert text.partition(" (")[0] in log()[-1].getMessage()
        assert text not in answer.content.decode()
    assert issubclass(MalformedTokenError, TokenError)
