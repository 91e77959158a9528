"""A job as its caller sees it, whatever its kind: what was asked, what came of it, and what it measured."""

import time
from collections.abc import Iterator
from typing import Any, ClassVar

from clr_tuner.events import Event, follow
from clr_tuner.resource import PROGRESS_POLL_S, Resource

MOST_LISTED = 500
PRIORITIES = ("high", "normal", "low")


def _find_place(job: dict[str, Any]) -> tuple[int, bool, str]:
    """Where it stands in the queue: by priority, jobs of comparisons last, by age."""
    priority = PRIORITIES.index(job.get("priority") or "normal")
    return priority, job.get("comparison_id") is not None, job.get("created_at") or ""


class Job(Resource):
    """One job."""

    noun: ClassVar[str] = "job"
    _long_poll_s: ClassVar[float] = 30.0

    @property
    def kind(self) -> str:
        """range_test or training_job."""
        return str(self.data["kind"])

    @property
    def outcome(self) -> str | None:
        """What the science says of a succeeded job: bounds_found or inconclusive; trained or diverged."""
        return self.data.get("outcome")

    @property
    def config(self) -> dict[str, Any]:
        """The request with every default resolved; empty in a list of every kind until `refresh`."""
        return self.data.get("config") or {}

    def why_queued(self) -> str:
        """What a queued job waits for, as "2 jobs before it"; "" where a worker should take it now."""
        workload = self.data.get("workload")
        if not any(workload in worker["workloads"] for worker in self._connection.get("/workers")["items"]):
            return f"no worker runs {workload} now"
        queued = self._connection.get("/jobs", status="queued", page_size=MOST_LISTED)["items"]
        running = self._connection.get("/jobs", status="running", page_size=MOST_LISTED)["items"]
        before = len(running) + sum(_find_place(job) < _find_place(self.data) for job in queued)
        reasons = ["its worker was lost or stopped"] if self.data.get("attempt") else []
        jobs = [f"{before} job{'s' if before > 1 else ''} before it"] if before else []
        return ", ".join(reasons + jobs)

    def events(self, last_event_id: str | None = None) -> Iterator[Event]:
        """What happens to it until it is final: `status`, `progress`, `points`, `reset`, `result`, `end`.

        A broken connection is made again, and no point comes twice; last_event_id: of the last event that another
        process heard. The job's own attributes follow. A service that has no events yet is asked once a second, and
        tells no points.
        """
        path = self.data["links"].get("events")
        heard = follow(self._connection, path, query={}, last_event_id=last_event_id) if path else self._ask()
        for event in heard:
            if event.name in ("status", "progress"):
                self.data = {**self.data, **event.data}
            yield event

    def _ask(self) -> Iterator[Event]:
        status, progress = None, None
        while True:
            self.refresh()
            if self.status != status:
                status, progress = self.status, self.progress
                yield Event("status", self.data, "")
            elif self.progress != progress:
                progress = self.progress
                yield Event("progress", {"id": self.id, "progress": progress}, "")
            if self.is_final:
                yield Event("end", {"id": self.id, "status": status}, "")
                return
            time.sleep(PROGRESS_POLL_S)

    def curve(self, max_points: int | None = None) -> dict[str, Any]:
        """The raw points in columns, `{"complete", "runs": [...]}`; every point unless `max_points`."""
        curve: dict[str, Any] = self._connection.get(self._path("/curve"), max_points=max_points)
        return curve

    def curve_csv(self, max_points: int | None = None) -> str:
        """The raw points as CSV, one row a point."""
        query = {"format": "csv", "max_points": max_points}
        return self._connection.request("GET", self._path("/curve"), query=query).text
