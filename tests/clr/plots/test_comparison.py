"""The picture of a comparison."""

import pytest

from clr.comparison import Run
from clr.picture_format import PictureFormat
from clr.plots.comparison import draw_comparison
from clr.plots.style import render
from clr.policies import parse_schedule
from tests.clr.plots.test_style import comparison


def labels(figure: object) -> list[str]:
    [legend] = figure.legends  # type: ignore[attr-defined]
    return [text.get_text() for text in legend.get_texts()]


def test_the_target_is_named_with_its_value() -> None:
    assert "target: accuracy 0.9" in labels(comparison(2))


def test_single_seeds_and_their_spread_are_explained_where_they_are_drawn() -> None:
    told = labels(comparison(2))

    assert "single seeds (thick: the mean)" in told
    assert "one std over seeds" in told


def test_a_comparison_of_one_seed_explains_no_spread() -> None:
    run = Run(seed=0, num_steps=2, final=0.9, best=0.9, looks={"step": [0, 1], "accuracy": [0.1, 0.9]})
    figure = draw_comparison({"fixed": [run]}, {}, metric="accuracy", target=None, title="Comparison")

    assert labels(figure) == ["fixed"]


@pytest.mark.parametrize("format", ["svg", "png"])
def test_a_label_that_looks_like_broken_mathematics_is_drawn_as_it_is(format: PictureFormat) -> None:
    label = r"$\frac{1}{$"
    run = Run(seed=0, num_steps=2, final=0.9, best=0.9, looks={"step": [0, 1], "accuracy": [0.1, 0.9]})
    figure = draw_comparison({label: [run]}, {}, metric="accuracy", target=None, title=label)

    assert format == "png" or label in render(figure, format).decode()
    assert render(figure, format)


def test_each_seed_of_a_few_entries_is_drawn() -> None:
    upper, _ = comparison(2).axes

    assert len(upper.lines) == 2 * (1 + 2) + 1  # two means, their two seeds each, the target


def test_the_rate_of_each_schedule_is_drawn_below() -> None:
    _, lower = comparison(3).axes

    assert [set(line.get_ydata()) for line in lower.lines] == [{0.1}] * 3


def test_before_anything_is_measured_there_is_a_picture() -> None:
    nothing: dict[str, list[Run]] = {"a": []}
    schedules = {"a": parse_schedule({"policy": "fixed", "lr": 0.1})}

    drawn = draw_comparison(nothing, schedules, metric="accuracy", target=None, title="Comparison")

    assert render(drawn, "png").startswith(b"\x89PNG")
