"""`jwt_keys`: its output, what it refuses and until when; a rotation is the same command three times."""

import getpass
import json

import pytest
from django.core.management import CommandError

from jwt_auth.keyring import states as key_states
from jwt_auth.models import RevocationEvent, SigningKey
from tests.support.commands import run, type_in
from tests.support.keys import pem, public_pem

pytestmark = pytest.mark.django_db

WAIT = key_states.PUBLISHED_AFTER.total_seconds()


@pytest.fixture(autouse=True)
def _stored_keys(jwt_settings, monkeypatch, clock):
    jwt_settings(KEYS="database", ALGORITHM="ES256")
    monkeypatch.setattr(getpass, "getuser", lambda: "olga")


def states():
    return dict(SigningKey.objects.values_list("kid", "state"))


def kids(state):
    return [kid for kid, its in states().items() if its == state]


def refused(*arguments):
    before = states()
    with pytest.raises(CommandError) as caught:
        run("jwt_keys", *arguments)
    assert states() == before
    return caught.value


def test_without_a_key_the_list_says_what_to_do():
    assert run("jwt_keys", "list") == (
        "No key is active, so nobody can sign in or refresh: run jwt_keys create --activate.\n"
    )


def test_the_first_key_signs_at_once():
    output = run("jwt_keys", "create", "--activate")
    ((kid, state),) = states().items()
    assert state == "active"
    assert output == (
        f"Key {kid} (ES256) signs from now on.\nNothing is left to do; the next rotation may begin at any time.\n"
    )


def test_a_rotation_is_one_command_that_says_what_comes_next_and_when(clock):
    run("jwt_keys", "rotate")
    (first,) = kids("active")
    output = run("jwt_keys", "rotate")
    (second,) = kids("standby")
    nothing_yet = (
        f"Next: run jwt_keys rotate from 2026-05-17 12:37:15 UTC on, in 7 min 0 s. It will activate key {second}.\n"
    )
    assert output == f"Created key {second} (ES256): it is published, and signs nothing yet.\n" + nothing_yet
    assert run("jwt_keys", "rotate") == "Nothing can be done yet.\n" + nothing_yet
    clock.shift(WAIT)
    assert run("jwt_keys", "rotate") == (
        f"Key {second} (ES256) signs from now on.\n"
        "Next: run jwt_keys rotate from 2026-05-17 12:44:16 UTC on, in 7 min 1 s. "
        f"It will revoke key {first}, whose tokens will have expired by then.\n"
    )
    assert states() == {first: "retiring", second: "active"}
    clock.shift(421)
    assert run("jwt_keys", "rotate") == (
        f"Revoked key {first}.\nNothing is left to do; the next rotation may begin at any time.\n"
    )
    event = RevocationEvent.objects.get(scope="key")
    assert (event.subject, event.reason, event.actor) == (f"jwt_auth {first}", "rotation", "command line: olga")


def test_what_can_be_done_at_once_is_said_to_be_next(clock):
    run("jwt_keys", "create", "--activate")
    run("jwt_keys", "create")
    clock.shift(WAIT)
    output = run("jwt_keys", "create")
    assert "Next: run jwt_keys rotate now. It will activate key " in output


def test_a_schedule_is_told_when_the_next_rotation_begins(clock):
    run("jwt_keys", "create", "--activate")
    assert run("jwt_keys", "rotate", "--every=90") == (
        "Nothing can be done yet.\n"
        "Next: run jwt_keys rotate from 2026-08-15 12:30:15 UTC on, in 90 days. It will begin the next rotation.\n"
    )
    clock.shift(90 * 86400)
    assert run("jwt_keys", "rotate", "--every=90").startswith("Created key ")


@pytest.mark.parametrize("days", ["0", "-1", "x", "1.5", "3651"])
def test_a_number_of_days_that_makes_no_sense_is_refused(days):
    with pytest.raises(CommandError, match="must be a whole number between 1 and 3,650"):
        run("jwt_keys", "rotate", f"--every={days}")


