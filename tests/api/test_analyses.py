"""Stored curves read again, on both databases."""

from dataclasses import asdict, astuple
from typing import Any

import pytest
from fastapi.testclient import TestClient

from api.examples.bounds import CURVE_TO_READ
from clr.bounds import ANALYZER, Bounds
from clr.climb import next_runs
from store import runs
from store.database import Database
from tests.api.early import SETTLED_EARLY
from tests.api.lifecycle import BOUNDS, claim, create, finish
from tests.clr.curves import accuracy_with_edges, loss_of, plan
from tests.clr.curves import measured as sweep_of

pytestmark = pytest.mark.usefixtures("catalogue")


def measured(
    api: TestClient, database: Database, *, asked: dict[str, Any] | None = None, **changed: Any
) -> str:
    """A finished range test whose curve has an answer."""
    job_id = str(create(api, **(asked or {}))["id"])
    claim(database)
    accuracy = accuracy_with_edges(rises_at=0.1, falls_at=0.6)
    sweep = sweep_of(plan(), loss_of(accuracy), accuracy)
    at = {"sweep": sweep.plan.sweep, "seed": sweep.plan.seed}
    rows = {
        "train": [astuple(point) for point in sweep.points],
        "held_out": [astuple(look) for look in sweep.held_out],
    }
    with database.write() as session:
        runs.begin_run(session, job_id, **at, plan=asdict(sweep.plan))
        for series, of_series in rows.items():
            runs.append(session, job_id, **at, series=series, rows=of_series)
        runs.finish_run(session, job_id, **at)
    finish(database, job_id, "bounds_found", BOUNDS | changed)
    return job_id


def trained(database: Database, job_id: str) -> None:
    """Store a run of a confirmation."""
    [plan, *_] = next_runs(Bounds.from_dict(BOUNDS), [], seed=3, sweep=2)
    at = {"sweep": plan.sweep, "seed": plan.seed}
    with database.write() as session:
        runs.begin_run(session, job_id, **at, plan=asdict(plan))
        runs.append(session, job_id, **at, series="train", rows=[(step, 0.1, 9.0) for step in range(320)])
        runs.append(session, job_id, **at, series="held_out", rows=[(319, 0.1, 9.0, 0.1)])
        runs.finish_run(session, job_id, **at)


def analyse(api: TestClient, job_id: str, **body: Any) -> Any:
    return api.post(f"/range-tests/{job_id}/analyses", json=body)


def test_our_rule_reads_the_stored_points_again(api: TestClient, database: Database) -> None:
    job_id = measured(api, database)

    body = analyse(api, job_id).json()

    assert (body["analyzer"], body["outcome"]) == (ANALYZER, "bounds_found")
    assert body["result"]["max_lr"] != BOUNDS["max_lr"]
    assert api.get(f"/range-tests/{job_id}/bounds").json()["max_lr"] == BOUNDS["max_lr"]


def test_the_trainings_of_a_confirmation_are_shown_but_not_read_as_sweeps(
    api: TestClient, database: Database
) -> None:
    job_id = measured(api, database)
    alone, picture = analyse(api, job_id).json(), api.get(f"/range-tests/{job_id}/plot.svg").content

    trained(database, job_id)

    assert analyse(api, job_id).json()["result"] == alone["result"]
    assert api.get(f"/range-tests/{job_id}/plot.svg").content == picture
    run = api.get(f"/range-tests/{job_id}/curve").json()["runs"][-1]
    assert (run["phase"], run["shape"], run["label"]) == ("confirm", "triangular", "max_lr")
    assert len(run["step"]) == 320


def test_another_finders_rule_needs_an_exponential_sweep(api: TestClient, database: Database) -> None:
    body = analyse(api, measured(api, database), rule="valley").json()

    assert (body["analyzer"], body["outcome"], body["result"]["lr"]) == ("valley@1", "no_lr", None)


def test_each_version_of_a_rule_is_kept_once(api: TestClient, database: Database) -> None:
    job_id = measured(api, database)
    for rule in ("bounds", "valley", "bounds"):
        analyse(api, job_id, rule=rule)

    items = api.get(f"/range-tests/{job_id}/analyses").json()["items"]

    assert [item["analyzer"] for item in items] == [ANALYZER, "valley@1"]


