"""JSON that people write, read strictly: in any Unicode encoding, no key twice, and told in words where it breaks."""

import json
from typing import Any

KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}


class Broken(ValueError):
    """The text is no JSON; the message says where, and what was expected."""


def read(data: bytes) -> Any:
    """What the bytes of a document hold; UTF-8, 16 or 32, with or without a byte order mark. Raises `Broken`."""
    try:
        return json.loads(data, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise Broken(explain(error)) from None


def explain(error: Exception) -> str:
    """Why `json.loads` raised this, for whoever wrote the text."""
    if isinstance(error, Broken):
        return str(error)
    if isinstance(error, json.JSONDecodeError):
        return _where(error)
    if isinstance(error, UnicodeDecodeError) and error.object.startswith(b"\x1f\x8b"):
        return "it is compressed: send it as it is"
    if isinstance(error, UnicodeDecodeError):
        place = f"byte 0x{error.object[error.start]:02x} at position {error.start}"
        return f"it is not {error.encoding.upper()}: {place}; write it in UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return "it has a number of too many digits"


def kind(value: Any) -> str:
    """What a value that was read is called, with its article."""
    return KINDS.get(type(value), "a number")


def _where(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos : error.pos + 20].partition("\n")[0]
    ends = "text" if error.pos >= len(error.doc) else "line"
    there = f"found {rest!r}" if rest else f"the {ends} ends there"
    expected = error.msg.removesuffix(" at")
    return f"line {error.lineno}, column {error.colno}: {expected}; {there}{_hint(error.doc, error.pos)}"


def _hint(text: str, at: int) -> str:
    """What the usual slips need, by what stands there."""
    before = text[:at].rstrip()
    if text.startswith("'", at):
        return "; JSON has double quotes"
    if text[at : at + 1] in ("}", "]") and before.endswith(","):
        return "; no comma may stand before it"
    if text.startswith(("True", "False", "None"), at):
        return "; JSON has true, false and null"
    if text.startswith(("//", "#", "/*"), at):
        return "; JSON has no comments"
    return ""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read: dict[str, Any] = {}
    for key, value in pairs:
        if key in read:
            raise Broken(f"the key {key[:100]!r} stands twice in one object; which is meant?")
        read[key] = value
    return read
