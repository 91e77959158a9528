"""Curves as text, part by part out of what is stored: each part is read by step, in a transaction of its own.

A part takes tens of milliseconds of a process of the pool (api/pool.py), so that long curves and slow readers keep
nobody waiting and nothing in memory. The first part holds all of a short curve.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from api.curves import Curve, HeldOutSeries, RunSeries, downsample
from api.jobs import get
from store import runs
from store.database import Database
from store.models import Job
from store.runs import COLUMNS, Floats, StoredRun
from store.status import FINAL, Driver, Kind

PART = 2**20  # characters, about
ROWS = 4096  # of a series that are written at once, about
INTEGERS, FLOATS = TypeAdapter(list[int]), TypeAdapter(list[float])
HEAD = ["seed", "sweep", "series", "step", "lr", "loss", "accuracy"]
END = "\r\n"  # of a line of CSV (RFC 4180)


# The series that this process thinned last, for its other columns and parts.
LAST_THINNED: dict[tuple["Outline", "Stretch"], Floats] = {}


class CurveChanged(Exception):
    """Points were cut off or measured anew while the curve was being told: ask again."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where rows of a series go: one column of them into JSON, or whole rows into CSV (column None).

    num_rows: how many there were when the curve was begun, up to last_step.
    """

    sweep: int
    seed: int
    series: str
    column: str | None
    num_rows: int
    last_step: int


@dataclass(frozen=True, slots=True)
class Outline:
    """A curve's text, with what is to be read for it. max_points: of a series that has more."""

    job_id: str
    items: tuple[str | Stretch, ...]
    after_step: int
    max_points: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where the text was told: an item, and the rows of it that were."""

    item: int = 0
    rows: int = 0
    from_step: int = 0


Part = tuple[bytes, Outline, Place | None]


def begin(
    database: Database, job_id: str, *, kind: Kind, as_csv: bool, after_step: int, max_points: int | None
) -> Part:
    """The first part, the outline of all, and where to go on; None: that was all. Raises `NotFound`."""
    with database.read() as session:
        job = get(session, job_id, kind=kind)
        stored = runs.load(session, job_id, series=())
        outline_of = _outline_csv if as_csv else _outline_json
        items = tuple(outline_of(session, job, stored, after_step))
        outline = Outline(job_id, items, after_step, max_points)
        return _write(session, outline, Place(from_step=after_step + 1))


def go_on(database: Database, outline: Outline, place: Place) -> Part:
    """The next part. Raises `CurveChanged`."""
    with database.read() as session:
        return _write(session, outline, place)


def _outline_json(
    session: Session, job: Job, stored: Sequence[StoredRun], after_step: int
) -> Iterator[str | Stretch]:
    """A `Curve`, whose runs come last in it."""
    curve = Curve(complete=job.status in FINAL, measured_by=Driver(job.driver), runs=[])
    before, after = curve.model_dump_json().rsplit("[]", 1)
    yield f"{before}["
    for number, run in enumerate(stored):
        yield "," if number else ""
        yield from _outline_run(session, job.id, run, after_step)
    yield f"]{after}"


def _outline_run(session: Session, job_id: str, run: StoredRun, after_step: int) -> Iterator[str | Stretch]:
    """A `RunSeries`, whose columns come last in it."""
    (train, broke), (held_out, look_broke) = (
        _survey(session, job_id, run, series, after_step) for series in COLUMNS
    )
    looks = HeldOutSeries(step=[], lr=[], loss=[], accuracy=[], non_finite_from=look_broke)
    empty = RunSeries(
        seed=run.seed,
        sweep=run.sweep,
        phase=run.plan["phase"],
        shape=run.plan["shape"],
        label=run.plan.get("label"),
        finished=run.finished,
        step=[],
        lr=[],
        loss=[],
        non_finite_from=broke,
        held_out=looks,
    )
    stretches = [replace(found, column=name) for found in (train, held_out) for name in COLUMNS[found.series]]
    *texts, end = empty.model_dump_json().rsplit("[]", len(stretches))
    for text, stretch in zip(texts, stretches, strict=True):
        yield from (f"{text}[", stretch, "]")
    yield end


def _outline_csv(
    session: Session, job: Job, stored: Sequence[StoredRun], after_step: int
) -> Iterator[str | Stretch]:
    yield ",".join(HEAD) + END
    for run in stored:
        for series in COLUMNS:
            yield _survey(session, job.id, run, series, after_step)[0]


def _survey(
    session: Session, job_id: str, run: StoredRun, series: str, after_step: int
) -> tuple[Stretch, int | None]:
    """How much there is of a series, and the step at which its loss stopped being finite."""
    num_rows, last_step, broke = 0, -1, None
    loss = COLUMNS[series].index("loss")
    for piece in runs.read_series(
        session, job_id, sweep=run.sweep, seed=run.seed, series=series, from_step=after_step + 1
    ):
        num_rows, last_step = num_rows + piece.shape[1], int(piece[0, -1])
        if broke is None and not np.isfinite(piece[loss]).all():
            broke = int(piece[0, np.flatnonzero(~np.isfinite(piece[loss]))[0]])
    return Stretch(run.sweep, run.seed, series, None, num_rows, last_step), broke


def _write(session: Session, outline: Outline, place: Place) -> Part:
    texts: list[str] = []
    size, told, from_step = 0, place.rows, place.from_step
    for number in range(place.item, len(outline.items)):
        item = outline.items[number]
        if isinstance(item, str):
            texts.append(item)
            continue
        for piece in _join(_read(session, outline, item, from_step)):
            texts.append(_as_rows(item, piece) if item.column is None else _as_values(item, piece, told))
            told, from_step = told + piece.shape[1], int(piece[0, -1]) + 1
            size += len(texts[-1])
            if size >= PART and from_step <= item.last_step:
                return "".join(texts).encode(), outline, Place(number, told, from_step)
        if told != item.num_rows and not _is_thinned(outline, item):
            raise CurveChanged(CurveChanged.__doc__)
        told, from_step = 0, outline.after_step + 1
        if size >= PART:
            return "".join(texts).encode(), outline, Place(number + 1, 0, from_step)
    return "".join(texts).encode(), outline, None


def _read(session: Session, outline: Outline, stretch: Stretch, from_step: int) -> Iterator[Floats]:
    """The rows of a series from a step on, as far as they go into the text."""

    def read(first: int) -> Iterator[Floats]:
        sweep, seed, series = stretch.sweep, stretch.seed, stretch.series
        for piece in runs.read_series(
            session, outline.job_id, sweep=sweep, seed=seed, series=series, from_step=first
        ):
            if piece[0, 0] > stretch.last_step:
                return
            is_whole = piece[0, -1] <= stretch.last_step
            yield piece if is_whole else piece[:, piece[0] <= stretch.last_step]

    if not _is_thinned(outline, stretch):
        yield from read(from_step)
        return
    key = (outline, replace(stretch, column=None))
    if key not in LAST_THINNED:
        whole = read(outline.after_step + 1)
        LAST_THINNED.clear()
        LAST_THINNED[key] = np.concatenate(downsample(whole, stretch.num_rows, outline.max_points), axis=1)
    rows = LAST_THINNED[key]
    rows = rows[:, rows[0] >= from_step]
    yield from (rows[:, first : first + ROWS] for first in range(0, rows.shape[1], ROWS))


def _join(pieces: Iterable[Floats]) -> Iterator[Floats]:
    """The same rows, more of them at once: what is stored is as long as what half a second brought."""
    held, num_rows = list[Floats](), 0
    for piece in pieces:
        held.append(piece)
        num_rows += piece.shape[1]
        if num_rows >= ROWS:
            yield np.concatenate(held, axis=1)
            held, num_rows = [], 0
    if held:
        yield np.concatenate(held, axis=1)


def _is_thinned(outline: Outline, stretch: Stretch) -> bool:
    return outline.max_points is not None and stretch.num_rows > outline.max_points


def _as_values(stretch: Stretch, piece: Floats, told: int) -> str:
    """Some values of a column, separated by commas; null where one is not finite."""
    values = piece[COLUMNS[stretch.series].index(str(stretch.column))]
    whole = (
        INTEGERS.dump_json(values.astype(int).tolist())
        if stretch.column == "step"
        else FLOATS.dump_json(values.tolist())
    )
    return ("," if told else "") + whole[1:-1].decode()


def _as_rows(stretch: Stretch, piece: Floats) -> str:
    """Some rows as CSV, in which nothing needs quotes; what is not finite is spelled out."""
    steps, *values = piece
    columns = [map(repr, column.tolist()) for column in (steps.astype(int), *values)]
    before = f"{stretch.seed},{stretch.sweep},{stretch.series},"
    after = "," * (len(HEAD) - 3 - len(columns)) + END
    return "".join([f"{before}{','.join(row)}{after}" for row in zip(*columns, strict=True)])