def test_the_list_shows_each_key_with_what_comes_next(clock):
    run("jwt_keys", "create", "--activate")
    clock.shift(60)
    run("jwt_keys", "create", "--algorithm=Ed25519")
    (active,), (standby,) = kids("active"), kids("standby")
    head, *rows = [line.split("  ") for line in run("jwt_keys", "list").splitlines()]
    assert head[0].strip() == "KEY"
    assert [[cell.strip() for cell in row if cell] for row in rows] == [
        [active, "ES256", "active", "2026-05-17 12:30", "0", "-", "signs new tokens"],
        [standby, "Ed25519", "standby", "2026-05-17 12:31", "0", "-", "can be activated in 7 min 0 s"],
    ]
    clock.shift(WAIT)
    run("jwt_keys", "activate", standby)
    assert "can be revoked in 7 min 1 s" in run("jwt_keys", "list")
    clock.shift(421)
    assert "can be revoked now" in run("jwt_keys", "list")
    run("jwt_keys", "revoke", active)
    keys = json.loads(run("jwt_keys", "list", "--json"))["keys"]
    assert [(key["kid"], key["state"], key["next"]) for key in keys] == [
        (active, "revoked", None),
        (standby, "active", None),
    ]
    assert "d" not in run("jwt_keys", "list", "--json").replace("id", "").split('"')


def test_what_comes_too_early_is_refused_with_when_it_becomes_possible(clock):
    run("jwt_keys", "create", "--activate")
    run("jwt_keys", "create")
    (active,), (standby,) = kids("active"), kids("standby")
    for action in (["activate", standby], ["retire", active]):
        error = refused(*action)
        assert error.returncode == 1
        assert "It can be activated from 2026-05-17 12:37:15 UTC on, in 7 min 0 s." in str(error)
    assert "Retire it first" in str(refused("revoke", active))
    clock.shift(WAIT)
    run("jwt_keys", "retire", active)
    assert "It can be revoked from 2026-05-17 12:44:16 UTC on, in 7 min 1 s." in str(refused("revoke", active))
    assert str(refused("revoke", "nobody")) == "There is no key 'nobody'; list shows all."
    assert str(refused("create", "--activate")).startswith("Key ")


@pytest.mark.django_db(transaction=True)
def test_an_emergency_says_whom_it_hits_and_asks(client, user, monkeypatch):
    run("jwt_keys", "create", "--activate")
    (leaked,) = kids("active")
    pair = client.tokens(user)
    asked = ["jwt_keys", "revoke", leaked, "--emergency", "--reason=seen in a repository"]
    assert "--yes" in str(refused(*asked[1:]))
    type_in(monkeypatch, "no\n")
    assert str(refused(*asked[1:])) == "Nothing was done."
    type_in(monkeypatch, "yes\n")
    output = run(*asked)
    (successor,) = kids("active")
    assert output.splitlines() == [
        f"Key {leaked} is active. If it is revoked:",
        "- The access tokens of up to 1 live session are refused. Refresh tokens stay valid: nobody is signed out.",
        "- The processes of this deployment refuse them at once.",
        "- Other servers refuse them when they fetch the key set again, within 300 s if they",
        "  respect its max-age, or when they next read the revocation feed.",
        "- Another key signs at once. Servers refuse its tokens until they know that key.",
        f'Type "yes" to go on: Revoked key {leaked}.',
        f"Key {successor} (ES256) signs from now on.",
    ]
    assert client.get_me(pair["access_token"]).json()["code"] == "token_revoked"
    fresh = client.refresh(pair["refresh_token"]).json()
    assert client.get_me(fresh["access_token"]).status_code == 200
    assert RevocationEvent.objects.get(scope="key").reason == "seen in a repository"


