"""Metrics for Prometheus, read from the database when they are asked for: every API process says the same.

But of write transactions, where each counts its own.
"""

from collections.abc import Iterator

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from api.examples.workloads import METRICS
from api.resources import OpenResourcesDep
from store import counters, gauges
from store.database import Database
from store.gauges import Gauges
from store.status import Reason, Status

router = APIRouter(tags=["operations"])

ENDS = [Status.SUCCEEDED, Status.CANCELLED, "given_back", *Reason]
Counts = dict[str, dict[str, float]]


class StoredMetrics(Collector):
    """What the tables say now."""

    def __init__(self, database: Database, *, lease_s: float) -> None:
        self._database, self._lease_s = database, lease_s

    def collect(self) -> Iterator[Metric]:
        """Every metric, in one look."""
        with self._database.read() as session:
            levels = gauges.read(session, worker_seen_within_s=self._lease_s)
            counts = counters.read(session)
        yield from _list_gauges(levels)
        yield from _list_counters(counts)
        yield _sum_up_latency(counts)
        yield HistogramMetricFamily(
            "clr_write_transaction_seconds",
            "Seconds from the beginning of a write transaction of this API process to its commit.",
            buckets=self._database.holds.reached(),
            sum_value=self._database.holds.total_s,
        )


def _list_gauges(levels: Gauges) -> Iterator[Metric]:
    by_status = GaugeMetricFamily("clr_jobs", "Jobs by status.", labels=["status"])
    for status, number in levels.jobs.items():
        by_status.add_metric([status], number)
    yield by_status
    yield GaugeMetricFamily(
        "clr_queue_depth", "Jobs that wait for a worker.", value=levels.jobs[Status.QUEUED]
    )
    yield GaugeMetricFamily(
        "clr_oldest_queued_age_seconds",
        "Seconds since the oldest queued job was asked for; 0 when none is queued.",
        value=levels.oldest_queued_age_s,
    )
    yield GaugeMetricFamily("clr_workers", "Workers seen within the last lease.", value=levels.workers)


def _list_counters(counts: Counts) -> Iterator[Metric]:
    attempts = CounterMetricFamily("clr_attempts", "Attempts by how they ended.", labels=["ended"])
    for end, number in (dict.fromkeys(ENDS, 0.0) | counts.get(counters.ATTEMPTS, {})).items():
        attempts.add_metric([end], number)
    yield attempts
    kills = CounterMetricFamily("clr_child_kills", "Children killed by their worker.", labels=["cause"])
    for cause, number in (dict.fromkeys(counters.Kill, 0.0) | counts.get(counters.CHILD_KILLS, {})).items():
        kills.add_metric([cause], number)
    yield kills
    for name, counter, text in (
        ("clr_lease_losses", counters.LEASE_LOSSES, "Attempts whose lease ran out."),
        ("clr_fenced_writes_refused", counters.FENCED_WRITES, "Writes refused as their claim was over."),
    ):
        yield CounterMetricFamily(name, text, value=counts.get(counter, {}).get("", 0.0))


def _sum_up_latency(counts: Counts) -> Metric:
    bounds = [*map(str, counters.LATENCY_BOUNDS_S), "+Inf"]
    so_far = dict.fromkeys(bounds, 0.0) | counts.get(counters.CLAIM_LATENCY, {})
    reached, buckets = 0.0, []
    for bound in sorted(so_far, key=float):
        reached += so_far[bound]
        buckets.append((bound, reached))
    return HistogramMetricFamily(
        "clr_claim_latency_seconds",
        "Seconds from queued to claimed.",
        buckets=buckets,
        sum_value=counts.get(counters.CLAIM_LATENCY_SUM, {}).get("", 0.0),
    )


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {"example": METRICS}}}},
)
def get_metrics(resources: OpenResourcesDep) -> PlainTextResponse:
    """The state of queue and workers in Prometheus' text format."""
    collector = StoredMetrics(resources.database, lease_s=resources.settings.lease_s)
    return PlainTextResponse(generate_latest(collector), media_type=CONTENT_TYPE_PLAIN_0_0_4)
