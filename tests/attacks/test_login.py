"""
Sign-in under attack: passwords are compared as they were typed, and no answer tells whether a user exists.

test_login_throttles.py is about guessing.
"""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import MD5PasswordHasher

from jwt_auth.models import UserSession
from tests.support.clients import PASSWORD


class CountingHasher(MD5PasswordHasher):
    """A hasher that counts its calls, which are most of the time of a sign-in."""

    algorithm = "counting"
    calls = 0

    def encode(self, password, salt):
        type(self).calls += 1
        return super().encode(password, salt)


@pytest.fixture
def hashing(settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]

    def count(act):
        CountingHasher.calls = 0
        response = act()
        return response, CountingHasher.calls

    return count


def ghost_of(user):
    """Return a user who does not exist, with a name as long as the name of `user`."""
    return get_user_model()(**{user.USERNAME_FIELD: user.get_username().replace("a", "z", 1)})


def test_unknown_name_wrong_password_and_inactive_user_look_the_same(client, make_user, clock):
    alice, inactive, unusable = make_user("alice"), make_user("amber", is_active=False), make_user("anna")
    unusable.set_unusable_password()
    unusable.save()
    answers = [
        client.login(ghost_of(alice)),
        client.login(alice, "wrong"),
        client.login(inactive, "wrong"),
        client.login(inactive, PASSWORD),
        client.login(unusable, "wrong"),
        client.login(alice, " "),
    ]
    assert {response.status_code for response in answers} == {401}
    assert {response.content for response in answers} == {answers[0].content}
    assert len({json.dumps(dict(response.headers), sort_keys=True) for response in answers}) == 1
    assert answers[0].json()["code"] == "invalid_credentials"
    assert answers[0]["WWW-Authenticate"] == 'Bearer realm="api"'
    assert client.login(alice).status_code == 200
    assert UserSession.objects.count() == 1


def test_unknown_name_wrong_password_and_inactive_user_take_the_same_work(client, hashing, make_user):
    alice, inactive = make_user("alice"), make_user("amber", is_active=False)
    work = {
        hashing(lambda: client.login(ghost_of(alice)))[1],
        hashing(lambda: client.login(alice, "wrong"))[1],
        hashing(lambda: client.login(inactive, "wrong"))[1],
        hashing(lambda: client.login(inactive, PASSWORD))[1],
    }
    assert len(work) == 1
    assert work != {0}
    response, right = hashing(lambda: client.login(alice))
    assert (response.status_code, {right}) == (200, work)


OUTER = {
    "space before": " {}",
    "space behind": "{} ",
    "both": "  {}  ",
    "tab": "\t{}\t",
    "newline": "{}\n",
    "no-break space": "\u00a0{}\u00a0",
    "only spaces": "   ",
}


@pytest.mark.parametrize("form", OUTER.values(), ids=OUTER)
def test_spaces_around_a_password_belong_to_it(client, make_user, form):
    spaced = form.format("p")
    user = make_user(password=spaced)
    assert client.login(user, spaced).status_code == 200
    for other in ("p", spaced + " ", spaced.strip() or "x"):
        assert client.login(user, other).status_code == 401, other


@pytest.mark.parametrize("form", [form for form in OUTER.values() if "{}" in form])
def test_a_password_without_spaces_is_not_matched_with_them(client, make_user, form):
    user = make_user(password="p")
    assert client.login(user, form.format("p")).status_code == 401
    assert client.login(user, "p").status_code == 200


@pytest.mark.parametrize("password", ["pässwörd", "密码" * 8, "\U0001f511" * 5, "e\u0301", '"\\{}', "x" * 4096])
def test_a_password_may_be_any_text(client, make_user, password):
    user = make_user(password=password)
    assert client.login(user, password).status_code == 200
    assert client.login(user, password[:-1]).status_code in {400, 401}  # "" is a request without a password


@pytest.mark.parametrize("password", [None, 1, 1.5, True, [], {}, ["p"], {"p": 1}, "", "p\0", "x" * 4097])
def test_a_password_that_is_no_text_is_a_bad_request(client, user, password):
    response = client.login(user, password)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", [None, True, [], {}, ["alice"], "", "   ", "a\0", "x" * 513])
def test_a_name_that_is_no_text_is_a_bad_request(client, user, name):
    response = client.send("login/", {user.USERNAME_FIELD: name, "password": PASSWORD})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ["x" * 512, "%", "alice' OR '1'='1", "\u202ealice", "\U0001f600", "1e400", "\u0130"])
def test_a_name_that_is_nobodys_is_401(client, user, name):
    assert client.send("login/", {user.USERNAME_FIELD: name, "password": PASSWORD}).status_code == 401


@pytest.mark.parametrize("label", [None, 1.5, [], {}, True, "a\0", "x" * 101])
def test_a_label_that_is_no_short_text_never_crashes_a_login(client, user, label):
    assert client.login(user).status_code == 200
    response = client.send("login/", {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD, "label": label})
    assert response.status_code in {200, 400}
    if response.status_code == 200:
        assert UserSession.objects.get(pk=response.json()["session"]).label == str(label)


@pytest.mark.parametrize("missing", ["name", "password"])
def test_a_login_without_name_or_password_is_a_bad_request(client, user, missing):
    body = {user.USERNAME_FIELD: user.get_username(), "password": PASSWORD}
    del body[user.USERNAME_FIELD if missing == "name" else "password"]
    assert client.send("login/", body).status_code == 400


def test_the_password_is_in_no_answer(client, user):
    secret = "a-very-secret-word"
    for response in (client.login(user, secret), client.login(user, [secret]), client.send("login/", {secret: secret})):
        assert secret not in response.content.decode()


def test_an_odd_user_agent_never_crashes_a_login(client, user):
    for agent in ("", "\0", "\xff" * 10, "x" * 10_000, "\n", "{}"):
        client.defaults["HTTP_USER_AGENT"] = agent
        assert client.login(user).status_code == 200, agent[:10]
