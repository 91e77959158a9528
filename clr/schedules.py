"""Learning rates as pure functions of the integer step: closed form, no state, O(1).

lr(step) is the rate that update `step` (counted from 0) uses. Cyclical policies follow Smith 2017 (arXiv
1506.01186, section 3): a cycle rises for `step_size` steps and falls for as many, or for `step_size_down`; its
phase is computed from integers. All rates are >= 0; a bad argument raises ValueError. With names, ranges and
cycle counts: clr/policies.py.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Literal

Anneal = Literal["linear", "cos"]


def triangular(
    step: int, *, base_lr: float, max_lr: float, step_size: int, step_size_down: int | None = None
) -> float:
    """base_lr at each cycle's ends, max_lr at its peak, straight lines between (section 3.1)."""
    _, x = phase(step, step_size=step_size, step_size_down=step_size_down)
    return _between(base_lr, max_lr, 1 - x)


def triangular2(
    step: int, *, base_lr: float, max_lr: float, step_size: int, step_size_down: int | None = None
) -> float:
    """`triangular` with the height halved after each cycle (section 3.2)."""
    cycle, x = phase(step, step_size=step_size, step_size_down=step_size_down)
    return _between(base_lr, max_lr, math.ldexp(1 - x, 1 - cycle))


def exp_range(
    step: int,
    *,
    base_lr: float,
    max_lr: float,
    step_size: int,
    gamma: float,
    step_size_down: int | None = None,
) -> float:
    """`triangular` with the height multiplied by gamma**step, as every library reads section 3.2.

    gamma: decay per step, in (0, 1].
    """
    _, x = phase(step, step_size=step_size, step_size_down=step_size_down)
    return _between(base_lr, max_lr, (1 - x) * _decay(gamma, step))


def exp_range_paper(
    step: int,
    *,
    base_lr: float,
    max_lr: float,
    step_size: int,
    gamma: float,
    step_size_down: int | None = None,
) -> float:
    """`triangular` with *both* bounds multiplied by gamma**step: the words of section 3.2.

    gamma: decay per step, in (0, 1]. Its rates fall below base_lr.
    """
    within = triangular(
        step, base_lr=base_lr, max_lr=max_lr, step_size=step_size, step_size_down=step_size_down
    )
    return within * _decay(gamma, step)


def welch(
    step: int, *, base_lr: float, max_lr: float, step_size: int, step_size_down: int | None = None
) -> float:
    """`triangular` with a parabola for the triangle (section 3.1 names the window, the formula is ours)."""
    _, x = phase(step, step_size=step_size, step_size_down=step_size_down)
    return _between(base_lr, max_lr, 1 - x * x)


def hann(
    step: int, *, base_lr: float, max_lr: float, step_size: int, step_size_down: int | None = None
) -> float:
    """`triangular` with a sine for the triangle (section 3.1 names the window, the formula is ours)."""
    _, x = phase(step, step_size=step_size, step_size_down=step_size_down)
    return _between(base_lr, max_lr, _eased(1 - x))


def decay(step: int, *, base_lr: float, max_lr: float, step_size: int) -> float:
    """The paper's control: from max_lr down to base_lr in one step_size, then base_lr (section 4.1.1)."""
    _check(step, step_size=step_size)
    return _between(base_lr, max_lr, 1 - min(step, step_size) / step_size)


def one_cycle(
    step: int,
    *,
    base_lr: float,
    max_lr: float,
    final_lr: float,
    num_steps: int,
    step_size: int,
    three_phase: bool = True,
    anneal: Anneal = "linear",
    pct_start: float | None = None,
) -> float:
    """Up from base_lr to max_lr, as long down again, then on to final_lr (Smith 2018, arXiv 1803.09820).

    The peak is reached at step `step_size`, final_lr at step num_steps - 1, and it stays. With three_phase
    False the way down leads straight to final_lr, as in fastai and torch.
    pct_start: the peak as torch has it, see `one_cycle_torch`; step_size is not used then.
    """
    _check(step, step_size=step_size)
    if pct_start is not None:
        ends = (base_lr, max_lr, base_lr, final_lr) if three_phase else (base_lr, max_lr, final_lr)
        lr = one_cycle_torch(step, ends=ends, num_steps=num_steps, pct_start=pct_start, anneal=anneal)
        return min(max_lr, lr)
    last = num_steps - 1
    down_end = 2 * step_size if three_phase else last
    if (down_end if three_phase else step_size) >= last:
        raise ValueError(f"num_steps must leave steps after the cycle's {down_end}, not be {num_steps}")
    if not 0 <= final_lr <= base_lr <= max_lr:
        raise ValueError(f"0 <= final_lr <= base_lr <= max_lr must hold, not {final_lr}, {base_lr}, {max_lr}")
    step = min(step, last)
    if step <= step_size:
        start, end, done = base_lr, max_lr, step / step_size
    elif step <= down_end:
        start, end = max_lr, base_lr if three_phase else final_lr
        done = (step - step_size) / (down_end - step_size)
    else:
        start, end, done = base_lr, final_lr, (step - down_end) / (last - down_end)
    way = done if anneal == "linear" else _eased(done)
    return min(max_lr, start * (1 - way) + end * way)


def one_cycle_torch(
    step: int, *, ends: Sequence[float], num_steps: int, pct_start: float, anneal: Anneal
) -> float:
    """What torch's OneCycleLR makes of a rate or a momentum, to the last bit: from each of `ends` to the next.

    ends: 3 (up, down) or 4 (up, down, on). The peak, ends[1], lies at pct_start * num_steps - 1, mostly between two
    steps; the last is reached at step num_steps - 1 and stays, where torch's next step goes beyond it.
    """
    peak = pct_start * num_steps - 1
    borders = [0.0, peak, *([2 * pct_start * num_steps - 2] if len(ends) == 4 else []), num_steps - 1]
    step = min(step, num_steps - 1)
    part = next(index for index, border in enumerate(borders[1:]) if step <= border)
    done = (step - borders[part]) / (borders[part + 1] - borders[part])
    start, end = ends[part], ends[part + 1]
    if anneal == "linear":
        return (end - start) * done + start
    return end + (start - end) / 2 * (math.cos(math.pi * done) + 1)


