"""A training in a loop of one's own, reported to a service."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import torch
from torch import nn

import clr_tuner as ct
from clr_tuner.errors import ClientError, Refused
from clr_tuner.here import sender
from clr_tuner.here.caller import name_this_process
from clr_tuner.here.training import TrainingHere
from clr_tuner.here.upload import Upload
from tests.services import Server, free_port

SCHEDULE = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 20}


class Loop:
    """A regression, its scheduler, and a loop that may break off and go on."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(4, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.losses: list[float] = []

    def run(
        self,
        report: TrainingHere,
        steps: range,
        *,
        state: dict[str, Any] | None = None,
        at: dict[int, Callable[[], object]] | None = None,
    ) -> ct.Scheduler:
        """Train these steps; a look after every tenth."""
        scheduler = ct.Scheduler(self.optimizer, SCHEDULE, report_to=report)
        if state is not None:
            scheduler.load_state_dict(state)
        for step in steps:
            inputs = torch.randn(16, 4)
            loss = (self.model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            scheduler.step(loss)
            self.losses.append(loss.item())
            if step % 10 == 9:
                report.look(loss.item())
            (at or {}).get(step, lambda: None)()
        return scheduler


def test_a_training_is_stored_with_every_loss_and_look(client: ct.Client) -> None:
    loop = Loop()

    with client.training_here("a line", 80) as report:
        loop.run(report, range(80))

    job = report.job
    [run] = job.curve()["runs"]
    assert (job.status, job.outcome, job.data["measured_by"]) == ("succeeded", "trained", "client")
    assert run["loss"] == loop.losses
    assert run["held_out"]["step"] == [9, 19, 29, 39, 49, 59, 69, 79]
    assert job.data["result"]["final"]["cycle"] == 2


def test_a_service_that_dies_and_comes_back_misses_nothing(client: ct.Client, api_server: Server) -> None:
    loop = Loop()

    with client.training_here("a line", 80) as report:
        loop.run(report, range(80), at={20: api_server.stop, 60: api_server.start})

    assert report.job.curve()["runs"][0]["loss"] == loop.losses


def test_a_training_that_broke_off_goes_on_from_its_own_checkpoint(client: ct.Client) -> None:
    loop, first = Loop(), client.training_here("a line", 80)
    with pytest.raises(ZeroDivisionError), first:
        loop.run(first, range(80), at={50: lambda: 1 / 0})
    assert first.job.status == "running"
    state = ct.Scheduler(loop.optimizer, SCHEDULE).state_dict() | {"step": 40}

    with client.training_here("a line", 80, id=first.job.id) as again:
        loop.run(again, range(40, 80), state=state)

    [run] = again.job.curve()["runs"]
    assert again.job.status == "succeeded"
    assert run["step"] == list(range(80))
    assert run["loss"] == loop.losses[:40] + loop.losses[51:]


def test_an_older_file_of_a_training_that_went_on_drops_none_of_its_rows(
    client: ct.Client, tmp_path: Path
) -> None:
    loop, first = Loop(), client.training_here("a line", 80)
    with pytest.raises(ZeroDivisionError), first:
        loop.run(first, range(80), at={29: lambda: 1 / 0})
    assert first._upload is not None
    first._upload.write(tmp_path / "old.clr.json")
    state = ct.Scheduler(loop.optimizer, SCHEDULE).state_dict() | {"step": 30}
    again = client.training_here("a line", 80, id=first.job.id)
    with pytest.raises(ZeroDivisionError), again:
        loop.run(again, range(30, 80), state=state, at={49: lambda: 1 / 0})

    with pytest.raises(
        ClientError, match=r"the service has 50 steps .* this file ends after 30: it is older"
    ):
        Upload.read(tmp_path / "old.clr.json", client.connection).push()

    assert again.job.curve()["runs"][0]["loss"] == loop.losses


def test_a_second_process_waits_while_the_first_is_alive_and_takes_over_once_it_is_gone(
    client: ct.Client,
) -> None:
    loop, first = Loop(), client.training_here("a line", 80, client_id=other_process(alive=True))
    with pytest.raises(ZeroDivisionError), first:
        loop.run(first, range(80), at={39: lambda: 1 / 0})
    body = {"client_id": name_this_process(), "from_step": 40}
    upload = Upload(client.connection, "/training-jobs", {}, name_this_process(), job=first.job.data)

    with pytest.raises(Refused, match=r"another caller, .* holds this run"):
        upload._ask_for(body)
    client.connection.post(
        f"/training-jobs/{first.job.id}/ask",
        {"client_id": other_process(alive=False), "instead_of": other_process(alive=True)},
    )

    assert upload._ask_for(body)["received_up_to"] == 40


def other_process(*, alive: bool) -> str:
    """The name of another process on this host: of the parent, or of one that this pid had before."""
    host = name_this_process().partition(":")[0]
    return f"{host}:{os.getppid() if alive else os.getpid()}:0ld"


def test_a_step_without_its_loss_is_refused(client: ct.Client) -> None:
    with client.training_here("a line", 80) as report:
        scheduler = ct.Scheduler(Loop().optimizer, SCHEDULE, report_to=report)

        with pytest.raises(ValueError, match=r"scheduler\.step\(loss\)"):
            scheduler.step()
        with pytest.raises(ValueError, match=r"call `step\(loss\)` instead"):
            scheduler.follow()
        scheduler.step(1.0)


def test_a_schedule_without_an_end_needs_to_know_how_long_it_is_trained(client: ct.Client) -> None:
    with client.training_here("a line") as report, pytest.raises(ValueError, match="needs num_steps"):
        ct.Scheduler(Loop().optimizer, SCHEDULE, report_to=report)


@pytest.mark.parametrize("loss", ["low", torch.ones(3), None, [1.0, 2.0]])
def test_a_loss_that_is_no_number_is_refused_where_it_is_handed_over(client: ct.Client, loss: Any) -> None:
    with client.training_here("a line", 80) as report:
        scheduler = ct.Scheduler(Loop().optimizer, SCHEDULE, report_to=report)
        scheduler.step(1.0)

        with pytest.raises(ValueError, match="loss"):
            scheduler.step(loss)

    assert report.job.curve()["runs"][0]["loss"] == [1.0]


def test_steps_beyond_those_that_were_to_be_trained_are_left_out(client: ct.Client) -> None:
    loop = Loop()

    with client.training_here("a line", 80) as report:
        loop.run(report, range(95))

    [run] = report.job.curve()["runs"]
    assert report.job.status == "succeeded"
    assert run["loss"] == loop.losses[:80]


def test_of_two_looks_after_one_update_the_first_is_kept(client: ct.Client) -> None:
    with client.training_here("a line", 80) as report:
        Loop().run(report, range(80), at={79: lambda: report.look(7.0)})

    assert report.job.curve()["runs"][0]["held_out"]["loss"][-1] != 7.0


def test_what_can_be_neither_sent_nor_kept_stops_no_training(tmp_path: Path) -> None:
    with ct.Client(f"http://127.0.0.1:{free_port()}", retry_s=0) as nobody:
        report = nobody.training_here("a line", 80, folder=tmp_path / "missing")

        with pytest.warns(UserWarning, match="could be reported .*, nor kept: .*missing"), report:
            Loop().run(report, range(80))

    assert report.file is None


def test_a_training_goes_on_elsewhere_once_the_lease_of_its_first_caller_lapses(
    client: ct.Client, database_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, first, refused = Loop(), client.training_here("a line", 80), Event()
    monkeypatch.setattr(sender.log, "warning", lambda *_: refused.set())
    with pytest.raises(ZeroDivisionError), first:
        loop.run(first, range(80), at={39: lambda: 1 / 0})
    state = ct.Scheduler(loop.optimizer, SCHEDULE).state_dict() | {"step": 40}

    def lapse() -> None:
        assert refused.wait(10)
        with sqlite3.connect(database_file) as database:
            database.execute("UPDATE client_runs SET lease_expires_at = 0")

    with client.training_here("a line", 80, id=first.job.id, client_id="elsewhere") as again:
        loop.run(again, range(40, 80), state=state, at={60: lapse})

    assert (again.job.status, again.file) == ("succeeded", None)
