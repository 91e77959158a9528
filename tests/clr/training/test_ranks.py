"""Two processes that train together, by gloo on the CPU: one range test, whatever each of them sees."""

import math
from typing import Any

import pytest
import torch

from tests.clr.training.ranks_kit import run_ranks, train


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each rank saw."""
    return run_ranks(tmp_path_factory.mktemp("ranks"), train)


def test_every_rank_measures_the_same_sweeps_and_finds_the_same(ranks: list[dict[str, Any]]) -> None:
    first, second = ranks

    assert len({seed for seed, *_ in first["sweeps"]}) == 2
    assert first["sweeps"] == second["sweeps"]
    assert first["bounds"] == second["bounds"]


def test_every_rank_updates_at_the_same_rates(ranks: list[dict[str, Any]]) -> None:
    first, second = ranks

    assert first["rates"] == second["rates"]
    assert first["rates"] == pytest.approx([lr for _, points, _ in first["sweeps"] for lr, _ in points])


def test_a_point_is_the_mean_of_what_the_ranks_saw(ranks: list[dict[str, Any]]) -> None:
    first, second = ranks

    assert first["losses"] != second["losses"]
    means = [(one + other) / 2 for one, other in zip(first["losses"], second["losses"], strict=True)]
    assert [loss for _, points, _ in first["sweeps"] for _, loss in points] == means


def test_a_look_is_the_mean_of_what_the_ranks_saw(ranks: list[dict[str, Any]]) -> None:
    looks = ranks[0]["sweeps"][0][2]

    assert looks[0][0] == pytest.approx(math.log(3) + 0.5, abs=0.3)  # rank 1 answers 1 more
    assert all(0 <= accuracy <= 1 for _, accuracy in looks)


def test_a_loss_that_goes_in_one_rank_ends_the_sweep_in_all(ranks: list[dict[str, Any]]) -> None:
    assert [len(points) for rank in ranks for _, points, _ in rank["gone"]] == [10, 10]


def test_weights_and_the_order_of_the_shards_are_restored(ranks: list[dict[str, Any]]) -> None:
    for rank in ranks:
        assert rank["order"] == rank["order before"]
        assert all(map(torch.equal, rank["weights"], rank["weights before"]))
    assert not set(ranks[0]["order"]) & set(ranks[1]["order"])


def test_what_the_ranks_could_not_agree_on_is_refused_in_all(ranks: list[dict[str, Any]]) -> None:
    told = "the ranks ask for different range tests: give each the same"
    assert all(rank["other seeds"].startswith(told) for rank in ranks)
