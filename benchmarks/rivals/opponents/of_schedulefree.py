"""Schedule-Free AdamW: its default rate and a warm-up; judged in eval mode, with batch statistics of that mode."""

from collections.abc import Mapping
from itertools import islice

import torch
from schedulefree import AdamWScheduleFree
from torch import nn

from benchmarks.rivals.opponents import Opponent, Training, has_batch_norm
from benchmarks.rivals.plan import Family

REFRESHES = 50  # forward passes, as its README has it; not counted as steps


def schedule_free(training: Training) -> nn.Module:
    """As its README has it."""
    optimizer = AdamWScheduleFree(
        training.model.parameters(), warmup_steps=training.warm_up, weight_decay=training.weight_decay
    )
    optimizer.train()
    for _ in training.losses():
        optimizer.step()
    optimizer.eval()
    if has_batch_norm(training.model):
        with torch.no_grad():
            for inputs, _ in islice(training.batches(), REFRESHES):
                training.model(inputs)
    return training.model


OPPONENTS: Mapping[Family, Mapping[str, Opponent]] = {"Adam": {"AdamWScheduleFree": schedule_free}}
