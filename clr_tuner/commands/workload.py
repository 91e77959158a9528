"""The commands of those who bring a workload of their own: write its package, try it out."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from clr import json_text
from clr_tuner.commands.installed import require_worker
from clr_tuner.commands.terminal import say

app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the workload, as in two-rings.")]


@app.command()
def new(
    name: Name,
    into: Annotated[Path, typer.Option(help="Folder in which the new folder NAME is made.")] = Path(),
) -> None:
    """Write a package with a small workload that trains, for you to change."""
    from clr_tuner.plugin.plugin import write_plugin  # noqa: PLC0415 - pydantic comes with it, and --help needs none

    try:
        files = write_plugin(name, into)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error)) from None
    folder = f"./{name}" if into == Path() else str(into / name)
    for file in files:
        say(f"wrote {file}")
    say(f"""
next, in the worker's environment:
  python -m pip install {shlex.quote(folder)}
  clr-tuner workload check {name}
then restart the worker (clr-tuner serve), and
  clr-tuner range-test {name}""")


@app.command()
def check(
    name: Name,
    params: Annotated[str | None, typer.Option(metavar="JSON", help="Its params; default: its own.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="How many steps to train.")] = 20,
) -> None:
    """Run an installed workload for a few steps and say what is wrong. Needs no service.

    Exit code 0: all is well; 1: something is wrong.
    """
    require_worker()
    from clr_tuner.embedded.programs import python  # noqa: PLC0415 - the service's

    command = [*python("worker.check.__main__"), f"--steps={steps}"]
    if params is not None:
        command.append(f"--params={_check_object(params)}")
    command += ["--", name]
    os.execv(command[0], command)


def _check_object(text: str) -> str:
    try:
        value = json_text.read(os.fsencode(text))
    except json_text.Broken as error:
        raise typer.BadParameter(f"--params {text!r} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise typer.BadParameter(f'--params {text!r} must be a JSON object, as in {{"hidden": 64}}')
    return text
