"""JSON that people write is read whatever its encoding, and told where it breaks."""

import pytest

from clr import json_text

TEXT = '{"name": "é", "of": [1, 2.5, null]}'


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_every_unicode_encoding_is_read(encoding: str) -> None:
    assert json_text.read(TEXT.encode(encoding)) == {"name": "é", "of": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "line 1, column 1: Expecting value; the text ends there"),
        (b'{"a": 1,\n "b": }', "line 2, column 7: Expecting value; found '}'"),
        (b'{"a": "x\ny"}', "line 1, column 9: Invalid control character; the line ends there"),
        (b"[1, 2,]", "no comma may stand before it"),
        (b'{"a": None}', "JSON has true, false and null"),
        (b"{'a': 1}", "JSON has double quotes"),
        (b'{"a": 1} // why', "JSON has no comments"),
        (TEXT.encode("latin-1"), "it is not UTF-8: byte 0xe9 at position 10; write it in UTF-8"),
        (b"\xff\xfe{\x00}", "it is not UTF-16-LE: byte 0x7d at position 4"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' stands twice in one object"),
        (b"\x1f\x8b\x08", "it is compressed"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"1" * 5000, "it has a number of too many digits"),
    ],
)
def test_what_is_no_json_is_told_where_it_breaks(text: bytes, told: str) -> None:
    with pytest.raises(json_text.Broken) as broken:
        json_text.read(text)

    assert told in str(broken.value)


@pytest.mark.parametrize(
    ("value", "kind"), [({}, "an object"), ([], "a list"), ("", "a text"), (1.5, "a number"), (None, "null")]
)
def test_every_value_has_a_name(value: object, kind: str) -> None:
    assert json_text.kind(value) == kind
