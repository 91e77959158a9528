"""Curves come back as they were measured."""

import math

import numpy as np

from store import chores, jobs, runs
from store.database import Database
from store.models import Run
from tests.jobs import queue

PLAN = {"shape": "linear"}


def test_batches_come_back_as_one_curve_bit_for_bit(database: Database) -> None:
    job_id = queue(database).id
    rows = [(step, 10.0 ** (-step / 7), math.sin(step) / 3) for step in range(50)]
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=4, plan=PLAN)
    for batch in (rows[:10], rows[10:11], rows[11:]):
        with database.write() as session:
            runs.append(session, job_id, sweep=0, seed=4, series="train", rows=batch)

    with database.read() as session:
        (sweep,) = runs.load(session, job_id)

    assert (sweep.seed, sweep.plan, sweep.finished) == (4, PLAN, False)
    assert list(zip(*sweep.series["train"].values(), strict=True)) == rows
    assert sweep.series["held_out"]["step"].size == 0


def test_rows_written_again_replace_what_was_stored_from_there_on(database: Database) -> None:
    job_id = queue(database).id
    rows = [(step, 0.1, float(step)) for step in range(9)]
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
    for batch in (rows[:3], rows[3:6], rows[3:9]):
        with database.write() as session:
            runs.append(session, job_id, sweep=0, seed=0, series="train", rows=batch)

    with database.read() as session:
        (sweep,) = runs.load(session, job_id)

    assert list(zip(*sweep.series["train"].values(), strict=True)) == rows


def test_values_that_are_not_finite_are_kept(database: Database) -> None:
    job_id = queue(database).id
    rows = [(0, 0.1, math.nan), (1, 0.2, math.inf), (2, 0.3, -math.inf)]
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
        runs.append(session, job_id, sweep=0, seed=0, series="train", rows=rows)

    with database.read() as session:
        (sweep,) = runs.load(session, job_id)

    np.testing.assert_array_equal(sweep.series["train"]["loss"], [math.nan, math.inf, -math.inf])


def test_a_sweep_begun_again_forgets_what_was_left_of_it(database: Database) -> None:
    job_id = queue(database).id
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
        runs.append(session, job_id, sweep=0, seed=0, series="train", rows=[(0, 0.1, 1.0)])
        runs.begin_run(session, job_id, sweep=0, seed=1, plan=PLAN)
        runs.append(session, job_id, sweep=0, seed=1, series="train", rows=[(0, 0.1, 2.0)])
        runs.finish_run(session, job_id, sweep=0, seed=1)

    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)

    with database.read() as session:
        again, kept = runs.load(session, job_id)
    assert again.series["train"]["step"].size == 0
    assert kept.finished
    assert kept.series["train"]["loss"].tolist() == [2.0]


def test_what_a_lost_attempt_left_is_dropped_from_its_end_in_small_transactions(database: Database) -> None:
    job_id = queue(database).id
    of_run = {"sweep": 0, "seed": 0}
    with database.write() as session:
        runs.begin_run(session, job_id, **of_run, plan=PLAN)
        for step in range(700):
            runs.append(session, job_id, **of_run, series="train", rows=[(step, 0.1, 1.0)])
        runs.append(session, job_id, **of_run, series="held_out", rows=[(690, 0.1, 1.0, 0.5)])

    left = []
    with database.write() as session:
        while runs.drop_some(session, job_id, **of_run, after_step=9):
            (run,) = runs.load(session, job_id)
            left.append([columns.num_rows for columns in run.series.values()])
        cuts = session.get_one(Run, (job_id, 0, 0)).cuts

    assert left == [[401, 0], [101, 0], [10, 0]]
    assert cuts == [401, 101, 10]


def test_only_rows_after_a_step_are_read_when_asked(database: Database) -> None:
    job_id = queue(database).id
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
        runs.append(
            session, job_id, sweep=0, seed=0, series="train", rows=[(step, 0.1, 1.0) for step in range(9)]
        )

    with database.read() as session:
        pieces = list(runs.read_series(session, job_id, sweep=0, seed=0, series="train", from_step=7))

    assert [piece[0].tolist() for piece in pieces] == [[7, 8]]


def test_a_removed_job_takes_its_curve_along(database: Database) -> None:
    job_id = queue(database).id
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=0, seed=0, plan=PLAN)
        jobs.request_cancel(session, job_id)
    with database.write() as session:
        jobs.remove(session, job_id)
    chores.free(database)

    with database.read() as session:
        assert runs.load(session, job_id) == []
