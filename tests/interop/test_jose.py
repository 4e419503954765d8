"""
jose, for JavaScript, reads our tokens with nothing but the published keys, and we read its tokens.

Without Node this is skipped; REQUIRE_EXAMPLES=1 makes that a failure.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.examples import need
from tests.support.interop import AUDIENCE, ISSUER, KEYS

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def jose(tmp_path_factory):
    """Run the script beside this file, in a folder in which npm has installed the packages of its lock file."""
    need("node", "npm")
    folder = tmp_path_factory.mktemp("interop") / "jose"
    shutil.copytree(HERE / "jose", folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=300)

    def run(**given):
        done = subprocess.run(
            ["node", "interop.mjs"], cwd=folder, input=json.dumps(given), capture_output=True, text=True, timeout=60
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr

    return run


def ask(jose, jwks, tokens, algorithms=()):
    return jose(
        jwks=jwks, tokens=tokens, algorithms=list(algorithms), issuer=ISSUER, audience=AUDIENCE, subject="alice"
    )


def test_it_reads_our_tokens(jose, ours, user):
    issued = [ours(algorithm) for algorithm in KEYS]
    jwks = {"keys": [key for _, published in issued for key in published["keys"]]}
    tokens = [raw for raw, _ in issued]
    assert ask(jose, jwks, tokens)["verified"] == [str(user.pk)] * len(KEYS)
    assert "JWSSignatureVerificationFailed" in ask(jose, jwks, [tokens[0][:-8] + "AAAAAAAA"])
    assert "JWKSNoMatchingKey" in ask(jose, {"keys": jwks["keys"][1:]}, tokens)


def test_we_read_its_tokens(jose, client, trust, db):
    made = ask(jose, {"keys": []}, [], KEYS)["made"]
    assert len(made) == len(KEYS)
    trust({"keys": [item["jwk"] for item in made]}, list(KEYS))
    for item in made:
        answer = client.get_me(item["token"])
        assert answer.status_code == 200, item["jwk"]
        assert answer.json()["user"] == {"iss": ISSUER, "sub": "alice"}
    trust({"keys": [item["jwk"] for item in made[1:]]}, list(KEYS))
    assert client.get_me(made[0]["token"]).status_code == 401
