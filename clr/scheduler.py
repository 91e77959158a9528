"""A schedule on an optimizer of one's own: plain PyTorch, no service.

The rate is set for the step to come, so the first update uses schedule(0) whatever schedulers were there before.
Nothing here imports torch: an optimizer is whatever has `param_groups`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from clr.asgd import catch_up
from clr.reporting import describe_optimizer

if TYPE_CHECKING:
    from clr.policies import Schedule
    from clr.reporting import TrainingReport


class Optimizer(Protocol):
    """What a torch.optim.Optimizer offers."""

    param_groups: list[dict[str, Any]]


class Scheduler:
    """Sets each param group's lr, and its momentum where asked; call `step` once after each optimizer step.

    schedule: one for all groups, also those added later, where a group's `lr_scale` (default 1) multiplies the rate;
    or one per group. A dict is read by `parse_schedule`. momentum: (lowest, highest), cycled opposite to lr: highest
    while lr is at or below base_lr, lowest at max_lr. It is `momentum` of SGD and RMSprop, beta1 of the Adam family;
    never touched when None. report_to: `client.training_here("what is trained")`, a service that stores and shows the
    losses that `step` is then given; the rate is that of the first group's schedule.
    Raises ValueError where the schedules do not fit the groups or there is no momentum to cycle; `step` does so too,
    and sets nothing, once groups were added.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedule: Schedule | Mapping[str, Any] | Sequence[Schedule | Mapping[str, Any]],
        *,
        momentum: tuple[float, float] | None = None,
        report_to: TrainingReport | None = None,
    ) -> None:
        if not hasattr(optimizer, "param_groups"):
            raise ValueError(f"the optimizer comes first: Scheduler(optimizer, schedule); got {optimizer!r}")
        self._optimizer = optimizer
        self._for_all = not isinstance(schedule, list | tuple)
        self._schedules = parse_each(optimizer, schedule)
        self._momentum = momentum
        self._next = 0
        _check(optimizer, self._schedules, momentum)
        self._apply()
        self._report = report_to
        if report_to is not None:
            report_to.begin(self._schedules[0], optimizer=describe_optimizer(optimizer))

    def step(self, loss: Any = None) -> None:
        """Set the rates of the next update. Once per optimizer step: not per accumulated micro-batch, and not
        where a GradScaler skipped the step; see `follow`.

        loss: of the batch that was just trained on, before its update; for `report_to` alone.
        """
        if self._report is not None:
            if loss is None:
                raise ValueError("report_to shows the losses: hand over the batch's, scheduler.step(loss)")
            self._report.add(self._next, self._schedules[0](self._next), loss)
        self._fit()
        self._next += 1
        self._apply()

    def follow(self) -> Any:
        """Have `step` called after every optimizer step that really happens, instead of calling it.

        Returns torch's handle; its `remove()` ends that. Raises ValueError for an optimizer without torch's hooks.
        """
        optimizer: Any = self._optimizer
        if self._report is not None:
            raise ValueError("report_to shows the losses, which no hook sees: call `step(loss)` instead")
        if not hasattr(optimizer, "register_step_post_hook"):
            raise ValueError("this optimizer has no hooks to follow: call `step` after each of its steps")

        def after_step(*_: Any) -> None:
            if not getattr(
                optimizer, "found_inf", False
            ):  # a fused kernel skips by itself, unseen from outside
                self.step()

        return optimizer.register_step_post_hook(after_step)

    def get_last_lr(self) -> list[float]:
        """The rate of each group as it stands: the next update uses it."""
        return [group["lr"] for group in self._optimizer.param_groups]

    @property
    def cycle_momentum(self) -> bool:
        """Whether it sets momentum too; torch's schedulers call it so."""
        return self._momentum is not None

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, as JSON could hold it."""
        return {
            "step": self._next,
            "schedules": [schedule.model_dump(mode="json") for schedule in self._schedules],
            "for_all": self._for_all,
            "momentum": self._momentum,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state` was taken, its schedules included; `state` is left as it is.

        The rates are set at once, so it does not matter whether the optimizer was loaded before.
        Raises ValueError, and changes nothing, where the state does not fit the optimizer.
        """
        schedules = [_parsed(schedule) for schedule in state["schedules"]]
        momentum = state["momentum"] and tuple(state["momentum"])
        _check(self._optimizer, schedules, momentum)
        self._next, self._schedules, self._momentum = state["step"], schedules, momentum
        self._for_all = state.get("for_all", False)  # not in states of old
        self._apply()

    def _fit(self) -> None:
        """Have the groups that were added since follow the one schedule for all."""
        groups = len(self._optimizer.param_groups)
        if groups != len(self._schedules):
            schedules = self._schedules[:1] * groups if self._for_all else self._schedules
            _check(self._optimizer, schedules, self._momentum)
            self._schedules = schedules

    def _apply(self) -> None:
        for group, schedule in zip(self._optimizer.param_groups, self._schedules, strict=True):
            set_lr(group, schedule(self._next))
            if self._momentum is not None:
                set_momentum(group, find_momentum(schedule, self._next, self._momentum))
        catch_up(self._optimizer)


