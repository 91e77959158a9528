"""Schedules in the shell: computed here, no service needed."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from client.options import Picture, plot_format, policy_options
from client.report import columns, print_json
from clr.policies import Columns, Schedule, by_policy, genuine, parse_schedule

ROWS = 20  # printed at most, about
CYCLES = 3  # shown where nothing is said

app = typer.Typer()


def describe_policies(about_them: str) -> str:
    """Every policy with the options that it takes, for a help text."""
    lines = []
    for name, model in by_policy().items():
        options = [
            f"--{field.replace('_', '-')}" if info.is_required() else f"[--{field.replace('_', '-')}]"
            for field, info in model.model_fields.items()
            if field != "policy"
        ]
        lines.append(f"{name} {' '.join(options)}")
    return "\n\n".join([f"Policies and their options ({about_them}):", *lines])


@app.command(
    rich_help_panel="Schedules",
    epilog=describe_policies("those in brackets have a default"),
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
    given, others = policy_options(context.args)
    if others:
        raise typer.BadParameter(f"unexpected {others[0]!r}; parameters are options: --base-lr 0.001")
    if "policy" in given:
        raise typer.BadParameter("--policy is not an option: name the policy first")
    if num_steps is not None and "num_steps" in _model(policy).model_fields:
        given["num_steps"] = num_steps
    chosen = read_schedule(policy, given, parse_schedule)
    shown = num_steps or chosen.length(CYCLES)
    if shown is None:
        raise typer.BadParameter(f"{policy} has no cycles: say how far to look with --num-steps")
    if plot:
        _draw(chosen, shown, plot)
    if as_json:
        print_json(Columns.of(chosen, range(shown)).model_dump())
        return
    rows = Columns.of(chosen, range(0, shown, -(-shown // ROWS)))
    table = zip(rows.step, (f"{lr:.6g}" for lr in rows.lr), rows.cycle, map(_short, rows.x), strict=True)
    typer.echo(columns([["STEP", "LR", "CYCLE", "X"], *table]))


def read_schedule(
    policy: str, given: dict[str, Any], parse: Callable[[dict[str, Any]], Schedule]
) -> Schedule:
    """The schedule of a policy and its options, as `parse` reads it; what is wrong is told by its option."""
    _model(policy)
    try:
        return parse({**given, "policy": policy})
    except ValidationError as error:
        raise typer.BadParameter("; ".join(map(_say, genuine(error.errors())))) from None


def _model(policy: str) -> type[BaseModel]:
    if policy not in by_policy():
        raise typer.BadParameter(f"there is no policy {policy!r}; known: {', '.join(by_policy())}")
    return by_policy()[policy]


def _say(error: Any) -> str:
    _, field, *inside = error["loc"]  # the policy comes first
    option = " ".join(["--" + str(field).replace("_", "-"), *map(str, inside)])
    if error["type"] == "missing":
        return f"{option} is missing"
    if error["type"] == "extra_forbidden":
        return f"{option} is not an option of this policy"
    return f"{option} {error['msg'].removeprefix('Value error, ')}"


def _draw(chosen: Schedule, num_steps: int, file: Path) -> None:
    format = plot_format(file)
    from clr.plots import render  # noqa: PLC0415 - matplotlib takes half a second, which only drawing needs
    from clr.schedule_plots import schedule_figure  # noqa: PLC0415 - as above

    file.write_bytes(render(schedule_figure(chosen, num_steps, title=chosen.policy), format))
    typer.echo(f"picture: {file}", err=True)


def _short(x: float | None) -> str | None:
    return None if x is None else f"{x:.4g}"
