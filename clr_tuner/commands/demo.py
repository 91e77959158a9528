"""The whole service on one real range test, start to end: `clr-tuner demo`, `make demo`."""

import tempfile
import time
from pathlib import Path
from typing import Literal

import typer

from clr.bounds import Bounds
from clr_tuner.client import Client
from clr_tuner.commands.describe import describe_bounds
from clr_tuner.commands.progress import ProgressReport
from clr_tuner.commands.serve import signals_interrupt
from clr_tuner.commands.terminal import say, warn
from clr_tuner.embedded.service import EmbeddedService
from clr_tuner.errors import INTERRUPTED, ClientError, NoBounds
from clr_tuner.job import Job
from clr_tuner.resource import Resource
from store.settings import Settings


def run_demo(settings: Settings, *, workload: str) -> None:
    """Serve on a free port with a throw-away database, test `workload` through HTTP, write its picture.

    The user's own database and broker are left alone. Raises `ClientError`, with the end of the service's
    logs when the service is to blame.
    """
    with signals_interrupt():
        try:
            _demonstrate(settings, workload)
        except KeyboardInterrupt:
            warn("interrupted; everything is stopped")
            raise typer.Exit(INTERRUPTED) from None


def _demonstrate(settings: Settings, workload: str) -> None:
    with tempfile.TemporaryDirectory(prefix="clr-demo-") as scratch:
        isolated = settings.model_copy(
            update={
                "host": "127.0.0.1",
                "port": 0,
                "data_dir": Path(scratch),
                "database_url": "",
                "broker_url": "",
                "api_keys": [],
                "admin_key": None,
            }
        )
        say("starting the service: broker, worker, API ...")
        started_at = time.monotonic()
        with EmbeddedService(isolated, say=say) as service:
            say(f"ready at {service.url} after {time.monotonic() - started_at:.1f} s")
            try:
                _range_test(service, workload=workload, pictures=settings.data_dir / "demo")
            except NoBounds:
                raise
            except ClientError as error:
                raise ClientError(f"{error}\n{service.tails()}") from error
    say(f"everything is stopped again; {time.monotonic() - started_at:.1f} s in all")


def _range_test(service: EmbeddedService, *, workload: str, pictures: Path) -> None:
    def follow(job: Resource) -> None:
        progress(job)
        service.check()

    with Client(service.url, retry_s=5) as client:
        job = client.range_test(workload)
        say(f'POST {service.url}/range-tests {{"workload": "{workload}"}} -> job {job.id}')
        with ProgressReport() as progress:
            job.wait(on_progress=follow)
        _write_pictures(job, pictures / workload)
        say(describe_bounds(Bounds.from_dict(job.bounds_data())))


def _write_pictures(job: Job, stem: Path) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    formats: tuple[Literal["svg", "png"], ...] = ("svg", "png")
    for format in formats:
        picture = stem.with_name(f"{stem.name}.{format}")
        picture.write_bytes(job.plot(format))
        say(f"picture: {picture}")
