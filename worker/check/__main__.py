"""`python -m worker.check NAME`: run a workload for a few steps and say in plain words what is wrong.

What `clr-tuner workload check` becomes. It does what a job does, on this machine's device, without a database:
each call into the workload's code is named when it fails, with the reason that the job would have.
"""

import argparse
import faulthandler
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import entry_points
from itertools import islice
from statistics import median
from typing import Any

from pydantic import ValidationError

from clr.optimizers import parse_optimizer
from clr.problem import Problem
from clr.spelling import did_you_mean
from clr.training.accuracy import guessed
from clr.training.batches import ENDED, StagedBatches
from clr.training.device import default_device
from clr.training.nested import content, moved, sliced, tensors
from clr.training.seeding import seeded
from clr.training.setup import Setup
from clr.training.trainer import Trainer, materialise
from clr.workload import GROUP, Workload
from worker.catalogue import BadDeclaration, load_workload, sentence
from worker.check.contract import batch_faults, class_faults, leaves_one, loss_faults, problem_faults
from worker.check.report import Findings, Unusable
from worker.device import share_cores
from worker.forking import hindrance

LR = 1e-3  # low enough for most workloads to stay finite
MOST_READ = 1000  # batches of a source that might end


def check(name: str, params: dict[str, Any] | None, *, num_steps: int, say: Callable[[str], None]) -> bool:
    """Whether the workload of this name keeps the contract of `clr.workload`; `say` hears each finding.

    params: None for the defaults.
    """
    findings = Findings(say)
    with suppress(Unusable):
        workload = _find(name, findings)
        setup = Setup(
            workload,
            _parse(workload, params, findings),
            parse_optimizer(workload.default_optimizer),
            workload.default_batch_size,
            default_device(),
        )
        first, again, other = (_build(setup, seed, findings) for seed in (0, 0, 1))
        findings.ok("build answers a Problem, for seed 0, for seed 0 again and for seed 1")
        _check_builds(first, again, other, findings)
        _check_batch(_build(setup, 0, findings), setup, findings)
        _check_training(first, again, other, setup, num_steps, findings)
    say(findings.summary())
    return not findings.problems


def _find(name: str, findings: Findings) -> Workload:
    installed = entry_points(group=GROUP)
    entries = list(installed.select(name=name))
    if not entries:
        near = did_you_mean(name, installed.names)
        there = f"{near}there are: {', '.join(sorted(installed.names))}"
        findings.stop(f"no workload {name} is installed in {sys.prefix}; {there}")
    entry = entries[-1]  # as the worker, which keeps the last of a name
    if len(entries) > 1:
        findings.problem(f"{name} is offered more than once: {', '.join(entry.value for entry in entries)}")
    may_fork = hindrance() is None
    with findings.calling(f"loading {entry.value}"):
        try:
            workload = load_workload(entry)
        except BadDeclaration as bad:
            findings.stop(*bad.faults)
    findings.ok(f"{entry.value} is found, and declares all that it should")
    if may_fork and (why := hindrance()):
        findings.warning(f"{why}; so a worker that has it starts each job's process from nothing, in seconds")
    return workload


def _parse(workload: Workload, given: dict[str, Any] | None, findings: Findings) -> Any:
    schema = workload.Params.model_json_schema()
    findings.require(
        schema.get("additionalProperties") is False,
        ok="Params refuses what it does not know",
        problem='Params takes any field, so a misspelt one is lost; add model_config = ConfigDict(extra="forbid")',
    )
    if required := ", ".join(schema.get("required", [])):
        if given is None:
            findings.stop(f"Params has no default for {required}; give it one, or check with --params")
        findings.warning(f"Params has no default for {required}, so every request must name it")
    with findings.calling("Params"):
        try:
            stored = workload.Params.model_validate(given or {}).model_dump_json()  # as a job keeps them
            params = workload.Params.model_validate(json.loads(stored))
        except ValidationError as error:
            findings.stop(f"Params refuses {given or 'its own defaults'}: {sentence(error)}")
    findings.ok(f"Params: {params}")
    return params


