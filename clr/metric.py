"""What is compared: of sweeps, and of runs that trained to their end."""

from typing import Literal

Metric = Literal["accuracy", "loss"]  # of the held-out set, after a training run
SweepMetric = Literal["accuracy", "held_out_loss", "loss"]  # what sweeps are read by; loss: of training
