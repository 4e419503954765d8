"""
Five projects of simplejwt, as people write them, move by the command: with their users signed in, and their clients as
they are. They go back within the window, and do without simplejwt after it.
"""

import ast
import difflib
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, forks

PROJECTS = Path(__file__).parent / "projects"

# When the stages begin. Those after the move last for the life of an access token, and the window for 90 days at most.
MOMENTS = {
    "before": "2026-05-17T12:00:00+00:00",
    "move": "2026-05-17T12:01:00+00:00",
    "after": "2026-05-17T12:02:00+00:00",
    "rollback": "2026-05-17T12:03:00+00:00",
    "closed": "2026-12-01T12:00:00+00:00",
}


@dataclass(frozen=True, slots=True)
class Edit:
    """A change that a person makes, for a reason."""

    file: str
    before: str
    after: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """
    A project.

    Args:
        settings: the file that lists the apps.
        by_hand: what a person changes after the command has written.
        at_the_end: what goes with simplejwt, besides its apps and SIMPLE_JWT.
        claims: the names of the claims of an access token that simplejwt has issued.
        said: sentences that the command writes, for a person.
        keeps_simple_jwt: whether the project's own code reads names of its own in SIMPLE_JWT.
    """

    settings: str = "config/settings.py"
    by_hand: tuple[Edit, ...] = ()
    at_the_end: tuple[Edit, ...] = ()
    claims: frozenset[str] = frozenset(("user_id", "token_type", "exp", "iat", "jti"))
    said: tuple[str, ...] = field(default=())
    keeps_simple_jwt: bool = False


KINDS = {
    "stock": Kind(
        by_hand=(
            Edit(
                "notes/tests.py",
                '        self.assertEqual(access["exp"] - access["iat"], 15 * 60)\n',
                '        self.assertAlmostEqual(access["exp"] - access["iat"], 15 * 60, delta=45)\n',
                "tokens that were issued together do not expire together",
            ),
            Edit(
                "notes/tests.py",
                "    def test_rotation(self):\n",
                '    @override_settings(JWT_AUTH={**settings.JWT_AUTH, "ROTATION_GRACE_PERIOD": timedelta(0)})\n'
                "    def test_rotation(self):\n",
                "it uses a refresh token twice, within the time for parallel requests",
            ),
            Edit(
                "notes/tests.py",
                "from django.contrib.auth import get_user_model\n",
                "from django.conf import settings\nfrom django.contrib.auth import get_user_model\n"
                "from django.test import override_settings\n",
                "for the same",
            ),
        ),
    ),
    "custom": Kind(
        settings="config/settings/base.py",
        by_hand=(
            Edit(
                "accounts/views.py",
                "from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken\n",
                "from jwt_auth.revocation import revoke_user\n",
                "there is no row for each token",
            ),
            Edit(
                "accounts/views.py",
                "        for token in OutstandingToken.objects.filter(user=request.user):\n"
                "            BlacklistedToken.objects.get_or_create(token=token)\n",
                "        revoke_user(request.user, reason='logout everywhere')\n",
                "the same",
            ),
            Edit(
                "config/settings/dev.py",
                "DEBUG = True\n",
                "DEBUG = True\n\nJWT_AUTH['LOGIN_THROTTLE'] = '1000/min'  # noqa\n",
                "the suite signs in more often than ten times a minute",
            ),
            Edit(
                "config/settings/production.py",
                "SIMPLE_JWT['ACCESS_TOKEN_LIFETIME'] = timedelta(minutes=10)  # noqa\n",
                "for options in (SIMPLE_JWT, JWT_AUTH):  # noqa\n"
                "    options['ACCESS_TOKEN_LIFETIME'] = timedelta(minutes=10)\n",
                "a second file has a setting of its own",
            ),
        ),
        at_the_end=(
            Edit(
                "config/settings/production.py",
                "for options in (SIMPLE_JWT, JWT_AUTH):  # noqa\n    options[",
                "JWT_AUTH[",
                "SIMPLE_JWT is gone",
            ),
        ),
        claims=frozenset(("user_id", "token_type", "exp", "iat", "jti", "role", "email")),
        said=(
            "OutstandingToken: It has no new tokens",
            "config/settings/production.py:9: This reads or changes SIMPLE_JWT",
            "Tests that sign in more than ten times a minute",
        ),
    ),
    "cookies": Kind(
        # Its own names stay in SIMPLE_JWT.
        at_the_end=(
            Edit(
                "config/settings.py",
                "    'ACCESS_TOKEN_LIFETIME': timedelta(minutes=5),\n"
                "    'REFRESH_TOKEN_LIFETIME': timedelta(days=1),\n"
                "    'ROTATE_REFRESH_TOKENS': True,\n"
                "    'BLACKLIST_AFTER_ROTATION': True,\n",
                "",
                "nothing reads them any more",
            ),
        ),
        keeps_simple_jwt=True,
    ),
    "organisation": Kind(
        claims=frozenset(
            ("uid", "token_type", "exp", "iat", "jti", "iss", "email", "org_id", "org_name", "role"),
        ),
    ),
    "channels": Kind(
        by_hand=(
            Edit("requirements.txt", "framework==3.15.2", "framework>=3.18.2", "an older one has published holes"),
            Edit("requirements.txt", "PyJWT>=2,<2.10\n", "", "the same; simplejwt 5.5.1 has no such bound"),
            Edit("requirements.txt", "simplejwt==5.3.1", "simplejwt>=5.5.1", "the same"),
        ),
        said=("requirements.txt:5 allows pyjwt >=2,<2.10", "requirements.txt:3 allows djangorestframework ==3.15.2"),
    ),
}


