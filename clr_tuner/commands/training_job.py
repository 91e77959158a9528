"""The commands of those who train: inside given bounds, inside those of a range test; and go on from there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from clr_tuner.commands.describe import describe_training
from clr_tuner.commands.options import (
    ApiKey,
    AsJson,
    BatchSize,
    JobId,
    Name,
    NumCycles,
    NumEpochs,
    NumSteps,
    Optimizer,
    OptimizerParam,
    Param,
    Picture,
    Priority,
    StepSizeEpochs,
    Tag,
    TimeoutS,
    Url,
    common_fields,
    plot_format,
    require_folder,
)
from clr_tuner.commands.policy_command import PolicyCommand
from clr_tuner.commands.session import (
    about,
    columns,
    connect,
    follow,
    identified,
    of_kind,
    print_json,
    warn,
    write_plot,
)
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
    num_cycles: NumCycles = None,
    num_steps: NumSteps = None,
    num_epochs: NumEpochs = None,
    step_size_epochs: StepSizeEpochs = None,
    param: Param = None,
    optimizer: Optimizer = None,
    optimizer_param: OptimizerParam = None,
    batch_size: BatchSize = None,
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
    timeout_s: TimeoutS = None,
    priority: Priority = None,
    name: Name = None,
    tag: Tag = None,
    plot: Picture = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Write the best checkpoint here.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Train WORKLOAD and print the schedule, the final and the best accuracy and loss.

    The policy's own parameters are options: clr-tuner train digits-mlp --policy triangular2 --base-lr 0.02
    --max-lr 0.1 --step-size 88. Without rates a range test is run first, unless --range-test names one; a step
    size is 2 epochs. Exit code 3: that range test is inconclusive; 4: the training diverged. Ctrl-C cancels.
    """
    from clr.partial_schedules import check_partial  # noqa: PLC0415 - as in policy_command.py
    from clr_tuner.commands.policies import own_options, policy_options, read_schedule  # noqa: PLC0415

    given, workloads = policy_options(words or [])
    if len(workloads) > 1:
        raise typer.BadParameter(f"unexpected {workloads[1]!r}; parameters are options: --base-lr 0.001")
    if not workloads and range_test is None:
        raise typer.BadParameter("name a WORKLOAD, or a range test with --range-test")
    read_schedule(policy, given, check_partial, others=own_options(context))
    if plot:
        plot_format(plot)
    if checkpoint:
        require_folder(checkpoint)
    request: dict[str, Any] = {
        "schedule": {"policy": policy, **given},
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
        **common_fields(param, optimizer, optimizer_param, priority, name, tag),
    }
    with connect(url, api_key) as client:
        job = client.train(next(iter(workloads), None), **request)
        with about(job):
            _see_through(job, plot=plot, checkpoint=checkpoint, as_json=as_json)


@app.command(rich_help_panel=TRAINING)
def resume(
    id: JobId,
    num_cycles: NumCycles = None,
    num_steps: NumSteps = None,
    num_epochs: NumEpochs = None,
    priority: Priority = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Go on where a finished training job stopped, in a new job under the same schedule.

    It trains for so much longer, and prints what `train` does. Exit code 4: it diverged. Ctrl-C cancels.
    """
    with connect(url, api_key) as client:
        before = of_kind(client.job(id), TrainingJob)
        with about(before):
            job = before.resume(num_cycles, num_steps, num_epochs, priority=priority)
        with about(job):
            _see_through(job, as_json=as_json)


@app.command(rich_help_panel=TRAINING)
def checkpoints(
    id: JobId,
    download: Annotated[
        Path | None, typer.Option(help="Write one here: the best, or that of --step.")
    ] = None,
    step: Annotated[int | None, typer.Option(min=0, help="Which one to download.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """List the checkpoints of a training job, or download one.

    torch.load(FILE, weights_only=True) reads it.
    """
    if step is not None and download is None:
        raise typer.BadParameter("--step needs --download")
    if download:
        require_folder(download)
    with connect(url, api_key) as client:
        job = of_kind(client.job(id), TrainingJob)
        if download:
            step = _download(job, download, step)
            if as_json:
                print_json({**identified(job), "step": step, "file": str(download)})
            return
        kept = job.checkpoints()
    if as_json:
        print_json({**identified(job), "items": [asdict(checkpoint) for checkpoint in kept]})
        return
    rows = [[one.step, one.cycle, "best" if one.best else "", one.size_bytes, one.created_at] for one in kept]
    typer.echo(columns([["STEP", "CYCLE", "", "BYTES", "CREATED"], *rows]) if rows else "no checkpoints")


def _see_through(
    job: TrainingJob, *, plot: Path | None = None, checkpoint: Path | None = None, as_json: bool
) -> None:
    """Follow a training job to its end, and print and fetch what came of it."""
    _follow(job)
    if not as_json:
        typer.echo(describe_training(job))
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
        kept = sorted(job.checkpoints(), key=lambda one: (one.best, one.step))
        if not kept:
            raise ClientError(f"job {job.id} has no checkpoints")
        step = kept[-1].step
    try:
        job.download(step, file)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    warn(f"checkpoint after step {step}: {file}")
    return step
