"""The page about compatibility claims nothing without a test."""

import re

from tests.support import ROOT
from tests.support.docs import REFERENCE, missing_tests

PAGE = (ROOT / "docs/reference/compatibility.md").read_text()

ROWS = [line for line in PAGE.splitlines() if re.match(r"\| (?!---)", line) and not line.endswith("| test |")]


def test_each_row_names_a_test():
    assert [row for row in ROWS if not REFERENCE.search(row)] == []


def test_each_test_that_is_named_exists():
    assert missing_tests(PAGE) == []
