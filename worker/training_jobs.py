"""A training job as the worker runs it: plan, go on from the newest checkpoint, train, record."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

from torch import Tensor

from clr.problem import Problem
from clr.recommended_cycle import RecommendedCycle
from clr.scheduler import find_momentum
from clr.sweep import HeldOut, Point, read_looks
from clr.training.seeding import seeded
from clr.training.setup import Setup, steps_an_epoch
from clr.training.trainer import Trainer
from clr.training_job import TrainingConfig, TrainingPlan, plan_training, run_training
from clr.training_result import CycleEnd, CycleEnds, TrainingResult, list_ends
from store.runs import StoredRun
from store.status import Outcome
from worker.checkpoints import Checkpoints
from worker.recorder import Recorder

log = logging.getLogger(__name__)

Row = Point | HeldOut | CycleEnd


def run_training_job(
    config: TrainingConfig,
    setup: Setup,
    recorder: Recorder,
    checkpoints: Checkpoints,
    *,
    recommended: RecommendedCycle | None,
    checkpoint_s: float,
    max_steps: int,
) -> None:
    """Train what is left of a job and end it as `trained` or `diverged`.

    recommended: by the range test that it waited for. checkpoint_s: seconds from one checkpoint to the next, at most.
    max_steps: that one job may take.
    Raises `BudgetRefused`, and pydantic's ValidationError where the schedule cannot be completed.
    """
    problem = setup.problem(config.seed)
    plan = plan_training(
        config,
        steps_per_epoch=steps_an_epoch(problem, setup.batch_size * config.accumulation_steps),
        recommended=recommended,
        max_steps=max_steps,
    )
    next_step, state = _newest(config, checkpoints)
    warnings = list(plan.warnings)
    if plan.first_step > next_step:
        warnings.append("no checkpoint of the resumed job can be read by this worker: trained from the start")
    if state is not None:
        log.info("goes on after step %d", next_step - 1)
    stored = recorder.stored_runs() if state else []
    ends = CycleEnds(config.patience)
    looks = [look for run in stored for look in read_looks(run.series["held_out"]) if look.step < next_step]
    for end in list_ends(plan, looks):
        ends.add(end)
    _begin(plan, recorder, stored, next_step, seed=config.seed)
    checkpoints.tidy()
    trainer = _trainer(config, problem, setup)
    saver = _Saver(checkpoints, trainer, plan, ends, next_step, every_s=checkpoint_s)
    with seeded(config.seed):
        if state is not None:
            trainer.load_state_dict(state)
        rows = () if ends.stale else _rows(plan, trainer, config.momentum, next_step)
        finite = _train(rows, recorder, saver, ends)
    recorder.finish()
    recorder.succeed(
        outcome=Outcome.TRAINED if finite else Outcome.DIVERGED,
        result=_sum_up(plan, ends).to_dict() | {"warnings": [*warnings, *saver.warnings]},
    )


def _newest(config: TrainingConfig, checkpoints: Checkpoints) -> tuple[int, dict[str, Any] | None]:
    """(the step to go on with, the state before it): of this job, else of the one that it resumes."""
    newest = checkpoints.newest()
    if newest is None and config.resume_from is not None:
        newest = checkpoints.newest(config.resume_from)
    return (0, None) if newest is None else (newest[0] + 1, newest[1])


def _begin(
    plan: TrainingPlan, recorder: Recorder, stored: list[StoredRun], next_step: int, *, seed: int
) -> None:
    """Record the run that begins; its progress counts from the first step that is stored."""
    firsts = [int(run.series["train"]["step"].min(initial=next_step)) for run in stored]
    origin = min([next_step, *firsts])
    recorder.begin(
        plan.to_dict(),
        phase="training",
        seed=seed,
        completed=next_step - origin,
        total=plan.num_steps - origin,
        after_step=next_step - 1,
    )


def _trainer(config: TrainingConfig, problem: Problem, setup: Setup) -> Trainer:
    return Trainer(
        problem,
        setup.optimizer,
        device=setup.device,
        accumulation_steps=config.accumulation_steps,
        clip_grad_norm=config.clip_grad_norm,
        precision=config.precision,
    )


def _train(rows: Iterable[Row], recorder: Recorder, saver: "_Saver", ends: CycleEnds) -> bool:
    """Train, record and save until the rows or the patience end; whether the last loss was finite."""
    finite = True
    for row in rows:
        if isinstance(row, Point | HeldOut):
            recorder.add(row)
            finite = math.isfinite(row.loss)
        saver.saw(row)
        if isinstance(row, CycleEnd) and ends.stale:
            break
    return finite


def _rows(
    plan: TrainingPlan, trainer: Trainer, momentum: tuple[float, float] | None, first_step: int
) -> Iterator[Row]:
    step: Callable[[float], Tensor] = trainer.step
    if momentum is not None:
        steps = count(first_step)

        def step(lr: float) -> Tensor:
            return trainer.step(lr, find_momentum(plan.schedule, next(steps), momentum))

    read_every = 1 if trainer.device == "cpu" else plan.eval_every  # a read waits until the GPU is done
    return run_training(plan, step, trainer.evaluate, first_step=first_step, read_every=read_every)


class _Saver:
    """Writes a checkpoint at every cycle's end, and when the one before is old."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        trainer: Trainer,
        plan: TrainingPlan,
        ends: CycleEnds,
        next_step: int,
        *,
        every_s: float,
    ) -> None:
        self._checkpoints, self._trainer, self._plan, self._ends = checkpoints, trainer, plan, ends
        self._next_step, self._every_s = next_step, every_s
        self._saved_at = time.monotonic()
        self.warnings: list[str] = []

    def saw(self, row: Row) -> None:
        """Look whether now is the time."""
        if isinstance(row, CycleEnd):
            best = self._ends.add(row)
            if row.loss is not None:
                self._save(row.step, cycle=row.cycle, best=best)
        elif time.monotonic() - self._saved_at > self._every_s and self._is_whole(row):
            self._save(row.step, cycle=None, best=False)

    def _is_whole(self, row: Point | HeldOut) -> bool:
        """Whether nothing more comes of this step, and the trainer stands right after it: a point may be read late."""
        there = row.step + 1 == self._next_step + self._trainer.steps_taken
        look_follows = isinstance(row, Point) and (row.step + 1) % self._plan.eval_every == 0
        return there and math.isfinite(row.loss) and not look_follows and not self._plan.ends_cycle(row.step)

    def _save(self, step: int, *, cycle: int | None, best: bool) -> None:
        self._saved_at = time.monotonic()
        refused = self._checkpoints.save(step, self._trainer.state_dict(), cycle=cycle, best=best)
        if refused is not None:
            self.warnings.append(refused)


def _sum_up(plan: TrainingPlan, ends: CycleEnds) -> TrainingResult:
    last = ends.last.step if ends.last else -1
    return TrainingResult.of(plan, ends, stopped_early=ends.stale and last < plan.num_steps - 1)
