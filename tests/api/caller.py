"""A caller with a loop of its own: softmax regression in NumPy on handwritten digits, as a stranger would write it."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi.testclient import TestClient
from sklearn.datasets import load_digits

from clr.sweep import HeldOut, Point, SweepPlan, run_sweep

BATCH = 32
BODY: dict[str, Any] = {
    "driver": "client",
    "name": "digits in NumPy",
    "optimizer": {"name": "SGD"},
    "batch_size": BATCH,
    "steps_per_epoch": 44,
}
ME = {"client_id": "me"}


class Digits:
    """The model and its data, built anew for a seed."""

    def __init__(self, seed: int) -> None:
        images, labels = load_digits(return_X_y=True)
        self._images, self._labels = images[:1400] / 16, labels[:1400]
        self._held_out = images[1400:] / 16, labels[1400:]
        self._random = np.random.default_rng(seed)
        self._weights = 0.01 * self._random.standard_normal((64, 10))

    def step(self, lr: float) -> float:
        """Train on one batch; its loss before the update."""
        rows = self._random.integers(0, len(self._images), BATCH)
        images, labels = self._images[rows], self._labels[rows]
        loss, shares = self._loss(images, labels)
        shares[np.arange(BATCH), labels] -= 1
        self._weights -= lr * images.T @ shares / BATCH
        return loss

    def evaluate(self) -> tuple[float, float | None]:
        """(loss, accuracy) on the held-out digits."""
        loss, shares = self._loss(*self._held_out)
        return loss, float((shares.argmax(axis=1) == self._held_out[1]).mean())

    def _loss(self, images: Any, labels: Any) -> tuple[float, Any]:
        logits = images @ self._weights
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return float(-np.log(shares[np.arange(len(labels)), labels] + 1e-30).mean()), shares


def measure(plan: SweepPlan) -> Iterator[Point | HeldOut]:
    """One sweep of it."""
    digits = Digits(plan.seed)
    return run_sweep(plan, digits.step, digits.evaluate)


def plan_of(sweep: dict[str, Any]) -> SweepPlan:
    """The plan in an answer of `ask`."""
    names = {"eval_every": "look_every"}
    return SweepPlan(
        **{
            name: sweep[names.get(name, name)]
            for name in asdict(SweepPlan(start_lr=1, end_lr=2, num_steps=2))
        }
    )


def begin(api: TestClient, **fields: Any) -> str:
    """Have a range test that this process measures; its path."""
    answer = api.post("/range-tests", json=BODY | fields)
    assert answer.status_code == 202, answer.text
    return str(answer.headers["Location"])


def ask(api: TestClient, path: str, **fields: Any) -> dict[str, Any]:
    """What to measure next."""
    answer = api.post(f"{path}/ask", json=ME | fields)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def columns(rows: list[Point | HeldOut]) -> dict[str, Any]:
    """The rows as a report has them."""
    losses = [row.loss if np.isfinite(row.loss) else None for row in rows if isinstance(row, Point)]
    looks = [row for row in rows if isinstance(row, HeldOut)]
    return {
        "loss": losses,
        "held_out": {
            "step": [look.step for look in looks],
            "loss": [look.loss for look in looks],
            "accuracy": [look.accuracy for look in looks],
        },
    }


def report(
    api: TestClient, path: str, asked: dict[str, Any], rows: list[Point | HeldOut], *, from_step: int = 0
) -> Any:
    """Send rows of the sweep that was asked for."""
    body = {"token": asked["lease"]["token"], "from_step": from_step} | columns(rows)
    return api.put(f"{path}/sweeps/{asked['sweep']['number']}/points", json=body)


def end(api: TestClient, path: str, asked: dict[str, Any]) -> Any:
    """The sweep is over."""
    return api.post(
        f"{path}/sweeps/{asked['sweep']['number']}/finish", json={"token": asked["lease"]["token"]}
    )


def measure_all(api: TestClient, path: str) -> dict[str, Any]:
    """Measure whatever is asked for, until nothing is; the job."""
    while not (asked := ask(api, path))["done"]:
        assert report(api, path, asked, list(measure(plan_of(asked["sweep"])))).status_code == 200
        assert end(api, path, asked).status_code == 200
    found: dict[str, Any] = api.get(path).json()
    return found
