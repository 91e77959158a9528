"""Optimizers that ask for no tuning train as ours do, once, and are judged by examples that nobody chose on."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.quality import kept
from benchmarks.quality.halves import Halved, chooses, scores
from benchmarks.quality.tasks import Task
from benchmarks.rivals import opponents
from benchmarks.rivals.methods import constant, drawn
from benchmarks.rivals.opponents import PACKAGES, Opponent, load
from benchmarks.rivals.plan import TASKS
from benchmarks.rivals.runs import Runs, oppose
from benchmarks.rivals.scored import Row, Scored, Spent
from benchmarks.rivals.table import duels_table, losses_table, total, trained
from clr.problem import Problem
from store.settings import Settings

CLASSES = Task(workload="digits-mlp", optimizer="adamw")
REGRESSION = Task(workload="digits-halves", optimizer="momentum")
BATCH_NORM = Task(workload="mnist5k-bn-mlp", optimizer="sgd")
SEED = 7
ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "rivals.md").read_text()


@pytest.fixture(params=PACKAGES)
def installed(request: pytest.FixtureRequest) -> Mapping[str, Opponent]:
    """The opponents of each package; a plain `make setup` brings torch's alone."""
    module = load(request.param)
    if module is None:
        pytest.skip(f"{request.param} is not installed")
    return {name: one for of_family in module.OPPONENTS.values() for name, one in of_family.items()}


@pytest.fixture
def nothing_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder of data."""
    monkeypatch.setattr(kept, "get_settings", lambda: Settings(data_dir=tmp_path))


@pytest.mark.parametrize("task", [CLASSES, REGRESSION, BATCH_NORM], ids=lambda task: task.name)
def test_an_opponent_trains_and_does_so_the_same_again(
    installed: Mapping[str, Opponent], task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    for opponent in installed.values():
        result, again = (oppose(task, opponent, 40, SEED) for _ in range(2))

        assert result == again
        assert result.finite
        assert 0 <= result.scored <= 100
    assert capsys.readouterr().out == ""


def test_an_opponent_that_diverges_scores_as_chance_does() -> None:
    def explodes(training: opponents.Training) -> torch.nn.Module:
        optimizer = torch.optim.SGD(training.model.parameters(), lr=1e12)
        return opponents.follow(optimizer, [1e12] * training.num_steps, training)

    result = oppose(REGRESSION, explodes, 20, SEED)

    assert (result.scored, result.finite) == (0.0, False)


def test_a_package_that_is_missing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opponents, "PACKAGES", ("torch", "no-such-package"))

    assert [len(opponents.opponents(family)) for family in ("SGD", "Adam")] == [1, 1]


@pytest.mark.usefixtures("nothing_kept")
def test_a_training_is_made_once_and_another_rate_is_another_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    built = Task.problem

    def problem(task: Task, seed: int) -> Problem:
        made.append(seed)
        return built(task, seed)

    monkeypatch.setattr(Task, "problem", problem)

    first = Runs().scheduled(REGRESSION, constant(0.01), 10, SEED)
    second = Runs().scheduled(REGRESSION, constant(0.01), 10, SEED)
    assert (first, len(made)) == (second, 1)

    assert Runs().scheduled(REGRESSION, constant(0.1), 10, SEED) != first


def test_what_scores_is_not_what_is_chosen_on() -> None:
    whole, seen = CLASSES.problem(SEED), Halved.of(CLASSES).problem(SEED)

    half, other = chooses(whole).held_out[0], scores(whole).held_out[0]
    assert torch.equal(seen.held_out[0], half)
    assert len(half) + len(other) == len(whole.held_out[0])
    assert not (half[:, None] == other[None]).flatten(2).all(dim=2).any()


def test_random_rates_are_a_seeds_own() -> None:
    rates = drawn(CLASSES, SEED, 8)

    assert rates == drawn(CLASSES, SEED, 8)
    assert rates[:4] == drawn(CLASSES, SEED, 4)
    assert set(rates).isdisjoint(drawn(CLASSES, SEED + 1, 8))
    assert all(1e-5 <= rate <= 1 for rate in rates)


def row(method: str, scored: float, **changed: Any) -> Row:
    return Row(
        **{"method": method, "trained": 100, "total": 100, "seed": 0, "finite": True, "scored": scored}
        | changed
    )


def test_points_are_lost_against_the_best_of_all_lengths() -> None:
    found = [
        row("theirs", 60.0),
        row("theirs", 80.0, seed=1),
        row("theirs", 90.0, trained=400, total=400),
        row("theirs", 90.0, seed=1, trained=400, total=400),
        row("theirs", 99.0, trained=9000, total=9000),  # a seed alone is no mean
        row("ours, quick, one_cycle", 85.0, total=150),
        row("ours, quick, one_cycle", 11.0, seed=1, total=150, finite=False),
    ]
    tasks = {"one": Scored(10.0, {}, found)}

    _, _, theirs, ours = losses_table(tasks, trained, [100, 400])
    assert theirs == "| theirs | 20.0 / 20.0 / 30.0 | 0.0 / 0.0 / 0.0 |"
    assert ours == "| ours, quick, one_cycle | 42.0 / 42.0 / 79.0, 1 of 2 at chance |  |"
    _, _, theirs, ours = losses_table(tasks, total, [100, 150])
    assert theirs == "| theirs | 20.0 / 20.0 / 30.0 |  |"
    assert ours == "| ours, quick, one_cycle |  | 42.0 / 42.0 / 79.0, 1 of 2 at chance |"


def test_a_duel_is_of_means_over_seeds_task_by_task() -> None:
    def scored(ours: float, theirs: float) -> Scored:
        return Scored(0.0, {}, [row("ours", ours), row("theirs", theirs), row("theirs", theirs + 2, seed=1)])

    tasks = {"won": scored(90, 85), "lost": scored(90, 91), "even": scored(90, 89)}

    *_, duel = duels_table(tasks, "ours", trained, [100])

    assert duel == "| theirs | +0.7 ± 1.8, 1 : 1 |"


def test_what_is_kept_is_read_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("benchmarks.rivals.scored.FILE", kept.Committed(tmp_path / "rivals.json"))
    scored = Scored(10.0, {"quick": [Spent(182, 50, True)]}, [row("a", 1.5), row("b", 2.5, seed=1)])

    scored.keep(TASKS[0])

    assert Scored.read(TASKS[0]) == scored
    assert Scored.read(TASKS[1]) is None
    assert scored.best == 2.5


def test_the_tables_of_the_page_are_those_that_its_command_prints() -> None:
    [command] = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    python, rest = command.split(maxsplit=1)
    assert python == ".venv/bin/python"

    ran = subprocess.run(
        [sys.executable, *rest.split()], cwd=ROOT, capture_output=True, text=True, check=True
    )

    told = re.findall(r"^\| .* \|$", PAGE, re.MULTILINE)
    assert len(told) > 50
    assert [line for line in told if line not in ran.stdout.splitlines()] == []
