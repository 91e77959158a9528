"""What others named cannot steer the terminal of whoever looks."""

from clr_tuner.commands.session import columns, printable


def test_what_is_not_printed_is_spelled_out() -> None:
    assert printable("a\x1b[31m \u202e é 猫\nb") == "a\\x1b[31m \\u202e é 猫\nb"
    assert columns([["a\x07", None], ["b", 1]]) == "a\\x07\nb      1"
