"""The loss of one batch of a model that the caller holds, whatever its batches are made of."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

Criterion = Callable[..., Tensor]
TrainingStep = Callable[[Any], Tensor]


def make_step(model: nn.Module, criterion: Criterion | None) -> TrainingStep:
    """batch -> the loss with its graph: the criterion's, or the model's own where there is none."""

    def step(batch: Any) -> Tensor:
        if criterion is None:
            return _read_loss(call_model(model, batch))
        inputs, targets = read_pair(batch)
        return criterion(call_model(model, inputs), targets)

    return step


def call_model(model: nn.Module, inputs: Any) -> Any:
    """What the model answers to inputs that may be a tensor, or a tuple or a dict to be spread out."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def _read_loss(outputs: Any) -> Tensor:
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else getattr(outputs, "loss", None)
    if not isinstance(loss, Tensor):
        raise ValueError(
            f"the model answers no loss of its own but {type(outputs).__name__}: give a criterion, or training_step="
        )
    return loss


def read_pair(batch: Any) -> tuple[Any, Any]:
    """(inputs, targets) of a batch. Raises ValueError for any other batch."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise ValueError(
            f"a batch must be (inputs, targets), got {type(batch).__name__}: give training_step= for others, "
            "or no criterion where the model answers its own loss"
        )
    inputs, targets = batch
    return inputs, targets


def find_device(model: nn.Module) -> str:
    """Where the model's first parameter lies."""
    return next((str(parameter.device) for parameter in model.parameters()), "cpu")
