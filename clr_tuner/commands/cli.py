"""The command line `clr-tuner`; --help lists it, every failure is a sentence and an exit code.

Exit codes: 0 done, 1 failed, 2 a wrong argument, 3 inconclusive, 4 diverged, 130 interrupted.
"""

import io
import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from clr_tuner.commands import (
    check_schedule,
    comparison,
    here,
    job,
    keys,
    range_test,
    run,
    schedule,
    service,
    training_job,
    workload,
)
from clr_tuner.commands.terminal import log_printably, print_json, printable, say
from clr_tuner.errors import ClientError, Interrupted, NoBounds


class _Commands(TyperGroup):
    """Turns the client's errors into messages and exit codes; with --json into one JSON document on stdout."""

    def main(self, *args: Any, **options: Any) -> Any:
        # A name that the terminal cannot spell, or that is no text, is no reason to break off.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        log_printably()
        return super().main(*args, **options)

    def invoke(self, ctx: Any) -> Any:
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except ClientError as error:
            _tell(error, as_json=as_json)
            raise typer.Exit(error.exit_code) from error
        except TyperException as error:
            error.message = printable(error.message)  # it may quote what the service said
            if as_json:
                print_json({"code": "usage", "detail": error.format_message()})
            raise


def _tell(error: ClientError, *, as_json: bool) -> None:
    if as_json:
        print_json(error.to_dict())
    elif isinstance(error, NoBounds):
        say(str(error))
    if not isinstance(error, NoBounds):
        said = str(error) if isinstance(error, Interrupted) else f"error: {error}"
        say(said, err=True)


main = typer.Typer(
    cls=_Commands,
    help="Find the learning rates to cycle between, and train between them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
main.add_typer(range_test.app)
main.add_typer(training_job.app)
main.add_typer(comparison.app)
main.add_typer(run.app)
main.add_typer(here.app)
main.add_typer(job.app)
main.add_typer(schedule.app)
main.add_typer(check_schedule.app)
main.add_typer(service.app)
main.add_typer(keys.app, name="keys", help="Make, list and revoke keys.", rich_help_panel="The service")
main.add_typer(
    workload.app,
    name="workload",
    help="Bring a workload of your own.",
    rich_help_panel="Your own workload",
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        say(f"clr-tuner {version('clr-tuner')}")
        raise typer.Exit


@main.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Find the learning rates to cycle between, and train between them."""
