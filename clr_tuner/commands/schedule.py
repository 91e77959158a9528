"""Schedules in the shell: computed here, no service needed."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError

from clr.policies import Schedule, by_policy, parse_schedule
from clr.preview import Preview
from clr.refusals import drop_consequences
from clr.spelling import did_you_mean
from clr_tuner.commands.options import Picture, own_options, plot_format, policy_options
from clr_tuner.commands.report import columns, print_json
from clr_tuner.errors import ClientError

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
    chosen = read_schedule(policy, given, parse_schedule, others=own_options(context))
    shown = num_steps or chosen.length(CYCLES)
    if shown is None:
        raise typer.BadParameter(f"{policy} has no cycles: say how far to look with --num-steps")
    if plot:
        _draw(chosen, shown, plot)
    if as_json:
        print_json(Preview.of(chosen, range(shown)).model_dump())
        return
    rows = Preview.of(chosen, range(0, shown, -(-shown // ROWS)))
    table = zip(rows.step, (f"{lr:.6g}" for lr in rows.lr), rows.cycle, map(_short, rows.x), strict=True)
    typer.echo(columns([["STEP", "LR", "CYCLE", "X"], *table]))


def read_schedule(
    policy: str,
    given: dict[str, Any],
    parse: Callable[[dict[str, Any]], Schedule],
    *,
    others: Iterable[str] = (),
) -> Schedule:
    """The schedule of a policy and its options, as `parse` reads it; what is wrong is told by its option.

    others: the options of the command itself, one of which may have been meant.
    """
    _model(policy)
    try:
        return parse({**given, "policy": policy})
    except ValidationError as error:
        said = [_say(one, policy, others) for one in drop_consequences(error.errors())]
        raise typer.BadParameter("; ".join(said)) from None


def _model(policy: str) -> type[BaseModel]:
    if policy not in by_policy():
        known = f"{did_you_mean(policy, by_policy())}known: {', '.join(by_policy())}"
        raise typer.BadParameter(f"there is no policy {policy!r}; {known}")
    return by_policy()[policy]


def _say(error: Any, policy: str, others: Iterable[str]) -> str:
    _, field, *inside = error["loc"]  # the policy comes first
    option = " ".join(["--" + str(field).replace("_", "-"), *map(str, inside)])
    if error["type"] == "missing":
        return f"{option} is missing"
    if error["type"] == "misnamed" and not inside:
        return f"{option} is not an option of this policy; {_meant(str(field), policy, others)}"
    return f"{option} {error['msg'].removeprefix('Value error, ')}"


def _meant(field: str, policy: str, others: Iterable[str]) -> str:
    """Which option of the policy, or of the command itself, was meant."""
    own = [f"--{name.replace('_', '-')}" for name in by_policy()[policy].model_fields if name != "policy"]
    near = did_you_mean(f"--{field}", [*own, *others])
    return f"{near}it has {', '.join(own)}"


def _draw(chosen: Schedule, num_steps: int, file: Path) -> None:
    format = plot_format(file)
    from clr.plots.range_test import render  # noqa: PLC0415 - matplotlib takes half a second, which only drawing needs
    from clr.plots.schedule import schedule_figure  # noqa: PLC0415 - as above

    picture = render(schedule_figure(chosen, num_steps, title=chosen.policy), format)
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"picture: {file}", err=True)


def _short(x: float | None) -> str | None:
    return None if x is None else f"{x:.4g}"
