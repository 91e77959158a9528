"""The Python client: `Client("http://...").range_test("digits-mlp").wait().bounds()`.

Requests are repeated while the service restarts or asks to wait; a create carries an Idempotency-Key, so that it
makes one job.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypedDict, Unpack

from clr_tuner.address import default_url
from clr_tuner.comparison import Comparison
from clr_tuner.connection import Connection, path_of, read_json
from clr_tuner.events import Event, follow
from clr_tuner.job import Job
from clr_tuner.range_test import RangeTest
from clr_tuner.training_job import TrainingJob

if TYPE_CHECKING:
    from clr_tuner.here.range_test import RangeTestHere
    from clr_tuner.here.training import TrainingHere

KINDS: dict[str, type[Job]] = {"range_test": RangeTest, "training_job": TrainingJob}


class Filters(TypedDict, total=False):
    """What a list is narrowed to.

    search: words, each somewhere in the name, the workload or a tag; or how the id begins. driver: who measures, worker
    or client. page_size: how many are fetched at once.
    """

    search: str | None
    status: str | None
    workload: str | None
    tag: str | None
    driver: str | None
    page_size: int | None


class ComparisonFilters(TypedDict, total=False):
    """What a list of comparisons is narrowed to. search: as of jobs. range_test_id: whose bounds they confirm."""

    search: str | None
    status: str | None
    workload: str | None
    tag: str | None
    range_test_id: str | None
    page_size: int | None


class Client:
    """A connection to one service; use it as a context manager or `close` it.

    base_url: default CLR_URL, or CLR_HOST and CLR_PORT as `serve` reads them, or http://127.0.0.1:8000.
    api_key: sent as a bearer token; default CLR_API_KEY where base_url is left out.
    timeout_s: of one answer. retry_s: how long a request is repeated while nobody answers, or the service says 503, or
    429 with a Retry-After, before which none is repeated; where that is later than this, `Refused` is raised at once.
    0: once. One client may be used by several threads.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 30.0,
        retry_s: float = 30.0,
    ) -> None:
        if base_url is None:
            base_url, api_key = default_url(), api_key or os.environ.get("CLR_API_KEY")
        self.connection = Connection(base_url, api_key=api_key, timeout_s=timeout_s, retry_s=retry_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()

    def range_test(
        self,
        workload: str,
        params: Mapping[str, Any] | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        num_seeds: int | None = None,
        **fields: Any,
    ) -> RangeTest:
        """Queue a range test of a workload; what is None is left to the service.

        optimizer: a name, or {"name", its parameters}. fields: any other field of the request (`batch_size`,
        `seed`, `start_lr`, `end_lr`, `num_steps`, `effort`, `timeout_s`, `priority`, `name`, `tags`).
        Raises `Refused` with the fields that are wrong.
        """
        fields |= {"workload": workload, "params": params, "num_seeds": num_seeds}
        fields["optimizer"] = _spell_out("name", optimizer)
        return RangeTest(self.connection, self.connection.create("/range-tests", fields))

    def range_test_here(
        self,
        name: str,
        *,
        batch_size: int | None = None,
        tags: Sequence[str] = (),
        id: str | None = None,
        client_id: str | None = None,
        folder: Path | str = ".",
    ) -> "RangeTestHere":
        """A range test that this process measures: `LRFinder(model, optimizer, report_to=...)`, or `find_bounds`.

        name: what is tuned, as "bert on sst2". id: of a range test to go on with, at its first unfinished sweep, after
        this process or another was killed. client_id: who measures; default: this process alone. folder: where
        what could not be sent is kept. A service that is away or slow holds nothing up.
        """
        from clr_tuner.here.range_test import RangeTestHere  # noqa: PLC0415 - numpy, for those who plan sweeps

        about = {"name": name, "batch_size": batch_size, "tags": list(tags)}
        return RangeTestHere(self.connection, about, id=id, client_id=client_id, folder=Path(folder))

    def training_here(
        self,
        name: str,
        num_steps: int | None = None,
        *,
        batch_size: int | None = None,
        steps_per_epoch: float | None = None,
        tags: Sequence[str] = (),
        id: str | None = None,
        client_id: str | None = None,
        folder: Path | str = ".",
    ) -> "TrainingHere":
        """A training that this process runs: `with` it, `Scheduler(optimizer, schedule, report_to=...)`.

        num_steps: of the whole training, where the schedule does not say. id: of a training to go on with. The rest is
        as `range_test_here` has it.
        """
        from clr_tuner.here.training import TrainingHere  # noqa: PLC0415 - as above

        about = {
            "name": name,
            "batch_size": batch_size,
            "tags": list(tags),
            "steps_per_epoch": steps_per_epoch,
        }
        return TrainingHere(
            self.connection, about, num_steps=num_steps, id=id, client_id=client_id, folder=Path(folder)
        )

    def train(
        self,
        workload: str | None = None,
        schedule: str | Mapping[str, Any] | None = None,
        range_test_id: str | None = None,
        params: Mapping[str, Any] | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> TrainingJob:
        """Queue a training job; what is None is left to the service, or is as in the range test.

        schedule: a policy, or {"policy", its parameters}. Rates that it lacks come from the range test of
        `range_test_id`, or from one that is run first. fields: any other field of the request (`num_cycles`,
        `num_steps` or `num_epochs`, `step_size_epochs`, `patience`, `seed`, `batch_size`, `priority`, `name` ...).
        Raises `Refused` with the fields that are wrong.
        """
        fields |= {"workload": workload, "range_test_id": range_test_id, "params": params}
        fields["schedule"] = _spell_out("policy", schedule)
        fields["optimizer"] = _spell_out("name", optimizer)
        return TrainingJob(self.connection, self.connection.create("/training-jobs", fields))

    def compare(
        self,
        workload: str,
        entries: Sequence[str | Mapping[str, Any]] | None = None,
        preset: str | None = None,
        optimizer: str | Mapping[str, Any] | None = None,
        num_seeds: int | None = None,
        **fields: Any,
    ) -> Comparison:
        """Queue a training job for each entry and seed, at an equal budget; what is None is left to the service.

        entries: each a policy, or {"schedule": {"policy", its parameters}, "optimizer", "label"}; those of the
        preset, paper or adaptive, come before them. Rates that they lack come from one range test of each optimizer.
        fields: any other field of the request (`target`, `seed`, `num_cycles`, `num_steps` or `num_epochs`,
        `priority` ...).
        Raises `Refused` with the fields that are wrong.
        """
        fields |= {"workload": workload, "preset": preset, "num_seeds": num_seeds}
        fields["entries"] = entries and [
            {"schedule": {"policy": entry}} if isinstance(entry, str) else entry for entry in entries
        ]
        fields["optimizer"] = _spell_out("name", optimizer)
        return Comparison(self.connection, self.connection.create("/comparisons", fields))

    def comparison(self, id: str) -> Comparison:
        """The comparison of this id; raises `Refused` (404) when there is none."""
        return Comparison(self.connection, self.connection.get(path_of("comparisons", id)))

    def comparisons(self, **filters: Unpack[ComparisonFilters]) -> Iterator[Comparison]:
        """Every comparison, newest first, through all pages."""
        return (Comparison(self.connection, item) for item in self._list("/comparisons", filters))

    def job(self, id: str) -> Job:
        """The job of this id, a `RangeTest` or a `TrainingJob`; raises `Refused` (404) when there is none."""
        summary = self.connection.get(path_of("jobs", id))
        return self._job(self.connection.get(summary["links"]["self"]))

    def jobs(self, **filters: Unpack[Filters]) -> Iterator[Job]:
        """Every job of either kind, newest first, through all pages; `refresh` one for its config and result."""
        return map(self._job, self._list("/jobs", filters))

    def events(self, kind: str | None = None, last_event_id: str | None = None) -> Iterator[Event]:
        """`status`, `progress` and `result` of every job as it changes, without end; of one kind if it is given.

        last_event_id: of the last event that another process heard. A change may come twice, and none is missed.
        """
        return follow(self.connection, "/events", query={"kind": kind}, last_event_id=last_event_id)

    def range_tests(self, **filters: Unpack[Filters]) -> Iterator[RangeTest]:
        """Every range test, newest first, through all pages."""
        return (RangeTest(self.connection, item) for item in self._list("/range-tests", filters))

    def training_jobs(self, **filters: Unpack[Filters]) -> Iterator[TrainingJob]:
        """Every training job, newest first, through all pages."""
        return (TrainingJob(self.connection, item) for item in self._list("/training-jobs", filters))

    def workloads(self) -> list[dict[str, Any]]:
        """What can be run: name, description, JSON Schema of its params, defaults."""
        return list(self.connection.get("/workloads")["items"])

    def workers(self) -> list[dict[str, Any]]:
        """Who runs it."""
        return list(self.connection.get("/workers")["items"])

    def whoami(self) -> dict[str, Any]:
        """Who asks, as the service sees it: `key` (how it is shown), `name`, `scope`, `project`, `expires_at`."""
        return dict(self.connection.get("/session"))

    def make_key(self, name: str, **fields: Any) -> dict[str, Any]:
        """Make a key, as an admin may; its `secret` is in this answer alone.

        fields: `project`, `scope` (read, submit, admin), `expires_in_days`, `queued_jobs`, `steps_a_day`,
        `requests_a_minute`; what is None is left to the service. Raises `Refused`.
        """
        body = {"name": name} | {field: value for field, value in fields.items() if value is not None}
        made: dict[str, Any] = self.connection.once().post("/keys", body)  # sent again it would make another
        return made

    def keys(self) -> Iterator[dict[str, Any]]:
        """Every key, without its secret, newest first, through all pages."""
        return self._list("/keys", {})

    def revoke_key(self, id: str) -> dict[str, Any]:
        """Have a key open nothing any more."""
        revoked: dict[str, Any] = read_json(self.connection.request("DELETE", path_of("keys", id)))
        return revoked

    def ping(self) -> None:
        """Ask once whether somebody is there; raises `Unreachable`."""
        self.connection.ping()

    def _job(self, data: dict[str, Any]) -> Job:
        return KINDS.get(data["kind"], Job)(self.connection, data)

    def _list(self, path: str, filters: Filters | ComparisonFilters) -> Iterator[dict[str, Any]]:
        page_token = None
        while True:
            page = self.connection.get(path, **filters, page_token=page_token)
            yield from page["items"]
            page_token = page.get("next_page_token")
            if page_token is None:
                return


def _spell_out(key: str, value: str | Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    return {key: value} if isinstance(value, str) else value
