"""Whole cycles for a budget."""

import pytest

from clr.cycles import cycles_for


@pytest.mark.parametrize(
    ("epochs", "num_cycles", "step_size_epochs"),
    [(16, 4, 2), (40, 4, 5), (80, 4, 10), (200, 10, 10), (12, 3, 2), (8, 2, 2), (4, 1, 2), (1, 1, 0.5)],
)
def test_half_a_cycle_takes_two_to_ten_epochs_where_the_budget_allows(
    epochs: int, num_cycles: int, step_size_epochs: float
) -> None:
    found = cycles_for(100 * epochs, steps_per_epoch=100)

    assert (found.num_cycles, found.step_size) == (num_cycles, int(100 * step_size_epochs))


@pytest.mark.parametrize("num_steps", [2, 3, 7, 101, 12_345])
def test_they_never_take_more_than_the_budget(num_steps: int) -> None:
    assert cycles_for(num_steps, steps_per_epoch=9).num_steps <= num_steps
