"""Schedules in the shell: computed here, no service needed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clr_tuner.commands.options import Picture, read_plot_format
from clr_tuner.commands.policy_command import PolicyCommand
from clr_tuner.commands.terminal import columns, print_json, say
from clr_tuner.errors import ClientError

if TYPE_CHECKING:
    from clr.policies import Schedule

ROWS = 20  # printed at most, about
CYCLES = 3  # shown where nothing is said

app = typer.Typer()


@app.command(
    rich_help_panel="Schedules",
    cls=PolicyCommand,
    epilog="Policies and their options (those in brackets have a default):\n\n$options",
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def schedule(
    context: typer.Context,
    policy: Annotated[str, typer.Argument(metavar="POLICY", help="triangular2, one_cycle ...; see below.")],
    num_steps: Annotated[
        int | None, typer.Option(min=1, help=f"Steps to show; default: {CYCLES} cycles.")
    ] = None,
    plot: Picture = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every step as JSON columns.")] = False,
) -> None:
    """Show what a schedule does: its rate, cycle and x at each step.

    The policy's own parameters are options: clr-tuner schedule triangular2 --base-lr 0.001 --max-lr 0.006
    --step-size 2000 --plot triangular2.svg
    """
    from clr.preview import Preview  # noqa: PLC0415 - as in policy_command.py
    from clr_tuner.commands.policies import find_model, list_options, read_options, read_schedule  # noqa: PLC0415

    parameters, strays = read_options(context.args)
    if strays:
        raise typer.BadParameter(f"unexpected {strays[0]!r}; parameters are options: --base-lr 0.001")
    if "policy" in parameters:
        raise typer.BadParameter("--policy is not an option: name the policy first")
    if num_steps is not None and "num_steps" in find_model(policy).model_fields:
        parameters["num_steps"] = num_steps
    schedule = read_schedule(policy, parameters, options=list_options(context))
    num_shown = num_steps or schedule.length(CYCLES)
    if num_shown is None:
        raise typer.BadParameter(f"{policy} has no cycles: say how far to look with --num-steps")
    if plot:
        _draw(schedule, num_shown, plot)
    if as_json:
        print_json(Preview.of(schedule, range(num_shown)).model_dump())
        return
    rows = Preview.of(schedule, range(0, num_shown, -(-num_shown // ROWS)))
    table = zip(rows.step, (f"{lr:.6g}" for lr in rows.lr), rows.cycle, map(_shorten, rows.x), strict=True)
    say(columns([["STEP", "LR", "CYCLE", "X"], *table]))


def _draw(schedule: "Schedule", num_steps: int, file: Path) -> None:
    format = read_plot_format(file)
    from clr.plots.schedule import draw_schedule  # noqa: PLC0415 - matplotlib takes half a second, for drawing alone
    from clr.plots.style import render  # noqa: PLC0415 - as above

    picture = render(draw_schedule(schedule, num_steps, title=schedule.policy), format)
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    say(f"picture: {file}", err=True)


def _shorten(x: float | None) -> str | None:
    return None if x is None else f"{x:.4g}"
