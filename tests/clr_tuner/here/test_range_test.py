"""A range test in a loop of one's own, reported to a service that is there, dies, comes back or never was."""

import json
import multiprocessing
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from clr.bounds import Bounds
from clr.range_test import RangeTestConfig
from clr.sweep import Sweep, SweepPlan
from clr_tuner.connection import Connection
from clr_tuner.here import sender
from clr_tuner.here.range_test import RangeTestHere
from clr_tuner.here.upload import Upload
from clr_tuner.range_test import RangeTest
from tests.services import POLL_S, Server, free_port

HOSTILE = json.dumps(
    {
        "format": 1,
        "path": "http://elsewhere/",
        "body": {},
        "client_id": "me",
        "key": "k",
        "job": None,
        "runs": [],
    }
)


class Loop:
    """A small network on handwritten digits, a loop around it, and what the finder says of it."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        digits = load_digits()
        images, labels = torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)
        self.model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.9)
        self.held_out = images[1400:], labels[1400:]
        self.loader = DataLoader(TensorDataset(images[:1400], labels[:1400]), batch_size=32, shuffle=True)

    def run(self, report: RangeTestHere | None, *, at: dict[int, Any] | None = None, **config: Any) -> Any:
        """Run the range test; at: what to do after so many updates."""
        criterion, updates = nn.CrossEntropyLoss(), 0

        def evaluate() -> tuple[float, float]:
            outputs, labels = self.model(self.held_out[0]), self.held_out[1]
            return criterion(outputs, labels).item(), (outputs.argmax(1) == labels).float().mean().item()

        with ct.LRFinder(
            self.model, self.optimizer, evaluate=evaluate, config=config, report_to=report
        ) as finder:
            for inputs, targets in finder.batches(self.loader):
                self.optimizer.zero_grad()
                loss = criterion(self.model(inputs), targets)
                loss.backward()
                self.optimizer.step()
                finder.step(loss)
                updates += 1
                (at or {}).get(updates, lambda: None)()
        self.updates = updates
        return finder.bounds()


def step_through(finder: ct.LRFinder, loop: Loop) -> Iterator[None]:
    """The steps of a loop that trains nothing."""
    for _ in finder.batches(loop.loader):
        finder.step(1.0)
        yield


def essentials(bounds: Any) -> dict[str, Any]:
    """What a service and a loop must say alike."""
    names = (
        "base_lr",
        "max_lr",
        "base_lr_interval",
        "max_lr_interval",
        "steps_per_epoch",
        "reason_max",
        "turn",
    )
    assert isinstance(bounds, Bounds)
    return {name: getattr(bounds, name) for name in names}


def test_the_service_finds_the_bounds_that_the_loop_finds(client: ct.Client) -> None:
    report = client.range_test_here("digits", batch_size=32, tags=["mine"])

    here = Loop().run(report)

    job = report.job
    assert (job.status, job.outcome, job.data["measured_by"]) == ("succeeded", "bounds_found", "client")
    assert essentials(job.bounds()) == essentials(here)


def test_reporting_changes_no_number(client: ct.Client) -> None:
    reported = Loop().run(client.range_test_here("digits"))

    assert [sweep.points for sweep in reported.sweeps] == [sweep.points for sweep in Loop().run(None).sweeps]


def test_find_bounds_reports_too(client: ct.Client) -> None:
    loop, report = Loop(), client.range_test_here("digits")

    here = ct.find_bounds(
        loop.model,
        loop.optimizer,
        nn.CrossEntropyLoss(),
        loop.loader,
        held_out=loop.held_out,
        report_to=report,
        effort="quick",
    )

    assert essentials(report.job.bounds()) == essentials(here)


def test_a_quick_test_needs_no_word_on_seeds(client: ct.Client) -> None:
    report = client.range_test_here("digits")

    here = Loop().run(report, effort="quick")

    assert essentials(report.job.bounds()) == essentials(here)


def test_a_second_loop_in_the_same_block_measures_nothing_more(client: ct.Client) -> None:
    loop, report = Loop(), client.range_test_here("digits")

    with ct.LRFinder(loop.model, loop.optimizer, config={"effort": "quick"}, report_to=report) as finder:
        lengths = [sum(1 for _ in step_through(finder, loop)) for _ in range(2)]

    assert lengths == [len(finder.sweeps[0].points), 0]


def test_a_loop_that_was_left_is_not_begun_again_in_the_same_block(client: ct.Client) -> None:
    loop, report = Loop(), client.range_test_here("digits")

    with ct.LRFinder(loop.model, loop.optimizer, report_to=report) as finder:
        next(finder.batches(loop.loader))
        with pytest.raises(ValueError, match="once"):
            next(finder.batches(loop.loader))


def test_a_service_that_is_killed_and_comes_back_misses_nothing(
    client: ct.Client, api_server: Server
) -> None:
    report = client.range_test_here("digits")

    here = Loop().run(report, at={150: api_server.stop, 400: api_server.start})

    assert report.file is None
    assert essentials(report.job.bounds()) == essentials(here)


def test_what_a_dead_service_missed_is_kept_and_can_be_sent(
    client: ct.Client, api_server: Server, tmp_path: Path
) -> None:
    report = client.range_test_here("digits", folder=tmp_path, tags=["missed"])

    with pytest.warns(UserWarning, match="send it with `clr-tuner upload"):
        here = Loop().run(report, at={150: api_server.stop})
    assert report.file is not None
    api_server.start()
    for _ in range(2):
        kept = Upload.read(report.file, client.connection)
        kept.push()

    assert kept.job is not None
    assert essentials(client.job(kept.job["id"]).refresh().bounds()) == essentials(here)  # type: ignore[attr-defined]
    assert len(list(client.range_tests(tag="missed"))) == 1


def test_a_service_that_never_was_costs_the_loop_nothing_but_a_warning(tmp_path: Path) -> None:
    nobody = ct.Client(f"http://127.0.0.1:{free_port()}", retry_s=0)

    with nobody, pytest.warns(UserWarning, match="it is kept in"):
        here = Loop().run(nobody.range_test_here("digits", folder=tmp_path))

    assert essentials(here) == essentials(Loop().run(None))


def test_a_loop_that_is_left_early_cancels_its_job(client: ct.Client) -> None:
    report = client.range_test_here("digits")

    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Loop().run(report, at={250: leave})

    assert report.job.status == "cancelled"
    assert len(report.job.curve()["runs"][0]["step"]) > 0


def test_a_cancel_at_the_service_ends_the_loop(client: ct.Client) -> None:
    report, loop = client.range_test_here("digits", tags=["cancelled"]), Loop()

    def cancel() -> None:
        while not (found := list(client.range_tests(tag="cancelled"))):
            pass
        found[0].cancel()

    def hear_of_it() -> None:
        while not report.cancelled:
            pass

    loop.run(report, at={100: cancel, 101: hear_of_it})

    assert loop.updates <= 200
    assert report.job.status == "cancelled"


def run_and_hang(url: str) -> None:
    """A process that reports, and hangs in its third sweep."""
    sender.PERIOD_S = 0.02
    with ct.Client(url) as client:
        Loop().run(client.range_test_here("digits", tags=["killed"]), at={450: signal.pause})


def test_a_killed_loop_goes_on_at_its_first_unfinished_sweep(client: ct.Client) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=run_and_hang, args=(client.connection.shown,)
    )
    process.start()
    while not (found := list(client.range_tests(tag="killed"))) or len(finished(found[0])) < 2:
        assert process.is_alive()
        time.sleep(POLL_S)
    process.kill()
    process.join()
    again, loop = client.range_test_here("digits", id=found[0].id), Loop()
    here = loop.run(again)

    assert loop.updates < sum(len(sweep.points) for sweep in here.sweeps)
    assert essentials(again.job.bounds()) == essentials(Loop().run(None))


def finished(job: RangeTest) -> list[Any]:
    """The sweeps that are complete at the service."""
    return [run for run in job.curve()["runs"] if run["finished"]]


def test_going_on_with_another_config_is_refused(client: ct.Client) -> None:
    lost = client.range_test_here("digits")
    with pytest.raises(ZeroDivisionError):
        Loop().run(
            lost, at={40: lambda: lost.job if lost._upload and lost._upload.job else None, 60: lambda: 1 / 0}
        )

    with pytest.raises(ValueError, match=r"nothing of it is left|was begun with"):
        Loop().run(client.range_test_here("digits", id=lost.job.id), num_seeds=2)


def test_going_on_for_another_training_is_refused(client: ct.Client) -> None:
    begun = client.range_test_here("digits")
    config = RangeTestConfig(effort="quick")
    begun.begin(config, optimizer={"name": "SGD"}, training={"policy": "one_cycle", "num_epochs": 8})
    begun.begin_sweep(Sweep(SweepPlan(start_lr=0.1, end_lr=1.0, num_steps=20)))
    while not begun.was_made:
        time.sleep(POLL_S)
    again = client.range_test_here("digits", id=begun.job.id)

    with pytest.raises(ValueError, match="begun for one_cycle of 8 epochs, not for any training"):
        again.begin(config, optimizer={"name": "SGD"}, training=None)
    begun.end(whole=False)


def kept_file(**changes: Any) -> str:
    """A file as it is kept, changed by hand."""
    body = {"driver": "client", "name": "digits"}
    whole = {"path": "/range-tests", "body": body, "client_id": "me", "key": "k", "job": None, "runs": []}
    return json.dumps({"format": 1} | whole | changes)


BY_HAND = [kept_file(job="mine"), kept_file(job={"id": 7}), kept_file(body=[]), kept_file(client_id=None)]


@pytest.mark.parametrize("text", [*BY_HAND, "", "{}", "[]", json.dumps({"format": 1, "runs": [{}]}), HOSTILE])
def test_a_file_that_holds_no_measurements_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.clr.json"
    file.write_text(text)

    with pytest.raises(
        ct.errors.ClientError if hasattr(ct, "errors") else Exception, match="no file of measurements"
    ):
        Upload.read(file, Connection("http://127.0.0.1:1", api_key=None, timeout_s=1, retry_s=0))


def test_a_name_that_no_job_can_have_is_refused_at_once(client: ct.Client) -> None:
    with pytest.raises(ValueError, match="1 to 200 characters"):
        client.range_test_here("")
