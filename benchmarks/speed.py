"""`python -m benchmarks.speed`: ms a step of a sweep, ours and other packages', against a loop by hand.

All begin with the same weights, batch size and optimizer, raise the rate exponentially and take every step: no early
stop, no validation, no progress bar, no logger. What is built once (model, loader, a package's objects) is not timed.
All run interleaved in one process, shuffled each round. Our losses and the hand-written loop's are equal bit for bit.
"""

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch

from benchmarks.engine import loop, middle, seconds
from benchmarks.finders import PACKAGES, Finder, Training, finder, quiet, title
from benchmarks.quality.tasks import OPTIMIZERS, Task
from clr.optimizers import parse_optimizer
from clr.problem import Batch
from clr.range_test import look_every
from clr.sweep import Point, SweepPlan, run_sweep
from clr.training.batches import StagedBatches, endless
from clr.training.looks import sample_held_out
from clr.training.seeding import seeded

ROUNDS = 11
SECONDS_PER_SWEEP = 0.5
MIN_STEPS = 100
TASKS = (
    Task(workload="digits-mlp", optimizer="momentum"),
    Task(workload="digits-cnn", optimizer="momentum"),
    Task(workload="mnist5k-cnn", optimizer="momentum", params={"width": 32}),
)
BY_HAND, OURS, LOOKING = "by hand", "ours", "ours, with looks"

Contestant = Callable[[Task, SweepPlan], Callable[[], object]]  # builds what is then timed


def planned(num_steps: int) -> SweepPlan:
    """Rates at which nothing diverges; looks, where there are any, as a range test has them."""
    return SweepPlan(
        start_lr=1e-4,
        end_lr=1e-2,
        num_steps=num_steps,
        shape="exponential",
        eval_every=look_every(num_steps),
    )


def by_hand(task: Task, plan: SweepPlan) -> Callable[[], list[float]]:
    """What one would write without us: staged tensors and permuted indices."""
    problem = task.problem(plan.seed)
    assert isinstance(problem.batches, StagedBatches)
    return partial(_loop, _training(task, plan), _permuted(problem.batches), _lrs(plan))


def with_loader(task: Task, plan: SweepPlan) -> Callable[[], list[float]]:
    """The same with torch's `DataLoader`, in this process."""
    training = _training(task, plan)
    return partial(_loop, training, endless(training.loader), _lrs(plan))


def ours(task: Task, plan: SweepPlan, *, looking: bool = False) -> Callable[[], list[float]]:
    """The range test's own loop."""
    problem = sample_held_out(task.problem(plan.seed), batch_size=task.size, eval_every=plan.eval_every)
    trainer = task.trainer(problem)
    evaluate = trainer.evaluate if looking else None
    return lambda: [row.loss for row in run_sweep(plan, trainer.step, evaluate) if isinstance(row, Point)]


def by_package(module: Finder, task: Task, plan: SweepPlan) -> Callable[[], object]:
    """A package's own sweep."""
    return module.ready(_training(task, plan), plan)


def contestants() -> dict[str, Contestant]:
    """All that are installed, by their names in the table."""
    found: dict[str, Contestant] = {
        BY_HAND: by_hand,
        OURS: ours,
        LOOKING: partial(ours, looking=True),
        "DataLoader": with_loader,
    }
    for package in PACKAGES:
        if (module := finder(package)) is not None:
            found[title(package)] = partial(by_package, module)
        else:
            print(f"{package}: left out, not installed", file=sys.stderr)
    return found


def times(
    task: Task, plan: SweepPlan, field: Mapping[str, Contestant], *, rounds: int
) -> dict[str, list[float]]:
    """ms a step of each contestant in each round."""
    assert by_hand(task, plan)() == ours(task, plan)(), "the losses differ"
    shuffled = random.Random(0)
    taken: dict[str, list[float]] = {name: [] for name in field}
    for _ in range(rounds):
        for name in shuffled.sample(list(field), len(field)):
            with quiet(), seeded(plan.seed):
                taken[name].append(1000 * seconds(field[name](task, plan)) / plan.num_steps)
    return taken


def rows(task: Task, plan: SweepPlan, taken: Mapping[str, list[float]]) -> Iterator[str]:
    """Of the table, one a contestant. Ratios are taken in each round."""
    for name, spent in taken.items():
        if name != LOOKING:
            looks = _ratio(taken[LOOKING], spent) if name == OURS else ""
            cells = [middle(spent), _ratio(spent, taken[BY_HAND]), looks]
            yield _row(task.name, plan.num_steps, name, cells)


def steps_for(task: Task) -> int:
    """As many as the loop by hand takes in `SECONDS_PER_SWEEP`."""
    few = planned(50)
    by_hand(task, few)()  # reads the data set, and the first steps of a process are slow
    return max(MIN_STEPS, int(few.num_steps * SECONDS_PER_SWEEP / seconds(by_hand(task, few))))


def _loop(training: Training, batches: Iterable[Batch], lrs: Iterable[float]) -> list[float]:
    return loop(training.model, training.loss, training.optimizer, batches, lrs)


def _permuted(staged: StagedBatches) -> Iterator[Batch]:
    while True:
        order = torch.randperm(len(staged.inputs), generator=staged.generator)
        for indices in order.split(staged.batch_size):
            if len(indices) == staged.batch_size:
                yield staged.inputs[indices], staged.targets[indices]


def _lrs(plan: SweepPlan) -> list[float]:
    return [plan.lr(step) for step in range(plan.num_steps)]


def _training(task: Task, plan: SweepPlan) -> Training:
    return Training.of(task.problem(plan.seed), parse_optimizer(OPTIMIZERS[task.optimizer]))


def _ratio(one: list[float], other: list[float]) -> str:
    return middle([mine / its for mine, its in zip(one, other, strict=True)])


def _row(task: str, steps: object, contestant: str, cells: Iterable[str]) -> str:
    return f"{task:20} {steps:>5} {contestant:21} " + " ".join(f"{cell:>22}" for cell in cells)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(f"median (middle half) of {ROUNDS} interleaved rounds; torch {torch.__version__}, 1 thread")
    print(_row("task", "steps", "sweep by", ("ms a step", "of by hand", "with looks")))
    field = contestants()
    for task in TASKS:
        plan = planned(steps_for(task))
        for line in rows(task, plan, times(task, plan, field, rounds=ROUNDS)):
            print(line, flush=True)
