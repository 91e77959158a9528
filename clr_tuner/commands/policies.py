"""A policy and its parameters as options of a command, which are as many as there are policies."""

from collections.abc import Callable, Iterable
from typing import Any

import typer
from pydantic import BaseModel, ValidationError

from clr.policies import Schedule, by_policy, parse_schedule
from clr.refusals import drop_consequences
from clr.spelling import did_you_mean
from clr_tuner.commands.options import read_value


def describe_policies() -> str:
    """Every policy with the options that it takes, for a help text."""
    lines = []
    for name, model in by_policy().items():
        options = [
            f"--{field.replace('_', '-')}" if info.is_required() else f"[--{field.replace('_', '-')}]"
            for field, info in model.model_fields.items()
            if field != "policy"
        ]
        lines.append(f"{name} {' '.join(options)}")
    return "\n\n".join(lines)


def read_schedule(
    policy: str,
    parameters: dict[str, Any],
    parse: Callable[[dict[str, Any]], Schedule] = parse_schedule,
    *,
    options: Iterable[str] = (),
) -> Schedule:
    """The schedule of a policy and its options, as `parse` reads it; what is wrong is told by its option.

    options: those of the command itself, one of which may have been meant.
    """
    find_model(policy)
    try:
        return parse({**parameters, "policy": policy})
    except ValidationError as error:
        faults = [_say(fault, policy, options) for fault in drop_consequences(error.errors())]
        raise typer.BadParameter("; ".join(faults)) from None


def find_model(policy: str) -> type[BaseModel]:
    """The parameters of a policy; where there is none of this name, `typer.BadParameter` with what was meant."""
    if policy not in by_policy():
        advice = f"{did_you_mean(policy, by_policy())}known: {', '.join(by_policy())}"
        raise typer.BadParameter(f"there is no policy {policy!r}; {advice}")
    return by_policy()[policy]


def _say(error: Any, policy: str, options: Iterable[str]) -> str:
    _, field, *inside = error["loc"]  # the policy comes first
    option = " ".join(["--" + str(field).replace("_", "-"), *map(str, inside)])
    if error["type"] == "missing":
        return f"{option} is missing"
    if error["type"] == "misnamed" and not inside:
        return f"{option} is not an option of this policy; {_suggest(str(field), policy, options)}"
    return f"{option} {error['msg'].removeprefix('Value error, ')}"


def _suggest(field: str, policy: str, options: Iterable[str]) -> str:
    """Which option of the policy, or of the command itself, was meant."""
    flags = [f"--{name.replace('_', '-')}" for name in by_policy()[policy].model_fields if name != "policy"]
    near = did_you_mean(f"--{field}", [*flags, *options])
    return f"{near}it has {', '.join(flags)}"


def read_options(words: list[str]) -> tuple[dict[str, Any], list[str]]:
    """({"base_lr": 0.1} of `--base-lr 0.1` or `--base-lr=0.1`, the words that belong to no option)."""
    parameters, rest, waiting = {}, [], list(words)
    while waiting:
        name, equals, value = waiting.pop(0).partition("=")
        if not name.startswith("--"):
            rest.append(name + equals + value)
            continue
        if not equals:
            if not waiting:
                raise typer.BadParameter(f"{name} needs a value")
            value = waiting.pop(0)
        field = name.removeprefix("--").replace("-", "_")
        if field in parameters:
            raise typer.BadParameter(f"{name} is given twice")
        parameters[field] = read_value(value)
    return parameters, rest


def list_options(context: typer.Context) -> list[str]:
    """The options of the command that is run."""
    return [option for parameter in context.command.params for option in parameter.opts if option[:2] == "--"]
