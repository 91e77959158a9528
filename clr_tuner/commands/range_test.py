"""The commands of those who look for bounds: run a range test, print what it found."""

from dataclasses import asdict
from typing import Annotated, Any, cast, get_args

import typer

from clr.bounds import Bounds
from clr.snippets import Framework
from clr_tuner.commands import options
from clr_tuner.commands.describe import (
    describe_analysis,
    describe_bounds,
    describe_comparison,
    describe_verdict,
)
from clr_tuner.commands.options import collect_fields, read_plot_format
from clr_tuner.commands.session import about, connect, follow, identify, require_kind, write_plot
from clr_tuner.commands.terminal import print_json, say
from clr_tuner.errors import DIVERGED, INCONCLUSIVE
from clr_tuner.range_test import RangeTest

RANGE_TESTS = "Range tests"

app = typer.Typer()


@app.command("range-test", rich_help_panel=RANGE_TESTS)
def range_test(
    workload: options.Workload,
    param: options.Param = None,
    optimizer: options.Optimizer = None,
    optimizer_param: options.OptimizerParam = None,
    num_seeds: options.SweptSeeds = None,
    seed: options.FirstSeed = None,
    start_lr: options.StartLR = None,
    end_lr: options.EndLR = None,
    num_steps: options.SweepSteps = None,
    effort: Annotated[
        str | None,
        typer.Option(
            help="quick (one seed, one sweep), standard, or thorough: then three to six trainings, of what --policy "
            "and --num-epochs tell or of 320 steps, have the last word."
        ),
    ] = None,
    policy: options.ForPolicy = None,
    num_epochs: options.NumEpochs = None,
    batch_size: options.BatchSize = None,
    timeout_s: options.TimeoutS = None,
    priority: options.Priority = None,
    name: options.Name = None,
    tag: options.Tag = None,
    plot: options.Picture = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Run a range test of WORKLOAD and print base_lr and max_lr with their reasons.

    With --num-epochs also the rates for a training of that length, after a probe of up to 4,000 steps where it is long.

    Exit code 3: the curve gives no trustworthy bounds; why, and what to run next, is printed. Ctrl-C cancels.
    """
    if plot:
        read_plot_format(plot)
    if policy is not None and num_epochs is None:
        raise typer.BadParameter("--policy needs --num-epochs: its rates depend on how long you train")
    request: dict[str, Any] = {
        "for": None if num_epochs is None else {"policy": policy or "triangular", "num_epochs": num_epochs},
        "num_seeds": num_seeds,
        "seed": seed,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "num_steps": num_steps,
        "effort": effort,
        "batch_size": batch_size,
        "timeout_s": timeout_s,
        **collect_fields(param, optimizer, optimizer_param, priority, name, tag),
    }
    with connect(url, api_key) as client:
        job = client.range_test(workload, **request)
        with about(job):
            follow(job)
            if plot:
                write_plot(job, plot)
            print_bounds(job, as_json=as_json)


@app.command(rich_help_panel=RANGE_TESTS)
def bounds(
    id: options.JobId,
    num_steps: options.NumSteps = None,
    num_epochs: options.NumEpochs = None,
    policy: options.ForPolicy = None,
    snippet: Annotated[
        str | None,
        typer.Option(
            metavar="POLICY", help="Print code to paste that trains under this policy, and no more."
        ),
    ] = None,
    framework: Annotated[
        str | None,
        typer.Option(help=f"What --snippet is written for: {', '.join(get_args(Framework))}; default torch."),
    ] = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Print the recommended base_lr and max_lr of a range test, and with a budget the rates for so long a training."""
    if framework is not None and snippet is None:
        raise typer.BadParameter("--framework needs --snippet")
    if policy is not None and snippet is not None:
        raise typer.BadParameter("--snippet has its policy: leave --policy out")
    budget: Any = {"num_steps": num_steps, "num_epochs": num_epochs}
    with connect(url, api_key) as client:
        job = require_kind(client.job(id), RangeTest)
        if snippet is None:
            print_bounds(job, as_json=as_json, policy=policy, **budget)
            return
        recommended = Bounds.from_dict(job.bounds_data(**budget, policy=snippet))
    if budget == dict.fromkeys(budget) and recommended.for_budget is not None:  # that of the request
        budget["num_steps"] = recommended.for_budget["num_steps"]
    try:
        code = recommended.snippet(snippet, framework=cast(Framework, framework or "torch"), **budget)
    except ValueError as error:
        raise typer.BadParameter(f"--snippet: {str(error).removeprefix('policy: ')}") from None
    if as_json:
        print_json({**identify(job), "snippet": code})
    else:
        say(code, nl=False)


@app.command(rich_help_panel=RANGE_TESTS)
def confirm(
    id: options.JobId,
    num_seeds: Annotated[int | None, typer.Option(help="Runs of each contender. Default 3.")] = None,
    num_cycles: Annotated[int | None, typer.Option(help="How long, in whole cycles. Default 2.")] = None,
    num_steps: options.NumSteps = None,
    num_epochs: options.NumEpochs = None,
    priority: options.Priority = None,
    plot: options.Picture = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Train around the bounds of a range test and print whether they hold.

    Cycles within half, the whole and double the bounds, the constant rate and one cycle, at an equal budget. Ctrl-C
    cancels all of its jobs. Exit code 4: every cycle diverged.
    """
    if plot:
        read_plot_format(plot)
    with connect(url, api_key) as client:
        range_test = require_kind(client.job(id), RangeTest)
        comparison = range_test.confirm(num_seeds, num_cycles, num_steps, num_epochs, priority)
        with about(comparison):
            follow(comparison)
            [confirmation] = [
                candidate
                for candidate in range_test.confirmations()
                if candidate.comparison.id == comparison.id
            ]
            if plot:
                write_plot(comparison, plot)
    if as_json:
        print_json({**identify(comparison), "range_test_id": range_test.id, **confirmation.data})
    else:
        say(f"{describe_comparison(comparison)}\n{describe_verdict(confirmation.verdict)}")
    if confirmation.verdict is None:
        raise typer.Exit(DIVERGED)


@app.command(rich_help_panel=RANGE_TESTS)
def analyse(
    id: options.JobId,
    rule: Annotated[
        str,
        typer.Option(help="bounds, which is ours, or another finder's, as valley, slide, minimum or steep."),
    ] = "bounds",
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Read the stored curve of a range test again and print what a rule says of it. Trains nothing.

    Exit code 3: the rule gives no answer.
    """
    with connect(url, api_key) as client:
        job = require_kind(client.job(id), RangeTest)
        with about(job):
            analysis = job.analyse(rule)
    if as_json:
        print_json({**identify(job), **asdict(analysis)})
    else:
        say(describe_analysis(analysis))
    if analysis.outcome in ("inconclusive", "no_lr"):
        raise typer.Exit(INCONCLUSIVE)


def print_bounds(job: RangeTest, *, as_json: bool, **budget: Any) -> None:
    """Print what a range test found. Raises `NoBounds`."""
    data = job.bounds_data(**budget)
    if as_json:
        print_json({**identify(job), **data})
    else:
        say(describe_bounds(Bounds.from_dict(data)))
