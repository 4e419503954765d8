"""
Strings that are not tokens: text, segments, headers and JSON that no issuer of ours writes.

Most of these can be sent without a key. Where a right signature would make an attack worse, it has one. None is
accepted, none is a 500, and none ends the session whose token was changed.
"""

import json
import random

import pytest

from tests.support import forge
from tests.support.entry_points import assert_refused_everywhere
from tests.support.selection import THOROUGH

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MEGABYTE = 1_000_000


def bend_last_bit(raw):
    """Return the same signature bytes in another spelling: 43 characters carry 258 bits, 2 of which are unused."""
    return raw[:-1] + ALPHABET[ALPHABET.index(raw[-1]) + 1]


def swap_signature(raw):
    header, claims, signature = raw.split(".")
    return f"{header}.{claims}.{signature[::-1]}"


TEXTS = {
    "empty": lambda raw: "",
    "a word": lambda raw: "garbage",
    "dots": lambda raw: "..",
    "100,000 dots": lambda raw: "." * 100_000,
    "8 MB": lambda raw: "A" * 8 * MEGABYTE,
    "8 MB in three segments": lambda raw: ".".join(["A" * 2 * MEGABYTE] * 3),
    "one segment": lambda raw: raw.split(".")[0],
    "no signature segment": lambda raw: raw.rpartition(".")[0],
    "empty signature": lambda raw: raw.rpartition(".")[0] + ".",
    "empty header": lambda raw: "." + raw.partition(".")[2],
    "empty claims": lambda raw: raw.split(".")[0] + ".." + raw.split(".")[2],
    "a fourth segment": lambda raw: raw + ".AAAA",
    "five segments, like JWE": lambda raw: raw + ".AAAA.AAAA",
    "signature reversed": swap_signature,
    "trailing padding": lambda raw: raw + "=",
    "stray bits in the signature": bend_last_bit,
    "padding in the header": lambda raw: raw.replace(".", "=.", 1),
    "standard base64": lambda raw: raw[:-3] + "+/A",
    "one character too many": lambda raw: raw + "AA",
    "one character missing": lambda raw: raw[:-1],
    "NUL at the end": lambda raw: raw + "\0",
    "NUL inside": lambda raw: raw[:20] + "\0" + raw[20:],
    "newline at the end": lambda raw: raw + "\n",
    "space inside": lambda raw: raw.replace(".", " .", 1),
    "tab inside": lambda raw: raw.replace(".", "\t.", 1),
    "bytes 0xff": lambda raw: "\xff\xfe\xfd",
    "0xff inside": lambda raw: raw[:20] + "\xff" + raw[20:],
    "fullwidth letters": lambda raw: "\uff21\uff22.\uff23.\uff24",
    "quoted": lambda raw: f'"{raw}"',
    "Python's bytes": lambda raw: f"b'{raw}'",
    "the scheme twice": lambda raw: f"Bearer {raw}",
    "two tokens": lambda raw: f"{raw},{raw}",
    "JSON serialisation": lambda raw: json.dumps(dict(zip("abc", raw.split("."), strict=True))),
}


def test_the_token_that_is_bent_below_is_good(client, pair):
    raw = pair["access_token"]
    assert client.get_me(raw).status_code == 200
    assert client.send("verify/", {"token": raw}).status_code == 200
    assert client.refresh(pair["refresh_token"]).status_code == 200
    # The control: an unchanged copy is accepted, so the tokens below are refused because of the change.
    assert client.get_me(forge.with_claims(raw)).status_code == 200
    assert client.get_me(forge.with_header(raw)).status_code == 200


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
@pytest.mark.parametrize("bend", TEXTS.values(), ids=TEXTS)
@pytest.mark.sampled
def test_text_that_is_no_token_is_refused_at_every_entry_point(client, pair, bend, kind):
    assert_refused_everywhere(client, bend(pair[kind]))
    assert not client.is_dead(pair)


NESTED = "[" * 2_000 + "]" * 2_000

