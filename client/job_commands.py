"""The commands of those who run range tests: submit, follow, fetch, cancel, through HTTP."""

import json
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from client.client import DEFAULT_URL, Client
from client.errors import Inconclusive, Unreachable
from client.job import Job
from client.report import ProgressReport, columns, describe_bounds, describe_params

INCONCLUSIVE, INTERRUPTED = 3, 130  # exit codes
RUNNING = "Range tests"

app = typer.Typer()

Url = Annotated[str, typer.Option(envvar="CLR_URL", help="Address of the service.")]
ApiKey = Annotated[
    str | None, typer.Option(envvar="CLR_API_KEY", help="API key, if the service asks for one.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON answer.")]


@app.command("range-test", rich_help_panel=RUNNING)
def range_test(
    workload: Annotated[
        str, typer.Argument(metavar="WORKLOAD", help="Its name; `clr-tuner workloads` lists what there is.")
    ],
    param: Annotated[
        list[str] | None, typer.Option(metavar="K=V", help="A parameter of the workload; repeat for more.")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(help="SGD, Adam, AdamW, RMSprop, Adagrad or Adadelta.")
    ] = None,
    optimizer_param: Annotated[
        list[str] | None,
        typer.Option(metavar="K=V", help="A parameter of the optimizer, as torch names it; repeat for more."),
    ] = None,
    num_seeds: Annotated[
        int | None, typer.Option(help="Repetitions; the intervals are over them. Default 3.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="First seed. Default 0.")] = None,
    start_lr: Annotated[
        float | None, typer.Option(help="Where the sweep starts; chosen by a scout when left out.")
    ] = None,
    end_lr: Annotated[
        float | None, typer.Option(help="Where the sweep ends; chosen by a scout when left out.")
    ] = None,
    num_steps: Annotated[int | None, typer.Option(help="Optimizer steps of one sweep.")] = None,
    effort: Annotated[str | None, typer.Option(help="quick (one seed, one sweep) or standard.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Samples a step; default: the workload's.")] = None,
    timeout_s: Annotated[float | None, typer.Option(help="Fail the job after this long, in seconds.")] = None,
    name: Annotated[str | None, typer.Option(help="A name for the job.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A tag for the job; repeat for more.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Write the picture here (.png or .svg).")] = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Run a range test of WORKLOAD and print base_lr and max_lr with their reasons.

    Exit code 3: the curve gives no trustworthy bounds; why, and what to run next, is printed. Ctrl-C cancels.
    """
    if optimizer_param and not optimizer:
        raise typer.BadParameter("--optimizer-param needs --optimizer")
    if plot:
        plot_format(plot)
    request: dict[str, Any] = {
        "params": _pairs(param) or None,
        "optimizer": {"name": optimizer, **_pairs(optimizer_param)} if optimizer else None,
        "num_seeds": num_seeds,
        "seed": seed,
        "start_lr": start_lr,
        "end_lr": end_lr,
        "num_steps": num_steps,
        "effort": effort,
        "batch_size": batch_size,
        "timeout_s": timeout_s,
        "name": name,
        "tags": tag or None,
    }
    with connect(url, api_key) as client:
        job = client.range_test(workload, **request)
        _follow(job)
        try:
            _print_bounds(job, as_json=as_json)
        finally:
            if plot:
                _write_plot(job, plot)


@app.command(rich_help_panel=RUNNING)
def jobs(
    status: Annotated[str | None, typer.Option(help="Only these: queued, running, succeeded ...")] = None,
    workload: Annotated[str | None, typer.Option(help="Only of this workload.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 20,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """List the range tests, newest first."""
    with connect(url, api_key) as client:
        found = client.range_tests(status=status, workload=workload, tag=tag, page_size=min(limit, 100))
        listed = list(islice(found, limit))
    if as_json:
        print_json([job.data for job in listed])
        return
    header = ["ID", "WORKLOAD", "STATUS", "OUTCOME", "CREATED"]
    rows = [
        [job.id, job.data.get("workload"), job.status, job.outcome, job.data.get("created_at")]
        for job in listed
    ]
    typer.echo(columns([header, *rows]) if rows else "no jobs")


@app.command(rich_help_panel=RUNNING)
def status(id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print how a job stands."""
    with connect(url, api_key) as client:
        job = client.job(id)
    if as_json:
        print_json(job.data)
        return
    lines = [(name, job.data.get(name)) for name in ("id", "status", "outcome", "reason", "message")]
    progress = job.progress
    if progress.get("total"):
        done = f"{progress.get('phase')}: {progress.get('completed')} of {progress['total']}"
        lines.append(("progress", f"{done} {progress.get('unit') or ''}"))
    lines += [(name, job.data.get(name)) for name in ("attempt", "created_at", "started_at", "finished_at")]
    typer.echo(columns([line for line in lines if line[1] is not None]))


@app.command(rich_help_panel=RUNNING)
def bounds(id: JobId, as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Print the recommended base_lr and max_lr of a job."""
    with connect(url, api_key) as client:
        _print_bounds(client.job(id), as_json=as_json)


@app.command(rich_help_panel=RUNNING)
def curve(
    id: JobId,
    max_points: Annotated[int | None, typer.Option(help="Thin the curve to so many points.")] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Print the raw points of a job as CSV."""
    with connect(url, api_key) as client:
        typer.echo(client.job(id).curve_csv(max_points=max_points), nl=False)


@app.command(rich_help_panel=RUNNING)
def plot(
    id: JobId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (.png or .svg); default: ID.png")
    ] = None,
    url: Url = DEFAULT_URL,
    api_key: ApiKey = None,
) -> None:
    """Write the picture of a job: the curve and both bounds."""
    with connect(url, api_key) as client:
        _write_plot(client.job(id), output or Path(f"{id}.png"))


@app.command(rich_help_panel=RUNNING)
def cancel(id: JobId, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """Stop a job; the curve so far stays readable."""
    with connect(url, api_key) as client:
        job = client.job(id).cancel()
    typer.echo(f"job {job.id} is {job.status}")


@app.command(rich_help_panel=RUNNING)
def workloads(as_json: AsJson = False, url: Url = DEFAULT_URL, api_key: ApiKey = None) -> None:
    """List what can be tested, with its parameters."""
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


def connect(url: str, api_key: str | None) -> Client:
    """A client of a service that is there; raises `Unreachable` saying what to do, at once."""
    try:
        client = Client(url, api_key)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    try:
        client.ping()
    except Unreachable as error:
        client.close()
        raise Unreachable(
            f"{error}\nStart a service with `clr-tuner serve`, or name yours with --url or CLR_URL."
        ) from None
    return client


def _follow(job: Job) -> None:
    typer.echo(f"job {job.id}", err=True)
    try:
        with ProgressReport() as progress:
            job.wait(on_progress=progress)
    except KeyboardInterrupt:
        if not job.refresh().is_final:
            job.cancel()
        typer.echo(f"job {job.id} is {job.status}", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_bounds(job: Job, *, as_json: bool) -> None:
    try:
        found = job.bounds()
    except Inconclusive as inconclusive:
        if as_json:
            print_json(inconclusive.problem)
            raise typer.Exit(INCONCLUSIVE) from None
        raise
    if as_json:
        print_json(found.data)
    else:
        typer.echo(describe_bounds(found))


def _write_plot(job: Job, file: Path) -> None:
    file.write_bytes(job.plot(plot_format(file)))
    typer.echo(f"picture: {file}", err=True)


def plot_format(file: Path) -> Any:
    """ "png" or "svg" by the file's name."""
    if file.suffix not in (".png", ".svg"):
        raise typer.BadParameter(f"{file} must end in .png or .svg")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent} to write {file.name} to")
    return file.suffix[1:]


def _pairs(pairs: list[str] | None) -> dict[str, Any]:
    """K=V as a dict."""
    read: dict[str, Any] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} must look like name=value")
        read[name] = read_value(value)
    return read


def read_value(text: str) -> Any:
    """JSON where it is JSON (64, true, [1, 2]), else a number where it ends as one (.5), else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return float(text) if text[-1:].isdigit() else text
    except ValueError:
        return text


def print_json(answer: Any) -> None:
    """Print an answer for a program to read."""
    typer.echo(json.dumps(answer, indent=2))
