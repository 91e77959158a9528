"""A schedule on an optimizer of one's own: plain PyTorch, no service.

The rate is set for the step to come, so the first update uses schedule(0) whatever schedulers were there before.
Nothing here imports torch: an optimizer is whatever has `param_groups`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from clr.policies import Schedule, parse_schedule


class Optimizer(Protocol):
    """What a torch.optim.Optimizer offers."""

    param_groups: list[dict[str, Any]]


class Scheduler:
    """Sets each param group's lr, and its momentum where asked; call `step` once after each optimizer step.

    schedule: one for all groups, where a group's `lr_scale` (default 1) multiplies the rate; or one per group.
    momentum: (lowest, highest), cycled opposite to lr: highest while lr is at or below base_lr, lowest at
    max_lr. It is `momentum` of SGD and RMSprop, beta1 of the Adam family; never touched when None.
    Raises ValueError where the schedules do not fit the groups or there is no momentum to cycle.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | Sequence[Schedule],
        *,
        momentum: tuple[float, float] | None = None,
    ) -> None:
        groups = len(optimizer.param_groups)
        self._optimizer = optimizer
        self._schedules = list(schedule) if isinstance(schedule, Sequence) else [schedule] * groups
        self._momentum = momentum
        self._next = 0
        if len(self._schedules) != groups:
            raise ValueError(f"{groups} param groups need as many schedules, not {len(self._schedules)}")
        if momentum is not None:
            self._check_momentum(*momentum)
        self._apply()

    def step(self) -> None:
        """Set the rates of the next update. Once per optimizer step: not per accumulated micro-batch, and not
        where a GradScaler skipped the step; see `follow`."""
        self._next += 1
        self._apply()

    def follow(self) -> Any:
        """Have `step` called after every optimizer step that really happens, instead of calling it.

        Returns torch's handle; its `remove()` ends that.
        """
        optimizer: Any = self._optimizer
        return optimizer.register_step_post_hook(lambda *_: self.step())

    def get_last_lr(self) -> list[float]:
        """The rate of each group as it stands: the next update uses it."""
        return [group["lr"] for group in self._optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as JSON could hold it."""
        return {
            "step": self._next,
            "schedules": [schedule.model_dump(mode="json") for schedule in self._schedules],
            "momentum": self._momentum,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, its schedules included; `state` is left as it is.

        The rates are set at once, so it does not matter whether the optimizer was loaded before.
        """
        self._next = state["step"]
        self._schedules = [parse_schedule(schedule) for schedule in state["schedules"]]
        self._momentum = state["momentum"] and tuple(state["momentum"])
        self._apply()

    def _apply(self) -> None:
        for group, schedule in zip(self._optimizer.param_groups, self._schedules, strict=True):
            lr = schedule(self._next)
            group["lr"] = lr * group.get("lr_scale", 1.0)
            if self._momentum is not None:
                _set_momentum(group, _opposite(lr, schedule, *self._momentum))

    def _check_momentum(self, lowest: float, highest: float) -> None:
        if not 0 <= lowest <= highest < 1:
            raise ValueError(f"momentum must be 0 <= lowest <= highest < 1, not {lowest} and {highest}")
        for schedule in self._schedules:
            if not hasattr(schedule, "max_lr"):
                raise ValueError(f"momentum cannot be cycled with {schedule.policy}: it has no bounds")
        for group in self._optimizer.param_groups:
            if not group.get("momentum") and "betas" not in group:
                raise ValueError("the optimizer has no momentum to cycle; give it one > 0")


def _opposite(lr: float, schedule: Any, lowest: float, highest: float) -> float:
    height: float = (lr - schedule.base_lr) / (schedule.max_lr - schedule.base_lr)
    return highest - (highest - lowest) * min(1.0, max(0.0, height))


def _set_momentum(group: dict[str, Any], momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class LambdaOf:
    """The factor that torch's LambdaLR wants; an object, so that it is kept in state dicts and pickles."""

    def __init__(self, schedule: Schedule, initial_lr: float) -> None:
        self.schedule, self.initial_lr = schedule, initial_lr

    def __call__(self, step: int) -> float:
        """What LambdaLR multiplies the optimizer's lr with at this step."""
        lr: float = self.schedule(step)
        return lr / self.initial_lr


def as_lambda_lr(schedule: Schedule, *, initial_lr: float = 1.0) -> Callable[[int], float]:
    """`LambdaLR(optimizer, as_lambda_lr(schedule))` for an optimizer made with lr=1.0.

    initial_lr: the lr that the optimizer was made with, if another (> 0).
    """
    if not initial_lr > 0:
        raise ValueError(f"initial_lr must be > 0, not {initial_lr}")
    return LambdaOf(schedule, initial_lr)
