"""
Untrusted text in a log or at a terminal: on one line, of limited length, and without control characters. Pure.

A line break would begin a line that nobody wrote. An escape sequence could move the cursor or hide what follows. A mark
for the direction of text could show a name backwards.
"""

LONGEST = 1024  # characters; more than any value that the app itself writes


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


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
