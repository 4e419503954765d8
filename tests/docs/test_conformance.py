"""The page for auditors has each requirement once, and each test that it names exists."""

import re
from dataclasses import dataclass

from tests.support import ROOT
from tests.support.docs import REFERENCE, missing_tests

PAGE = ROOT / "docs/reference/conformance.md"

_ROW = re.compile(r"\| (\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|")


@dataclass(frozen=True)
class Row:
    number: int
    requirement: str
    source: str
    proof: str

    @property
    def references(self):
        return REFERENCE.findall(self.proof)

    @property
    def reason(self):
        """The text beside the names of tests."""
        return REFERENCE.sub("", self.proof).strip(" ,;.")


LINES = [line for line in PAGE.read_text().splitlines() if re.match(r"\| *\d", line)]
ROWS = [Row(int(match[1]), *match.groups()[1:]) for line in LINES if (match := _ROW.fullmatch(line))]


def test_each_requirement_stands_there_once_and_in_order():
    assert len(ROWS) == len(LINES)
    assert [row.number for row in ROWS] == list(range(1, 132))


def test_each_row_says_what_is_asked_for_and_by_whom():
    assert [row.number for row in ROWS if not row.requirement.strip() or not row.source.strip()] == []


def test_each_test_that_is_named_exists():
    assert missing_tests(PAGE.read_text()) == []


def test_a_row_without_a_test_says_why():
    assert [row.number for row in ROWS if not row.references and len(row.reason.split()) < 5] == []


def test_nothing_that_looks_like_a_test_is_passed_over():
    assert [row.number for row in ROWS if "test_" in row.reason or "::" in row.reason] == []


def test_the_reader_of_the_page_finds_what_is_wrong():
    """The controls: a name that is wrong, a row without a reason, a name without its back quotes."""
    here = "tests/docs/test_conformance.py"
    named = [(here, "test_a_row_without_a_test_says_why"), (here, "test_nobody_wrote"), ("tests/no.py", "test_a")]
    assert missing_tests(", ".join(f"`{path}::{name}`" for path, name in named)) == named[1:]
    good = Row(1, "a", "b", "`tests/test_x.py::test_a`, `tests/test_x.py::test_b`.")
    assert (len(good.references), good.reason) == (2, "")
    assert Row(1, "a", "b", "No.").references == []
    assert "test_" in Row(1, "a", "b", "tests/test_x.py::test_a").reason
