"""
Programs that the examples need besides Python. Without them the tests are skipped; REQUIRE_EXAMPLES=1 makes that a
failure.
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.examples import EXAMPLES, need


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """A copy of the example for Node, in which npm has installed the packages of its lock file; made once."""
    folder = tmp_path_factory.mktemp("examples") / "node"

    def install() -> Path:
        need("node", "npm")
        if not folder.exists():
            shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=300,
            )
        return folder / "notes.mjs"

    return install
