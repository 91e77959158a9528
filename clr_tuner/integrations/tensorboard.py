"""A range test in TensorBoard, in the run that the caller writes."""

from collections.abc import Mapping
from typing import Any

from matplotlib.image import imread

from clr.bounds import Bounds, Inconclusive
from clr_tuner.integrations.record import drawn, list_curves, list_fields


def log_range_test(
    writer: Any,
    bounds: Bounds | Inconclusive,
    curve: Mapping[str, Any] | None = None,
    *,
    name: str = "range-test",
) -> None:
    """Write the curves of each sweep as scalars by its steps, bounds with reasons as text, the picture as an image.

    writer: a SummaryWriter of torch.utils.tensorboard, or of tensorboardX. curve: `curve()` of a service's range test,
    where `bounds` came from there. name: before each tag. TensorBoard has no logarithmic x axis: the picture has.
    Among the hyperparameters the bounds are a run `name` of their own, so that those of a training stay as they are.
    """
    for sweep, rows in list_curves(bounds, curve):
        for step, values in rows:
            for metric, value in values.items():
                writer.add_scalar(f"{name}/{sweep}/{metric}", value, step)
    writer.add_text(f"{name}/bounds", str(bounds).replace("\n", "  \n"))
    with drawn(bounds) as picture:
        if picture is not None:
            writer.add_image(f"{name}/picture", imread(picture)[..., :3], dataformats="HWC")
    fields = list_fields(bounds)
    rates = {f"{name}/{field}": value for field, value in fields.items() if field in ("base_lr", "max_lr")}
    writer.add_hparams(fields, rates, None, name)
    writer.flush()
