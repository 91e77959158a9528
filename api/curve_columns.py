"""Curves as float32 arrays, for drawing: of each series the lowest, the highest and the last value a pixel column.

A length (4 bytes, little-endian), that much JSON, then the arrays; docs/api.md has the layout with readers of it. The
rows are read by step, chunk by chunk and twice: for how far x reaches, then for what lies in each column.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy.orm import Session

from api.jobs import get
from store import runs
from store.database import Database
from store.runs import COLUMNS, Floats, StoredRun
from store.status import FINAL, Kind

Axis = Literal["step", "log_lr"]
Array = npt.NDArray[np.float32]

MEDIA_TYPE = "application/octet-stream"
MOST_COLUMNS, USUAL_COLUMNS = 10_000, 2_000
VALUES_FROM: dict[Axis, int] = {"step": 1, "log_lr": 2}  # of a series' columns, those that are told


def pack(
    database: Database, job_id: str, *, kind: Kind, columns: int, x: Axis, after_step: int = -1
) -> bytes:
    """The whole answer. Raises `NotFound`."""
    with database.read() as session:
        job = get(session, job_id, kind=kind)
        arrays: list[Array] = []
        header = {
            "complete": job.status in FINAL,
            "measured_by": job.driver,
            "x": x,
            "runs": [
                _pack_run(session, job_id, run, arrays, columns=columns, x=x, after_step=after_step)
                for run in runs.load(session, job_id, series=())
            ],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    return b"".join((len(text).to_bytes(4, "little"), text, *(array.tobytes() for array in arrays)))


def _pack_run(
    session: Session,
    job_id: str,
    run: StoredRun,
    arrays: list[Array],
    *,
    columns: int,
    x: Axis,
    after_step: int,
) -> dict[str, Any]:
    """What the header says of a run, whose arrays are added."""
    series = {}
    broken: list[int] = []
    num_steps = 0
    for name, of_series in COLUMNS.items():

        def read(name: str = name) -> Iterator[Floats]:
            of_run: dict[str, Any] = {"sweep": run.sweep, "seed": run.seed, "series": name}
            yield from runs.read_series(session, job_id, **of_run, from_step=after_step + 1)

        spans = []
        for piece in read():
            places, _ = _place(piece, x)
            if len(places):
                spans.append((places.min(), places.max()))
            if name == "train":
                num_steps = int(piece[0, -1]) + 1
                broken = broken or piece[0][~np.isfinite(piece[2])][:1].astype(int).tolist()
        span = (min(low for low, _ in spans), max(high for _, high in spans)) if spans else (0.0, 0.0)
        told = of_series[VALUES_FROM[x] :]
        table = _Table(span, columns, len(told))
        for piece in read():
            table.add(*_place(piece, x))
        fields = [f"{value}_{what}" for value in told for what in ("min", "max", "last")]
        packed = table.pack()
        offset = sum(array.nbytes for array in arrays)
        series[name] = {"fields": ["x", *fields], "rows": packed.shape[1], "offset": offset}
        arrays.append(packed)
    return {
        "seed": run.seed,
        "sweep": run.sweep,
        "phase": run.plan["phase"],
        "shape": run.plan["shape"],
        "label": run.plan.get("label"),
        "finished": run.finished,
        "num_steps": run.plan.get("num_steps"),
        "non_finite_from": broken[0] if broken else None,
        "broke_off": run.finished and num_steps < run.plan.get("num_steps", 0),
        "series": series,
    }


def _place(piece: Floats, x: Axis) -> tuple[Floats, Floats]:
    """Where on the axis rows lie, and their values; a rate of 0 has no place on one of logarithms."""
    if x == "step":
        return piece[0], piece[VALUES_FROM[x] :]
    piece = piece[:, (piece[1] > 0) & np.isfinite(piece[1])]
    return np.log10(piece[1]), piece[VALUES_FROM[x] :]


class _Table:
    """A series by columns of equal width."""

    def __init__(self, span: tuple[float, float], columns: int, num_values: int) -> None:
        self._low, self._width = span[0], (span[1] - span[0]) / columns
        self._columns = columns
        self._seen = np.zeros(columns, dtype=bool)
        self._min = np.full((num_values, columns), np.inf, dtype=np.float32)
        self._max = -self._min
        self._last = np.full((num_values, columns), np.nan, dtype=np.float32)

    def add(self, places: Floats, values: Floats) -> None:
        """Take in some rows, in step order."""
        scaled = (places - self._low) / self._width if self._width else np.zeros(len(places))
        at = scaled.astype(np.intp).clip(0, self._columns - 1)
        self._seen[at] = True
        with np.errstate(over="ignore"):
            rounded = values.astype(np.float32)
        for row, of_row in enumerate(rounded):
            finite = np.isfinite(of_row)
            np.minimum.at(self._min[row], at[finite], of_row[finite])
            np.maximum.at(self._max[row], at[finite], of_row[finite])
            self._last[row, at] = np.where(finite, of_row, np.nan)

    def pack(self) -> Array:
        """(1 + 3 a value, columns that have a point): their middles; lowest, highest and last, NaN where not finite."""
        middles = self._low + (np.arange(self._columns) + 0.5) * self._width
        parts = [part[row] for row in range(len(self._min)) for part in (self._min, self._max, self._last)]
        table = np.array([middles, *parts], dtype="<f4")[:, self._seen]
        table[~np.isfinite(table)] = np.nan
        return table
