"""Real optimizers of other packages, declared as docs/optimizers.md has it."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import clr_tuner as ct
from clr.optimizers import parse_any
from clr.training.trainer import Trainer
from worker.workloads.digits import DigitsMLP

PAGE = (Path(__file__).parents[3] / "docs" / "optimizers.md").read_text()
PLUGIN = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
MORE = """


class Prodigy(ct.OptimizerPlugin):
    name = "prodigy"
    lr_meaning = "multiplier"

    def build(self, groups, params):
        from prodigyopt import Prodigy

        return Prodigy(groups)


class Momo(ct.OptimizerPlugin):
    name = "momo"
    step_takes = "loss"

    def build(self, groups, params):
        from momo import Momo

        return Momo(groups)
"""


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of the page's plugin and two more."""
    module = f"plugin_of_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(PLUGIN + MORE)
    info = tmp_path / "others-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 0\n")
    entries = {"schedule-free": "ScheduleFree", "prodigy": "Prodigy", "momo": "Momo"}
    lines = [f"{name} = {module}:{target}" for name, target in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[clr_tuner.optimizers]", *lines]))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(("name", "lr"), [("schedule-free", 0.01), ("prodigy", 1.0), ("momo", 1.0)])
def test_it_trains_digits(name: str, lr: float) -> None:
    problem = DigitsMLP().build(DigitsMLP.Params(), seed=0, batch_size=32, device="cpu")
    trainer = Trainer(problem, parse_any({"name": name}), device="cpu")

    for _ in range(150):
        trainer.step(lr)

    _, accuracy = trainer.evaluate()
    assert accuracy is not None
    assert accuracy > 0.9


def test_schedule_free_resumes_bit_for_bit() -> None:
    def trainer() -> Trainer:
        problem = DigitsMLP().build(DigitsMLP.Params(), seed=0, batch_size=32, device="cpu")
        return Trainer(problem, parse_any({"name": "schedule-free", "warmup_steps": 3}), device="cpu")

    def train(trained: Trainer) -> list[float]:
        return [float(trained.step(0.01)) for _ in range(5)]

    stopped, resumed = trainer(), trainer()
    train(stopped)
    stopped.evaluate()
    resumed.load_state_dict(copy.deepcopy(stopped.state_dict()))

    assert train(resumed) == train(stopped)


def test_a_finder_refuses_prodigy() -> None:
    from prodigyopt import Prodigy  # noqa: PLC0415 - only where `make test-integrations` has it

    model = nn.Linear(2, 2)
    pairs: Any = [(torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))]

    with pytest.raises(ValueError, match="Prodigy finds its rate by itself and lr only scales it"):
        ct.find_bounds(model, Prodigy(model.parameters()), nn.CrossEntropyLoss(), pairs)
