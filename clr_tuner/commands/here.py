"""The commands of those whose own process measures: send what was kept while the service was away."""

from pathlib import Path
from typing import Annotated

import typer

from clr_tuner.commands.options import ApiKey, AsJson, Url
from clr_tuner.commands.session import connect
from clr_tuner.commands.terminal import print_json, say

HERE = "In your own process"

app = typer.Typer()


@app.command(rich_help_panel=HERE)
def upload(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What was kept, as NAME.clr.json.")],
    as_json: AsJson = False,
    url: Url = None,
    api_key: ApiKey = None,
) -> None:
    """Send what a loop of your own measured while the service was away; once or twice makes no difference."""
    from clr_tuner.here.upload import Upload  # noqa: PLC0415 - numpy comes with it, and --help needs none

    with connect(url, api_key) as client:
        kept = Upload.read(file, client.connection)
        kept.push()
        assert kept.job is not None
        job = client.job(kept.job["id"])
    if as_json:
        print_json(job.data)
    else:
        say(
            f"{job.kind.replace('_', ' ')} {job.id} is {job.status}{f': {job.outcome}' if job.outcome else ''}"
        )