def _build(setup: Setup, seed: int, findings: Findings) -> Problem:
    with findings.calling(f"build(seed={seed})"):
        problem = setup.build(seed)
    findings.stop_at_any(problem_faults(problem))
    with findings.calling("giving lazy layers their shapes"):
        materialise(problem, device=setup.device, seed=seed)
    return problem


def _check_builds(first: Problem, again: Problem, other: Problem, findings: Findings) -> None:
    if first.model is again.model:
        findings.stop("build answers the same model twice, trained already the second time; make it in build")
    weights = dict(again.model.named_parameters())
    changed = [
        name
        for name, value in first.model.named_parameters()
        if name not in weights or content(value) != content(weights[name])
    ]
    findings.require(
        not changed,
        ok="seed 0 gives the same initial weights again",
        problem=f"seed 0 gives other initial weights when built again ({', '.join(changed[:3])}); "
        "make the model inside `with seeded(seed):` of clr.training",
    )
    findings.require(
        list(map(content, tensors(first.held_out))) == list(map(content, tensors(other.held_out))),
        ok=f"held out: {len(next(tensors(first.held_out)))} examples, the same for every seed",
        problem="held_out differs between seed 0 and seed 1; take the same examples whatever the seed",
    )


def _check_batch(problem: Problem, setup: Setup, findings: Findings) -> None:
    """One batch forwards and backwards, each call by itself; `problem` is spent afterwards."""
    with findings.calling("iterating over batches"):
        batch: Any = next(iter(problem.batches), None)
    findings.stop_at_any(batch_faults(batch))
    inputs, targets = moved(batch, setup.device)
    model = problem.model.to(setup.device).train()
    with findings.calling("model(inputs)"):
        outputs = model(inputs)
    with findings.calling("loss(outputs, targets)"):
        loss = problem.loss.to(setup.device)(outputs, targets)
    findings.stop_at_any(loss_faults(loss))
    with findings.calling("loss.backward()"):
        loss.backward()
    loss = loss.detach()
    trained = {name: value.grad for name, value in model.named_parameters() if value.requires_grad}
    missed = [name for name, gradient in trained.items() if gradient is None]
    if len(missed) == len(trained):
        findings.stop("no parameter of model gets a gradient from the loss")
    findings.ok(f"the loss of a batch is a finite scalar ({float(loss):.4g}) with a gradient")
    if missed:
        findings.warning(f"no gradient reaches {', '.join(missed[:3])}: unused, or detached on the way")
    _check_loss(problem, outputs, targets, findings)
    _check_end(problem, inputs, setup, findings)


def _check_loss(problem: Problem, outputs: Any, targets: Any, findings: Findings) -> None:
    """What the loss alone does not show: an accuracy that fits it, its mean, its parameters."""
    if problem.classifies:
        with findings.calling("reading the accuracy off the outputs"):
            findings.stop_at_any(class_faults(problem.loss, outputs, targets))
            doubt = guessed(problem.loss, outputs, targets)
        if doubt is not None:
            findings.warning(doubt)
    if getattr(problem.loss, "reduction", None) == "sum":
        findings.warning(
            "the loss is a sum over the batch, so bounds hold for one batch_size alone; take reduction='mean'"
        )
    grouped = {id(parameter) for group in problem.parameter_groups for parameter in group.parameters}
    idle = [
        name
        for name, parameter in problem.loss.named_parameters()
        if parameter.requires_grad and id(parameter) not in grouped | set(map(id, problem.model.parameters()))
    ]
    if idle:
        findings.warning(
            f"nothing trains {', '.join(idle[:3])} of the loss; put it into model or into a ParameterGroup"
        )


def _check_end(problem: Problem, inputs: Any, setup: Setup, findings: Findings) -> None:
    """The last batch of a pass has to do as well; and an iterator cannot begin again, so it has to be endless."""
    if leaves_one(problem.batches):
        try:
            problem.model(sliced(inputs, 0, 1))
        except ValueError as error:  # BatchNorm's
            findings.stop(f"the last batch of a pass is one example; say drop_last=True: {error}")
    if not isinstance(problem.batches, Iterator):
        return
    size = problem.train_size
    wanted = MOST_READ if size is None else min(math.ceil(size / setup.batch_size), MOST_READ)
    with findings.calling("iterating over batches"):
        read = sum(1 for _ in islice(problem.batches, wanted))
    if read < wanted:
        findings.stop(ENDED.replace("batches end", f"batches end after {read + 1}"))
    findings.ok(f"batches: {read + 1} read of an iterator that did not end")