def test_the_blast_radius_counts_who_may_hold_a_token_of_the_key(client, user, clock, jwt_settings):
    jwt_settings(KEYS="database", ALGORITHM="ES256", REVOCATION="memory")
    run("jwt_keys", "create", "--activate")
    (first,) = kids("active")
    run("jwt_keys", "create")
    clock.shift(WAIT)
    client.tokens(user)
    client.tokens(user)
    run("jwt_keys", "rotate")
    clock.shift(2)
    client.tokens(user)
    output = run("jwt_keys", "revoke", first, "--emergency", "--yes")
    assert "up to 2 live sessions" in output
    assert "this deployment refuse them within 1 s" in output
    assert "Another key signs" not in output
    assert str(refused("revoke", first, "--emergency", "--yes")).startswith(f"Key {first} was revoked at ")
    assert str(refused("revoke", "nobody", "--emergency", "--yes")) == "There is no key 'nobody'; list shows all."


@pytest.mark.parametrize("action", ["activate", "retire"])
def test_an_emergency_overrides_the_wait(action):
    run("jwt_keys", "create", "--activate")
    run("jwt_keys", "create")
    (active,), (standby,) = kids("active"), kids("standby")
    kid = {"activate": standby, "retire": active}[action]
    assert "--yes" in str(refused(action, kid, "--emergency"))
    output = run("jwt_keys", action, kid, "--emergency", "--yes")
    assert output.startswith("If another server has not fetched the key set")
    assert states() == {active: "retiring", standby: "active"}


@pytest.mark.parametrize("reason", ["x" * 256, "two\nlines"])
def test_a_reason_that_can_t_be_kept_is_refused(reason):
    assert refused("revoke", "any", f"--reason={reason}").returncode == 2


def test_the_keys_of_the_settings_are_imported_and_nobody_notices(client, user, jwt_settings, ec_key, ed_key):
    configured = {"ALGORITHM": "ES256", "SIGNING_KEY": pem(ec_key), "SIGNING_KEY_FALLBACKS": [public_pem(ed_key)]}
    jwt_settings(KEYS="settings", **configured)
    pair = client.tokens(user)
    assert run("jwt_keys", "list") == 'KEYS is "settings": the keys in the database are not used.\n'
    lines = run("jwt_keys", "import").splitlines()
    (active,), (retiring,) = kids("active"), kids("retiring")
    assert lines == [
        f"Imported key {active} (ES256): active.",
        f"Imported key {retiring} (Ed25519): retiring.",
        'Next: set KEYS to "database", remove SIGNING_KEY and SIGNING_KEY_FALLBACKS, and deploy.',
    ]
    assert run("jwt_keys", "import").startswith("All keys of the settings are already imported.")
    assert 'set KEYS to "database"' in str(refused("rotate"))
    jwt_settings(KEYS="database", SIGNING_KEY=None, SIGNING_KEY_FALLBACKS=[])
    assert client.get_me(pair["access_token"]).status_code == 200
    assert client.get_me(client.refresh(pair["refresh_token"]).json()["access_token"]).status_code == 200
    assert "not used" not in run("jwt_keys", "list")


def test_a_key_that_is_stored_for_another_algorithm_is_not_imported(jwt_settings, rsa_key):
    jwt_settings(KEYS="settings", ALGORITHM="RS256", SIGNING_KEY=pem(rsa_key))
    run("jwt_keys", "import")
    jwt_settings(ALGORITHM="PS256")
    assert "is stored already, for RS256." in str(refused("import"))
    jwt_settings(ALGORITHM="RS256")
    assert run("jwt_keys", "import").startswith("All keys of the settings are already imported.")


def test_a_symmetric_key_is_not_imported(jwt_settings):
    jwt_settings(KEYS="settings", ALGORITHM="HS256")
    assert str(refused("import")).startswith("ALGORITHM is HS256, and a symmetric key stays in the settings.")


def test_another_active_key_keeps_the_settings_from_being_imported(jwt_settings, ec_key):
    run("jwt_keys", "create", "--activate")
    jwt_settings(KEYS="settings", ALGORITHM="ES256", SIGNING_KEY=pem(ec_key))
    assert "It can be activated from" in str(refused("import"))
