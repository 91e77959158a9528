"""The command that measures a workload in this process: no worker has to have it."""

import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from clr_tuner.client import Client
from clr_tuner.commands import options
from clr_tuner.commands.describe import describe_bounds
from clr_tuner.commands.here import HERE
from clr_tuner.commands.options import collect_fields, read_plot_format
from clr_tuner.commands.progress import ProgressReport
from clr_tuner.commands.range_test import print_bounds
from clr_tuner.commands.session import about, connect, write_plot
from clr_tuner.commands.terminal import print_json, say, warn
from clr_tuner.errors import ClientError, Interrupted, NoBounds, NotInstalled, Unreachable

if TYPE_CHECKING:
    from clr.bounds import Bounds, Inconclusive
    from clr.range_test import RangeTestConfig
    from clr.sweep import SweepPlan
    from clr.training.setup import Setup
    from clr_tuner.here.range_test import RangeTestHere

app = typer.Typer()


@app.command(rich_help_panel=HERE)
def run(
    workload: Annotated[
        str, typer.Argument(metavar="MODULE:CLASS", help="A Workload class, as my_package:MyWorkload.")
    ],
    param: options.Param = None,
    optimizer: options.Optimizer = None,
    optimizer_param: options.OptimizerParam = None,
    num_seeds: options.SweptSeeds = None,
    seed: options.FirstSeed = None,
    start_lr: options.StartLR = None,
    end_lr: options.EndLR = None,
    num_steps: options.SweepSteps = None,
    effort: Annotated[
        str | None, typer.Option(help="quick (one seed, one sweep) or standard, the default.")
    ] = None,
    policy: options.ForPolicy = None,
    num_epochs: options.NumEpochs = None,
    batch_size: options.BatchSize = None,
    device: Annotated[
        str | None, typer.Option(help="Where to train, as cpu or cuda:1; default: cuda where there is one.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="A name for the job; default: the workload's.")] = None,
    tag: options.Tag = None,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Ask no service: keep a file here for `clr-tuner upload`."),
    ] = False,
    plot: options.Picture = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Measure a range test of a Workload class in this process, with no worker, and report it to the service.

    Measures and prints what `range-test` does. What a service that goes away does not get is kept in a file here.

    Exit code 3: the curve gives no trustworthy bounds; why, and what to run next, is printed. Ctrl-C cancels.
    """
    if plot:
        read_plot_format(plot)
    if policy is not None and num_epochs is None:
        raise typer.BadParameter("--policy needs --num-epochs: its rates depend on how long you train")
    if find_spec("torch") is None:
        raise NotInstalled("torch trains here, and is not installed: pip install torch")
    asked = collect_fields(param, optimizer, optimizer_param, None, name, tag)
    with _telling_failures(), _refusing():
        setup = _set_up(workload, asked["params"], asked["optimizer"], batch_size, device)
    from clr_tuner.here.run import plan_test  # noqa: PLC0415 - torch, which --help needs not

    with _refusing():
        test = plan_test(
            setup.optimizer,
            seed=seed,
            num_seeds=num_seeds,
            start_lr=start_lr,
            end_lr=end_lr,
            num_steps=num_steps,
            effort=effort,
        )
    training = None if num_epochs is None else {"policy": policy or "triangular", "num_epochs": num_epochs}
    with _client(url, api_key, offline=offline) as client:
        report = _open_report(client, name or setup.workload.name, setup, tag, offline=offline)
        with _telling_failures():
            answer = _measure(test, setup, report, training)
        if report.file is None:
            job = report.job
            with about(job):
                if plot:
                    write_plot(job, plot)
                print_bounds(job, as_json=as_json)
        elif answer is not None:
            _print_kept(answer, report.file, plot, as_json=as_json)


@contextmanager
def _telling_failures() -> Iterator[None]:
    """What the workload's own code raises shows where, on stderr, and ends the command as any failure does."""
    try:
        yield
    except (ClientError, TyperException):
        raise
    except Exception as error:
        traceback.print_exception(error)
        raise ClientError(f"workload_error: {type(error).__name__}: {error}") from error


@contextmanager
def _refusing() -> Iterator[None]:
    """What is wrong with an argument says so in a sentence."""
    from pydantic import ValidationError  # noqa: PLC0415 - --help needs none

    from clr.problem import Untrainable  # noqa: PLC0415 - as above
    from clr.refusals import in_words  # noqa: PLC0415 - as above

    try:
        yield
    except Untrainable as error:
        raise ClientError(str(error)) from None
    except ValidationError as error:
        raise typer.BadParameter(in_words(error)) from None
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _set_up(
    path: str,
    params: dict[str, Any] | None,
    optimizer: dict[str, Any] | None,
    batch_size: int | None,
    device: str | None,
) -> "Setup":
    """The workload of this path with what was asked of it. Raises ValueError."""
    from clr.training.device import find_device  # noqa: PLC0415 - torch, which --help needs not
    from clr.training.setup import Setup  # noqa: PLC0415 - as above
    from clr_tuner.here.run import find_optimizer  # noqa: PLC0415 - as above
    from clr_tuner.here.workload import load_workload  # noqa: PLC0415 - as above

    if os.getcwd() not in sys.path:  # as `python -m` has it: a module that lies here needs no installation
        sys.path.insert(0, os.getcwd())
    workload = load_workload(path)
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"--batch-size must be 1 or more, not {batch_size}")
    return Setup(
        workload,
        workload.Params.model_validate(params or {}),
        find_optimizer(optimizer or workload.default_optimizer),
        batch_size or workload.default_batch_size,
        find_device(device),
    )


@contextmanager
def _client(url: str | None, api_key: str | None, *, offline: bool) -> Iterator[Client]:
    """A client of a service that is there; offline of one that nobody asks anything."""
    if offline:
        with Client(url or None, api_key) as client:
            yield client
        return
    try:
        client = connect(url, api_key)
    except Unreachable as error:
        raise Unreachable(f"{error}\nor measure without it: --offline keeps a file to upload later") from None
    with client:
        yield client


def _open_report(
    client: Client, name: str, setup: "Setup", tags: list[str] | None, *, offline: bool
) -> "RangeTestHere":
    from clr_tuner.here.range_test import RangeTestHere  # noqa: PLC0415 - numpy, which --help needs not
    from clr_tuner.here.sender import Keeper, PromptSender  # noqa: PLC0415 - as above

    with _refusing():
        return RangeTestHere(
            client.connection,
            {"name": name, "batch_size": setup.batch_size, "tags": tags or []},
            id=None,
            client_id=None,
            folder=Path(),
            reporter=Keeper if offline else PromptSender,
        )


def _measure(
    test: "RangeTestConfig", setup: "Setup", report: "RangeTestHere", training: dict[str, Any] | None
) -> "Bounds | Inconclusive | None":
    """What this process measured says; None where the job was cancelled at the service."""
    from clr.problem import DatasetMissing, Untrainable  # noqa: PLC0415 - as the next
    from clr_tuner.here.run import run_range_test  # noqa: PLC0415 - torch, which --help needs not

    try:
        with ProgressReport() as progress, _warnings_in_a_line():

            def show(plan: "SweepPlan", completed: int, total: int) -> None:
                progress.show(f"measuring: {plan.phase}", completed, total, of="here")

            return run_range_test(test, setup, report, training=training, show=show)
    except DatasetMissing as error:
        raise ClientError(f"dataset_missing: {error}") from None
    except Untrainable as error:
        raise ClientError(f"invalid_workload: {error}") from None
    except KeyboardInterrupt:
        if report.file is not None or not report.was_made:
            told = f"interrupted{_kept(report.file)}"
            file = {"file": str(report.file)} if report.file else {}
            raise Interrupted(told, {"code": Interrupted.code, "detail": told, **file}) from None
        job = report.job
        raise Interrupted(f"{job.noun} {job.id} is {job.status}", job.data) from None


def _kept(file: Path | None) -> str:
    return f"; {file} keeps what was measured" if file else ": nothing was reported"


@contextmanager
def _warnings_in_a_line() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: warn(f"warning: {message}")
        yield


def _print_kept(answer: "Bounds | Inconclusive", file: Path, plot: Path | None, *, as_json: bool) -> None:
    """What was found here, where the service has not all of it. Raises `NoBounds`."""
    from clr.bounds import Bounds  # noqa: PLC0415 - numpy, which --help needs not

    warn(f"{file} keeps what was measured; send it with: clr-tuner upload {file}")
    if plot:
        answer.plot(plot)
        warn(f"picture: {plot}")
    if not isinstance(answer, Bounds):
        raise NoBounds(answer)
    if as_json:
        print_json({"file": str(file), **answer.to_dict()})
    else:
        say(describe_bounds(answer))