def sgdr(step: int, *, base_lr: float, max_lr: float, t_0: int, t_mult: int = 1) -> float:
    """Half a cosine from max_lr to base_lr, then a sharp restart (Loshchilov & Hutter, arXiv 1608.03983, eq. 5).

    t_0: steps of the first period; each period is t_mult times as long as the one before.
    """
    _, x = period(step, t_0=t_0, t_mult=t_mult)
    return _between(base_lr, max_lr, _eased(1 - x))


def fixed(step: int, *, lr: float) -> float:
    """The same rate at every step."""
    _check(step)
    return lr


def step_decay(step: int, *, lr: float, gamma: float, drop_every: int) -> float:
    """lr times gamma after every `drop_every` steps."""
    _check(step, drop_every=drop_every)
    return lr * _decay(gamma, step // drop_every)


def multistep_decay(step: int, *, lr: float, gamma: float, milestones: Sequence[int]) -> float:
    """lr times gamma from each of the milestones (steps, ascending) on."""
    _check(step)
    return lr * _decay(gamma, bisect_right(milestones, step))


def exponential_decay(step: int, *, lr: float, gamma: float) -> float:
    """lr times gamma**step: the paper's `exp` (Table 1)."""
    _check(step)
    return lr * _decay(gamma, step)


def time_decay(step: int, *, lr: float, rate: float) -> float:
    """lr / (1 + rate * step): Keras' time-based decay, Caffe's `inv` of power 1."""
    _check(step)
    if not rate >= 0:
        raise ValueError(f"rate must be >= 0, not {rate}")
    return lr / (1 + rate * step)


def linear(step: int, *, start_lr: float, end_lr: float, num_steps: int) -> float:
    """A sweep in equal differences: start_lr at step 0, end_lr at step num_steps - 1."""
    return start_lr + (end_lr - start_lr) * _fraction(step, start_lr, end_lr, num_steps)


def exponential(step: int, *, start_lr: float, end_lr: float, num_steps: int) -> float:
    """A sweep in equal ratios: start_lr at step 0, end_lr at step num_steps - 1."""
    if start_lr <= 0:
        raise ValueError(f"an exponential sweep needs start_lr > 0, not {start_lr}")
    return float(start_lr * (end_lr / start_lr) ** _fraction(step, start_lr, end_lr, num_steps))


def phase(step: int, *, step_size: int, step_size_down: int | None = None) -> tuple[int, float]:
    """(cycle, x) as the paper's code has them: the cycle counts from 1; x in [0, 1] is 1 at a cycle's ends and
    0 at its peak."""
    down = step_size if step_size_down is None else step_size_down
    _check(step, step_size=step_size, step_size_down=down)
    done, within = divmod(step, step_size + down)
    rising = within <= step_size
    return done + 1, (step_size - within) / step_size if rising else (within - step_size) / down


def period(step: int, *, t_0: int, t_mult: int = 1) -> tuple[int, float]:
    """(cycle, x) of `sgdr`: the period counts from 1; x in [0, 1) is 0 at its restart."""
    _check(step, t_0=t_0, t_mult=t_mult)
    if t_mult == 1:
        done = step // t_0
    else:
        done = int(math.log(step * (t_mult - 1) / t_0 + 1, t_mult))  # off by one at most
        done += periods_end(done + 1, t_0=t_0, t_mult=t_mult) <= step
        done -= periods_end(done, t_0=t_0, t_mult=t_mult) > step
    return done + 1, (step - periods_end(done, t_0=t_0, t_mult=t_mult)) / (t_0 * t_mult**done)


def periods_end(periods: int, *, t_0: int, t_mult: int = 1) -> int:
    """The step at which so many periods of `sgdr` are over."""
    return t_0 * (periods if t_mult == 1 else (t_mult**periods - 1) // (t_mult - 1))


def _between(base_lr: float, max_lr: float, height: float) -> float:
    if not 0 <= base_lr <= max_lr:
        raise ValueError(f"0 <= base_lr <= max_lr must hold, not {base_lr} and {max_lr}")
    return min(max_lr, max(base_lr, base_lr * (1 - height) + max_lr * height))


def _eased(fraction: float) -> float:
    """From 0 to 1 along half a cosine."""
    return (1 - math.cos(math.pi * fraction)) / 2


def _decay(gamma: float, times: int) -> float:
    if not 0 < gamma <= 1:
        raise ValueError(f"gamma must be in (0, 1], not {gamma}")
    return float(gamma**times)


def _check(step: int, **lengths: int) -> None:
    if step < 0:
        raise ValueError(f"step must be >= 0, not {step}")
    for name, length in lengths.items():
        if length < 1:
            raise ValueError(f"{name} must be >= 1, not {length}")


def _fraction(step: int, start_lr: float, end_lr: float, num_steps: int) -> float:
    if not 0 <= start_lr < end_lr:
        raise ValueError(f"0 <= start_lr < end_lr must hold, not {start_lr} and {end_lr}")
    if num_steps < 2:
        raise ValueError(f"a sweep has at least 2 steps, not {num_steps}")
    if not 0 <= step < num_steps:
        raise ValueError(f"step must be in 0 .. {num_steps - 1}, not {step}")
    return step / (num_steps - 1)