def test_an_unknown_rule_is_refused(api: TestClient, database: Database) -> None:
    answer = analyse(api, measured(api, database), rule="best")

    assert answer.status_code == 422
    assert "valley" in answer.json()["errors"][0]["message"]


def test_a_job_that_is_not_final_is_not_analysed_yet(api: TestClient) -> None:
    answer = analyse(api, create(api)["id"])

    assert (answer.status_code, answer.json()["code"]) == (409, "job_not_final")


def test_a_job_without_a_finished_sweep_has_nothing_to_analyse(api: TestClient) -> None:
    job_id = create(api)["id"]
    api.post(f"/range-tests/{job_id}/cancel")

    answer = analyse(api, job_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "no_points")


def test_the_bounds_say_what_they_cost_and_depend_on(api: TestClient, database: Database) -> None:
    body = api.get(f"/range-tests/{measured(api, database)}/bounds").json()

    assert body["depends_on"]["optimizer"]["name"] == "SGD"
    assert body["cost"]["seconds"] >= 0


@pytest.mark.parametrize(("query", "cycles"), [("num_epochs=16", (4, 87)), ("num_steps=699", (4, 87))])
def test_cycles_for_a_budget_of_ones_own(
    api: TestClient, database: Database, query: str, cycles: tuple[int, int]
) -> None:
    body = api.get(f"/range-tests/{measured(api, database)}/bounds?{query}").json()

    assert (body["for_budget"]["num_cycles"], body["for_budget"]["step_size"]) == cycles


def test_a_stream_has_cycles_for_steps_and_none_for_epochs(api: TestClient, database: Database) -> None:
    bounds = f"/range-tests/{measured(api, database, steps_per_epoch=None)}/bounds"

    refused, answer = api.get(f"{bounds}?num_epochs=3"), api.get(f"{bounds}?num_steps=800")

    assert refused.status_code == 422
    assert "no known length: give num_steps" in refused.text
    fits = {"num_cycles": 4, "step_size": 100, "num_steps": 800}
    assert answer.json()["for_budget"].items() >= fits.items()


OVERFITS = {"turn": {"rate_sum": 1.0, "seen": 2.0}}
TRAINING = {"policy": "one_cycle", "num_steps": 4000}


def without_classes(database: Database, api: TestClient, **fields: Any) -> str:
    """A finished range test that the held-out loss decided."""
    seeds = [seed | {"metric": "held_out_loss"} for seed in BOUNDS["evidence"]["seeds"]]
    return measured(api, database, evidence=BOUNDS["evidence"] | {"seeds": seeds}, **OVERFITS, **fields)


def test_the_rates_are_those_of_a_policy_and_a_budget(api: TestClient, database: Database) -> None:
    bounds = f"/range-tests/{without_classes(database, api)}/bounds"

    rates = [
        api.get(f"{bounds}?policy=one_cycle&num_steps={num_steps}").json()["for_budget"]
        for num_steps in (4000, 8000)
    ]

    assert [(each["policy"], each["basis"]) for each in rates] == [("one_cycle", "turn")] * 2
    assert rates[1]["max_lr"] == pytest.approx(rates[0]["max_lr"] / 2, rel=1e-3)
    assert "turned" in rates[0]["reason"]


def test_bounds_are_for_the_training_that_was_asked_for_with_them(
    api: TestClient, database: Database
) -> None:
    bounds = f"/range-tests/{without_classes(database, api, asked={'for': TRAINING})}/bounds"

    asked, another = api.get(bounds).json(), api.get(f"{bounds}?policy=fixed&num_steps=40").json()

    assert asked["for_budget"]["policy"] == "one_cycle"
    assert "OneCycleLR" in asked["snippet"] or "one_cycle" in asked["snippet"]
    assert another["for_budget"]["policy"] == "fixed"


