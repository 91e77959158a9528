"""What the commands share: a client, and a wait that Ctrl-C cancels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer

from clr_tuner.client import Client
from clr_tuner.commands.options import read_plot_format
from clr_tuner.commands.progress import ProgressReport
from clr_tuner.commands.terminal import say
from clr_tuner.errors import ClientError, Interrupted, Unreachable
from clr_tuner.job import Job
from clr_tuner.resource import Resource

Kind = TypeVar("Kind", bound=Job)


def connect(url: str | None, api_key: str | None) -> Client:
    """A client of a service that is there; raises `Unreachable` saying what to do, at once."""
    try:
        client = Client(url or None, api_key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        client.ping()
    except ClientError:
        client.close()
        raise
    return client


def require_kind(job: Job, kind: type[Kind]) -> Kind:
    """The job, if it is of this kind."""
    if not isinstance(job, kind):
        noun = "a range test" if kind.__name__ == "RangeTest" else "a training job"
        raise typer.BadParameter(f"job {job.id} is a {job.kind.replace('_', ' ')}; this needs {noun}")
    return job


def identify(resource: Resource) -> dict[str, Any]:
    """What a program needs to go on from here; it comes first in what is printed as JSON."""
    return {"id": resource.id, "status": resource.status, "links": resource.data["links"]}


@contextmanager
def about(resource: Resource) -> Iterator[None]:
    """What goes wrong inside says what it is about."""
    try:
        yield
    except ClientError as error:
        if error.about:
            raise
        raise error.of(resource.data) from error.__cause__


def follow(resource: Resource) -> None:
    """Wait for it, showing how far it is; Ctrl-C cancels it. Raises `JobFailed`."""
    say(f"{resource.noun} {resource.id}", err=True)
    try:
        with ProgressReport() as progress:
            resource.wait(on_progress=progress)
    except KeyboardInterrupt:
        if not resource.refresh().is_final:
            resource.cancel()
        raise Interrupted(f"{resource.noun} {resource.id} is {resource.status}", resource.data) from None
    except Unreachable as error:
        hint = f"the {resource.noun} goes on once the service is back; its id is {resource.id}"
        raise Unreachable(f"{error}\n{hint}") from None


def write_plot(resource: Resource, file: Path) -> None:
    """Write its picture in the format of the file's name."""
    picture = resource.plot(read_plot_format(file))
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    say(f"picture: {file}", err=True)
