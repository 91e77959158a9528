"""What several commands are asked, and how what was typed is read. A wrong argument is `typer.BadParameter`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Url = Annotated[
    str | None,
    typer.Option(
        envvar="CLR_URL",
        help="Address of the service; default: by CLR_HOST and CLR_PORT, or else http://127.0.0.1:8000.",
    ),
]
ApiKey = Annotated[
    str | None, typer.Option(envvar="CLR_API_KEY", help="API key, if the service asks for one.")
]
Workload = Annotated[
    str, typer.Argument(metavar="WORKLOAD", help="Its name; `clr-tuner workloads` lists what there is.")
]
OfSearch = Annotated[
    str | None,
    typer.Option(
        "--search", help="Only with these words in name, workload or tags, or an id that begins so."
    ),
]
OfStatus = Annotated[str | None, typer.Option("--status", help="Only these: queued, running, succeeded ...")]
OfWorkload = Annotated[str | None, typer.Option("--workload", help="Only of this workload.")]
OfTag = Annotated[str | None, typer.Option("--tag", help="Only with this tag.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="Id of the job.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's JSON answer.")]

Param = Annotated[
    list[str] | None, typer.Option(metavar="K=V", help="A parameter of the workload; repeat for more.")
]
Optimizer = Annotated[
    str | None,
    typer.Option(
        help="SGD, Adam, AdamW, RMSprop, Adagrad, Adadelta, NAdam, RAdam, Adamax, Adafactor, Muon or ASGD."
    ),
]
OptimizerParam = Annotated[
    list[str] | None,
    typer.Option(metavar="K=V", help="A parameter of the optimizer, as torch names it; repeat for more."),
]
SweptSeeds = Annotated[int | None, typer.Option(help="Repetitions of the best range. Default 3.")]
StartLR = Annotated[
    float | None, typer.Option(help="Where the sweep starts; chosen by a scout when left out.")
]
EndLR = Annotated[float | None, typer.Option(help="Where the sweep ends; chosen by a scout when left out.")]
SweepSteps = Annotated[int | None, typer.Option(help="Optimizer steps of one sweep.")]
FirstSeed = Annotated[int | None, typer.Option(help="First seed. Default 0.")]
NumCycles = Annotated[int | None, typer.Option(help="How long, in whole cycles. Default 4.")]
NumSteps = Annotated[int | None, typer.Option(help="How long, in optimizer steps.")]
NumEpochs = Annotated[float | None, typer.Option(help="How long, in epochs.")]
ForPolicy = Annotated[
    str | None,
    typer.Option(
        "--policy",
        metavar="POLICY",
        help="What you will train under, as one_cycle; the budget is its length.",
    ),
]
StepSizeEpochs = Annotated[
    float | None, typer.Option(help="Half a cycle in epochs, where no step size is given. Default 2.")
]
BatchSize = Annotated[int | None, typer.Option(help="Samples a step; default: the workload's.")]
TimeoutS = Annotated[float | None, typer.Option(help="Fail the job after this long, in seconds.")]
Priority = Annotated[
    str | None, typer.Option(help="low, normal (the default) or high: which jobs are started first.")
]
Name = Annotated[str | None, typer.Option(help="A name for the job.")]
Tag = Annotated[list[str] | None, typer.Option(help="A tag for the job; repeat for more.")]
Picture = Annotated[Path | None, typer.Option(help="Write the picture here (.png, .svg or .pdf).")]


def collect_fields(
    param: list[str] | None,
    optimizer: str | None,
    optimizer_param: list[str] | None,
    priority: str | None,
    name: str | None,
    tag: list[str] | None,
) -> dict[str, Any]:
    """What every request for work may say, as the service wants it; None where nothing was typed."""
    return {
        "params": read_pairs(param) or None,
        "optimizer": _read_optimizer(optimizer, optimizer_param),
        "priority": priority,
        "name": name,
        "tags": tag or None,
    }


def read_pairs(words: list[str] | None) -> dict[str, Any]:
    """K=V as a dict."""
    fields: dict[str, Any] = {}
    for pair in words or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"{pair!r} must look like name=value")
        if name in fields:
            raise typer.BadParameter(f"{name} is given twice")
        fields[name] = read_value(value)
    return fields


def _read_optimizer(name: str | None, params: list[str] | None) -> dict[str, Any] | None:
    if params and not name:
        raise typer.BadParameter("--optimizer-param needs --optimizer")
    return {"name": name, **read_pairs(params)} if name else None


def read_value(text: str) -> Any:
    """JSON where it is JSON (64, true, [1, 2]), else a number where it ends as one (.5), else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return float(text) if text[-1:].isdigit() else text
    except ValueError:
        return text


def read_plot_format(file: Path) -> Any:
    """ "png", "svg" or "pdf" by the file's name."""
    if file.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise typer.BadParameter(f"{file} must end in .png, .svg or .pdf")
    require_folder(file)
    return file.suffix[1:].lower()


def require_folder(file: Path) -> None:
    """Refuse a file that could not be written, before the work is done."""
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent} to write {file.name} to")
