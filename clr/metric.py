"""What sweeps are read by."""

from typing import Literal

Metric = Literal["accuracy", "held_out_loss", "loss"]
