"""The commands of those who train: inside given bounds, inside those of a range test; and go on from there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clr_tuner.commands import options
from clr_tuner.commands.describe import describe_training
from clr_tuner.commands.options import collect_fields, read_plot_format, require_folder
from clr_tuner.commands.policy_command import PolicyCommand
from clr_tuner.commands.session import about, connect, follow, identify, require_kind, write_plot
from clr_tuner.commands.terminal import columns, print_json, say, warn
from clr_tuner.errors import DIVERGED, ClientError, JobFailed, NoBounds
from clr_tuner.range_test import RangeTest
from clr_tuner.training_job import TrainingJob

TRAINING = "Training"

app = typer.Typer()


@app.command(
    rich_help_panel=TRAINING,
    cls=PolicyCommand,
    epilog="Policies and their options (what is left out comes from the range test and the budget):\n\n$options",
    context_settings={"ignore_unknown_options": True},
)
def train(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="WORKLOAD",
            help="Its name; `clr-tuner workloads` lists what there is. Default: that of --range-test.",
            show_default=False,
        ),
    ] = None,
    policy: Annotated[str, typer.Option(help="triangular2, one_cycle ...; see below.")] = "triangular",
    range_test: Annotated[
        str | None, typer.Option(metavar="ID", help="Train inside the bounds of this one, as it did.")
    ] = None,
    num_cycles: options.NumCycles = None,
    num_steps: options.NumSteps = None,
    num_epochs: options.NumEpochs = None,
    step_size_epochs: options.StepSizeEpochs = None,
    param: options.Param = None,
    optimizer: options.Optimizer = None,
    optimizer_param: options.OptimizerParam = None,
    batch_size: options.BatchSize = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the weights and the order of batches. Default 0.")
    ] = None,
    round_to_cycles: Annotated[
        bool, typer.Option(help="What to do with a budget that ends inside a cycle: round it, or refuse it.")
    ] = True,
    eval_every: Annotated[
        int | None, typer.Option(help="Steps between looks at the held-out set. Default: about 100 looks.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Stop after so many cycle ends in a row that are not the best.")
    ] = None,
    cycle_momentum: Annotated[
        bool, typer.Option("--cycle-momentum", help="Cycle momentum, or Adam's beta1, opposite to the rate.")
    ] = False,
    accumulation_steps: Annotated[int | None, typer.Option(help="Batches of one step. Default 1.")] = None,
    clip_grad_norm: Annotated[float | None, typer.Option(help="Largest 2-norm of the gradient.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32 or bfloat16 (autocast).")] = None,
    timeout_s: options.TimeoutS = None,
    priority: options.Priority = None,
    name: options.Name = None,
    tag: options.Tag = None,
    plot: options.Picture = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Write the best checkpoint here.")] = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Train WORKLOAD and print the schedule, the final and the best accuracy and loss.

    The policy's own parameters are options: clr-tuner train digits-mlp --policy triangular2 --base-lr 0.02
    --max-lr 0.1 --step-size 88. Without rates a range test is run first, unless --range-test names one; a step
    size is 2 epochs. Exit code 3: that range test is inconclusive; 4: the training diverged. Ctrl-C cancels.
    """
    from clr.partial_schedules import check_partial  # noqa: PLC0415 - as in policy_command.py
    from clr_tuner.commands.policies import list_options, read_options, read_schedule  # noqa: PLC0415

    parameters, workloads = read_options(words or [])
    if len(workloads) > 1:
        raise typer.BadParameter(f"unexpected {workloads[1]!r}; parameters are options: --base-lr 0.001")
    if not workloads and range_test is None:
        raise typer.BadParameter("name a WORKLOAD, or a range test with --range-test")
    read_schedule(policy, parameters, check_partial, options=list_options(context))
    if plot:
        read_plot_format(plot)
    if checkpoint:
        require_folder(checkpoint)
    request: dict[str, Any] = {
        "schedule": {"policy": policy, **parameters},
        "range_test_id": range_test,
        "num_cycles": num_cycles,
        "num_steps": num_steps,
        "num_epochs": num_epochs,
        "step_size_epochs": step_size_epochs,
        "batch_size": batch_size,
        "seed": seed,
        "round_to_cycles": None if round_to_cycles else False,
        "eval_every": eval_every,
        "patience": patience,
        "cycle_momentum": cycle_momentum or None,
        "accumulation_steps": accumulation_steps,
        "clip_grad_norm": clip_grad_norm,
        "precision": precision,
        "timeout_s": timeout_s,
        **collect_fields(param, optimizer, optimizer_param, priority, name, tag),
    }
    with connect(url, api_key) as client:
        job = client.train(next(iter(workloads), None), **request)
        with about(job):
            _see_through(job, plot=plot, checkpoint=checkpoint, as_json=as_json)


