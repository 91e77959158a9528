"""What crosses from one sweep into the next shows in its first loss: the same seed must begin alike."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clr.first_losses import are_alike


class FirstLosses:
    """Compares how sweeps of one seed begin; `warnings` says where they differ."""

    def __init__(self) -> None:
        self._began: dict[int, tuple[float, Any]] = {}
        self._leak: str | None = None
        self._batches_differ = False

    def seen(self, seed: int, loss: float, batch: Any) -> None:
        """Take a sweep's first loss, and the `fingerprint` of its first batch."""
        first_loss, first_batch = self._began.setdefault(seed, (loss, batch))
        if are_alike(first_loss, loss):
            return
        if batch == first_batch:
            self._leak = self._leak or (
                f"a sweep began with a loss of {loss:.6g}, where the first of its seed began with "
                f"{first_loss:.6g} on the same batch: something outlives the sweeps; hand it over with `also`, or "
                "reset it in `on_sweep`"
            )
        else:
            self._batches_differ = True

    @property
    def warnings(self) -> list[str]:
        """A sentence for each difference."""
        warnings = [self._leak] if self._leak else []
        if self._batches_differ:
            warnings.append(
                "sweeps of one seed began with different batches: something that the loader draws from is out of "
                "reach; hand it over with `also`, or reset it in `on_sweep`"
            )
        return warnings


def fingerprint(batch: Any) -> Any:
    """What tells two batches apart that look alike; of an object of an unknown kind nothing."""
    match batch:
        case Tensor():
            return tuple(batch.shape), _sum(batch)
        case np.ndarray():
            return batch.shape, hash(batch.tobytes())
        case Mapping():
            return tuple((str(name), fingerprint(value)) for name, value in batch.items())
        case list() | tuple():
            return tuple(map(fingerprint, batch))
        case int() | float() | str() | bytes():
            return repr(batch)
    return None


def _sum(tensor: Tensor) -> str | None:
    """The sum as text, so that NaN is like itself."""
    try:
        return repr(
            tensor.detach().to(torch.complex128 if tensor.is_complex() else torch.float64).sum().item()
        )
    except (RuntimeError, TypeError):
        return None
