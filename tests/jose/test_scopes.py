"""The names that a scope may have."""

import pytest

from jwt_auth.jose.scopes import is_scope, parse_scope


@pytest.mark.parametrize(("scope", "scopes"), [("", set()), ("a", {"a"}), ("b a a", {"a", "b"}), ("a:b/c", {"a:b/c"})])
def test_a_scope_is_a_set_of_words(scope, scopes):
    assert parse_scope(scope) == scopes


@pytest.mark.parametrize("scope", [" ", "a  b", " a", "a ", 'a"', "a\\", "\u00e9", "a\tb", "a\nb", "x" * 256])
def test_what_is_no_scope_is_refused(scope):
    with pytest.raises(ValueError, match="not scopes"):
        parse_scope(scope)


@pytest.mark.parametrize(
    ("value", "fits"), [("notes:read", True), ("x" * 255, True), ("x" * 256, False), ("", False), (1, False)]
)
def test_a_single_scope_is_a_text_of_some_length(value, fits):
    assert is_scope(value) is fits
