"""
The rule for names, identifiers and reasons: one line that shows its characters in their order. Pure.
"""

import unicodedata

# Unicode's categories of controls, of separators of lines and paragraphs, and of halves of surrogate pairs.
_BREAKING = frozenset(("Cc", "Zl", "Zp", "Cs"))

# The bidirectional classes of characters that can reverse the text after them; plain direction marks can't.
_REORDERING = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def is_line(text: str) -> bool:
    """
    Return whether `text` is one line and shows its characters in their order, as a name or a reason should.

    Unlike printable characters these include joiners and soft hyphens, which belong to the spelling of many languages
    and of emoji, and characters that are newer than Python's tables.
    """
    # All printable characters are among them, and Python tells them faster.
    return text.isprintable() or not any(
        unicodedata.category(character) in _BREAKING or unicodedata.bidirectional(character) in _REORDERING
        for character in text
    )
