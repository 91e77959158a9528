"""Curves as text: told in parts, the same bytes whatever the parts, and never all of it in memory."""

import json
import math
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest

from api import curve_text
from api.curve_text import CurveChanged
from api.curves import Curve, HeldOutSeries, RunSeries
from store import runs
from store.database import Database
from store.status import Driver, Kind
from tests.jobs import queue

PLAN = {"phase": "test", "shape": "linear"}


def store(database: Database, losses: list[float], *, chunk: int = 500, looks: int = 0, **plan: str) -> str:
    """A job with one run of these losses; looks: at its first steps."""
    job_id = queue(database).id
    of_run = {"job_id": job_id, "sweep": 1, "seed": 0}
    rows = np.array([(step, (step + 1) / 1000, loss) for step, loss in enumerate(losses)])
    with database.write() as session:
        runs.begin_run(session, **of_run, plan=PLAN | plan)
        for first in range(0, len(rows), chunk):
            runs.append(session, **of_run, series="train", rows=rows[first : first + chunk])
        if looks:
            seen = np.hstack([rows[:looks], np.full((looks, 1), math.nan)])
            runs.append(session, **of_run, series="held_out", rows=seen)
    return job_id


def tell(
    database: Database,
    job_id: str,
    *,
    as_csv: bool = False,
    after_step: int = -1,
    max_points: int | None = None,
) -> Iterator[bytes]:
    about = {"as_csv": as_csv, "after_step": after_step, "max_points": max_points}
    text, outline, place = curve_text.begin(database, job_id, kind=Kind.RANGE_TEST, **about)
    yield text
    while place is not None:
        text, outline, place = curve_text.go_on(database, outline, place)
        yield text


@pytest.mark.parametrize("part", [1, 100, 2**20])
@pytest.mark.parametrize("max_points", [None, 50])
def test_a_curve_is_the_same_whatever_its_parts(
    database: Database, monkeypatch: pytest.MonkeyPatch, part: int, max_points: int | None
) -> None:
    job_id = store(database, [math.sin(step) for step in range(200)], chunk=7, looks=5)
    for as_csv in (False, True):
        whole = b"".join(tell(database, job_id, as_csv=as_csv, max_points=max_points))
        monkeypatch.setattr(curve_text, "PART", part)
        monkeypatch.setattr(curve_text, "ROWS", 16)

        assert b"".join(tell(database, job_id, as_csv=as_csv, max_points=max_points)) == whole
        monkeypatch.undo()


def test_a_curve_is_the_json_of_its_model(database: Database) -> None:
    losses = [1e-5, 1e16, 0.1, math.nan, math.inf, 1 / 3]
    job_id = store(database, losses, chunk=4, looks=1, label="a []")

    text = b"".join(tell(database, job_id)).decode()

    held_out = HeldOutSeries(step=[0], lr=[0.001], loss=[1e-5], accuracy=[None], non_finite_from=None)
    run = RunSeries(
        **{"seed": 0, "sweep": 1, "phase": "test", "shape": "linear", "finished": False, "label": "a []"},
        step=list(range(6)),
        lr=[(step + 1) / 1000 for step in range(6)],
        loss=[loss if math.isfinite(loss) else None for loss in losses],
        non_finite_from=3,
        held_out=held_out,
    )
    assert text == Curve(complete=False, measured_by=Driver.WORKER, runs=[run]).model_dump_json()


def test_rows_spell_out_what_is_not_finite(database: Database) -> None:
    job_id = store(database, [0.5, math.nan], chunk=1, looks=2)

    assert b"".join(tell(database, job_id, as_csv=True)).decode().splitlines() == [
        "seed,sweep,series,step,lr,loss,accuracy",
        "0,1,train,0,0.001,0.5,",
        "0,1,train,1,0.002,nan,",
        "0,1,held_out,0,0.001,0.5,nan",
        "0,1,held_out,1,0.002,nan,nan",
    ]


def test_thinning_does_not_move_the_step_where_the_loss_stopped_being_finite(database: Database) -> None:
    losses = [math.sin(step / 9) for step in range(1000)]
    losses[637] = math.nan
    job_id = store(database, losses)

    (told,) = json.loads(b"".join(tell(database, job_id, max_points=10)))["runs"]

    assert (told["non_finite_from"], len(told["loss"]) <= 10) == (637, True)


def test_only_rows_after_a_step_are_told_when_asked(database: Database) -> None:
    job_id = store(database, [1.0] * 20, chunk=6)

    (told,) = json.loads(b"".join(tell(database, job_id, after_step=8)))["runs"]

    assert told["step"] == list(range(9, 20))


def test_what_is_measured_meanwhile_is_not_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_text, "PART", 1)
    job_id = store(database, [1.0] * 20, chunk=6)

    parts = tell(database, job_id)
    first = next(parts)
    with database.write() as session:
        runs.append(session, job_id, sweep=1, seed=0, series="train", rows=[(20, 0.1, 1.0)])

    (told,) = json.loads(first + b"".join(parts))["runs"]
    assert [len(told[name]) for name in ("step", "lr", "loss")] == [20, 20, 20]


def test_a_curve_that_is_cut_meanwhile_is_not_told_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve_text, "PART", 1)
    job_id = store(database, [1.0] * 20, chunk=6)
    parts = tell(database, job_id)
    next(parts)
    with database.write() as session:
        runs.cut(session, job_id, sweep=1, seed=0, after_step=11)

    with pytest.raises(CurveChanged):
        list(parts)


def test_a_long_curve_is_never_whole_in_memory(database: Database) -> None:
    job_id = store(database, [math.sin(step) for step in range(250_000)])

    tracemalloc.start()
    size = sum(len(part) for part in tell(database, job_id))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert size > 8_000_000
    assert peak < 8_000_000
