"""Who wins beyond the noise, and how soon a target is reached."""

import math

import numpy as np
import pytest
import scipy.stats

from clr.comparison import Metric, Row, Run, compare


def run(final: float | None, *, seed: int = 0, accuracies: tuple[float, ...] = ()) -> Run:
    looks = {
        "step": [10 * (index + 1) - 1 for index in range(len(accuracies))],
        "accuracy": list(accuracies),
        "loss": [1 - accuracy for accuracy in accuracies],
    }
    return Run(seed=seed, num_steps=100, final=final, best=final, looks=looks)


def rows(metric: Metric = "accuracy", **finals: tuple[float | None, ...]) -> dict[str, Row]:
    runs = {label: [run(final) for final in of_label] for label, of_label in finals.items()}
    return {row.label: row for row in compare(runs, metric=metric)[1]}


def test_means_and_sample_deviations_are_over_the_seeds() -> None:
    found = rows(a=(0.9, 0.92, 0.94))["a"].final

    assert found is not None
    assert found.mean == pytest.approx(0.92)
    assert found.std == pytest.approx(0.02)


def test_a_clear_difference_is_beyond_the_noise() -> None:
    found = rows(a=(0.90, 0.901, 0.899), b=(0.95, 0.951, 0.949))

    assert (found["a"].within_noise, found["b"].within_noise) == (False, True)
    assert found["b"].p_value is None


def test_a_difference_that_the_seeds_blur_is_within_it() -> None:
    found = rows(a=(0.90, 0.96, 0.93), b=(0.95, 0.91, 0.96))

    assert found["a"].within_noise
    assert found["b"].within_noise


@pytest.mark.parametrize("spread", [1e-9, 0.01, 1.0, 1e6])
@pytest.mark.parametrize("sizes", [(2, 2), (2, 20), (5, 3), (20, 20)])
def test_the_p_value_is_scipys(sizes: tuple[int, int], spread: float) -> None:
    chance = np.random.default_rng(0)
    first, second = (tuple(chance.normal(where, spread, size).tolist()) for where, size in enumerate(sizes))

    (p_value,) = [row.p_value for row in rows(a=first, b=second).values() if row.p_value is not None]

    expected = scipy.stats.ttest_ind(first, second, equal_var=False).pvalue
    assert abs(p_value - expected) < 1e-12
    assert p_value == pytest.approx(expected, rel=1e-10, abs=0)


def test_more_comparisons_need_clearer_differences() -> None:
    two = rows(a=(0.90, 0.92, 0.91), b=(0.93, 0.95, 0.94))["a"].p_value
    five = rows(a=(0.90, 0.92, 0.91), b=(0.93, 0.95, 0.94), **{name: (0.94, 0.93, 0.941) for name in "cde"})[
        "a"
    ].p_value

    assert two is not None
    assert five == pytest.approx(min(1.0, 4 * two))


def test_of_losses_the_lowest_is_best() -> None:
    found = rows("loss", a=(0.5, 0.51, 0.49), b=(0.9, 0.91, 0.89))

    assert (found["a"].within_noise, found["b"].within_noise) == (True, False)


def test_seeds_that_agree_exactly_do_not_show_that_there_is_no_noise() -> None:
    found = rows(a=(0.97, 0.97), b=(0.9725, 0.9725))

    assert [found[label].within_noise for label in "ab"] == [True, True]


def test_one_seed_says_nothing_about_noise() -> None:
    found = rows(a=(0.1,), b=(0.9,))

    assert found["a"].within_noise


def test_what_diverged_with_a_seed_has_not_won() -> None:
    found = rows(a=(0.99, None), b=(0.9, 0.91), c=(0.9, 0.92))

    assert (found["a"].diverged, found["a"].within_noise, found["a"].p_value) == (1, False, None)
    assert found["b"].within_noise
    assert found["c"].within_noise


def test_steps_to_the_target_are_the_median_over_those_that_reach_it() -> None:
    runs = {"a": [run(0.9, accuracies=(0.5, 0.9, 0.9)), run(0.9, accuracies=(0.5, 0.5, 0.9)), run(0.5)]}

    _, [row] = compare(runs, metric="accuracy", target=0.9)

    assert (row.steps_to_target, row.reached) == (25, 2)


def test_the_target_is_the_first_ones_mean_unless_given() -> None:
    runs = {"first": [run(0.8), run(0.9)], "second": [run(0.95), run(0.95)]}

    assert compare(runs, metric="accuracy")[0] == pytest.approx(0.85)


def test_a_look_without_accuracy_reaches_nothing() -> None:
    _, [row] = compare({"a": [run(0.9, accuracies=(math.nan,))]}, metric="accuracy", target=0.5)

    assert row.reached == 0


def test_before_any_run_there_are_rows_and_no_target() -> None:
    target, [row] = compare({"a": []}, metric="accuracy")

    assert target is None
    assert (row.final, row.within_noise) == (None, False)
