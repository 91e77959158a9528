"""Whole cycles for a budget."""

import pytest

from clr.cycles import cycles_for, half_cycle, short_epoch


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


@pytest.mark.parametrize(
    ("steps_per_epoch", "step_size"), [(1, 20), (1.5, 20), (9, 20), (10, 20), (43.7, 87), (None, 2000)]
)
def test_half_a_cycle_is_two_epochs_but_some_steps_at_least(
    steps_per_epoch: float | None, step_size: int
) -> None:
    assert half_cycle(steps_per_epoch) == step_size
    assert bool(short_epoch(steps_per_epoch, step_size)) == (
        steps_per_epoch is not None and steps_per_epoch < 10
    )


@pytest.mark.parametrize(
    ("num_steps", "num_cycles", "step_size"), [(400, 4, 50), (80, 2, 20), (30, 1, 15), (4, 1, 2)]
)
def test_cycles_of_an_epoch_a_step_have_some_steps_too(
    num_steps: int, num_cycles: int, step_size: int
) -> None:
    found = cycles_for(num_steps, steps_per_epoch=1)

    assert (found.num_cycles, found.step_size) == (num_cycles, step_size)


def test_an_epoch_of_unknown_length_gives_four_cycles_of_any_budget() -> None:
    assert cycles_for(100_000, steps_per_epoch=None).num_cycles == 4