class Copy:
    """A copy of a project. Its stages are processes; see `tests.support.moved_projects`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, stage: str) -> dict[str, Any]:
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("COV", "TEST_", "DJANGO_", "EXAMPLE_"))
        }
        done = forks.run(
            *("-m", "tests.support.moved_projects", stage, MOMENTS[stage]),
            cwd=self.root,
            environment={**environment, "PYTHONPATH": f"{self.root}{os.pathsep}{ROOT}"},
        )
        assert done.returncode == 0, done.stdout
        facts: dict[str, Any] = json.loads((self.root / "facts.json").read_text())
        return facts

    def edit(self, edits: tuple[Edit, ...]) -> None:
        for edit in edits:
            text = (self.root / edit.file).read_text()
            assert text.count(edit.before) == 1, edit
            (self.root / edit.file).write_text(text.replace(edit.before, edit.after))

    def add_the_app(self, settings: str) -> None:
        """Do what the command can't do, because it is a command of the app."""
        path = self.root / settings
        text, count = re.subn(r"(['\"])rest_framework\1,\n", r"\g<0>    \1jwt_auth\1,\n", path.read_text(), count=1)
        assert count
        path.write_text(text)

    def remove_simplejwt(self, kind: Kind) -> None:
        """Take the last steps that `jwt_migrate simplejwt --check` names."""
        path = self.root / kind.settings
        text = re.sub(r" *(['\"])rest_framework_simplejwt(\.token_blacklist)?\1,\n", "", path.read_text())
        text = re.sub(r' *"ACCEPT_UNTIL".*\n', "", text)
        if not kind.keeps_simple_jwt:
            text = _without_simple_jwt(text)
        path.write_text(text)
        self.edit(kind.at_the_end)


def _without_simple_jwt(text: str) -> str:
    lines = text.splitlines(keepends=True)
    assignments = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    (node,) = (node for node in assignments if ast.unparse(node.targets[0]) == "SIMPLE_JWT")
    return "".join([*lines[: node.lineno - 1], *lines[node.end_lineno :]])


