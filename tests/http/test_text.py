"""Untrusted text becomes one line of printable characters, of limited length."""

import pytest

from jwt_auth.http.text import LONGEST, printable
from jwt_auth.lines import is_line

ESCAPES = {
    "an escape sequence": ("\x1b[2J", r"\x1b[2J"),
    "a line break": ("a\r\nb", r"a\r\nb"),
    "NUL": ("\0", r"\x00"),
    "a backspace": ("a\b", r"a\x08"),
    "DEL": ("\x7f", r"\x7f"),
    "C1": ("\x85\x9b31m", r"\x85\x9b31m"),
    "separators": ("\u2028\u2029", r"\u2028\u2029"),
    "bidi": ("\u202egnp.exe\u2066", r"\u202egnp.exe\u2066"),
    "zero width": ("a\u200bb\ufeff", r"a\u200bb\ufeff"),
    "a no-break space": ("a\xa0b", r"a\xa0b"),
    "half a surrogate pair": ("\ud800\udcff", r"\ud800\udcff"),
    "beyond the plane": ("\U000e0001\U0010ffff", r"\U000e0001\U0010ffff"),
}


@pytest.mark.parametrize(("text", "shown"), ESCAPES.values(), ids=list(ESCAPES))
def test_what_is_not_printable_is_an_escape(text, shown):
    assert printable(text) == shown
    assert shown.isascii()


@pytest.mark.parametrize("text", ["", "a b", "Zoë", "日本語", "😀", r"C:\new", "'\"<>&%s{}"])
def test_all_else_stays(text):
    """The control."""
    assert printable(text) == text


@pytest.mark.parametrize("text", ["x" * 10**6, "\x1b" * 10**6, "\U000e0001" * 10**6, "é" * (LONGEST + 1)])
def test_no_more_is_shown_than_the_limit(text):
    assert len(printable(text)) == LONGEST
    assert printable(text).endswith("…")
    assert printable(text, 10) == printable(text[:9])[:9] + "…"


def test_a_text_as_long_as_the_limit_is_whole():
    assert printable("é" * LONGEST) == "é" * LONGEST


def test_another_value_is_shown_as_its_text():
    assert printable(ValueError("a\nb")) == r"a\nb"
    assert printable(5) == "5"


@pytest.mark.parametrize(
    "text", ["a\nb", "\x1b[2J", "\x85", "a\u2028b", "\u202egnp.exe", "\u2066x\u2069", "\ud800", "\0"]
)
def test_controls_and_what_reverses_the_order_are_not_one_line(text):
    assert not is_line(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a b",
        "علی\u200cرضا",
        "श्री\u200dमान",
        "\U0001f469\u200d\U0001f4bb",
        "\u200fדוד",
        "jean\u00adluc",
        "\U0001fae9",
    ],
)
def test_joiners_marks_and_new_characters_belong_to_a_line(text):
    assert is_line(text)
