"""torch's ASGD updates at the rate that its groups had one step before; here it is told the rate of now."""

from typing import Any


def catch_up(optimizer: Any) -> None:
    """Have the next update of torch's ASGD use the rate that each group has now; any other optimizer is left alone."""
    for group in optimizer.param_groups:
        if "lambd" not in group or "t0" not in group:
            continue
        lr, lambd, alpha = float(group["lr"]), group["lambd"], group["alpha"]
        for parameter in group["params"]:
            if state := optimizer.state.get(
                parameter
            ):  # none before its first update, which uses the rate of then
                state["eta"].fill_(lr / (1 + lambd * lr * float(state["step"])) ** alpha)
