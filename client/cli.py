"""The command line `clr-tuner`; --help lists it, every failure is a sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 a wrong argument, 3 inconclusive, 4 diverged, 130 interrupted.
"""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from client import (
    comparison_commands,
    job_commands,
    range_test_commands,
    schedule_commands,
    service_commands,
    training_commands,
    workload_commands,
)
from client.errors import ClientError, Inconclusive
from client.job_commands import INCONCLUSIVE
from client.report import describe_inconclusive


class _Commands(TyperGroup):
    """Turns the client's errors into messages and exit codes."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Inconclusive as inconclusive:
            typer.echo(describe_inconclusive(inconclusive))
            raise typer.Exit(INCONCLUSIVE) from inconclusive
        except ClientError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from error


main = typer.Typer(
    cls=_Commands,
    help="Find the learning rates to cycle between, and train between them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
main.add_typer(range_test_commands.app)
main.add_typer(training_commands.app)
main.add_typer(comparison_commands.app)
main.add_typer(job_commands.app)
main.add_typer(schedule_commands.app)
main.add_typer(service_commands.app)
main.add_typer(
    workload_commands.app,
    name="workload",
    help="Bring a workload of your own.",
    rich_help_panel="Your own workload",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"clr-tuner {version('clr-tuner')}")
        raise typer.Exit


@main.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Find the learning rates to cycle between, and train between them."""
