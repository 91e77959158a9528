"""A whole range test inside a plain PyTorch loop of one's own; afterwards everything is as it was before.

The same plans and the same reading as the service's (clr/range_test.py, clr/analysis.py); only the loop is yours.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import torch
from torch import nn

from clr import adafactor
from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.probe import plan_probe
from clr.range_test import FEWEST_STEPS, RangeTestConfig, next_sweep
from clr.rates import Rates, with_inner
from clr.reporting import RangeTestReport, describe_optimizer, name_optimizer
from clr.sweep import Divergence, HeldOut, Point, Sweep
from clr.training.batches import endless
from clr.training.bystanders import Bystanders
from clr.training.leaks import FirstLosses, fingerprint
from clr.training.loop_checks import (
    check_loader,
    check_parts,
    check_training,
    count_batches,
    parse_config,
    read_loss,
    training_ahead,
)
from clr.training.passes import Passes
from clr.training.ranks import Ranks
from clr.training.snapshot import Snapshot, find_generators, find_shufflers

if TYPE_CHECKING:
    from clr.contender import ContenderRun
    from clr.training.trainings import Trainings

Evaluate = Callable[[], tuple[float, float | None]]
Item = TypeVar("Item")
RATES_DIFFER = "the groups' rates differ, and all are swept alike; give them lr_scale"
MOST_BATCHES_A_STEP = 10_000  # more without a `step` is a loop that forgot it


class LRFinder:
    """Sweeps the optimizer's lr upwards while your loop trains, as often as the test needs.

        with LRFinder(model, optimizer, evaluate=evaluate) as finder:
            for inputs, targets in finder.batches(loader):
                optimizer.zero_grad()
                loss = criterion(model(inputs), targets)
                loss.backward()
                optimizer.step()
                finder.step(loss)
        print(finder.bounds())

    evaluate: answers (held-out loss, accuracy in [0, 1] or None), called now and then in eval mode without
    gradients; without it the training loss decides. scaler: a GradScaler that the loop uses. config: as a
    request to the service, also as a dict; `effort="quick"` is one sweep of 200 steps, `"thorough"` adds trainings of
    what schedule and num_epochs tell, up to 5,120 steps each (clr/climb.py). judge: which they need, called as
    evaluate is, at the end of each: of the whole held-out set. A param group's `lr_scale` (default 1)
    multiplies the rate. also: whatever else the loop changes (modules, optimizers, schedulers, generators,
    tensors in containers, anything with a `state_dict` or attributes). on_sweep: called without arguments as each sweep
    begins, to reset what lives in the loop's own variables. snapshot_device: where the copies lie that everything is
    restored from, as "cpu" for a model that fills the GPU; None: beside the tensors. schedule, num_epochs: of the
    training that the bounds are for: `for_budget` tells its rates, after a probe where it is long.
    report_to: `client.range_test_here("what is tuned")`, a service that stores and shows what is measured. Under
    torch.distributed every rank runs it, all go by the means of their losses, and the first one reports.

    At each sweep's begin, and when the `with` block is left, also by an exception, all that is reached from model,
    optimizer, scaler and `also` is bit for bit as it was, and so are the schedulers of these optimizers and the random
    generators (docs/learning-rates.md has the list, and what is out of reach). `sweeps` holds what was measured,
    `current` the sweep or training in progress. Raises ValueError for what cannot be tested, before anything is
    trained.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        evaluate: Evaluate | None = None,
        judge: Evaluate | None = None,
        scaler: Any = None,
        config: RangeTestConfig | Mapping[str, Any] | None = None,
        also: Sequence[Any] = (),
        on_sweep: Callable[[], object] | None = None,
        snapshot_device: torch.device | str | None = None,
        schedule: str | None = None,
        num_epochs: float | None = None,
        report_to: RangeTestReport | None = None,
    ) -> None:
        check_parts(model, optimizer)
        self._snapshot_device = None if snapshot_device is None else torch.device(snapshot_device)
        self._model, self._optimizer = model, optimizer
        self._scaler, self._also = scaler, also if isinstance(also, list | tuple) else [also]
        self._evaluate, self._judge, self._on_sweep = evaluate, judge, on_sweep
        self._config = parse_config(config)
        if self._config.effort == "thorough" and (judge is None or report_to is not None):
            raise ValueError(
                "effort thorough compares trainings by a held-out set, and tells no service of them: give judge (to "
                "find_bounds held_out) and no report_to, or use standard"
            )
        if isinstance(optimizer, torch.optim.Adafactor):
            done = adafactor.count_updates(optimizer)
            self._config = adafactor.stay_below_cap(self._config, steps_before=done)
        self._training = training_ahead(schedule, num_epochs)
        self._schedule, self._num_epochs = schedule, num_epochs
        self._report = report_to
        self._before: Snapshot | None = None
        self.sweeps: list[Sweep] = []
        self.current: Sweep | ContenderRun
        self._begun, self._over = False, True

    def __enter__(self) -> Self:
        if self._before is not None:
            raise RuntimeError("this finder is in use: leave its `with` block first, or make another one")
        self._epoch, self._taken, self._updates = 0, 0, 0  # batches: of the loader, and trained on
        self.sweeps, self._begun, self._over, self._whole = [], False, True, False
        self._trainings = self._plan_trainings()
        self._reported_epoch: float | None = None
        self._first_losses, self._ranks = FirstLosses(), Ranks(self._model)
        beside = Bystanders(with_inner(self._optimizer), self._model)
        cycled = any(getattr(holder, "cycle_momentum", False) for holder in beside.holders)
        self._rates = Rates(self._optimizer, momentum_cycled=cycled)
        self._warnings = [RATES_DIFFER] if self._rates.differ else []
        self._beside = beside
        try:
            self._before = self._take_snapshot(beside)
            beside.watch(self._before)
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before, self._over = self._before, True
        if before is not None:
            try:
                before.restore()
            finally:
                self._release()
                if self._report is not None:
                    self._report.end(whole=self._whole)

    def _release(self) -> None:
        self._before = None
        self._rates.release()
        self._beside.release()

    @property
    def snapshot_bytes(self) -> int:
        """What the copies take that everything is restored from. Raises RuntimeError outside the block."""
        return self._require_block().nbytes

    def batches(self, loader: Iterable[Item]) -> Iterator[Item]:
        """The loader's batches, begun again at its end, until the test has measured enough.

        Raises RuntimeError in a loop that never calls `step`, ValueError for a loader without batches, or an iterator.
        """
        before = self._require_block()
        check_loader(loader)
        check_training(self._schedule, self._num_epochs, loader, 1)
        for generator in find_generators(loader):
            before.add(generator)
        shufflers = find_shufflers(loader)
        for shuffler in shufflers:
            before.add_bindings(shuffler)
        set_epochs = [shuffler.set_epoch for shuffler in shufflers]
        self._epoch = self._ranks.agree(self._config, self._num_epochs, count_batches(loader))
        if getattr(loader, "persistent_workers", False):
            self._warnings.append(
                "what the loader's persistent workers hold is out of reach: it was not restored"
            )
        inside = self._snapshot_made_inside()
        self._begin_report()
        while (measured := self._next()) is not None:
            before = self._require_block()
            before.restore()
            inside.restore()
            before.seed(measured.plan.seed)
            if self._on_sweep is not None:
                self._on_sweep()
            yield from self._sweep(measured, endless(Passes(loader, set_epochs, seed=measured.plan.seed)))
            if self._reported and self._ranks.ask_first(
                lambda: self._report is not None and self._report.cancelled
            ):
                return
        self._whole = True

    def _begin_report(self) -> None:
        """Tell the service of the test; sweeps that it has from before are not measured again."""
        if self._whole:
            return
        if not self._ranks.is_first:
            self._report = None
        self._reported = self._ranks.ask_first(lambda: self._report is not None)
        if self._reported:
            self.sweeps, self._reported_epoch = self._ranks.ask_first(self._open_report)
        if self.sweeps:
            self.current, self._begun = self.sweeps[-1], True

    def _open_report(self) -> tuple[list[Sweep], float | None]:
        assert self._report is not None
        finished = self._report.begin(
            self._config, optimizer=describe_optimizer(self._optimizer), training=self._training
        )
        return list(finished), self._report.steps_per_epoch

    def _steps_per_epoch(self) -> float | None:
        """Updates in an epoch of the loader, by how many batches an update took; before the first, as reported."""
        return (
            self._epoch * self._updates / self._taken if self._epoch and self._taken else self._reported_epoch
        )

    def _next(self) -> "Sweep | ContenderRun | None":
        """What to measure now: a sweep; then, where the training that the bounds are for may overfit and no sweep
        tells, a probe; then the trainings of a thorough test. None at the end."""
        if (plan := next_sweep(self._config, self.sweeps)) is not None:
            return Sweep(plan)
        if (self._training is None and self._trainings is None) or not isinstance(
            found := self._read(), Bounds
        ):
            return None
        if self._training is not None and (plan := plan_probe(found, **self._training)) is not None:
            return Sweep(plan)
        return None if self._trainings is None else self._trainings.next(found)

    def _plan_trainings(self) -> "Trainings | None":
        if self._config.effort != "thorough":
            return None
        from clr.training.trainings import Trainings  # noqa: PLC0415 - the models of all policies, for those who train

        return Trainings(self._training, seed=self._config.seed + self._config.num_seeds)

    def _sweep(self, sweep: "Sweep | ContenderRun", batches: Iterator[Item]) -> Iterator[Item]:
        self.current, self._divergence, self._over, self._begun = sweep, Divergence(), False, True
        if isinstance(sweep, Sweep) and self._report is not None:
            self._report.begin_sweep(sweep)
        self._lr = sweep.plan.lr if isinstance(sweep, Sweep) else sweep.plan.make_schedule()
        self._rates.set(self._lr(0))
        waiting = 0
        while not self._over:
            num_points = len(sweep.points)
            batch = next(batches)
            if not num_points and not waiting:
                self._first_batch = fingerprint(batch)
            self._taken += 1
            self._rates.hold()
            yield batch
            waiting = waiting + 1 if len(sweep.points) == num_points else 0
            if waiting > MOST_BATCHES_A_STEP:
                raise RuntimeError("call finder.step(loss) after each optimizer.step()")

    def step(self, loss: Any) -> None:
        """Take the loss of the batch that was just trained on (before its update), and set the next rate.

        Once per optimizer step, not per accumulated micro-batch. Raises ValueError for what is no single number, and
        where param groups came or went since the test began.
        """
        if self._over:
            raise RuntimeError("this sweep is over: step once per batch of `finder.batches(loader)`, at most")
        plan, step = self.current.plan, len(self.current.points)
        lr, is_last = self._lr(step), step == plan.num_steps - 1
        value = read_loss(loss)
        self._rates.check()
        if step == 0:
            self._first_losses.seen(plan.seed, value, self._first_batch)
        value = self._ranks.average(value)
        self.current.add(Point(step, lr, value))
        self._updates += 1
        is_sweep = isinstance(self.current, Sweep)
        diverged = self._divergence.judge(value) if is_sweep else not math.isfinite(value)
        evaluate = self._evaluate if is_sweep else self._judge
        if evaluate is not None and plan.looks_after(step) and not diverged:
            look = HeldOut.from_answer(step, lr, self._look(evaluate))
            self.current.add(self._ranks.average_look(look))
        self._over = diverged or is_last
        if not self._over:
            self._rates.set(self._lr(step + 1))
        elif not isinstance(self.current, Sweep):
            assert self._trainings is not None
            self._trainings.finished.append(self.current)
        else:
            self.sweeps.append(self.current)
            if self._report is not None:
                self._report.end_sweep(steps_per_epoch=self._steps_per_epoch())

    def bounds(self) -> Bounds | Inconclusive:
        """The recommendation, or why there is none; of a loop that was left early what its sweeps up to there tell.

        Raises RuntimeError where no loop has begun.
        """
        found = self._read()
        if isinstance(found, Bounds) and self._trainings is not None:
            found = self._trainings.confirm(found)
        if self._training is None or not isinstance(found, Bounds):
            return found
        return found.fit_budget(**self._training)

    def _read(self) -> Bounds | Inconclusive:
        """What the sweeps say."""
        if not self._begun:
            raise RuntimeError(
                "nothing was measured yet: first train over `finder.batches(loader)` in the `with` block"
            )
        sweeps, early = self._choose_readable()
        warnings = [*self._warnings, *self._rates.warnings, *self._first_losses.warnings, *early]
        if not sweeps:
            return Inconclusive(
                why="too_few_points",
                message=f"the loop ended before its first sweep did, after {len(self.current.points)} of its "
                f"{self.current.plan.num_steps} steps",
                next_experiment={"message": "train until `finder.batches(loader)` ends", "request": {}},
                candidates=(),
                warnings=tuple(warnings),
            )
        return read_bounds(
            sweeps,
            steps_per_epoch=self._steps_per_epoch(),
            optimizer=name_optimizer(self._optimizer),
            momentum=self._rates.momentum,
            warnings=warnings,
        )

    def _choose_readable(self) -> tuple[list[Sweep], list[str]]:
        """The sweeps to read, and a sentence where the loop was left early: then the first may be a shorter one."""
        if self.sweeps:
            whole = self.current is self.sweeps[-1] or self.current.plan.phase != "probe"
            if next_sweep(self._config, self.sweeps) is None and whole:
                return self.sweeps, []
            return self.sweeps, [
                f"the loop ended before the test did: {len(self.sweeps)} of its sweeps were read"
            ]
        assert isinstance(self.current, Sweep)
        plan, num_steps = self.current.plan, len(self.current.points)
        if num_steps < FEWEST_STEPS:
            return [], []
        shorter = Sweep(
            replace(plan, num_steps=num_steps, end_lr=plan.lr(num_steps - 1)),
            self.current.points,
            self.current.held_out,
        )
        return [shorter], [
            f"the loop ended after {num_steps} of the {plan.num_steps} steps of its first sweep"
        ]

    def _take_snapshot(self, beside: Bystanders) -> Snapshot:
        """Snapshot everything, the optimizer first, so that it is restored first; finders are left alone."""
        before = Snapshot(
            self._optimizer,
            *beside.holders,
            *beside.others,
            without=(LRFinder,),
            device=self._snapshot_device,
        )
        before.add(self._scaler, whole=True)
        before.add(self._model)
        for value in self._also:
            before.hand_over(value)
        return before

    def _require_block(self) -> Snapshot:
        if self._before is None:
            raise RuntimeError("use the finder in a `with` block: it restores everything at its end")
        return self._before

    def _snapshot_made_inside(self) -> Snapshot:
        """Snapshot schedulers made in the `with` block, and what they wrote into groups: each sweep begins so."""
        known = {id(holder) for holder in self._beside.holders}
        holders = Bystanders(with_inner(self._optimizer), self._model).holders
        fresh = [holder for holder in holders if id(holder) not in known]
        return Snapshot(*fresh, without=(nn.Parameter, LRFinder))

    def _look(self, evaluate: Evaluate) -> Any:
        """What `evaluate` answers; it leaves no trace in modes, buffers, hidden states and generators."""
        before = Snapshot(self._model, without=(nn.Parameter, torch.optim.Optimizer))
        self._model.eval()
        with torch.no_grad():
            answer = evaluate()
        before.restore()
        return answer