def lines_changed(before: Path, after: Path) -> int:
    """Return the number of lines that differ between two trees, as a version control counts them."""
    count = 0
    for path in after.rglob("*"):
        if path.suffix in (".py", ".txt", ".toml"):
            old = (before / path.relative_to(after)).read_text().splitlines()
            found = difflib.unified_diff(old, path.read_text().splitlines(), n=0)
            count += sum(line[:1] in "+-" for line in [*found][2:])
    return count


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
    return Copy(Path(shutil.copytree(PROJECTS / request.param, tmp_path / "project", ignore=ignored)))


def check_moved(facts: dict[str, Any], kind: Kind, before: dict[str, Any]) -> None:
    """Check the project with this app while the window is open."""
    me, claims = before["me"], before["claims"]
    assert facts["suite"] == "OK", facts["suite"]
    assert facts["warnings"] == []
    # A former access token is accepted until its `exp`; then the refresh token is exchanged.
    assert facts["with_former_access_token"] == facts["exchanged"] == me["goes_on"]
    assert facts["keeps_tokens"]
    assert facts["has_new_tokens"]
    # Claims that a client may read, the project's own among them, are those that the user had.
    assert set(claims) == kind.claims
    same = kind.claims - {"exp", "iat", "jti"}
    assert {name: facts["claims"][name] for name in same} == {name: claims[name] for name in same}
    # Tokens that simplejwt has refused are refused; one that is sent again long after its exchange ends the session.
    assert facts["blacklisted"] == facts["used"] == facts["exchanged_again"] == facts["after_that"] == "signed out"
    assert facts["new"].keys() == me["goes_on"].keys()
    assert "Former tokens are accepted until" in facts["can_close"]
    assert "3 refresh tokens of 3 users were not exchanged yet" in facts["can_close"]
    assert facts["can_close"].endswith("simplejwt can't be removed yet.")
    assert "Nothing needs simplejwt any more." in facts["can_close_later"]


def check_back(facts: dict[str, Any], me: dict[str, Any]) -> None:
    """Check the project of before with the database of after."""
    assert facts["waits"] == facts["refreshed"] == me["waits"]
    assert facts["goes_on"] == facts["exchanged"] == facts["blacklisted"] == "signed out"


def check_closed(facts: dict[str, Any]) -> None:
    """Check the project without simplejwt."""
    assert facts["suite"] == "OK", facts["suite"]
    assert facts["warnings"] == []
    assert facts["waits"] == "signed out"
    assert facts["late"]
    assert "Nothing needs simplejwt any more." in facts["can_close"]


@pytest.mark.parametrize(("copy", "name"), [(name, name) for name in KINDS], indirect=["copy"], ids=list(KINDS))
def test_a_project_moves_with_its_users_and_its_clients(copy: Copy, name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    before = copy.run("before")
    assert before["suite"] == "OK", before["suite"]
    client = (copy.root / "client.py").read_text()
    former = Copy(Path(shutil.copytree(copy.root, tmp_path / "former")))

    copy.add_the_app(kind.settings)
    added = Path(shutil.copytree(copy.root, tmp_path / "added"))
    moved = copy.run("move")
    written = lines_changed(added, copy.root)
    assert f"{written} lines changed." in moved["output"]
    for sentence in kind.said:
        assert sentence in " ".join(moved["output"].split()), moved["output"]
    command = Path(shutil.copytree(copy.root, tmp_path / "command"))
    copy.edit(kind.by_hand)
    by_hand = lines_changed(command, copy.root)
    print(f"{name}: {moved['seconds']:.2f} s, {written} lines by the command, {by_hand} by hand")  # noqa: T201  # pytest -rP
    check_moved(copy.run("after"), kind, before)
    assert (copy.root / "client.py").read_text() == client

    for path in [copy.root / "db.sqlite3", *copy.root.glob("*.tokens")]:
        shutil.copy(path, former.root)
    check_back(former.run("rollback"), before["me"])

    copy.remove_simplejwt(kind)
    check_closed(copy.run("closed"))