def _check_training(
    first: Problem, again: Problem, other: Problem, setup: Setup, num_steps: int, findings: Findings
) -> None:
    before = [content(value) for value in first.model.parameters()]
    trainer, losses, seconds = _train(first, setup, num_steps, findings)
    if before == [content(value) for value in first.model.parameters()]:
        findings.stop(
            f"{num_steps} steps at a learning rate of {LR:g} change no weight: the gradient is zero"
        )
    findings.ok(f"{num_steps} steps change the weights")
    if not all(map(math.isfinite, losses)):
        findings.warning(f"the loss is not finite after some steps at a learning rate of {LR:g}")
    _check_losses(
        losses,
        _train(again, setup, num_steps, findings)[1],
        _train(other, setup, num_steps, findings)[1],
        exact=isinstance(first.batches, StagedBatches) and setup.device == "cpu",
        findings=findings,
    )
    with findings.calling("evaluating held_out"):
        loss, accuracy = trainer.evaluate()
    findings.require(
        math.isfinite(loss) and (accuracy is None or 0 <= accuracy <= 1),
        ok=f"held-out loss {loss:.4g}" + ("" if accuracy is None else f", accuracy {accuracy:.3f}"),
        problem=f"held-out loss {loss}, accuracy {accuracy}: not finite, or not from 0 to 1",
    )
    size = first.train_size
    epoch = (
        "of unknown length" if size is None else f"{size / setup.batch_size:.1f} steps of {setup.batch_size}"
    )
    findings.ok(f"{1000 * median(seconds):.3g} ms a step on {setup.device}; an epoch is {epoch}")


def _train(
    problem: Problem, setup: Setup, num_steps: int, findings: Findings
) -> tuple[Trainer, list[float], list[float]]:
    """A few steps: their losses, and the seconds that each took."""
    losses, seconds = [], []
    with seeded(0):  # what draws while it trains is the worker's care, and not what is asked here
        with findings.calling(f"making the optimizer {setup.optimizer.name}"):
            trainer = Trainer(problem, setup.optimizer, device=setup.device)
        for step in range(num_steps):
            started = time.perf_counter()
            with findings.calling(f"step {step} of training"):
                losses.append(float(trainer.step(LR)))
            seconds.append(time.perf_counter() - started)
    return trainer, losses, seconds


def _check_losses(
    losses: list[float], again: list[float], other: list[float], *, exact: bool, findings: Findings
) -> None:
    """exact: the same seed must give the same losses."""
    if repr(losses) == repr(again):  # exact, and NaN is like NaN
        findings.ok("seed 0 gives the same losses again, bit for bit")
    elif exact:
        findings.problem(
            "seed 0 gives other losses when trained again; weights, order of batches and whatever else is random must "
            "follow from `seed` (StagedBatches takes seed=seed)"
        )
    else:
        findings.warning(
            "seed 0 gives other losses when trained again, so no result can be repeated exactly; a DataLoader "
            "needs a generator seeded with `seed`, and a GPU may differ whatever one does"
        )
    findings.require(
        repr(losses) != repr(other),
        ok="seed 1 gives other losses",
        problem="seed 1 gives the same losses as seed 0, so an interval over seeds would mean nothing; "
        "make weights and order of batches follow from `seed`",
    )


def main() -> int:
    """Check the workload that the command line names; the exit code."""
    parser = argparse.ArgumentParser(prog="clr-tuner workload check")
    parser.add_argument("name")
    parser.add_argument("--params", type=json.loads)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    share_cores(1)
    faulthandler.enable()  # a workload that crashes says where
    sys.stdout.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")

    return 0 if check(arguments.name, arguments.params, num_steps=arguments.steps, say=say) else 1


if __name__ == "__main__":
    sys.exit(main())
