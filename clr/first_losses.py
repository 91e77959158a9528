"""Sweeps of one seed begin from the same weights, on the same batch: their first losses are alike."""

import math
from collections.abc import Sequence

from clr.sweep import Sweep

NOISE = 1e-4  # of a loss: what the order of additions on a GPU may do to it


def are_alike(first: float, second: float) -> bool:
    """Whether two losses of the same weights on the same batch may be these."""
    both_gone = not math.isfinite(first) and not math.isfinite(second)
    return both_gone or math.isclose(first, second, rel_tol=NOISE, abs_tol=1e-9)


def list_unlike(sweeps: Sequence[Sweep]) -> list[str]:
    """A sentence for each seed whose sweeps began with different losses; for who sees no more than the losses."""
    firsts: dict[int, float] = {}
    unlike: dict[int, str] = {}
    for sweep in sweeps:
        if not sweep.points:
            continue
        seed, loss = sweep.plan.seed, sweep.points[0].loss
        first = firsts.setdefault(seed, loss)
        if not are_alike(first, loss):
            unlike.setdefault(
                seed,
                f"sweeps of seed {seed} began with the losses {first:.6g} and {loss:.6g}: each starts from that seed's "
                "own initial weights, with a fresh optimizer and the same order of batches",
            )
    return list(unlike.values())
