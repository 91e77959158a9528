"""What all pictures hold to: files that repeat, colours that differ, text that covers nothing."""

import itertools
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from clr.analysis import read_bounds
from clr.comparison import Run
from clr.picture_format import PictureFormat
from clr.plots.comparison import draw_comparison
from clr.plots.range_test import draw_range_test
from clr.plots.style import pick_colors, render
from clr.plots.training_job import draw_training_job
from clr.policies import parse_schedule
from clr.training_result import CycleEnd, TrainingResult
from tests.clr.plots.test_range_test import SWEEPS

STARTS = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF"}
STEPS = list(range(0, 100, 10))
SERIES = {
    "train": {
        "step": list(range(100)),
        "lr": [0.1] * 100,
        "loss": [2.0 / (1 + step) for step in range(100)],
    },
    "held_out": {"step": STEPS, "loss": [1.0] * 10, "accuracy": [step / 100 for step in STEPS]},
}
BEST = CycleEnd(cycle=1, step=90, loss=1.0, accuracy=0.9)
TRAINED = TrainingResult(
    schedule={"policy": "fixed", "lr": 0.1},
    num_steps=100,
    steps_per_epoch=10,
    stopped_early=False,
    final=BEST,
    best=BEST,
)


def runs(entries: int) -> dict[str, list[Run]]:
    looks = {"step": STEPS, "accuracy": [0.5 + step / 200 for step in STEPS]}
    run = Run(seed=0, num_steps=100, final=0.95, best=0.95, looks=looks)
    return {f"an entry with quite a long label, number {number}": [run, run] for number in range(entries)}


def comparison(entries: int) -> Figure:
    schedules = {label: parse_schedule({"policy": "fixed", "lr": 0.1}) for label in runs(entries)}
    return draw_comparison(runs(entries), schedules, metric="accuracy", target=0.9, title="Comparison")


FIGURES: dict[str, Any] = {
    "range test": lambda: draw_range_test(SWEEPS, read_bounds(SWEEPS), title="digits"),
    "training": lambda: draw_training_job(SERIES, TRAINED, title="digits"),
    "comparison": lambda: comparison(3),
    "large comparison": lambda: comparison(40),
    "long title": lambda: draw_range_test(SWEEPS, None, title="a workload of many words, " * 8),
}


@pytest.mark.parametrize("format", ["svg", "png", "pdf"])
def test_the_same_figure_gives_the_same_bytes_in_every_format(format: PictureFormat) -> None:
    first, again = (render(FIGURES["training"](), format) for _ in range(2))

    assert first == again
    assert first.startswith(STARTS[format])


@pytest.mark.parametrize("number", [1, 6, 7, 20, 21, 40])
def test_no_two_colours_are_the_same(number: int) -> None:
    assert len({to_hex(color) for color in pick_colors(number)}) == number


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_written_covers_data_or_leaves_the_picture(name: str) -> None:
    figure = FIGURES[name]()
    canvas = FigureCanvasAgg(figure)
    canvas.draw()

    legends = [legend.get_window_extent() for legend in figure.legends]
    panels = [axes.get_window_extent() for axes in figure.axes]
    assert not any(legend.overlaps(panel) for legend, panel in itertools.product(legends, panels))
    title = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
    assert not any(title.overlaps(panel) for panel in panels)
    for written in [*legends, title]:
        assert written.x0 >= 0
        assert written.x1 <= figure.bbox.width
        assert written.y0 >= 0


@pytest.mark.parametrize("name", FIGURES)
def test_every_panel_says_what_it_shows(name: str) -> None:
    panels = {axes.get_subplotspec(): axes for axes in reversed(FIGURES[name]().axes)}

    assert all(axes.get_title(loc="left") for axes in panels.values())
