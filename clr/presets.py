"""Comparisons of the paper, ready to run: what trains against what. Rates come from a range test."""

from typing import Any, Literal

Preset = Literal["paper", "adaptive"]

PAPER = (
    "fixed",
    "exponential_decay",
    "step_decay",
    "decay",
    "triangular",
    "triangular2",
    "exp_range",
    "exp_range_paper",
)  # section 3.2 and Table 1
ADAPTIVE: dict[str, dict[str, Any]] = {
    "Nesterov": {"name": "SGD", "momentum": 0.9, "nesterov": True},
    "Adam": {"name": "Adam"},
    "RMSprop": {"name": "RMSprop"},
    "AdaGrad": {"name": "Adagrad"},
    "AdaDelta": {"name": "Adadelta"},
}  # Table 3

PRESETS: dict[Preset, list[dict[str, Any]]] = {
    "paper": [{"schedule": {"policy": policy}} for policy in PAPER],
    "adaptive": [
        {"label": f"{name} {policy}", "schedule": {"policy": policy}, "optimizer": optimizer}
        for name, optimizer in ADAPTIVE.items()
        for policy in ("fixed", "triangular")
    ],
}
