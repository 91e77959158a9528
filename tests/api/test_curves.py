"""Curves as columns: what thinning keeps, and how values that are not finite are told."""

import json
import math

import numpy as np
import pytest

from api.curves import Curve, HeldOutSeries, RunSeries, downsample, stream_csv, stream_json
from store.models import Job
from store.runs import COLUMNS, Columns, StoredRun
from store.status import Driver

PLAN = {"phase": "test", "shape": "linear"}

ENDED, RUNNING = Job(status="succeeded", driver="worker"), Job(status="running", driver="client")


def columns(losses: list[float], *, pieces: int = 3) -> Columns:
    steps = np.arange(len(losses), dtype=float)
    rows = np.array([steps, (steps + 1) / 1000, losses])
    return Columns(COLUMNS["train"], np.array_split(rows, pieces, axis=1))


def looks(*rows: tuple[float, float, float, float]) -> Columns:
    return Columns(COLUMNS["held_out"], [np.array(rows).reshape(-1, 4).T])


def run(train: Columns, held_out: Columns, **plan: str) -> StoredRun:
    series = {"train": train, "held_out": held_out}
    return StoredRun(sweep=1, seed=0, plan=PLAN | plan, finished=True, series=series)


def wave(num_points: int) -> list[float]:
    return [math.sin(step / 9) for step in range(num_points)]


@pytest.mark.parametrize("max_points", [4, 5, 40, 999])
def test_a_thinned_curve_keeps_its_ends_and_extremes(max_points: int) -> None:
    losses = wave(1000)
    losses[123], losses[777] = 9.0, -9.0

    kept = downsample(columns(losses), max_points)

    assert len(kept["step"]) <= max_points
    assert {0, 123, 777, 999} <= set(kept["step"])
    assert list(kept["step"]) == sorted(set(kept["step"]))


def test_a_finite_extreme_is_kept_beside_values_that_are_not() -> None:
    losses = wave(1000)
    losses[500], losses[501], losses[502] = 9.0, math.nan, math.inf

    assert 500 in downsample(columns(losses), 20)["step"]


def test_a_curve_without_a_finite_value_can_be_thinned() -> None:
    assert len(downsample(columns([math.nan] * 100), 10)["step"]) <= 10


def test_a_short_curve_is_not_thinned() -> None:
    assert list(downsample(columns(wave(10)), 10)["loss"]) == wave(10)


def test_thinning_does_not_move_the_step_where_the_loss_stopped_being_finite() -> None:
    losses = wave(1000)
    losses[637] = math.nan
    stored = run(columns(losses), looks((0, 0.1, 1.0, math.nan)))

    (told,) = json.loads("".join(stream_json(ENDED, [stored], max_points=10)))["runs"]

    assert told["non_finite_from"] == 637
    assert told["held_out"]["non_finite_from"] is None
    assert told["held_out"]["accuracy"] == [None]


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_what_is_told_does_not_depend_on_the_pieces_that_are_stored(pieces: int) -> None:
    whole, parts = columns(wave(1000), pieces=1), columns(wave(1000), pieces=pieces)

    for name in whole:
        np.testing.assert_array_equal(downsample(whole, 50)[name], downsample(parts, 50)[name])
        np.testing.assert_array_equal(whole[name], parts[name])


def test_a_curve_in_parts_is_the_json_of_its_model() -> None:
    losses = [1e-5, 1e16, 0.1, math.nan, math.inf, 1 / 3]
    stored = [
        run(columns(losses), looks((2, 1e-7, 0.25, math.nan)), label="a []"),
        run(columns([]), looks()),
    ]

    text = "".join(stream_json(RUNNING, stored, max_points=None))

    steps, lrs = list(range(6)), [(step + 1) / 1000 for step in range(6)]
    shown = [loss if math.isfinite(loss) else None for loss in losses]
    empty = HeldOutSeries(step=[], lr=[], loss=[], accuracy=[], non_finite_from=None)
    held_out = HeldOutSeries(step=[2], lr=[1e-7], loss=[0.25], accuracy=[None], non_finite_from=None)
    about = {"seed": 0, "sweep": 1, "phase": "test", "shape": "linear", "finished": True}
    first = RunSeries(
        **about, label="a []", step=steps, lr=lrs, loss=shown, non_finite_from=3, held_out=held_out
    )
    second = RunSeries(**about, step=[], lr=[], loss=[], non_finite_from=None, held_out=empty)
    assert text == Curve(complete=False, measured_by=Driver.CLIENT, runs=[first, second]).model_dump_json()


def test_a_long_curve_comes_in_parts_of_some_size() -> None:
    stored = [run(columns(wave(100_000), pieces=100), looks())]

    parts = list(stream_json(ENDED, stored, max_points=None))

    assert 5 < len(parts) < 30
    assert len(json.loads("".join(parts))["runs"][0]["loss"]) == 100_000


def test_a_curve_as_rows_spells_out_what_is_not_finite() -> None:
    stored = [run(columns([0.5, math.nan], pieces=2), looks((1, 0.002, math.inf, 0.5)))]

    assert "".join(stream_csv(stored, max_points=None)).splitlines() == [
        "seed,sweep,series,step,lr,loss,accuracy",
        "0,1,train,0,0.001,0.5,",
        "0,1,train,1,0.002,nan,",
        "0,1,held_out,1,0.002,inf,0.5",
    ]
