"""What all pictures share: colours that the colour-blind tell apart, titles, legends beside the data, files.

Figures are built without pyplot, so that servers and threads may draw.
"""

import io
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clr.picture_format import PictureFormat

# Okabe and Ito's hues (2008), as dark as white paper needs, and as the web page has them (pages/static/page.css); the
# last two are the bounds' alone.
PALETTE = ("#0072B2", "#B87700", "#00795A", "#B0568A", "#1F9BCF", "#8C564B")
BASE_COLOR, MAX_COLOR = "#4D4D4D", "#B84E00"
Line = tuple[float, Sequence[float]]
DASHED: Line = (0, (4, 2))
DOTTED: Line = (0, (1, 1.5))
NO_DATES: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
TITLE_WIDTH = 82  # characters of a line of the title
LEGEND_COLUMNS = 3
HIGHEST = 1e300  # that is drawn
LABEL_WIDTH = 34  # characters of a line of the legend
_STYLE: Any = {
    "svg.hashsalt": "clr-tuner",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
}


@contextmanager
def new_figure(title: str, *, width: float = 8.0, height: float) -> Iterator[Figure]:
    """A figure of so many inches in house style, to be drawn inside the block; a long title is broken into lines."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        lines = "\n".join(textwrap.wrap(title, TITLE_WIDTH))
        figure.suptitle(lines, x=0.01, ha="left", fontsize=11, fontweight="bold", parse_math=False)
        yield figure


def render(figure: Figure, format: PictureFormat) -> bytes:
    """The picture as a file; the same figure gives the same bytes."""
    written = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(written, format=format, dpi=150, metadata=NO_DATES.get(format))
    return written.getvalue()


def can_be_drawn(values: Any) -> Any:
    """Which of an array's values are finite, and far enough from what a float64 holds for axes beyond them."""
    return np.abs(values) < HIGHEST


def pick_colors(number: int) -> list[Any]:
    """So many colours, no two of them the same."""
    if number <= len(PALETTE):
        return list(PALETTE[:number])
    if number <= 20:
        return [mpl.colormaps["tab20"](index) for index in range(number)]
    return [mpl.colormaps["turbo"](0.04 + 0.92 * index / (number - 1)) for index in range(number)]


def name_panel(axes: Axes, name: str) -> None:
    """Say above a panel what it shows."""
    axes.set_title(name, loc="left", color="0.25", parse_math=False)


def put_legend_below(figure: Figure, handles: Sequence[Any]) -> None:
    """Explain what is drawn, below all panels, where nothing can be hidden by it; long labels are cut."""
    if handles:
        labels = [str(handle.get_label()) for handle in handles]
        cut = [label if len(label) <= LABEL_WIDTH else f"{label[: LABEL_WIDTH - 1]}…" for label in labels]
        legend = figure.legend(
            list(handles),
            cut,
            loc="outside lower left",
            ncols=LEGEND_COLUMNS,
            frameon=False,
            fontsize=8.5,
            columnspacing=1.2,
            handlelength=1.8,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)
