"""Optimizers that torch has not, one for each thing that a plugin may declare."""

from collections.abc import Callable
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from clr.optimizer_plugin import OptimizerPlugin


class Params(BaseModel):
    """Of all of them."""

    model_config = ConfigDict(extra="forbid")

    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)


class ModalSGD(torch.optim.SGD):
    """It steps in training mode alone, as schedule-free ones do, and keeps what it was told."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.training, self.heard = False, list[str]()

    def train(self) -> None:
        self.training = True
        self.heard.append("train")

    def eval(self) -> None:
        self.training = False
        self.heard.append("eval")

    def step(self, closure: Any = None) -> Any:
        if not self.training:
            raise RuntimeError("call train() before a step")
        return super().step(closure)


class LossSGD(torch.optim.SGD):
    """Its rate shrinks with the loss."""

    def step(self, closure: Any = None, *, loss: torch.Tensor) -> None:  # type: ignore[override]
        rates = [group["lr"] for group in self.param_groups]
        for group in self.param_groups:
            group["lr"] *= min(1.0, float(loss))
        super().step()
        for group, lr in zip(self.param_groups, rates, strict=True):
            group["lr"] = lr


class TwiceSGD(torch.optim.SGD):
    """It asks its closure twice a step."""

    def step(self, closure: Callable[[], torch.Tensor]) -> None:  # type: ignore[override]
        for _ in range(2):
            closure()
            super().step()


class Modal(OptimizerPlugin):
    """With modes."""

    name = "modal"
    Params = Params
    has_modes = True

    def build(self, groups: list[dict[str, Any]], params: Any) -> ModalSGD:
        return ModalSGD(groups, lr=0.1, **params.model_dump())


class ByLoss(OptimizerPlugin):
    """Its step takes the loss."""

    name = "by-loss"
    Params = Params
    step_takes = "loss"

    def build(self, groups: list[dict[str, Any]], params: Any) -> LossSGD:
        return LossSGD(groups, lr=0.1, **params.model_dump())


class ByClosure(OptimizerPlugin):
    """Its step takes a closure."""

    name = "by-closure"
    Params = Params
    step_takes = "closure"

    def build(self, groups: list[dict[str, Any]], params: Any) -> TwiceSGD:
        return TwiceSGD(groups, lr=0.1, **params.model_dump())


class Scaled(OptimizerPlugin):
    """Its lr is only a multiplier."""

    name = "scaled"
    lr_meaning = "multiplier"

    def build(self, groups: list[dict[str, Any]], params: Any) -> torch.optim.Adam:
        return torch.optim.Adam(groups)
