"""
Steps that several stories share.
"""

from collections.abc import Mapping
from typing import Any

from example_project.demo.narrator import Narrator


def sign_in(
    narrator: Narrator,
    title: str,
    name: str,
    passwords: Mapping[str, str],
    *,
    keep: Mapping[str, str],
    expect: Any = None,
    **more: str,
) -> Any:
    """Sign in the user `name`, with `more` members in the body; return the answer's body. See Narrator.step()."""
    body = {"username": name, "password": passwords[name], **more}
    return narrator.step(title, "POST /auth/login/", body=body, status=200, expect=expect, keep=keep)
