"""The commands of those who choose: train several schedules at an equal budget, and print who is ahead."""

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from clr import json_text
from clr.presets import Preset
from clr_tuner.commands import options
from clr_tuner.commands.describe import describe_comparison
from clr_tuner.commands.options import collect_fields, read_plot_format
from clr_tuner.commands.policy_command import PolicyCommand
from clr_tuner.commands.session import about, connect, follow, write_plot
from clr_tuner.commands.terminal import columns, print_json, say
from clr_tuner.comparison import Comparison

COMPARISONS = "Comparisons"

app = typer.Typer()


@app.command(
    rich_help_panel=COMPARISONS,
    cls=PolicyCommand,
    epilog="""Policies: $policies.

An entry of FILE is a policy, or as much of this as it needs:

{"schedule": {"policy": "fixed", "lr": 0.05}, "optimizer": {"name": "Adam"}, "label": "slow"}""",
)
def compare(
    workload: options.Workload,
    preset: Annotated[
        Preset | None,
        typer.Option(
            help="The paper's policies and controls, or five adaptive optimizers, fixed and cycled."
        ),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY", help="An entry with its rates from a range test; repeat for more."),
    ] = None,
    entries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, help="More entries, a JSON list; see below."
        ),
    ] = None,
    num_cycles: options.NumCycles = None,
    num_steps: options.NumSteps = None,
    num_epochs: options.NumEpochs = None,
    step_size_epochs: options.StepSizeEpochs = None,
    num_seeds: Annotated[int | None, typer.Option(help="Runs of each entry. Default 3.")] = None,
    seed: options.FirstSeed = None,
    target: Annotated[
        float | None,
        typer.Option(help="Count steps to this accuracy, or loss. Default: what the first entry ends with."),
    ] = None,
    param: options.Param = None,
    optimizer: options.Optimizer = None,
    optimizer_param: options.OptimizerParam = None,
    priority: options.Priority = None,
    name: options.Name = None,
    tag: options.Tag = None,
    plot: options.Picture = None,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """Train WORKLOAD under several schedules at an equal budget and print which of them is ahead.

    clr-tuner compare digits-mlp --policy fixed --policy triangular2

    Each is trained with the same seeds; * marks the best and those that these seeds do not tell from it. Ctrl-C
    cancels all of its jobs.
    """
    if not (preset or policy or entries):
        raise typer.BadParameter("say what to compare, with --policy, --preset or --entries")
    _refuse_unknown(policy or [])
    if plot:
        read_plot_format(plot)
    request: dict[str, Any] = {
        "preset": preset,
        "entries": [*(policy or ()), *(_read_entries(entries) if entries else ())] or None,
        "num_cycles": num_cycles,
        "num_steps": num_steps,
        "num_epochs": num_epochs,
        "step_size_epochs": step_size_epochs,
        "num_seeds": num_seeds,
        "seed": seed,
        "target": target,
        **collect_fields(param, optimizer, optimizer_param, priority, name, tag),
    }
    with connect(url, api_key) as client:
        comparison = client.compare(workload, **request)
        with about(comparison):
            follow(comparison)
            if plot:
                write_plot(comparison, plot)
        _print(comparison, as_json=as_json)


@app.command(rich_help_panel=COMPARISONS)
def comparisons(
    id: Annotated[str | None, typer.Argument(metavar="ID", help="Print this one, as far as it is.")] = None,
    search: options.OfSearch = None,
    status: options.OfStatus = None,
    workload: options.OfWorkload = None,
    tag: options.OfTag = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: options.AsJson = False,
    url: options.Url = None,
    api_key: options.ApiKey = None,
) -> None:
    """List the comparisons, newest first, or print one of them."""
    with connect(url, api_key) as client:
        if id is not None:
            _print(client.comparison(id), as_json=as_json)
            return
        matches = client.comparisons(
            search=search, status=status, workload=workload, tag=tag, page_size=min(limit, 100)
        )
        items = list(islice(matches, limit))
    if as_json:
        print_json([comparison.data for comparison in items])
        return
    rows = [
        [
            comparison.id,
            comparison.data.get("name"),
            comparison.data["workload"],
            comparison.status,
            comparison.data["created_at"],
        ]
        for comparison in items
    ]
    say(columns([["ID", "NAME", "WORKLOAD", "STATUS", "CREATED"], *rows]) if rows else "no comparisons")


def _refuse_unknown(policies: list[str]) -> None:
    from clr.partial_schedules import check_partial  # noqa: PLC0415 - as in policy_command.py
    from clr_tuner.commands.policies import read_schedule  # noqa: PLC0415

    for policy in policies:
        read_schedule(policy, {}, check_partial)


def _print(comparison: Comparison, *, as_json: bool) -> None:
    if as_json:
        print_json(comparison.data)
    else:
        say(describe_comparison(comparison))


def _read_entries(file: Path) -> list[Any]:
    try:
        entries = json_text.read(file.read_bytes())
    except json_text.Broken as broken:
        raise typer.BadParameter(f"{file} is not JSON: {broken}") from None
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}") from None
    if not isinstance(entries, list):
        raise typer.BadParameter(f"{file} must hold a list of entries, not {json_text.kind(entries)}")
    return entries
