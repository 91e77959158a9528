"""How much of its last direction an optimizer keeps."""

from collections.abc import Mapping
from typing import Any


def momentum_of(parameters: Mapping[str, Any]) -> float:
    """The share of the last update's direction that the next one keeps: momentum, or Adam's first beta; else 0.

    parameters: an optimizer's by name, as in its spec or in a param group of torch.
    """
    betas = parameters.get("betas")
    return float(betas[0] if betas is not None else parameters.get("momentum") or 0.0)
