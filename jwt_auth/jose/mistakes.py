"""
Mistakes in a text that should be a token, described for the log and for the terminal. Pure.

The descriptions repeat no part of the text, which may be a secret.
"""

# The texts that JavaScript and Python make of a variable without a value.
_NOTHING = frozenset(("undefined", "null", "none", "nan", "[object object]"))

# No token is longer. A longer text is not looked at: the price of a refusal must not grow with it.
_LONGEST = 10_000

_QUOTES = ('"', "'", "`", "\N{LEFT DOUBLE QUOTATION MARK}")


def mistake_in(text: str) -> str:
    """Return ": " and what seems to be wrong with `text`, to end a sentence; "" if that is not known."""
    if len(text) > _LONGEST:
        return ": it is longer than any token"
    found = _mistake_in(text.strip())
    return f": {found}" if found else ""


def _mistake_in(text: str) -> str:
    folded = text.lower()
    for begins, mistake in _BEGINNINGS.items():
        if folded.startswith(begins):
            return mistake
    if not text:
        return "it is empty"
    if folded in _NOTHING:
        return "it is the word for a variable without a value, so the client has stored no token"
    if text.startswith(_QUOTES):
        return "it is in quotes; leave them out"
    if any(character.isspace() for character in text):
        return "it has spaces or line breaks in it"
    return _mistake_in_parts(text)


_BEGINNINGS = {
    "authorization:": 'it is a whole header; give the token alone, without "Authorization: Bearer"',
    "-h": "it is an option of curl; give the token alone",
    "bearer": 'it begins with "Bearer"; give the token alone',
    "token ": 'it begins with "Token"; give the token alone',
    "jwt ": 'it begins with "JWT"; give the token alone',
    "{": "it is JSON; give the value of its access_token or refresh_token alone",
    "<": "it is a placeholder; put the token in its place",
    "-----begin": "it is a key; give a token",
}


def _mistake_in_parts(text: str) -> str:
    parts = text.split(".")
    if len(parts) == 3 and all(parts):
        return "it has characters that no token has"
    if text.startswith("eyJ"):
        return "a token has three parts with dots between them, and of this one only a piece was given"
    return ""
