"""Optimizers of installed packages train as they declare to, and a wrong declaration says what is wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clr.optimizers import parse_any
from clr.problem import ParameterGroup, Problem, Untrainable
from clr.training.optimizers import make_optimizer
from clr.training.seeding import seeded
from clr.training.trainer import Trainer

STEPPERS = Path(__file__).parent.parent / "plugins" / "steppers"
INPUTS, TARGETS = torch.randn(16, 4, generator=torch.Generator().manual_seed(0)), torch.arange(16) % 3
Declare = Callable[[str], None]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin package of the tests."""
    monkeypatch.syspath_prepend(str(STEPPERS))


@pytest.fixture
def declare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Install a package whose optimizer `mine` has this body."""
    monkeypatch.syspath_prepend(str(tmp_path))
    info = tmp_path / "mine-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 0\n")
    module = f"plugin_{tmp_path.name}"
    (info / "entry_points.txt").write_text(f"[clr_tuner.optimizers]\nmine = {module}:Mine\n")

    def written(body: str) -> None:
        lines = [
            "from clr.optimizer_plugin import OptimizerPlugin",
            "from pydantic import BaseModel",
            "class Loose(BaseModel): a: int = 0",
            "class Mine(OptimizerPlugin):",
            '    name = "mine"',
            f"    {body}",
            "    def build(self, groups, params): return None",
        ]
        (tmp_path / f"{module}.py").write_text("\n".join(lines))

    return written


def trainer(name: str, *, accumulation_steps: int = 1, **params: Any) -> tuple[Trainer, nn.Module]:
    with seeded(0):
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    batch = (INPUTS, TARGETS)
    problem = Problem(model, nn.CrossEntropyLoss(), batches=[batch], held_out=batch, train_size=16)
    spec = parse_any({"name": name, **params})
    return Trainer(problem, spec, device="cpu", accumulation_steps=accumulation_steps), model


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("accumulation_steps", [1, 3])
@pytest.mark.parametrize("name", ["modal", "by-loss", "by-closure", "scaled"])
def test_each_kind_trains(name: str, accumulation_steps: int) -> None:
    trained, _ = trainer(name, accumulation_steps=accumulation_steps)

    losses = [float(trained.step(0.1)) for _ in range(20)]

    assert losses[-1] < losses[0] - 0.1
    assert trained.steps_taken == 20


@pytest.mark.usefixtures("installed")
def test_modes_follow_those_of_the_model() -> None:
    trained, _ = trainer("modal")
    trained.step(0.1)
    trained.evaluate()
    trained.step(0.1)

    assert trained._optimizer.heard == ["train", "eval", "train"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("installed")
def test_a_closure_is_asked_as_often_as_the_optimizer_likes_on_the_batch_of_the_step() -> None:
    once, model = trainer("modal", momentum=0.0)
    twice, same = trainer("by-closure", momentum=0.0)

    first = float(twice.step(0.1))

    assert [float(once.step(0.1)), float(once.step(0.1))][0] == first
    for ours, theirs in zip(same.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.usefixtures("installed")
def test_parameters_and_groups_reach_it() -> None:
    model = nn.Linear(2, 2)
    groups = [ParameterGroup([model.weight], lr_scale=2.0, decay_scale=0.5), ParameterGroup([model.bias])]

    made = make_optimizer(parse_any({"name": "modal", "weight_decay": 0.1}), model, groups)

    told = [(group["lr_scale"], group["weight_decay"], group["momentum"]) for group in made.param_groups]
    assert told == [(2.0, 0.05, 0.9), (1.0, 0.1, 0.9)]


def test_one_that_is_not_installed_is_told_to_be() -> None:
    with pytest.raises(
        Untrainable, match="no optimizer absent is installed on this worker: install its package"
    ):
        trainer("absent")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('name = "other"', "name is 'other', and its entry point is called 'mine'"),
        ('lr_meaning = "scale"', "lr_meaning must be one of rate, multiplier, not 'scale'"),
        ('step_takes = "batch"', "step_takes must be one of nothing, loss, closure, not 'batch'"),
        ("Params = dict", "Params must be a subclass of pydantic.BaseModel"),
        ("Params = Loose", "Params takes any field"),
        ("import absent_package", "No module named 'absent_package'"),
        ("pass", "must have param_groups and a step, as torch's; got None"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(declare: Declare, body: str, says: str) -> None:
    declare(body)

    with pytest.raises(Untrainable, match=says):
        trainer("mine")
