"""Recorded rates against a schedule, in the shell: computed here, no service needed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from clr_tuner.commands.policy_command import PolicyCommand
from clr_tuner.commands.terminal import print_json, say

app = typer.Typer()


@app.command(
    rich_help_panel="Schedules",
    cls=PolicyCommand,
    epilog="Policies and their options (those in brackets have a default):\n\n$options",
    context_settings={"ignore_unknown_options": True},
)
def check_schedule(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE", help="What was logged: CSV with a header, or JSON.", show_default=False
        ),
    ],
    policy: Annotated[str, typer.Option(help="triangular2, one_cycle ...; see below.")],
    first_step: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="The step of the first rate: 0 where a log counts from 1. Default: what the file says, or 0.",
        ),
    ] = None,
    lr_column: Annotated[
        str | None, typer.Option(help="Column of the rates. Default: lr, learning_rate, or the one like it.")
    ] = None,
    step_column: Annotated[str, typer.Option(help="Column of the steps, if there is one.")] = "step",
    rtol: Annotated[
        float, typer.Option(min=0, help="What is no departure, relative: 1e-3 where 3 digits were logged.")
    ] = 1e-6,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
) -> None:
    """Say whether the rates that a training logged are those of a schedule, and if not, why.

    The policy's own parameters are options: clr-tuner check-schedule metrics.csv --policy triangular2
    --base-lr 0.001 --max-lr 0.006 --step-size 2000. A step is one update, counted from 0, and may be missing: rates
    that were logged every 50 updates are enough. Exit code 1: they depart.
    """
    from clr.applied_rates import check_rates  # noqa: PLC0415 - as in policy_command.py
    from clr_tuner.commands.policies import list_options, read_options, read_schedule  # noqa: PLC0415
    from clr_tuner.commands.rates_file import read_rates  # noqa: PLC0415

    parameters, files = read_options(words)
    if len(files) != 1:
        stray = f"unexpected {files[1]!r}" if files else "FILE is missing"
        raise typer.BadParameter(f"{stray}; parameters are options: --base-lr 0.001")
    schedule = read_schedule(policy, parameters, options=list_options(context))
    logged, rates = read_rates(Path(files[0]), lr_column, step_column)
    steps, began = _count_from(first_step, logged, len(rates))
    found = check_rates(rates, schedule, steps=steps, first_step=began, rtol=rtol)
    if as_json:
        print_json(found.to_dict())
    else:
        say(str(found))
    if not found.ok:
        raise typer.Exit(1)


def _count_from(
    first_step: int | None, steps: Sequence[int] | None, number: int
) -> tuple[Sequence[int], int]:
    """(the step of each rate; where the training began, or went on from a checkpoint)."""
    if steps is None:
        steps = range(first_step or 0, (first_step or 0) + number)
    elif first_step is not None:
        steps = [step - steps[0] + first_step for step in steps]
    interval = steps[1] - steps[0] if number > 1 else steps[0]
    return steps, steps[0] if first_step is not None or steps[0] > interval else 0
