"""From the name of an optimizer and its parameters to what steps: one of torch's, or of an installed package."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from clr.optimizer_plugin import find_plugin
from clr.optimizers import AnyOptimizer, Installed
from clr.problem import ParameterGroup, Untrainable
from clr.rates import is_optimizer
from clr.training.kernels import find_kernel
from clr.training.muon import MuonAndAdamW


def make_optimizer(
    spec: AnyOptimizer, model: nn.Module, parameter_groups: Sequence[ParameterGroup] = ()
) -> torch.optim.Optimizer:
    """The optimizer of this spec; torch's own with the fastest kernel that suits the parameters.

    A parameter group becomes one of torch's, which carries its `lr_scale`.
    Raises `Untrainable` when the groups leave out a parameter that is to be trained, or hold one twice, for
    parameters that the optimizer does not take, and for an optimizer that is not installed.
    """
    if isinstance(spec, Installed):
        return _make_installed(spec, model, parameter_groups)
    parameters = spec.model_dump()
    name = parameters.pop("name")
    own_groups = _make_groups(parameter_groups, model, spec.weight_decay)
    if name == "Muon":
        return MuonAndAdamW(model, own_groups or None, **parameters)
    if name == "Adafactor" and any(map(torch.is_complex, model.parameters())):
        raise Untrainable("Adafactor takes no complex parameters: use AdamW")
    kernel = find_kernel(name, model.parameters())
    groups = own_groups or model.parameters()
    optimizer: torch.optim.Optimizer = getattr(torch.optim, name)(groups, lr=1e-3, **parameters, **kernel)
    return optimizer


def _make_installed(
    spec: Installed, model: nn.Module, parameter_groups: Sequence[ParameterGroup]
) -> torch.optim.Optimizer:
    plugin = find_plugin(spec.name)
    params = plugin.Params.model_validate(spec.params)
    groups = _make_groups(parameter_groups, model, getattr(params, "weight_decay", None))
    optimizer: torch.optim.Optimizer = plugin.build(groups or [{"params": list(model.parameters())}], params)
    if not is_optimizer(optimizer):
        raise Untrainable(
            f"the optimizer {spec.name} must have param_groups and a step, as torch's; got {optimizer!r}"
        )
    return optimizer


def _make_groups(
    groups: Sequence[ParameterGroup], model: nn.Module, weight_decay: float | None
) -> list[dict[str, Any]]:
    """weight_decay: None where the optimizer has none."""
    lists = [list(group.parameters) for group in groups]  # once: somebody gives what can be read only once
    times = Counter(id(parameter) for parameters in lists for parameter in parameters)
    by_name = dict(model.named_parameters())
    if groups and (
        out := [
            name
            for name, parameter in by_name.items()
            if parameter.requires_grad and not times[id(parameter)]
        ]
    ):
        raise Untrainable(f"the parameter groups leave out {', '.join(out)}")
    if twice := [name for name, parameter in by_name.items() if times[id(parameter)] > 1]:
        raise Untrainable(f"the parameter groups hold {', '.join(twice)} twice; name tied weights once")
    return [
        {
            "params": parameters,
            "lr_scale": group.lr_scale,
            **({} if weight_decay is None else {"weight_decay": weight_decay * group.decay_scale}),
        }
        for group, parameters in zip(groups, lists, strict=True)
    ]
