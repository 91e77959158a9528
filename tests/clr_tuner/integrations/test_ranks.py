"""A Trainer and an Accelerator in two processes, by gloo on the CPU."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import multiprocessing

from tests.clr_tuner.integrations.ranks_kit import COUNT, SCHEDULE, in_every_rank

FRAMEWORKS = ("accelerate", "transformers")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank saw."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(in_every_rank, (folder,), nprocs=COUNT)
    return [torch.load(folder / f"{rank}.pt") for rank in range(COUNT)]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_rank_finds_the_same_by_the_same_rates(ranks: list[dict[str, Any]], framework: str) -> None:
    first, second = (rank[framework] for rank in ranks)

    assert first["points"] == second["points"]
    assert first["looks"] == second["looks"]
    assert first["found"] == second["found"]
    assert first["tested"] == second["tested"] == pytest.approx([lr for lr, _ in first["points"]])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_rank_is_left_as_it_was(ranks: list[dict[str, Any]], framework: str) -> None:
    assert all(rank[framework]["restored"] for rank in ranks)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_schedule_is_played_once_an_update_not_once_a_process(
    ranks: list[dict[str, Any]], framework: str
) -> None:
    for rank in ranks:
        assert rank[framework]["trained"] == pytest.approx([SCHEDULE(step) for step in range(10)])


def test_the_first_loss_is_that_of_all_ranks_and_no_multiple_of_it(ranks: list[dict[str, Any]]) -> None:
    for framework in FRAMEWORKS:
        assert 2.0 < ranks[0][framework]["points"][0][1] < 2.8  # about ln 10
