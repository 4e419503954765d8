"""
Untrusted text in a log or at a terminal: on one line, of limited length, and without control characters. Pure.

A line break would begin a line that nobody wrote. An escape sequence could move the cursor or hide what follows. A mark
for the direction of text could show a name backwards.
"""

import unicodedata

LONGEST = 1024  # characters; more than any value that the app itself writes

# Unicode's categories of controls, of separators of lines and paragraphs, and of halves of surrogate pairs.
_BREAKING = frozenset(("Cc", "Zl", "Zp", "Cs"))

# The bidirectional classes of characters that can reverse the text after them; plain direction marks can't.
_REORDERING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def printable(text: object, longest: int = LONGEST) -> str:
    """
    Return `text` with an escape such as \\x1b for each character that is not printable, cut to `longest` characters.

    Not printable are, by Unicode, controls, line and paragraph separators, all spaces but the usual one, marks for the
    direction of text, halves of surrogate pairs, and characters without a meaning.
    """
    whole = str(text)
    shown = whole[: longest + 1]
    if not shown.isprintable():
        shown = "".join(map(_escaped, shown))
    return shown if len(shown) <= longest else shown[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"


def is_line(text: str) -> bool:
    """
    Return whether `text` is one line and shows its characters in their order, as a name or a reason should.

    Unlike printable characters these include joiners and soft hyphens, which belong to the spelling of many languages
    and of emoji, and characters that are newer than Python's tables.
    """
    return not any(
        unicodedata.category(character) in _BREAKING or unicodedata.bidirectional(character) in _REORDERING
        for character in text
    )


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