# Name: JSON text of header parameters, None for an absent one.
HEADERS = {
    "alg none": {"alg": '"none"'},
    "alg None": {"alg": '"None"'},
    "alg nOnE": {"alg": '"nOnE"'},
    "alg empty": {"alg": '""'},
    "alg missing": {"alg": None},
    "alg null": {"alg": "null"},
    "alg list": {"alg": '["HS256"]'},
    "alg dict": {"alg": '{"HS256": 1}'},
    "alg int": {"alg": "256"},
    "alg true": {"alg": "true"},
    "alg in lower case": {"alg": '"hs256"'},
    "alg with a space": {"alg": '"HS256 "'},
    "alg of another hash": {"alg": '"HS512"'},
    "alg of another family": {"alg": '"RS256"'},
    "alg unknown": {"alg": '"ROT13"'},
    "alg nested": {"alg": NESTED},
    "kid missing": {"kid": None},
    "kid null": {"kid": "null"},
    "kid empty": {"kid": '""'},
    "kid int": {"kid": "1"},
    "kid list": {"kid": '["a"]'},
    "kid dict": {"kid": '{"a": 1}'},
    "kid of somebody else": {"kid": '"somebody-else"'},
    "kid a path": {"kid": '"../../etc/passwd"'},
    "kid SQL": {"kid": '"\' OR 1=1 --"'},
    "kid with NUL": {"kid": '"a\\u0000b"'},
    "kid with a newline": {"kid": '"a\\nb"'},
    "kid 256 characters": {"kid": '"' + "k" * 256 + '"'},
    "kid half a surrogate pair": {"kid": '"\\ud800"'},
    "kid not ASCII": {"kid": '"\u00e9"'},
    "typ missing": {"typ": None},
    "typ JWT": {"typ": '"JWT"'},
    "typ of a refresh token": {"typ": '"rt+jwt"'},
    "typ null": {"typ": "null"},
    "typ int": {"typ": "1"},
    "typ list": {"typ": '["at+jwt"]'},
    "crit": {"crit": '["exp"]'},
    "crit empty": {"crit": "[]"},
    "crit not a list": {"crit": '"exp"'},
    "crit with its member": {"crit": '["x"]', "x": "1"},
    "b64 false": {"b64": "false"},
    "b64 false and crit": {"b64": "false", "crit": '["b64"]'},
    # Python's own int() stops at 4,300 digits; more than 6,000 are over the limit of length.
    "5,500 digits": {"n": "9" * 5_500},
    "10,000 digits": {"n": "9" * 10_000},
    "NaN": {"n": "NaN"},
    "Infinity": {"n": "-Infinity"},
    "a member nested 2,000 deep": {"n": NESTED},
    "a member nested 33 deep": {"n": "[" * 33 + "]" * 33},
}
HARMLESS_HEADERS = {"typ in full": {"typ": '"application/at+jwt"'}, "typ in capitals": {"typ": '"AT+JWT"'}}


@pytest.mark.parametrize("changes", HEADERS.values(), ids=HEADERS)
@pytest.mark.sampled
def test_a_header_that_we_never_write_is_refused_although_rightly_signed(client, pair, changes):
    assert_refused_everywhere(client, forge.with_header(pair["access_token"], **changes))
    assert not client.is_dead(pair)


@pytest.mark.parametrize("changes", HARMLESS_HEADERS.values(), ids=HARMLESS_HEADERS)
def test_a_media_type_may_be_written_in_full_and_in_any_case(client, pair, changes):
    assert client.get_me(forge.with_header(pair["access_token"], **changes)).status_code == 200


