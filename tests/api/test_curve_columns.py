"""Curves as float32 arrays by pixel column, as the reader in docs/api.md reads them."""

import itertools
import json
import math
import re
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright._impl import _driver as playwright

from store import runs
from store.database import Database
from tests.api.early import SETTLED_EARLY
from tests.jobs import queue

API = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
PLAN = {"phase": "test", "shape": "linear"}
NUM_STEPS = 3000


def read(answer: bytes) -> dict[str, Any]:
    (reader,) = re.findall(r"```python\n(import json\nimport numpy.*?)\n\n\ncurve =", API, re.DOTALL)
    names: dict[str, Any] = {}
    exec(reader, names)
    header: dict[str, Any] = names["read_curve"](answer)
    return header


def read_in_javascript(answer: bytes, folder: Path) -> dict[str, Any]:
    """The same by the page's other reader, in the node that Playwright brings; a NaN is None."""
    (reader,) = re.findall(r"```js\n(.*?)```", API, re.DOTALL)
    spell = "(key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value"
    script = folder / "read.js"
    script.write_text(
        f"""{reader}
const file = require("fs").readFileSync(process.argv[2]);
const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.length);
console.log(JSON.stringify(readCurve(buffer), {spell}));
"""
    )
    (folder / "curve.f32").write_bytes(answer)
    node, *_ = playwright.compute_driver_executable()
    ran = subprocess.run([node, script, folder / "curve.f32"], capture_output=True, text=True, check=True)
    header: dict[str, Any] = json.loads(ran.stdout)
    return header


def measure(database: Database) -> tuple[Any, ...]:
    """A job whose loss breaks now and then, with a gap in its steps."""
    steps = np.delete(np.arange(NUM_STEPS, dtype=float), slice(1000, 1500))
    losses = np.random.default_rng(0).normal(size=len(steps))
    losses[5], losses[700:720], losses[-40:] = math.inf, math.nan, -math.inf
    losses[50] = 1e39  # more than a float32 holds
    train: Any = np.array([steps, steps**2 / 1e6, losses]).T
    looks: Any = np.column_stack([train[9::100], np.linspace(0, 1, len(train[9::100]))])
    looks[3, 3] = math.nan
    of_run: dict[str, Any] = {"job_id": queue(database).id, "sweep": 1, "seed": 0}
    with database.write() as session:
        runs.begin_run(session, **of_run, plan=PLAN)
        for first in range(0, len(train), 77):
            runs.append(session, **of_run, series="train", rows=train[first : first + 77])
        runs.append(session, **of_run, series="held_out", rows=looks)
    return of_run["job_id"], train, looks


def thin(x: np.ndarray, values: np.ndarray, columns: int) -> list[np.ndarray]:
    """What numpy says, column by column."""
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    values[~np.isfinite(values)] = math.nan
    edges = np.linspace(x.min(), x.max(), columns + 1)
    at = np.minimum(((x - x.min()) / (edges[1] - edges[0])).astype(int), columns - 1)
    groups = [values[at == column] for column in np.unique(at)]
    middles = (edges[:-1] + edges[1:])[np.unique(at)] / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of columns that are all NaN
        rows = [(np.nanmin(group), np.nanmax(group), group[-1]) for group in groups]
    return [middles, *np.array(rows).T]


def test_both_readers_of_the_page_read_the_same(api: TestClient, database: Database, tmp_path: Path) -> None:
    job_id, *_ = measure(database)
    answer = api.get(f"/range-tests/{job_id}/curve?format=f32&columns=7").content

    (run,), (other,) = read(answer)["runs"], read_in_javascript(answer, tmp_path)["runs"]

    for name, series in run["series"].items():
        for field in series["fields"]:
            spelled = np.array(other["series"][name][field], dtype=float)
            np.testing.assert_array_equal(spelled.astype(np.float32), series[field])


def test_every_column_has_the_extremes_and_the_last_that_numpy_finds(
    api: TestClient, database: Database
) -> None:
    job_id, *tables = measure(database)

    for columns, x in itertools.product((1, 7, 400), ("step", "log_lr")):
        answer = api.get(f"/range-tests/{job_id}/curve?format=f32&columns={columns}&x={x}")

        assert answer.headers["Content-Type"] == "application/octet-stream"
        header = read(answer.content)
        (run,) = header.pop("runs")
        assert header == {"complete": False, "measured_by": "worker", "x": x}
        told = {name: value for name, value in run.items() if name != "series"}
        named = {"seed": 0, "sweep": 1, **PLAN, "label": None, "finished": False, "num_steps": None}
        assert told == {**named, "non_finite_from": 5, "broke_off": False}
        for name, table in zip(("train", "held_out"), tables, strict=True):
            check(run["series"][name], table, columns, x)


def check(series: dict[str, Any], table: np.ndarray, columns: int, x: str) -> None:
    kept = table[table[:, 1] > 0] if x == "log_lr" else table
    places = np.log10(kept[:, 1]) if x == "log_lr" else kept[:, 0]
    first = 2 if x == "log_lr" else 1
    for index, value in enumerate(("lr", "loss", "accuracy")[first - 1 : table.shape[1] - 1], start=first):
        names = ("x", *(f"{value}_{what}" for what in ("min", "max", "last")))
        for field, expected in zip(names, thin(places, kept[:, index], columns), strict=True):
            np.testing.assert_allclose(series[field], expected, rtol=1e-6, atol=1e-6)


def test_a_job_without_points_has_empty_arrays(api: TestClient, database: Database) -> None:
    job_id = queue(database).id
    with database.write() as session:
        runs.begin_run(session, job_id, sweep=1, seed=0, plan=PLAN)

    (run,) = read(api.get(f"/range-tests/{job_id}/curve?format=f32").content)["runs"]

    assert [series["rows"] for series in run["series"].values()] == [0, 0]


@pytest.mark.parametrize(("num_steps", "broke_off"), [(2, True), (1, False)])
def test_a_sweep_that_ended_before_its_plan_broke_off(
    api: TestClient, database: Database, num_steps: int, broke_off: bool
) -> None:
    of_run: dict[str, Any] = {"job_id": queue(database).id, "sweep": 1, "seed": 0}
    with database.write() as session:
        runs.begin_run(session, **of_run, plan={**PLAN, "num_steps": num_steps})
        runs.append(session, **of_run, series="train", rows=[[0, 0.1, 2.0]])
        runs.finish_run(session, **of_run)

    (run,) = read(api.get(f"/range-tests/{of_run['job_id']}/curve?format=f32").content)["runs"]

    assert run["broke_off"] is broke_off


@SETTLED_EARLY
@pytest.mark.parametrize(
    "query",
    [
        "columns=5",
        "x=step",
        "format=csv&columns=5",
        "format=f32&max_points=9",
        "format=f32&columns=0",
        "format=f32&columns=10001",
        "format=f32&x=lr",
    ],
)
def test_a_question_that_no_format_answers_is_refused(
    api: TestClient, database: Database, query: str
) -> None:
    answer = api.get(f"/range-tests/{queue(database).id}/curve?{query}")

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] in ("query:columns", "query:x", "query:max_points")
