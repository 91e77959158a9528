"""Range tests that their callers measure, over HTTP, on both databases."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import delete, update

from clr.analysis import read_bounds
from clr.range_test import RangeTestConfig, next_sweep
from clr.sweep import HeldOut, Point, Sweep
from store.database import Database
from store.models import ClientRun, CurveChunk
from tests.api.caller import BODY, ask, begin, columns, end, measure, measure_all, plan_of, report
from tests.api.early import SETTLED_EARLY


def measure_here(config: RangeTestConfig) -> list[Sweep]:
    """The same sweeps without a service."""
    sweeps: list[Sweep] = []
    while (plan := next_sweep(config, sweeps)) is not None:
        sweeps.append(Sweep(plan))
        for row in measure(plan):
            sweeps[-1].add(row)
    return sweeps


def first_sweep(api: TestClient, **fields: Any) -> tuple[str, dict[str, Any], list[Point | HeldOut]]:
    """A range test with its first sweep asked for, and all rows of that."""
    path = begin(api, **fields)
    asked = ask(api, path)
    return path, asked, list(measure(plan_of(asked["sweep"])))


def test_a_standard_test_finds_the_bounds_that_the_same_sweeps_have_here(api: TestClient) -> None:
    path = begin(api)

    job = measure_all(api, path)

    here = read_bounds(measure_here(RangeTestConfig()), steps_per_epoch=44, optimizer="SGD").to_dict()
    bounds = api.get(f"{path}/bounds").json()
    assert (job["status"], job["outcome"], job["measured_by"]) == ("succeeded", "bounds_found", "client")
    assert job["progress"]["completed"] == job["progress"]["total"] == bounds["cost"]["steps"]
    assert {name: bounds[name] for name in here if name in bounds} == json.loads(json.dumps(here))


def test_a_probe_for_the_training_that_was_told_is_asked_for_at_the_end(api: TestClient) -> None:
    training = {"for": {"policy": "one_cycle", "num_steps": 800}}
    path = begin(api, start_lr=0.01, end_lr=3.0, num_steps=60, num_seeds=2, **training)

    told = []
    while not (asked := ask(api, path))["done"]:
        sweep = plan_of(asked["sweep"])
        told.append((sweep.phase, api.get(path).json()["progress"]["total"]))
        rows = [replace(row, accuracy=None) if isinstance(row, HeldOut) else row for row in measure(sweep)]
        report(api, path, asked, rows)
        end(api, path, asked)

    all_steps = 120 + sweep.num_steps
    assert told == [("test", 120), ("test", all_steps), ("probe", all_steps)]
    assert api.get(f"{path}/bounds").json()["cost"]["steps"] == all_steps


def test_it_runs_from_its_first_moment_and_no_worker_sees_it(api: TestClient) -> None:
    job = api.get(begin(api)).json()

    assert (job["status"], job["workload"], job["attempt"]) == ("running", "digits in NumPy", 0)
    assert job["config"]["optimizer"]["momentum"] == 0.0


def test_its_picture_curve_and_analyses_come_from_the_same_routes(api: TestClient) -> None:
    path = begin(api, effort="quick")
    measure_all(api, path)

    assert api.get(f"{path}/plot.svg").status_code == 200
    assert len(api.get(f"{path}/curve").json()["runs"]) == 1
    assert api.post(f"{path}/analyses", json={}).json()["outcome"] == "bounds_found"


def test_the_rates_of_a_sweep_are_listed_with_when_to_look(api: TestClient) -> None:
    _, asked, rows = first_sweep(api, effort="quick")

    sweep = asked["sweep"]
    assert (
        sweep["lr"]
        == [row.lr for row in rows if isinstance(row, Point)]
        + sweep["lr"][sum(isinstance(row, Point) for row in rows) :]
    )
    assert (sweep["number"], sweep["seed"], sweep["shape"], sweep["look_every"]) == (0, 0, "exponential", 7)


def test_the_answer_does_not_depend_on_how_rows_are_batched(api: TestClient) -> None:
    answers = []
    for size in (1, 37, 500):
        path, asked, rows = first_sweep(api, effort="quick")
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            from_step = sum(isinstance(row, Point) for row in rows[:first])
            assert report(api, path, asked, part, from_step=from_step).status_code == 200
        end(api, path, asked)
        curve = api.get(f"{path}/curve").json()["runs"]
        answers.append((curve, api.get(f"{path}/bounds").json()["max_lr"]))

    assert answers[0] == answers[1] == answers[2]


def test_a_report_is_judged_without_the_rows_before_it(api: TestClient, database: Database) -> None:
    path, asked, rows = first_sweep(api, effort="quick")
    report(api, path, asked, rows[:50])
    with database.write() as session:
        session.execute(delete(CurveChunk))

    last = report(api, path, asked, rows[50:], from_step=sum(isinstance(row, Point) for row in rows[:50]))

    num_steps = sum(isinstance(row, Point) for row in rows)
    assert last.json() == {"received_up_to": num_steps, "stop": "diverged"}


def test_a_report_is_judged_by_the_rows_before_it_where_nothing_was_kept_of_them(
    api: TestClient, database: Database
) -> None:
    path, asked, rows = first_sweep(api, effort="quick")
    report(api, path, asked, rows[:50])
    with database.write() as session:
        session.execute(update(ClientRun).values(kept=None))

    last = report(api, path, asked, rows[50:], from_step=sum(isinstance(row, Point) for row in rows[:50]))

    num_steps = sum(isinstance(row, Point) for row in rows)
    assert last.json() == {"received_up_to": num_steps, "stop": "diverged"}


def test_the_same_rows_again_change_nothing(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    first = report(api, path, asked, rows[:40])

    assert report(api, path, asked, rows[:40]).json() == first.json()


def test_another_value_is_refused_with_its_step(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    report(api, path, asked, rows[:40])

    body = {"token": asked["lease"]["token"], "from_step": 3, "loss": [99.0]}
    answer = api.put(f"{path}/sweeps/0/points", json=body)

    assert (answer.status_code, answer.json()["code"], answer.json()["step"]) == (409, "values_differ", 3)


def test_a_gap_is_refused_with_where_to_go_on(api: TestClient) -> None:
    path, asked, _ = first_sweep(api)

    answer = api.put(
        f"{path}/sweeps/0/points", json={"token": asked["lease"]["token"], "from_step": 7, "loss": [1.0]}
    )

    assert (answer.status_code, answer.json()["code"], answer.json()["received_up_to"]) == (409, "gap", 0)


def test_a_rate_that_is_not_the_plans_is_refused(api: TestClient) -> None:
    path, asked, _ = first_sweep(api)

    body = {"token": asked["lease"]["token"], "from_step": 0, "loss": [2.3], "lr": [0.5]}
    answer = api.put(f"{path}/sweeps/0/points", json=body)

    assert (answer.status_code, answer.json()["code"], answer.json()["step"]) == (409, "rates_differ", 0)


def test_losses_after_the_step_that_diverged_are_accepted_and_not_read(api: TestClient) -> None:
    path, asked, _ = first_sweep(api)
    token = asked["lease"]["token"]

    sent = {"token": token, "from_step": 0, "loss": [2.3, None, 2.2, 2.1]}
    answer = api.put(f"{path}/sweeps/0/points", json=sent)

    assert answer.json() == {"received_up_to": 2, "stop": "diverged"}
    later = api.put(f"{path}/sweeps/0/points", json={"token": token, "from_step": 4, "loss": [2.0]})
    assert later.json() == answer.json()


def test_a_forged_token_is_forbidden(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)

    answer = report(api, path, asked | {"lease": {"token": "forged"}}, rows[:3])

    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_token")


def test_another_caller_hears_how_long_the_sweep_is_held(api: TestClient) -> None:
    path, _, _ = first_sweep(api)

    answer = api.post(f"{path}/ask", json={"client_id": "another"})

    assert (answer.status_code, answer.json()["code"]) == (409, "sweep_held")
    assert 0 < answer.json()["lease_left_s"] <= 300
    assert 0 < int(answer.headers["Retry-After"]) <= 300


def test_the_same_caller_gets_its_open_sweep_back(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    points = [row for row in rows if isinstance(row, Point)][:25]
    report(api, path, asked, points)  # type: ignore[arg-type]

    again = ask(api, path)

    assert again["received_up_to"] == 25
    assert (again["sweep"], again["lease"]) == (asked["sweep"], asked["lease"])


def test_a_restart_forgets_the_rows_and_spends_the_token(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    report(api, path, asked, rows[:40])

    again = ask(api, path, restart=True)

    assert again["received_up_to"] == 0
    assert report(api, path, asked, rows[:40]).json()["code"] == "lease_lost"
    assert report(api, path, again, rows[:40]).status_code == 200


def test_an_end_before_the_plans_is_refused(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    report(api, path, asked, rows[:40])

    answer = end(api, path, asked)

    assert (answer.status_code, answer.json()["code"]) == (409, "incomplete")


def test_ending_a_sweep_twice_changes_nothing(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    report(api, path, asked, rows)

    assert end(api, path, asked).json() == end(api, path, asked).json()


def test_a_cancel_takes_effect_at_once_and_stops_the_caller(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)

    cancelled = api.post(f"{path}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert report(api, path, asked, rows[:40]).json()["stop"] == "cancelled"
    assert ask(api, path)["done"]


def test_a_caller_that_missed_the_cancel_hears_of_it_whatever_it_sends_next(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    report(api, path, asked, rows[:40])
    api.post(f"{path}/cancel")

    answer = report(api, path, asked, rows[80:], from_step=80)

    assert (answer.status_code, answer.json()["stop"]) == (200, "cancelled")


def test_a_sweep_that_was_measured_before_it_was_asked_for_is_taken(api: TestClient) -> None:
    path = begin(api)
    plan = {"seed": 0, "start_lr": 1e-6, "end_lr": 10.0, "num_steps": 200, "shape": "exponential"}

    assert ask(api, path, plan=plan)["sweep"]["number"] == 0


def test_a_sweep_that_was_measured_by_another_plan_is_refused(api: TestClient) -> None:
    path = begin(api)

    answer = api.post(f"{path}/ask", json={"client_id": "me", "plan": {"seed": 3}})

    assert (answer.status_code, answer.json()["code"]) == (409, "plan_differs")


def test_first_losses_of_one_seed_that_differ_are_a_warning(api: TestClient) -> None:
    path = begin(api)
    while not (asked := ask(api, path))["done"]:
        rows = list(measure(plan_of(asked["sweep"])))
        if asked["sweep"]["number"] == 1:
            assert isinstance(rows[0], Point)
            rows[0] = replace(rows[0], loss=rows[0].loss + 0.01)
        report(api, path, asked, rows)
        end(api, path, asked)

    warnings = api.get(f"{path}/bounds").json()["warnings"]
    assert any(warning.startswith("sweeps of seed 0 began with the losses ") for warning in warnings)


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"loss": [1.0] * 1001}, "/loss"),
        ({"loss": [1.0], "lr": [0.1, 0.2]}, "/lr"),
        ({"loss": [1.0], "held_out": {"step": [0], "loss": []}}, "/held_out/loss"),
        ({"loss": [1.0, 1.0], "held_out": {"step": [1, 0], "loss": [1.0, 1.0]}}, "/held_out/step/1"),
        (
            {"loss": [1.0], "held_out": {"step": [0], "loss": [1.0], "accuracy": [98.0]}},
            "/held_out/accuracy/0",
        ),
        ({"loss": ["low"]}, "/loss/0"),
    ],
)
def test_a_bad_report_names_the_field_and_stores_nothing(
    api: TestClient, body: dict[str, Any], pointer: str
) -> None:
    path, asked, _ = first_sweep(api)

    answer = api.put(
        f"{path}/sweeps/0/points", json={"token": asked["lease"]["token"], "from_step": 0} | body
    )

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert ask(api, path)["received_up_to"] == 0


def test_looks_may_come_after_their_losses(api: TestClient) -> None:
    path, asked, rows = first_sweep(api)
    points: list[Point | HeldOut] = [row for row in rows[:40] if isinstance(row, Point)]
    looks: list[Point | HeldOut] = [row for row in rows[:40] if isinstance(row, HeldOut)]
    report(api, path, asked, points)

    assert report(api, path, asked, looks, from_step=len(points)).status_code == 200
    assert (
        columns(looks)["held_out"]["step"] == api.get(f"{path}/curve").json()["runs"][0]["held_out"]["step"]
    )


@pytest.mark.usefixtures("catalogue")
def test_a_job_of_workers_is_not_measured_by_callers(api: TestClient) -> None:
    path = api.post("/range-tests", json={"workload": "digits"}).headers["Location"]

    answer = api.post(f"{path}/ask", json={"client_id": "me"})

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"workload": "digits"}, "/workload"),
        ({"effort": "thorough"}, "/effort"),
        ({"optimizer": {}}, "/optimizer/name"),
        ({"name": ""}, "/name"),
        ({"steps_per_epoch": 0}, "/steps_per_epoch"),
        ({"driver": "gpu"}, "/driver"),
        ({"num_steps": 200_000}, "/num_steps"),
        ({"optimizer": "Prodigy"}, "/optimizer/name"),
        ({"optimizer": {"name": "DAdaptAdam", "lr": 1.0}}, "/optimizer/name"),
        ({"optimizer": "Adafactor", "end_lr": 0.5}, "/end_lr"),
    ],
)
def test_a_bad_request_names_the_field(api: TestClient, fields: dict[str, Any], pointer: str) -> None:
    answer = api.post("/range-tests", json=BODY | fields)

    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_the_sweeps_of_adafactor_end_at_its_cap_and_those_of_another_of_the_name_do_not(
    api: TestClient,
) -> None:
    ends = [
        ask(api, begin(api, effort="quick", optimizer=name))["sweep"]["end_lr"]
        for name in ("Adafactor", "another Adafactor", "SGD")
    ]

    assert ends[0] < 0.1 < ends[1] == ends[2]


def test_the_same_rows_sent_at_once_are_kept_once(api: TestClient) -> None:
    path, asked, rows = first_sweep(api, effort="quick")

    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: report(api, path, asked, rows), range(4)))

    assert [answer.status_code for answer in answers] == [200] * 4
    [run] = api.get(f"{path}/curve").json()["runs"]
    assert run["step"] == list(range(len(run["step"])))
    assert len(run["held_out"]["step"]) == len(set(run["held_out"]["step"]))