DOCUMENTS = {
    "nothing": b"",
    "a list": b"[]",
    "a list of pairs": b'[["alg", "HS256"]]',
    "a string": b'"text"',
    "null": b"null",
    "a number": b"1",
    "an empty object": b"{}",
    "not JSON": b"not json",
    "cut short": b'{"alg": "HS256"',
    "two objects": b"{}{}",
    "single quotes": b"{'alg': 'HS256'}",
    "a comment": b'{/**/"alg": "HS256"}',
    "bad UTF-8": b'{"alg": "\xff"}',
    "overlong UTF-8": b'{"alg": "\xc0\x80"}',
    "a surrogate in UTF-8": b'{"alg": "\xed\xa0\x80"}',
    "nested 2,000 deep": NESTED.encode(),
    "objects 1,000 deep": b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
    "opened 2,000 times": b"[" * 2_000,
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_header_that_is_no_json_object_is_refused_although_rightly_signed(client, pair, document):
    assert_refused_everywhere(client, forge.with_header_bytes(pair["access_token"], document))
    assert not client.is_dead(pair)


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_payload_that_is_no_json_object_is_refused_although_rightly_signed(client, pair, document):
    assert_refused_everywhere(client, forge.with_payload(pair["access_token"], document))
    assert not client.is_dead(pair)


RESPELLED = {
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-32": lambda text: text.encode("utf-32"),
    "name twice": lambda text: text[:-1].encode() + b"," + text[1:].encode(),
    "one more NaN": lambda text: text[:-1].encode() + b',"x":NaN}',
    "NUL behind it": lambda text: text.encode() + b"\0",
}


@pytest.mark.parametrize("respell", RESPELLED.values(), ids=RESPELLED)
@pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
def test_a_good_document_in_another_spelling_is_refused_although_rightly_signed(client, pair, part, respell):
    parts = [forge.unb64(segment) for segment in pair["access_token"].split(".")[:2]]
    parts[part] = respell(parts[part].decode())
    assert_refused_everywhere(client, forge.sign(*parts))
    assert not client.is_dead(pair)


def test_a_header_nested_2000_deep_needs_no_signature_to_be_refused(client, pair):
    """It has less than 3 KB, and caused a RecursionError in every PyJWT before 2.14."""
    raw = f"{forge.b64(b'[' * 2_000)}.{forge.b64(b'{}')}.AAAA"
    assert len(raw) < 3_000
    assert_refused_everywhere(client, raw)


def test_a_good_token_over_the_limit_of_length_is_refused_before_it_is_read(client, pair):
    filler = {"filler": json.dumps("x" * 6_200)}
    assert_refused_everywhere(client, forge.with_claims(pair["access_token"], **filler))
    shorter = {"filler": json.dumps("x" * 4_000)}
    assert client.get_me(forge.with_claims(pair["access_token"], **shorter)).status_code == 200


SEPARATORS = {
    "tab": "Bearer\t{}",
    "NUL": "Bearer\0{}",
    "newline": "Bearer\n{}",
    "colon": "Bearer:{}",
    "nothing": "Bearer{}",
    "no-break space": "Bearer\xa0{}",
    "comma after it": "Bearer {},",
    "another token after it": "Bearer {} {}",
    "only the scheme": "Bearer",
    "only the scheme and spaces": "Bearer   ",
    "another scheme": "Token {}",
    "no scheme": "{}",
}


@pytest.mark.parametrize("form", SEPARATORS.values(), ids=SEPARATORS)
def test_another_form_of_the_header_lets_nobody_in(client, pair, form):
    client.credentials(HTTP_AUTHORIZATION=form.format(*[pair["access_token"]] * 2))
    assert client.get("/auth/me/").status_code == 401


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER   {}", "Bearer {} "])
def test_the_scheme_has_any_case_and_any_number_of_spaces(client, pair, form):
    client.credentials(HTTP_AUTHORIZATION=form.format(pair["access_token"]))
    assert client.get("/auth/me/").status_code == 200


def mutate(raw, dice):
    """Return `raw` with one to three characters changed, dropped, doubled, moved or cut off."""
    text = list(raw)
    for _ in range(dice.randint(1, 3)):
        place = dice.randrange(len(text))
        match dice.randrange(6):
            case 0:
                text[place] = dice.choice(ALPHABET)
            case 1:
                text[place] = chr(dice.randrange(256))
            case 2:
                del text[place]
            case 3:
                text.insert(place, text[dice.randrange(len(text))])
            case 4:
                other = dice.randrange(len(text))
                text[place], text[other] = text[other], text[place]
            case _:
                del text[max(place, 1) :]
    return "".join(text)


def test_mutations_of_an_access_token_are_never_let_in_and_never_crash(client, pair):
    dice, raw = random.Random(20260517), pair["access_token"]  # not a secret: the same choices in each run
    for _ in range(500 if THOROUGH else 50):
        mutant = mutate(raw, dice)
        expected = 200 if mutant == raw else 401
        assert client.get_me(mutant).status_code == expected, mutant
        assert client.send("verify/", {"token": mutant}).status_code in {expected, 400}, mutant


def test_mutations_of_a_refresh_token_are_never_let_in_and_never_crash(client, pair):
    dice, raw = random.Random(20260518), pair["refresh_token"]  # as above
    for _ in range(500 if THOROUGH else 50):
        mutant = mutate(raw, dice)
        expected = {200} if mutant == raw else {400, 401}
        assert client.refresh(mutant).status_code in expected, mutant
    assert not client.is_dead(pair)