@pytest.mark.parametrize(
    ("training", "steps_per_epoch"),
    [({"num_epochs": 3}, None), ({"policy": "one_cycle", "num_epochs": 0.01}, 43.7)],
)
def test_a_training_that_turns_out_impossible_leaves_the_bounds_without_a_budget(
    api: TestClient, database: Database, training: dict[str, Any], steps_per_epoch: float | None
) -> None:
    job_id = measured(api, database, asked={"for": training}, steps_per_epoch=steps_per_epoch)

    answer = api.get(f"/range-tests/{job_id}/bounds")

    assert (answer.status_code, answer.json()["for_budget"]) == (200, None)


def test_the_snippet_has_the_rates_of_its_budget(api: TestClient, database: Database) -> None:
    bounds = f"/range-tests/{without_classes(database, api)}/bounds"

    body = api.get(f"{bounds}?policy=triangular&num_steps=4000").json()

    assert repr(body["for_budget"]["max_lr"])[:6] in body["snippet"]


def test_an_unknown_policy_is_refused_by_its_name(api: TestClient, database: Database) -> None:
    answer = api.get(f"/range-tests/{measured(api, database)}/bounds?policy=zigzag&num_steps=100")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "query:policy"


def test_two_budgets_are_one_too_many(api: TestClient, database: Database) -> None:
    answer = api.get(f"/range-tests/{measured(api, database)}/bounds?num_epochs=3&num_steps=5")

    assert answer.status_code == 422


def test_a_curve_that_somebody_else_measured_is_read_and_not_kept(
    api: TestClient, database: Database
) -> None:
    unmoved = CURVE_TO_READ | {"loss": [2.3] * 16, "held_out": None}

    answer, nothing = (api.post("/analyses", json=body) for body in (CURVE_TO_READ, unmoved))

    assert (answer.status_code, answer.json()["outcome"]) == (200, "bounds_found")
    assert CURVE_TO_READ["lr"][8] < answer.json()["result"]["max_lr"] < CURVE_TO_READ["lr"][13]
    assert (nothing.status_code, nothing.json()["outcome"]) == (200, "inconclusive")
    assert nothing.json()["result"]["why"] == "loss_never_changed"
    assert api.get("/jobs").json()["items"] == []


@SETTLED_EARLY
@pytest.mark.parametrize(
    ("changed", "pointer", "said"),
    [
        ({"loss": [1.0]}, "/loss", "has 1 values, lr has 16"),
        ({"lr": [1.0] * 16}, "/lr/1", "must rise"),
        ({"lr": [0.1], "loss": [1.0]}, "/lr", "12 are the fewest"),
        ({"lr": "fast"}, "/lr", "valid list"),
        ({"loss": ["1.0"] * 16}, "/loss/0", "valid number"),
        ({"lr": [True] * 16}, "/lr/0", "valid number"),
        ({"lr": [*range(10_001)]}, "/lr", "at most 10000"),
        ({"held_out": {"step": [16], "loss": [1.0]}}, "/held_out/step/0", "0 to 15"),
        ({"held_out": {"step": [1], "loss": [1.0], "acc": [1.0]}}, "/held_out/acc", "unknown parameter"),
        ({"losses": []}, "/losses", "did you mean loss?"),
    ],
)
def test_what_is_no_curve_is_refused(
    api: TestClient, changed: dict[str, Any], pointer: str, said: str
) -> None:
    refused = api.post("/analyses", json=CURVE_TO_READ | changed)

    assert refused.status_code == 422
    assert said in {error["pointer"]: error["message"] for error in refused.json()["errors"]}[pointer]


def test_looks_without_classes_may_say_so_as_our_curves_do(api: TestClient) -> None:
    looks = {"step": [3, 7, 11], "loss": [2.0, 1.0, None], "accuracy": [None, None, None]}

    assert api.post("/analyses", json=CURVE_TO_READ | {"held_out": looks}).status_code == 200


def test_losses_after_a_null_are_told_to_be_left_out(api: TestClient) -> None:
    losses = [*CURVE_TO_READ["loss"][:14], None, 1.0]

    answer = api.post("/analyses", json=CURVE_TO_READ | {"loss": losses, "held_out": None}).json()

    assert answer["result"]["warnings"][0] == "the loss of step 14 is null: 1 losses after it are left out"
