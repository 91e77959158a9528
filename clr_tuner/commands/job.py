"""The commands of those who look after jobs, of either kind, through HTTP."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from clr_tuner.commands.describe import describe_params
from clr_tuner.commands.options import ApiKey, AsJson, JobId, OfSearch, OfStatus, OfTag, OfWorkload, Url
from clr_tuner.commands.session import connect, identify, write_plot
from clr_tuner.commands.terminal import columns, print_json, say

JOBS = "Jobs"

app = typer.Typer()


@app.command(rich_help_panel=JOBS)
def jobs(
    search: OfSearch = None,
    status: OfStatus = None,
    workload: OfWorkload = None,
    tag: OfTag = None,
    driver: Annotated[
        str | None, typer.Option(help="Only those that a worker measures, or a client.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """List the jobs of either kind, newest first."""
    with connect(url, api_key) as client:
        matches = client.jobs(
            search=search, status=status, workload=workload, tag=tag, driver=driver, page_size=min(limit, 100)
        )
        items = list(islice(matches, limit))
    if as_json:
        print_json([job.data for job in items])
        return
    header = ["ID", "KIND", "WORKLOAD", "STATUS", "OUTCOME", "CREATED", "NAME"]
    rows = [
        [
            job.id,
            job.kind,
            job.data.get("workload"),
            job.status,
            job.outcome,
            job.data.get("created_at"),
            job.data.get("name"),
        ]
        for job in items
    ]
    say(columns([header, *rows]) if rows else "no jobs")


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
        steps = f"{progress.get('phase')}: {progress.get('completed')} of {progress['total']}"
        lines.append(("progress", f"{steps} {progress.get('unit') or ''}"))
    lines += [(name, job.data.get(name)) for name in ("attempt", "created_at", "started_at", "finished_at")]
    say(columns([line for line in lines if line[1] is not None]))


@app.command(rich_help_panel=JOBS)
def curve(
    id: JobId,
    max_points: Annotated[int | None, typer.Option(help="Thin the curve to so many points.")] = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Print the raw points of a job as CSV."""
    with connect(url, api_key) as client:
        job = client.job(id)
        if as_json:
            print_json({**identify(job), **job.curve(max_points)})
        else:
            say(job.curve_csv(max_points), nl=False)


@app.command(rich_help_panel=JOBS)
def plot(
    id: JobId,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="File to write (.png, .svg or .pdf); default: ID.png"),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Write the picture of a job: its curve, with both bounds of a range test."""
    with connect(url, api_key) as client:
        job = client.job(id)
        file = output or Path(f"{job.id}.png")
        write_plot(job, file)
    if as_json:
        print_json({**identify(job), "file": str(file)})


@app.command(rich_help_panel=JOBS)
def cancel(id: JobId, as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """Stop a job; the curve so far stays readable."""
    with connect(url, api_key) as client:
        job = client.job(id).cancel()
    if as_json:
        print_json(job.data)
    else:
        say(f"job {job.id} is {job.status}")


@app.command(rich_help_panel=JOBS)
def workloads(as_json: AsJson = False, url: Url = None, api_key: ApiKey = None) -> None:
    """List what can be tested and trained, with its parameters."""
    with connect(url, api_key) as client:
        items = client.workloads()
    if as_json:
        print_json(items)
        return
    width = max((len(workload["name"]) for workload in items), default=0)
    for workload in items:
        say(f"{workload['name']:<{width}} {workload.get('description', '')}")
        if params := describe_params(workload.get("params_schema") or {}):
            say(f"{'':<{width}} --param {params}")
