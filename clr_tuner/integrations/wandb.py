"""A range test in Weights & Biases, in a run of the caller's."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from clr.bounds import Bounds, Inconclusive
from clr_tuner.integrations.record import drawn, list_curves, list_fields

try:
    import wandb
except ImportError as error:
    raise ImportError("clr_tuner.integrations.wandb needs W&B: pip install 'wandb>=0.31'") from error


def log_range_test(
    run: Any,
    bounds: Bounds | Inconclusive,
    curve: Mapping[str, Any] | None = None,
    *,
    name: str = "range-test",
) -> None:
    """Log the curves of each sweep by its steps, bounds as config, their reasons in the summary, and the picture.

    run: what `wandb.init` answers. It takes one of the run's steps for each step of the longest sweep, and one more:
    W&B drops what is logged later with a lower `step=`, so give the test a run of its own, or log it at the end.
    curve: `curve()` of a service's range test, where `bounds` came from there. name: before each key.
    """
    run.define_metric(f"{name}/step", hidden=True)
    run.define_metric(f"{name}/*", step_metric=f"{name}/step")
    together: dict[int, dict[str, float]] = defaultdict(dict)
    for sweep, rows in list_curves(bounds, curve):
        for step, values in rows:
            together[step] |= {f"{name}/{sweep}/{metric}": value for metric, value in values.items()}
    for step, values in sorted(together.items()):
        run.log({f"{name}/step": step, **values})
    with drawn(bounds) as picture:
        if picture is not None:
            run.log({f"{name}/picture": wandb.Image(str(picture))})
    run.config.update({name: list_fields(bounds)}, allow_val_change=True)
    run.summary[f"{name}/bounds"] = str(bounds)
