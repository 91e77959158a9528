"""What Prometheus reads: each metric moves for its own event, whoever is asked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from sqlalchemy import update

from api.app import create_app
from store import claims, counters, jobs
from store.database import Database
from store.losses import end_expired
from store.models import Job
from store.settings import Settings
from store.status import Reason
from tests.api.lifecycle import BOUNDS, claim, create, finish

PAGE = (Path(__file__).parent.parent.parent / "docs" / "metrics.md").read_text()
pytestmark = pytest.mark.usefixtures("catalogue")

Metrics = dict[str, float]


def scrape(api: TestClient) -> Metrics:
    """Every sample, by its name and labels as they are written."""
    answer = api.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def moved(before: Metrics, after: Metrics) -> Metrics:
    """What a counter or a gauge gained; the histograms have tests of their own."""
    gained = {name: value - before[name] for name, value in after.items() if value != before[name]}
    return {
        name: value for name, value in gained.items() if not re.search("latency|age|write_transaction", name)
    }


def succeed(database: Database, job_id: str) -> None:
    finish(database, job_id, "bounds_found", BOUNDS)


def run_out_of_memory(database: Database, job_id: str) -> None:
    with database.write() as session:
        claims.fail(session, job_id, 1, Reason.OUT_OF_MEMORY, "too big", max_attempts=3)


def give_back(database: Database, job_id: str) -> None:
    with database.write() as session:
        claims.give_back(session, job_id, 1)


def cancel(database: Database, job_id: str) -> None:
    with database.write() as session:
        jobs.request_cancel(session, job_id)
        claims.fail(session, job_id, 1, Reason.WORKER_LOST, "cancelled", max_attempts=3)


def lose_the_lease(database: Database, job_id: str) -> None:
    with database.write() as session:
        session.execute(update(Job).values(lease_expires_at=0.0))
    end_expired(database, Settings())


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (succeed, {"clr_jobs{status=succeeded}": 1, "clr_attempts_total{ended=succeeded}": 1}),
        (run_out_of_memory, {"clr_jobs{status=failed}": 1, "clr_attempts_total{ended=out_of_memory}": 1}),
        (cancel, {"clr_jobs{status=cancelled}": 1, "clr_attempts_total{ended=cancelled}": 1}),
        (
            give_back,
            {
                "clr_jobs{status=queued}": 1,
                "clr_queue_depth": 1,
                "clr_attempts_total{ended=given_back}": 1,
            },
        ),
        (
            lose_the_lease,
            {
                "clr_jobs{status=queued}": 1,
                "clr_queue_depth": 1,
                "clr_attempts_total{ended=worker_lost}": 1,
                "clr_lease_losses_total": 1,
            },
        ),
    ],
)
def test_the_end_of_an_attempt_moves_its_own_metrics_and_no_other(
    api: TestClient,
    database: Database,
    event: Callable[[Database, str], None],
    expected: Metrics,
) -> None:
    create(api)
    job_id = claim(database)
    before = scrape(api)

    event(database, job_id)

    assert moved(before, scrape(api)) == expected | {"clr_jobs{status=running}": -1}


@pytest.mark.parametrize(
    ("name", "label", "metric"),
    [
        (counters.FENCED_WRITES, "", "clr_fenced_writes_refused_total"),
        *[(counters.CHILD_KILLS, kill, f"clr_child_kills_total{{cause={kill}}}") for kill in counters.Kill],
    ],
)
def test_what_a_worker_counts_is_exposed(
    api: TestClient, database: Database, name: str, label: str, metric: str
) -> None:
    before = scrape(api)

    database.count(name, label)

    assert moved(before, scrape(api)) == {metric: 1}


def test_queued_jobs_show_as_depth_and_age(api: TestClient, database: Database) -> None:
    empty = scrape(api)
    create(api)
    create(api)
    with database.write() as session:
        session.execute(update(Job).values(created_at=Job.created_at - 100))

    queued = scrape(api)

    assert (empty["clr_queue_depth"], empty["clr_oldest_queued_age_seconds"]) == (0, 0)
    assert queued["clr_queue_depth"] == queued["clr_jobs{status=queued}"] == 2
    assert queued["clr_oldest_queued_age_seconds"] == pytest.approx(100, abs=5)
    assert queued["clr_workers"] == 1


def test_claims_make_a_true_histogram(api: TestClient, database: Database) -> None:
    for waited_s in (0, 3, 4000):
        create(api)
        with database.write() as session:
            waited = Job.created_at - waited_s
            session.execute(update(Job).where(Job.status == "queued").values(created_at=waited))
        claim(database)

    found = scrape(api)

    buckets = [value for name, value in found.items() if name.startswith("clr_claim_latency_seconds_bucket")]
    assert buckets == sorted(buckets)
    assert len(buckets) == len(counters.LATENCY_BOUNDS_S) + 1
    assert found["clr_claim_latency_seconds_bucket{le=2.5}"] == 1
    assert found["clr_claim_latency_seconds_bucket{le=5.0}"] == 2
    assert found["clr_claim_latency_seconds_bucket{le=1800.0}"] == 2
    assert found["clr_claim_latency_seconds_bucket{le=+Inf}"] == found["clr_claim_latency_seconds_count"] == 3
    assert found["clr_claim_latency_seconds_sum"] == pytest.approx(4003, abs=5)


def test_counts_outlive_the_jobs_they_are_of(api: TestClient, database: Database) -> None:
    create(api)
    job_id = claim(database)
    succeed(database, job_id)
    before = scrape(api)

    assert api.delete(f"/range-tests/{job_id}").status_code == 204

    assert moved(before, scrape(api)) == {"clr_jobs{status=succeeded}": -1}


def test_every_api_process_says_the_same(api: TestClient, api_settings: Settings, database: Database) -> None:
    create(api)
    succeed(database, claim(database))

    with TestClient(create_app(api_settings)) as other:
        assert moved(scrape(other), scrape(api)) == {}


def test_write_transactions_are_timed(api: TestClient) -> None:
    before = scrape(api)
    create(api)
    after = scrape(api)

    name = "clr_write_transaction_seconds"
    assert after[f"{name}_count"] > before[f"{name}_count"]
    assert after[f"{name}_bucket{{le=+Inf}}"] == after[f"{name}_count"]
    assert after[f"{name}_sum"] > before[f"{name}_sum"]


def test_metrics_need_the_key_like_any_other_route(api_settings: Settings) -> None:
    settings = api_settings.model_copy(update={"api_keys": [SecretStr("secret")]})
    with TestClient(create_app(settings)) as api:
        without = api.get("/metrics")
        right = api.get("/metrics", headers={"Authorization": "Bearer secret"})

    assert (without.status_code, right.status_code) == (401, 200)


def test_the_page_tells_every_metric_and_no_other(api: TestClient) -> None:
    told = {
        (name, kind): labels
        for name, labels, kind in re.findall(r"^\| `(clr_\w+)(?:{(\w+)})?` \| (\w+) \|", PAGE, re.MULTILINE)
    }

    exposed = {}
    for family in text_string_to_metric_families(api.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        exposed[name, family.type] = "".join(set(family.samples[0].labels) - {"le"})

    assert told == exposed


def test_the_alerts_and_the_page_name_no_label_or_metric_that_is_not_there(api: TestClient) -> None:
    samples = {name.partition("{")[0] for name in scrape(api)}
    ends = {name for name in re.findall(r"ended=(\w+)", " ".join(scrape(api)))}

    for name in re.findall(
        r"\bclr_\w+", re.sub(r"`clr_(claim_latency|write_transaction)_seconds`", "", PAGE)
    ):
        assert name in samples
    for alternatives in re.findall(r'ended=~"([\w|]+)"', PAGE):
        assert set(alternatives.split("|")) <= ends