@app.command(rich_help_panel=TRAINING)
def resume(
    id: options.JobId,
    num_cycles: options.NumCycles = None,
    num_steps: options.NumSteps = None,
    num_epochs: options.NumEpochs = None,
    priority: options.Priority = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Go on where a finished training job stopped, in a new job under the same schedule.

    It trains for so much longer, and prints what `train` does. Exit code 4: it diverged. Ctrl-C cancels.
    """
    with connect(url, api_key) as client:
        before = require_kind(client.job(id), TrainingJob)
        with about(before):
            job = before.resume(num_cycles, num_steps, num_epochs, priority=priority)
        with about(job):
            _see_through(job, as_json=as_json)


@app.command(rich_help_panel=TRAINING)
def checkpoints(
    id: options.JobId,
    download: Annotated[
        Path | None, typer.Option(help="Write one here: the best, or that of --step.")
    ] = None,
    step: Annotated[int | None, typer.Option(min=0, help="Which one to download.")] = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """List the checkpoints of a training job, or download one.

    torch.load(FILE, weights_only=True) reads it.
    """
    if step is not None and download is None:
        raise typer.BadParameter("--step needs --download")
    if download:
        require_folder(download)
    with connect(url, api_key) as client:
        job = require_kind(client.job(id), TrainingJob)
        if download:
            step = _download(job, download, step)
            if as_json:
                print_json({**identify(job), "step": step, "file": str(download)})
            return
        items = job.checkpoints()
    if as_json:
        print_json({**identify(job), "items": [asdict(checkpoint) for checkpoint in items]})
        return
    rows = [
        [
            checkpoint.step,
            checkpoint.cycle,
            "best" if checkpoint.best else "",
            checkpoint.size_bytes,
            checkpoint.created_at,
        ]
        for checkpoint in items
    ]
    say(columns([["STEP", "CYCLE", "", "BYTES", "CREATED"], *rows]) if rows else "no checkpoints")


def _see_through(
    job: TrainingJob, *, plot: Path | None = None, checkpoint: Path | None = None, as_json: bool
) -> None:
    """Follow a training job to its end, and print and fetch what came of it."""
    _follow(job)
    if not as_json:
        say(describe_training(job))
    if plot:
        write_plot(job, plot)
    diverged = job.outcome == "diverged"
    if checkpoint and (job.checkpoints() or not diverged):
        _download(job, checkpoint)
    if as_json:
        print_json(job.data)
    if diverged:
        warn("diverged: the loss is no longer finite")
        raise typer.Exit(DIVERGED)


def _follow(job: TrainingJob) -> None:
    try:
        follow(job)
    except JobFailed as failed:
        if failed.reason == "no_bounds" and (range_test := job.range_test()):
            _raise_why(range_test, job)
        raise


def _raise_why(range_test: RangeTest, job: TrainingJob) -> None:
    """Raise what the range test says of why there are no bounds, if that is what it says."""
    answer = range_test.bounds()
    if not answer:
        raise NoBounds(answer).of(job.data) from None


def _download(job: TrainingJob, file: Path, step: int | None = None) -> int:
    """Write a checkpoint, the best where no step is named; answers its step."""
    if step is None:
        ordered = sorted(job.checkpoints(), key=lambda checkpoint: (checkpoint.best, checkpoint.step))
        if not ordered:
            raise ClientError(f"job {job.id} has no checkpoints")
        step = ordered[-1].step
    try:
        job.download(step, file)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    warn(f"checkpoint after step {step}: {file}")
    return step
