"""torch's own: one fixed point for every task, a short warm-up and half a cosine to 0.

The rates were chosen once, by `python -m benchmarks.rivals.fixed_point`, and on the old tasks alone.
"""

from collections.abc import Mapping

from torch import nn, optim

from benchmarks.quality.grids import rates
from benchmarks.rivals.opponents import Opponent, Training, follow
from benchmarks.rivals.plan import Family

NADAM_LR = 8e-3
SGD_LR = 0.05


def nadam(training: Training, lr: float = NADAM_LR) -> nn.Module:
    """NAdam with decoupled weight decay."""
    optimizer = optim.NAdam(
        training.model.parameters(), weight_decay=training.weight_decay, decoupled_weight_decay=True
    )
    return follow(optimizer, rates("cosine", lr, training.num_steps), training)


def sgd(training: Training, lr: float = SGD_LR) -> nn.Module:
    """SGD with momentum."""
    optimizer = optim.SGD(
        training.model.parameters(), lr=lr, momentum=0.9, weight_decay=training.weight_decay
    )
    return follow(optimizer, rates("cosine", lr, training.num_steps), training)


OPPONENTS: Mapping[Family, Mapping[str, Opponent]] = {
    "SGD": {f"one fixed point: SGD {SGD_LR:g}, momentum 0.9, cosine": sgd},
    "Adam": {f"one fixed point: NAdam {NADAM_LR:g}, cosine": nadam},
}
