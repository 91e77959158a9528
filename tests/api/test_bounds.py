"""What a range test measured and found, on both databases."""

import math
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.examples import bounds as examples
from store import claims
from store.database import Database
from store.status import Reason
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, INCONCLUSIVE, claim, create, finish, measure

pytestmark = pytest.mark.usefixtures("catalogue")


def test_bounds_come_with_code_to_paste(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    waiting = api.get(f"/range-tests/{job_id}/bounds")
    claim(database)
    finish(database, job_id, "bounds_found", BOUNDS)

    bounds = api.get(f"/range-tests/{job_id}/bounds")

    assert waiting.status_code == 202
    assert "Retry-After" in waiting.headers
    assert bounds.status_code == 200
    assert bounds.json() == bounds.json() | BOUNDS
    assert "CyclicLR" in bounds.json()["snippet"]
    compile(bounds.json()["snippet"], "snippet", "exec")
    assert "max_lr=0.1," in bounds.json()["snippet"]


def test_a_thorough_answer_tells_what_training_said(api: TestClient, database: Database) -> None:
    standard, thorough = create(api)["id"], create(api, effort="thorough")["id"]
    confirmation = examples.BOUNDS["confirmation"]
    for job_id, result in ((standard, BOUNDS), (thorough, BOUNDS | {"confirmation": confirmation})):
        claim(database)
        finish(database, job_id, "bounds_found", result)

    told = [
        api.get(f"/range-tests/{job_id}/bounds").json()["confirmation"] for job_id in (standard, thorough)
    ]

    assert told == [None, confirmation]


def test_an_inconclusive_test_says_why_and_what_next(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    finish(database, job_id, "inconclusive", INCONCLUSIVE)

    answer = api.get(f"/range-tests/{job_id}/bounds")

    problem = answer.json()
    assert answer.status_code == 409
    assert (problem["code"], problem["why"]) == ("inconclusive", "no_learning")
    assert problem["next_experiment"]["request"] == {"num_steps": 1600}


def test_a_failed_job_has_no_bounds_but_a_reason(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    with database.write() as session:
        claims.fail(session, job_id, 1, Reason.DATASET_MISSING, "install it: pip install x", max_attempts=3)

    answer = api.get(f"/range-tests/{job_id}/bounds")

    assert answer.status_code == 409
    assert (answer.json()["code"], answer.json()["reason"]) == ("job_failed", "dataset_missing")
    assert "pip install x" in answer.json()["detail"]


def test_a_curve_has_every_point_exactly_and_null_for_what_is_not_finite(
    api: TestClient, database: Database
) -> None:
    job_id = create(api)["id"]
    claim(database)
    losses = [1 / 3, 0.1 + 0.2, math.nan, math.inf]
    measure(database, job_id, losses)

    curve = api.get(f"/range-tests/{job_id}/curve").json()

    (run,) = curve["runs"]
    assert curve["complete"] is False
    assert run["loss"] == [1 / 3, 0.1 + 0.2, None, None]
    assert run["non_finite_from"] == 2
    assert run["step"] == [0, 1, 2, 3]
    assert run["held_out"]["accuracy"] == [None]


def test_a_curve_comes_as_csv_when_asked_for(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    measure(database, job_id, [0.5, math.nan])

    by_accept = api.get(f"/range-tests/{job_id}/curve", headers={"Accept": "text/csv"})
    by_query = api.get(f"/range-tests/{job_id}/curve?format=csv")

    assert by_accept.text == by_query.text
    assert by_query.headers["Content-Type"].startswith("text/csv")
    assert by_query.text.splitlines() == [
        "seed,sweep,series,step,lr,loss,accuracy",
        "0,1,train,0,0.001,0.5,",
        "0,1,train,1,0.002,nan,",
        "0,1,held_out,0,0.001,0.5,nan",
    ]


def test_a_curve_is_complete_once_its_job_is_final(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    before = api.get(f"/range-tests/{job_id}/curve").json()
    claim(database)
    measure(database, job_id, [0.5] * 20)
    finish(database, job_id, "bounds_found", BOUNDS)

    after = api.get(f"/range-tests/{job_id}/curve", params={"max_points": 5}).json()

    assert before == {"complete": False, "measured_by": "worker", "runs": []}
    assert after["complete"] is True
    assert len(after["runs"][0]["step"]) <= 5


@SETTLED_EARLY
@pytest.mark.parametrize(
    "query", ["max_points=3", "max_points=x", "after_step=-2", f"after_step=1{'0' * 400}", "format=xml"]
)
def test_a_wrong_question_about_a_curve_is_refused(api: TestClient, query: str) -> None:
    answer = api.get(f"/range-tests/{create(api)['id']}/curve?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == f"query:{query.partition('=')[0]}"


def test_only_later_points_are_sent_when_asked(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    measure(database, job_id, [0.5] * 10)

    (run,) = api.get(f"/range-tests/{job_id}/curve?after_step=7").json()["runs"]

    assert run["step"] == [8, 9]


@pytest.mark.parametrize("result", [None, BOUNDS, INCONCLUSIVE])
def test_the_picture_can_be_had_at_any_time(
    api: TestClient, database: Database, result: dict[str, Any] | None
) -> None:
    job_id = create(api)["id"]
    nothing_yet = api.get(f"/range-tests/{job_id}/plot.svg")
    claim(database)
    measure(database, job_id, [2.0 - step / 60 for step in range(100)])
    if result is not None:
        finish(database, job_id, "bounds_found" if result is BOUNDS else "inconclusive", result)

    svg, png = (api.get(f"/range-tests/{job_id}/plot.{format}") for format in ("svg", "png"))

    assert (nothing_yet.status_code, nothing_yet.json()["code"]) == (409, "no_points")
    assert api.get(f"/range-tests/{job_id}/plot.gif").status_code == 404
    assert svg.headers["Content-Type"] == "image/svg+xml"
    assert b"</svg>" in svg.content
    assert png.content.startswith(b"\x89PNG")


def test_the_picture_of_a_job_that_was_stopped_says_so(api: TestClient, database: Database) -> None:
    job_id = create(api)["id"]
    claim(database)
    measure(database, job_id, [2.0 - step / 60 for step in range(100)])
    api.post(f"/range-tests/{job_id}/cancel")

    assert ": cancelling<" in api.get(f"/range-tests/{job_id}/plot.svg").text