def parse_each(optimizer: Optimizer, schedule: Any) -> list[Any]:
    """The schedule of each param group, of one for all groups or one per group; a dict is read."""
    each = schedule if isinstance(schedule, list | tuple) else [schedule] * len(optimizer.param_groups)
    return [_parsed(spec) for spec in each]


def _parsed(schedule: Any) -> Any:
    if isinstance(schedule, Mapping):
        from clr.policies import parse_schedule  # noqa: PLC0415 - the models of all policies, for a dict alone

        return parse_schedule(dict(schedule))
    if not callable(schedule):
        raise ValueError(
            f"a schedule is what parse_schedule answers, or the dict that it takes; got {schedule!r}"
        )
    return schedule


def _check(optimizer: Optimizer, schedules: list[Schedule], momentum: tuple[float, float] | None) -> None:
    groups = len(optimizer.param_groups)
    if any(
        group is not same for group, same in zip(optimizer.param_groups, optimizer.param_groups, strict=True)
    ):
        raise ValueError(
            f"what is set in the param_groups of this {type(optimizer).__name__} is lost: it makes them anew each "
            "time. Hand over the optimizer that it wraps; for fastai's there is "
            "clr_tuner.integrations.fastai.SchedulerCallback"
        )
    if len(schedules) != groups:
        raise ValueError(f"{groups} param groups need as many schedules, not {len(schedules)}")
    if momentum is None:
        return
    if not 0 < momentum[0] <= momentum[1] < 1:
        raise ValueError(f"momentum must be 0 < lowest <= highest < 1, not {momentum[0]} and {momentum[1]}")
    for schedule in schedules:
        if not hasattr(schedule, "max_lr"):
            raise ValueError(f"momentum cannot be cycled with {schedule.policy}: it has no bounds")
    for group in optimizer.param_groups:
        if not group.get("momentum") and "betas" not in group:
            raise ValueError("the optimizer has no momentum to cycle; give it one > 0")


def find_momentum(schedule: Any, step: int, momentum: tuple[float, float]) -> float:
    """The momentum of a step, of (lowest, highest): opposite to the height of a schedule with bounds."""
    lowest, highest = momentum
    height: float = schedule.height(step)
    return highest - (highest - lowest) * height


def set_lr(group: dict[str, Any], lr: float) -> None:
    """Set a param group's lr, times its `lr_scale`; a tensor is filled, as compiled steps hold on to it."""
    scaled = lr * group.get("lr_scale", 1.0)
    if hasattr(group["lr"], "fill_"):
        group["lr"].fill_(scaled)
    else:
        group["lr"] = scaled


def set_momentum(group: dict[str, Any], momentum: float) -> None:
    """Set a param group's momentum, or beta1 where it has betas; a tensor is filled, as with `set_lr`."""
    if "betas" not in group:
        group["momentum"] = momentum
    elif hasattr(group["betas"][0], "fill_"):
        group["betas"][0].fill_(momentum)
    else:
        group["betas"] = (momentum, *group["betas"][1:])


class LambdaOf:
    """The factor that torch's LambdaLR wants; an object of plain attributes, which its state dict keeps."""

    __slots__ = ("__dict__", "_parsed")

    def __init__(self, schedule: Schedule, initial_lr: float) -> None:
        self.spec, self.initial_lr = schedule.model_dump(mode="json"), initial_lr
        self._parsed = (self.spec, schedule)

    def __call__(self, step: int) -> float:
        """What LambdaLR multiplies the optimizer's lr with at this step."""
        if self._parsed[0] is not self.spec:  # it came out of a state dict
            self._parsed = (self.spec, _parsed(self.spec))
        lr: float = self._parsed[1](step)
        return lr / self.initial_lr


def as_lambda_lr(
    schedule: Schedule | Mapping[str, Any], *, initial_lr: float = 1.0
) -> Callable[[int], float]:
    """`LambdaLR(optimizer, as_lambda_lr(schedule))` for an optimizer made with lr=1.0.

    initial_lr: the lr that the optimizer was made with, if another (> 0).
    """
    if not initial_lr > 0:
        raise ValueError(f"initial_lr must be > 0, not {initial_lr}")
    return LambdaOf(_parsed(schedule), initial_lr)
