"""Which examples a model gets right: the output that is read, the axis of its classes, and the targets that count.

The rules are those of torch's own losses. A loss of one's own is read as rows of classes, the last dimension.
"""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from clr.problem import Untrainable

CLASSES_IN_DIM_1 = (nn.CrossEntropyLoss, nn.NLLLoss)  # (n, classes, places ...)
YES_ABOVE = {
    nn.BCEWithLogitsLoss: 0.0,
    nn.MultiLabelSoftMarginLoss: 0.0,
    nn.SoftMarginLoss: 0.0,
    nn.BCELoss: 0.5,
}


def find_scores(outputs: Any) -> Tensor:
    """The tensor that accuracy is read from: the output, or of several their `logits`, else the first.

    Raises `Untrainable` where there is none.
    """
    if isinstance(outputs, Mapping):
        scores = outputs.get("logits", next(iter(outputs.values()), None))
    else:
        scores = getattr(outputs, "logits", outputs)
    if isinstance(scores, tuple | list) and scores:
        scores = scores[0]
    if not isinstance(scores, Tensor):
        raise Untrainable(
            f"no accuracy can be read from outputs that are a {type(outputs).__name__}: answer a tensor, "
            "`logits` among others, or a tuple whose first is the tensor; or say classifies=False"
        )
    return scores


def share_right(loss: nn.Module, outputs: Any, targets: Tensor) -> Tensor:
    """The share of the targets that the outputs meet, 0-d, from 0 to 1; what the loss ignores does not count.

    With a loss of yes or no (`BCEWithLogitsLoss`, ...) each output counts by itself; targets that are probabilities
    of classes count by the most probable. Raises `Untrainable` where outputs and targets do not fit.
    """
    scores = find_scores(outputs)
    above = _find_threshold(loss)
    if above is not None and scores.shape == targets.shape:
        right = (scores > above) == (targets > 0.5)
    elif (
        isinstance(loss, nn.CrossEntropyLoss)
        and targets.is_floating_point()
        and scores.shape == targets.shape
    ):
        right = scores.argmax(dim=1) == targets.argmax(dim=1)
    else:
        right = scores.argmax(dim=find_class_axes(loss, scores, targets)[0]) == targets
    counts = find_counted(loss, targets)
    if counts is None:
        return right.float().mean()
    return (right & counts).sum() / counts.sum()


def find_class_axes(loss: nn.Module, scores: Tensor, targets: Tensor) -> list[int]:
    """The dimensions of `scores` that may hold the classes, the likeliest first: where two fit, only a loss of torch's
    own tells which. Raises `Untrainable` where none does."""
    last, shape = scores.dim() - 1, list(scores.shape)
    likeliest = (1, last) if isinstance(loss, CLASSES_IN_DIM_1) else (last, 1)
    fitting = [
        axis
        for axis in dict.fromkeys(likeliest)
        if 1 <= axis <= last and shape[axis] > 1 and shape[:axis] + shape[axis + 1 :] == list(targets.shape)
    ]
    if targets.is_floating_point() or not fitting:
        raise Untrainable(
            f"classifies is True, but outputs {tuple(shape)} are not one row of classes for each of "
            f"targets {tuple(targets.shape)}; change them, or say classifies=False"
        )
    return fitting[:1] if type(loss) in CLASSES_IN_DIM_1 else fitting


def guessed(loss: nn.Module, outputs: Any, targets: Tensor) -> str | None:
    """Which dimension was taken for that of the classes, in a sentence; None where there is no doubt."""
    scores = find_scores(outputs)
    if targets.is_floating_point() or _find_threshold(loss) is not None:
        return None
    axes = find_class_axes(loss, scores, targets)
    if len(axes) == 1:
        return None
    return (
        f"outputs {tuple(scores.shape)} may have their classes in dim {axes[0]} or in dim {axes[1]}, and accuracy "
        f"takes dim {axes[0]}; nn.CrossEntropyLoss itself as the loss says dim 1"
    )


def takes_floats(loss: nn.Module) -> bool:
    """Whether targets that are no integers can still be right or wrong with this loss."""
    return _find_threshold(loss) is not None or isinstance(loss, nn.CrossEntropyLoss)


def find_counted(loss: nn.Module, targets: Any) -> Tensor | None:
    """Which targets the loss takes; None: all of them, as it has no `ignore_index`."""
    ignored = getattr(loss, "ignore_index", None)
    if ignored is None or not isinstance(targets, Tensor) or targets.is_floating_point():
        return None
    counts: Tensor = targets != ignored
    return counts


def _find_threshold(loss: nn.Module) -> float | None:
    return next((above for kind, above in YES_ABOVE.items() if isinstance(loss, kind)), None)
