"""Code to paste: the recommendation as torch spells it."""

from typing import Any

TEMPLATE = """\
from torch.optim.lr_scheduler import CyclicLR

# step the scheduler after every optimizer step; stop training at a cycle's end ({cycle} steps)
scheduler = CyclicLR(
    optimizer,
    base_lr={base_lr:.6g},
    max_lr={max_lr:.6g},
    step_size_up={step_size},
    mode="triangular",
    cycle_momentum=False,
)
"""


def torch_snippet(bounds: dict[str, Any]) -> str:
    """CyclicLR with these bounds; momentum is left as the optimizer has it."""
    return TEMPLATE.format(**bounds, cycle=2 * bounds["step_size"])
