"""The page and the pictures of `/plot.svg` have the same colours."""

import re
from pathlib import Path

import pages.routes
from clr.plots.style import BASE_COLOR, MAX_COLOR, PALETTE

SHEET = (Path(pages.routes.__file__).parent / "static" / "page.css").read_text()


def test_a_light_page_has_the_colours_of_the_pictures() -> None:
    light, *_ = re.findall(r"^:root \{(.*?)\}", SHEET, re.DOTALL | re.MULTILINE)
    colours = {name: colour.upper() for name, colour in re.findall(r"--([\w-]+): (#\w{6})", light)}

    lines = tuple(colours[f"line-{number}"] for number in range(1, len(PALETTE) + 1))
    assert lines == PALETTE
    assert (colours["base"], colours["max"]) == (BASE_COLOR, MAX_COLOR)
