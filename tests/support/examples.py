"""The folder of the examples, and the programs that they need."""

import os
import shutil

import pytest

from tests.support import ROOT

EXAMPLES = ROOT / "examples"


def need(*programs: str) -> None:
    """Skip the test unless all these programs are installed; fail where the examples are required."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing and os.environ.get("REQUIRE_EXAMPLES"):
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
