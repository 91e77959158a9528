"""A training of several processes, as each of them runs it; what they saw is saved for the tests to compare."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

from clr.training.lr_finder import LRFinder
from clr_tuner.client import Client

COUNT = 2
CONFIG = {"num_steps": 24, "num_seeds": 2}


def in_every_rank(rank: int, folder: Path, train: Callable[[int], Any]) -> None:
    """What torch.multiprocessing starts: saves what `train` answers in this rank."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder / 'meet'}", rank=rank, world_size=COUNT)
    torch.save(train(rank), folder / f"{rank}.pt")
    distributed.destroy_process_group()


def run_ranks(folder: Path, train: Callable[[int], Any]) -> list[Any]:
    """What `train` answers in each rank."""
    multiprocessing.spawn(in_every_rank, (folder, train), nprocs=COUNT)
    return [torch.load(folder / f"{rank}.pt") for rank in range(COUNT)]


class Training:
    """Three classes of points; rank 1 has noise for labels, so that its own losses would plan another test."""

    def __init__(self, rank: int) -> None:
        self.rank = rank
        torch.manual_seed(0)
        inputs = torch.randn(160, 8)
        targets = (inputs @ torch.randn(8, 3)).argmax(1)
        self.held_out = inputs[:20], targets[:20]
        sampler: Any = DistributedSampler(range(160), COUNT, rank)
        targets = targets if rank == 0 else torch.randint(3, (160,))
        self.loader = DataLoader(TensorDataset(inputs, targets), batch_size=10, sampler=sampler)
        self.model = DistributedDataParallel(nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3)))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.rates: list[float] = []
        self.optimizer.register_step_pre_hook(
            lambda *_: self.rates.append(self.optimizer.param_groups[0]["lr"])
        )
        self.losses: list[float] = []
        self.gone_after: int | None = None

    def evaluate(self) -> tuple[float, float | None]:
        outputs, targets = self.model.module(self.held_out[0]), self.held_out[1]
        share = (outputs.argmax(1) == targets).float().mean().item()
        return nn.functional.cross_entropy(outputs, targets).item() + self.rank, share

    def run(self, *, report_to: Any = None, **config: Any) -> LRFinder:
        """A range test, with the loop's own losses kept."""
        self.losses, self.rates = [], []
        with LRFinder(
            self.model, self.optimizer, evaluate=self.evaluate, config=CONFIG | config, report_to=report_to
        ) as finder:
            for inputs, targets in finder.batches(self.loader):
                self.optimizer.zero_grad()
                loss = nn.functional.cross_entropy(self.model(inputs), targets)
                loss.backward()
                self.optimizer.step()
                self.losses.append(float("nan") if len(self.losses) == self.gone_after else loss.item())
                finder.step(self.losses[-1])
        return finder


def _read(finder: LRFinder) -> list[Any]:
    return [
        (
            sweep.plan.seed,
            [(point.lr, point.loss) for point in sweep.points],
            [(look.loss, look.accuracy) for look in sweep.held_out],
        )
        for sweep in finder.sweeps
    ]


def train(rank: int) -> dict[str, Any]:
    """A whole test, one whose loss goes in rank 1 alone, and one that the ranks do not agree on."""
    training = Training(rank)
    before = [parameter.detach().clone() for parameter in training.model.parameters()]
    training.loader.sampler.set_epoch(5)
    order = list(training.loader.sampler)
    finder = training.run()
    saw: dict[str, Any] = {
        "sweeps": _read(finder),
        "rates": training.rates,
        "losses": training.losses,
        "bounds": str(finder.bounds()),
        "weights": [parameter.detach().clone() for parameter in training.model.parameters()],
        "weights before": before,
        "order": list(training.loader.sampler),
        "order before": order,
    }
    if rank == 1:
        training.gone_after = 9
    saw["gone"] = _read(training.run(effort="quick"))
    try:
        training.run(seed=rank)
    except ValueError as error:
        saw["other seeds"] = str(error)
    return saw


def train_and_report(rank: int, *, url: str, id: str | None = None) -> dict[str, Any]:
    """The same test, which both ranks ask to be reported."""
    with Client(url) as client:
        report = client.range_test_here("two ranks", id=id, tags=[] if rank == 0 else ["never"])
        finder = Training(rank).run(report_to=report)
    return {"sweeps": _read(finder), "bounds": str(finder.bounds())}
