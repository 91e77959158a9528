"""The commands of those who look after jobs, of either kind, through HTTP; and what such commands share."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from clr_tuner.client import Client
from clr_tuner.commands.options import ApiKey, AsJson, JobId, Url, plot_format
from clr_tuner.commands.report import ProgressReport, columns, describe_params, print_json
from clr_tuner.errors import ClientError, Interrupted, Unreachable
from clr_tuner.job import Job
from clr_tuner.resource import Work

JOBS = "Jobs"

app = typer.Typer()
Kind = TypeVar("Kind", bound=Job)


@app.command(rich_help_panel=JOBS)
def jobs(
    status: Annotated[str | None, typer.Option(help="Only these: queued, running, succeeded ...")] = None,
    workload: Annotated[str | None, typer.Option(help="Only of this workload.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """List the jobs of either kind, newest first."""
    with connect(url, api_key) as client:
        found = client.jobs(status=status, workload=workload, tag=tag, page_size=min(limit, 100))
        listed = list(islice(found, limit))
    if as_json:
        print_json([job.data for job in listed])
        return
    header = ["ID", "KIND", "WORKLOAD", "STATUS", "OUTCOME", "CREATED"]
    rows = [
        [job.id, job.kind, job.data.get("workload"), job.status, job.outcome, job.data.get("created_at")]
        for job in listed
    ]
    typer.echo(columns([header, *rows]) if rows else "no jobs")


@app.command(rich_help_panel=JOBS)
def status(id: JobId, as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Print how a job stands."""
    with connect(url, api_key) as client:
        job = client.job(id)
    if as_json:
        print_json(job.data)
        return
    lines = [(name, job.data.get(name)) for name in ("id", "kind", "status", "outcome", "reason", "message")]
    progress = job.progress
    if progress.get("total"):
        done = f"{progress.get('phase')}: {progress.get('completed')} of {progress['total']}"
        lines.append(("progress", f"{done} {progress.get('unit') or ''}"))
    lines += [(name, job.data.get(name)) for name in ("attempt", "created_at", "started_at", "finished_at")]
    typer.echo(columns([line for line in lines if line[1] is not None]))


@app.command(rich_help_panel=JOBS)
def curve(
    id: JobId,
    max_points: Annotated[int | None, typer.Option(help="Thin the curve to so many points.")] = None,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Print the raw points of a job as CSV."""
    with connect(url, api_key) as client:
        typer.echo(client.job(id).curve_csv(max_points=max_points), nl=False)


@app.command(rich_help_panel=JOBS)
def plot(
    id: JobId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write (.png, .svg or .pdf); default: ID.png"),
    ] = None,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Write the picture of a job: its curve, with both bounds of a range test."""
    with connect(url, api_key) as client:
        job = client.job(id)
        write_plot(job, output or Path(f"{job.id}.png"))


@app.command(rich_help_panel=JOBS)
def cancel(id: JobId, url: Url = None, api_key: ApiKey = None) -> None:
    """Stop a job; the curve so far stays readable."""
    with connect(url, api_key) as client:
        job = client.job(id).cancel()
    typer.echo(f"job {job.id} is {job.status}")


@app.command(rich_help_panel=JOBS)
def workloads(as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """List what can be tested and trained, with its parameters."""
    with connect(url, api_key) as client:
        found = client.workloads()
    if as_json:
        print_json(found)
        return
    width = max((len(workload["name"]) for workload in found), default=0)
    for workload in found:
        typer.echo(f"{workload['name']:<{width}} {workload.get('description', '')}")
        if params := describe_params(workload.get("params_schema") or {}):
            typer.echo(f"{'':<{width}} --param {params}")


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


def of_kind(job: Job, kind: type[Kind]) -> Kind:
    """The job, if it is of this kind."""
    if not isinstance(job, kind):
        wanted = "a range test" if kind.__name__ == "RangeTest" else "a training job"
        raise typer.BadParameter(f"job {job.id} is a {job.kind.replace('_', ' ')}; this needs {wanted}")
    return job


def identified(work: Work) -> dict[str, Any]:
    """What a program needs to go on from here; it comes first in what is printed as JSON."""
    return {"id": work.id, "status": work.status, "links": work.data["links"]}


@contextmanager
def about(work: Work) -> Iterator[None]:
    """What goes wrong inside says which work it is about."""
    try:
        yield
    except ClientError as error:
        if error.about:
            raise
        raise error.of(work.data) from error.__cause__


def follow(work: Work) -> None:
    """Wait for it, showing how far it is; Ctrl-C cancels it. Raises `JobFailed`."""
    typer.echo(f"{work.noun} {work.id}", err=True)
    try:
        with ProgressReport() as progress:
            work.wait(on_progress=progress)
    except KeyboardInterrupt:
        if not work.refresh().is_final:
            work.cancel()
        raise Interrupted(f"{work.noun} {work.id} is {work.status}", work.data) from None
    except Unreachable as error:
        hint = f"the {work.noun} goes on once the service is back; its id is {work.id}"
        raise Unreachable(f"{error}\n{hint}") from None


def write_plot(work: Work, file: Path) -> None:
    """Write its picture in the format of the file's name."""
    picture = work.plot(plot_format(file))
    try:
        file.write_bytes(picture)
    except OSError as error:
        raise ClientError(f"{file} cannot be written: {error.strerror}") from None
    typer.echo(f"picture: {file}", err=True)
