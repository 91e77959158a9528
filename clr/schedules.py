"""Learning rates as pure functions of the integer step: closed form, no state, O(1).

Cyclical policies follow Smith 2017 (arXiv 1506.01186, section 3); a cycle is 2 * step_size steps, its phase is
computed from integers. lr(step) is the rate that update `step` (counted from 0) uses.
"""

import math


def triangular(step: int, *, base_lr: float, max_lr: float, step_size: int) -> float:
    """base_lr at each cycle's ends, max_lr at its middle, straight lines between (section 3.1)."""
    return _cycle(step, base_lr, max_lr, step_size, 1.0)


def triangular2(step: int, *, base_lr: float, max_lr: float, step_size: int) -> float:
    """`triangular` with the height halved after each cycle (section 3.2)."""
    cycles_done = step // (2 * step_size) if step_size > 0 else 0
    return _cycle(step, base_lr, max_lr, step_size, math.ldexp(1.0, -cycles_done))


def exp_range(step: int, *, base_lr: float, max_lr: float, step_size: int, gamma: float) -> float:
    """`triangular` with the height multiplied by gamma**step, as every library reads section 3.2.

    gamma: decay per step, in (0, 1]. (In the paper's words *both* bounds decay.)
    """
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be in (0, 1], not {gamma}")
    return _cycle(step, base_lr, max_lr, step_size, gamma**step)


def linear(step: int, *, start_lr: float, end_lr: float, num_steps: int) -> float:
    """A sweep in equal differences: start_lr at step 0, end_lr at step num_steps - 1."""
    return start_lr + (end_lr - start_lr) * _fraction(step, start_lr, end_lr, num_steps)


def exponential(step: int, *, start_lr: float, end_lr: float, num_steps: int) -> float:
    """A sweep in equal ratios: start_lr at step 0, end_lr at step num_steps - 1."""
    if start_lr <= 0:
        raise ValueError(f"an exponential sweep needs start_lr > 0, not {start_lr}")
    return float(start_lr * (end_lr / start_lr) ** _fraction(step, start_lr, end_lr, num_steps))


def _cycle(step: int, base_lr: float, max_lr: float, step_size: int, scale: float) -> float:
    if step < 0:
        raise ValueError(f"step must be >= 0, not {step}")
    if step_size < 1:
        raise ValueError(f"step_size must be >= 1, not {step_size}")
    if not 0 <= base_lr <= max_lr:
        raise ValueError(f"0 <= base_lr <= max_lr must hold, not {base_lr} and {max_lr}")
    phase = step % (2 * step_size)
    height = min(phase, 2 * step_size - phase) / step_size
    return base_lr + (max_lr - base_lr) * height * scale


def _fraction(step: int, start_lr: float, end_lr: float, num_steps: int) -> float:
    if not 0 <= start_lr < end_lr:
        raise ValueError(f"0 <= start_lr < end_lr must hold, not {start_lr} and {end_lr}")
    if num_steps < 2:
        raise ValueError(f"a sweep has at least 2 steps, not {num_steps}")
    if not 0 <= step < num_steps:
        raise ValueError(f"step must be in 0 .. {num_steps - 1}, not {step}")
    return step / (num_steps - 1)
