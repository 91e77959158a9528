"""A range test in MLflow, in the active run."""

import time
from collections.abc import Mapping
from typing import Any

from clr.bounds import Bounds, Inconclusive
from clr_tuner.integrations.record import drawn, list_curves, list_fields

try:
    import mlflow
    from mlflow.entities import Metric
except ImportError as error:
    raise ImportError(
        "clr_tuner.integrations.mlflow needs MLflow: pip install 'mlflow-skinny>=3.17'"
    ) from error

MOST_AT_ONCE = 1000  # metrics that MLflow takes in a call


def log_range_test(
    bounds: Bounds | Inconclusive, curve: Mapping[str, Any] | None = None, *, name: str = "range-test"
) -> None:
    """Log the curves of each sweep as metrics by its steps, bounds as params, and as artifacts all that they say and
    the picture.

    It goes into the active run; one is started where there is none, as MLflow does. curve: `curve()` of a service's
    range test, where `bounds` came from there. name: before each key; another one for a second test in the same run,
    as MLflow changes no params. MLflow's charts have no logarithmic x axis: the picture has.
    """
    run_id = (mlflow.active_run() or mlflow.start_run()).info.run_id
    now_ms = int(1000 * time.time())
    metrics = [
        Metric(f"{name}/{sweep}/{metric}", value, now_ms, step)
        for sweep, rows in list_curves(bounds, curve)
        for step, values in rows
        for metric, value in values.items()
    ]
    client = mlflow.MlflowClient()
    for first in range(0, len(metrics), MOST_AT_ONCE):
        client.log_batch(run_id, metrics[first : first + MOST_AT_ONCE], synchronous=True)
    mlflow.log_params({f"{name}/{field}": value for field, value in list_fields(bounds).items()})
    mlflow.log_text(str(bounds), f"{name}/bounds.txt")
    mlflow.log_dict(bounds.to_dict(), f"{name}/bounds.json")
    with drawn(bounds) as picture:
        if picture is not None:
            mlflow.log_artifact(str(picture), name)
