"""base64url and JSON have one spelling for each value."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from jwt_auth.jose.encoding import MAX_DEPTH, base64url_decode, base64url_encode, json_object


@given(st.binary(max_size=100))
def test_base64url_gives_back_what_it_was_given(value):
    text = base64url_encode(value)
    assert "=" not in text
    assert base64url_decode(text) == value


def test_base64url_spells_as_the_rfc_does():
    # RFC 7515 appendix C.
    assert base64url_encode(bytes([3, 236, 255, 224, 193])) == "A-z_4ME"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("QQ==", id="padding"),
        pytest.param("QR", id="stray bits in two characters"),
        pytest.param("QUJ", id="stray bits in three characters"),
        pytest.param("QUJDR", id="a length that no octets have"),
        pytest.param("Q", id="one character"),
        pytest.param("+/+/", id="the alphabet of plain base64"),
        pytest.param("QUJD\n", id="a line feed at the end"),
        pytest.param("QU JD", id="a space"),
        pytest.param("QUJ\u0661", id="a digit of another script"),
        pytest.param("\uff21\uff21\uff21\uff21", id="letters of full width"),
    ],
)
def test_base64url_refuses_every_other_spelling(text):
    assert base64url_decode("QUJD") == b"ABC"
    assert base64url_decode("QQ") == b"A"
    with pytest.raises(ValueError, match="base64url"):
        base64url_decode(text)


def test_nothing_at_all_is_the_empty_value():
    assert base64url_decode("") == b""


def nested(levels, shape="[]"):
    """Return an object with `levels` levels, including its own."""
    opening, closing = ('{"a":', "}") if shape == "{}" else shape
    return f'{{"a":{opening * (levels - 1)}0{closing * (levels - 1)}}}'.encode()


@pytest.mark.parametrize("shape", ["[]", "{}"])
def test_json_may_be_nested_as_deep_as_the_limit(shape):
    assert json_object(nested(MAX_DEPTH, shape))
    with pytest.raises(ValueError, match="nested too deeply"):
        json_object(nested(MAX_DEPTH + 1, shape))


@pytest.mark.parametrize("levels", [2_000, 100_000])
def test_json_nested_beyond_the_stack_is_a_plain_refusal(levels):
    with pytest.raises(ValueError, match="nested too deeply"):
        json_object(nested(levels))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b'{"a": 1, "a": 1}', "twice"),
        (b'{"a": {"b": 1, "b": 2}}', "twice"),
        (b'[{"a": 1, "a": 1}]', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": -Infinity}', "-Infinity"),
        (b"[]", "not an object"),
        (b"null", "not an object"),
        (b'"a"', "not an object"),
        (b"1", "not an object"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"{\x00}\x00", r"."),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\xed\xa0\x80"}', "not UTF-8"),
        (b'{"a": "\\ud800"}', "surrogates"),
        (b'{"\\uDFFF": 1}', "surrogates"),
        (b'{"a": {"b": ["\\udead"]}}', "surrogates"),
        (b"", r"."),
        (b"{", r"."),
        (b"{}{}", r"."),
        (b"{'a': 1}", r"."),
        (b'{"a": 1,}', r"."),
        (b'{"a": ' + b"9" * 5000 + b"}", r"."),
    ],
)
def test_json_that_two_readers_could_read_in_two_ways_is_refused(document, problem):
    with pytest.raises(ValueError, match=problem):
        json_object(document)


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"{}", {}),
        (b' {"a": 1}\n', {"a": 1}),
        (b'{"a": {"b": 1}, "b": 1}', {"a": {"b": 1}, "b": 1}),
        (b'{"a": "\xc3\xa9"}', {"a": "\u00e9"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a": "\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a": [1.5, -2, true, null]}', {"a": [1.5, -2, True, None]}),
    ],
)
def test_json_of_one_reading_is_read(document, value):
    assert json_object(document) == value


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), _values, max_size=4))
def test_whatever_json_writes_is_read_back(value):
    assert json_object(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_value_error(document):
    with suppress(ValueError):
        assert isinstance(json_object(document), dict)
