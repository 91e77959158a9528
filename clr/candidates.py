"""What other finders would say of the same sweep: labelled extras, never our answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from clr.finders import (
    Rule,
    ignite,
    ktrain,
    lightning,
    lightning_before_2_5_3,
    minimum,
    paper,
    slide,
    steep,
    torch_lr_finder,
    valley,
)
from clr.sweep import Sweep

RULES: dict[str, tuple[Rule, str]] = {
    "valley": (
        valley,
        "fastai's default: the middle of the longest fall of the smoothed training loss",
    ),
    "slide": (slide, "fastai: where the slope stops changing; moves with the loss's scale"),
    "minimum": (minimum, "fastai: a tenth of the rate of the lowest training loss"),
    "steep": (steep, "fastai: the steepest fall per ln(lr); moves with the length of the sweep"),
    "torch_lr_finder": (
        torch_lr_finder,
        "torch-lr-finder: the steepest fall per step of a lightly smoothed training loss",
    ),
    "lightning_before_2_5_3": (
        lightning_before_2_5_3,
        "Lightning before 2.5.3: the steepest fall per step of a heavily smoothed training loss",
    ),
    "lightning": (
        lightning,
        "Lightning since 2.5.3: the steepest fall per unit of lr; drawn to the low end",
    ),
    "ignite": (
        ignite,
        "ignite: the steepest fall per step before the lowest loss; the last rate where a NaN follows",
    ),
    "ktrain": (
        ktrain,
        "ktrain's min-grad: the steepest fall, shifted down by 32 steps as ktrain does",
    ),
    "paper": (
        paper,
        "the paper's largest rate that still trains well, read off this training loss alone",
    ),
}


VERSION = 1  # rises with every change of what a rule says of the same curve


@dataclass(frozen=True, slots=True)
class Candidate:
    """Another finder's single learning rate; `lr` is None where its rule gives nothing."""

    name: str
    lr: float | None
    note: str


def candidates(sweeps: Sequence[Sweep]) -> list[Candidate]:
    """Every rule on the first exponential sweep; none without one."""
    scout = next((sweep for sweep in sweeps if sweep.plan.shape == "exponential"), None)
    if scout is None:
        return []
    lrs, losses = [point.lr for point in scout.points], [point.loss for point in scout.points]
    return [Candidate(name, rule(lrs, losses), note) for name, (rule, note) in RULES.items()]
