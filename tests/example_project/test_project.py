"""The example project: only their owners see notes, and Django's checks find nothing in either settings module."""

import re

import pytest

from tests.support.example_project import SETTINGS, manage, write_settings

NOTES = "/api/notes/"


@pytest.fixture
def alice(client, user):
    return client.bearer(client.tokens(user)["access_token"])


@pytest.fixture
def bob(client, make_user):
    return client.bearer(client.tokens(make_user("bob"))["access_token"])


def write_note(owner, text="Buy milk"):
    """Create a note and return its path."""
    response = owner.send(NOTES, {"text": text})
    assert response.status_code == 201, response.content
    return f"{NOTES}{response.json()['id']}/"


def texts(owner):
    return [note["text"] for note in owner.get(NOTES).json()]


def test_the_owner_creates_lists_reads_edits_and_deletes_a_note(alice):
    path = write_note(alice)
    assert texts(alice) == ["Buy milk"]
    assert alice.get(path).json()["text"] == "Buy milk"
    assert alice.send(path, {"text": "Buy oat milk"}, "patch").status_code == 200
    assert alice.send(path, {"text": "Buy soy milk"}, "put").status_code == 200
    assert texts(alice) == ["Buy soy milk"]
    assert alice.delete(path).status_code == 204
    assert alice.get(path).status_code == 404
    assert texts(alice) == []


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete"])
def test_somebody_elses_note_is_not_found_and_stays_as_it_is(alice, bob, method):
    path = write_note(alice)
    response = bob.send(path, {"text": "Bob was here"}, method)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert texts(alice) == ["Buy milk"]


def test_each_sees_only_notes_of_their_own_the_newest_first(alice, bob):
    write_note(alice, "first")
    write_note(bob, "Bob's")
    write_note(alice, "second")
    assert texts(alice) == ["second", "first"]
    assert texts(bob) == ["Bob's"]


def test_nobody_can_write_a_note_in_anothers_name(alice, bob, user):
    response = bob.send(NOTES, {"text": "Alice likes Bob", "owner": str(user.pk)})
    assert response.status_code == 201
    assert texts(alice) == []
    assert texts(bob) == ["Alice likes Bob"]


def test_a_payment_needs_a_sign_in_of_the_last_minute(client, user, clock):
    alice = client.bearer(client.tokens(user)["access_token"])
    body = {"recipient": "Bob", "amount": "10"}
    paid = alice.send("/api/payments/", body)
    assert (paid.status_code, paid.json()) == (201, {"recipient": "Bob", "amount": "10.00"})
    assert alice.send("/api/payments/", {**body, "amount": "-10"}).status_code == 400
    clock.shift(61)
    refused = alice.send("/api/payments/", body)
    assert (refused.status_code, refused.json()["code"]) == (401, "insufficient_user_authentication")
    assert texts(alice) == []


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_without_a_token_there_is_nothing_to_see(alice, client, method):
    path = NOTES if method == "post" else write_note(alice)
    response = client.send(path, {"text": "Anonymous was here"}, method)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_signed_out_owner_is_refused(client, user):
    pair = client.tokens(user)
    owner = client.bearer(pair["access_token"])
    path = write_note(owner)
    assert owner.send("logout/").status_code == 204
    response = owner.get(path)
    assert (response.status_code, response.json()["code"]) == (401, "token_revoked")


@pytest.mark.parametrize("pk", ["0", "9" * 30, "x", "1.0"])
def test_a_note_that_can_not_be_is_not_found(alice, pk):
    write_note(alice)
    assert alice.get(f"{NOTES}{pk}/").status_code == 404


@pytest.mark.parametrize("text", ["", " ", "x" * 501, None])
def test_a_note_without_a_text_of_at_most_500_characters_is_refused(alice, text):
    response = alice.send(NOTES, {"text": text})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert write_note(alice, "x" * 500)


def test_the_page_runs_no_script_but_its_own_and_is_shown_in_nobodys_frame(client):
    page = client.get("/")
    assert page.status_code == 200
    policy = dict(rule.split(" ", 1) for rule in page.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert {rule for name, rule in policy.items() if name.endswith("-src")} == {"'none'", "'self'"}
    assert re.findall(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page.content.decode()) == []
    assert page.cookies == {}


@pytest.mark.parametrize("module", SETTINGS)
@pytest.mark.parametrize(
    "arguments", [["check", "--fail-level", "WARNING"], ["makemigrations", "--check"]], ids=" ".join
)
@pytest.mark.sampled
def test_django_finds_nothing_to_complain_about(tmp_path, module, arguments):
    done = manage(tmp_path, module, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments", [["check", "--fail-level", "WARNING"], ["makemigrations", "--check"]], ids=" ".join
)
def test_nor_about_the_project_with_allauth(tmp_path, arguments):
    pytest.importorskip("allauth")
    done = manage(tmp_path, "example_project.settings_allauth", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("module", ["example_project.settings_server1", "example_project.server2.settings"])
def test_nor_about_two_servers_of_which_one_has_no_database(tmp_path, module):
    done = manage(tmp_path, module, "check", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_would_complain_about_a_setting_that_is_wrong(tmp_path):
    done = manage(tmp_path, write_settings(tmp_path, 'JWT_AUTH = {"ISUER": "x"}'), "check")
    assert done.returncode == 1
    assert "jwt_auth.E002" in done.stderr


def test_the_secret_key_is_kept_between_starts_and_from_others_eyes(tmp_path):
    show = ["shell", "--verbosity", "0", "--command", "from django.conf import settings; print(settings.SECRET_KEY)"]
    data = tmp_path / "data"
    first, second = (manage(data, SETTINGS[0], *show).stdout for _ in range(2))
    assert first == second
    assert len(first.strip()) >= 50
    assert data.stat().st_mode & 0o077 == 0
    assert (data / "secret_key").stat().st_mode & 0o077 == 0
