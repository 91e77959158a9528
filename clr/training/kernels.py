"""What torch's optimizers can do with which parameters and gradients: kernels, sparse gradients, clipping."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from clr.problem import Untrainable

FUSED = {"SGD", "Adam", "AdamW", "Adagrad"}  # torch has a fused kernel for these, on CPU and CUDA
WITHOUT_KERNELS = {"Muon"}  # there is nothing to choose
TAKE_SPARSE = ("SGD", "Adagrad")  # gradients, as torch's do


def find_kernel(name: str, parameters: Iterable[Tensor]) -> dict[str, bool]:
    """The keyword of the fastest kernel that this optimizer of torch has for the parameters; none: torch chooses."""
    parameters = list(parameters)
    plain = all(
        type(parameter) in (Tensor, nn.Parameter) and parameter.layout == torch.strided
        for parameter in parameters
    )
    if name in WITHOUT_KERNELS or not plain:
        return {}
    if name not in FUSED or (name == "SGD" and any(map(_is_short, parameters))):
        return {"foreach": True}
    return {"fused": True} if all(map(_fits_fused, parameters)) else {"foreach": True}


def _is_short(parameter: Tensor) -> bool:
    """Of 16 bits on a CPU: torch 2.13's fused SGD moves the last few of them alone (pytorch issue 191763)."""
    return parameter.element_size() == 2 and parameter.device.type == "cpu"


def _fits_fused(parameter: Tensor) -> bool:
    """Real, and without gaps or overlaps in memory: the fused kernels of the CPU take it for one row of numbers,
    and write beside it where it is not."""
    dense = torch.empty_like(parameter, device="meta").stride() == parameter.stride()
    return parameter.is_floating_point() and dense


def any_sparse(parameters: Iterable[Tensor]) -> bool:
    """Whether one of them has a sparse gradient, which is known after each backward pass only."""
    for parameter in parameters:  # noqa: SIM110, as `any` takes twice as long, at every step
        if parameter.grad is not None and parameter.grad.is_sparse:
            return True
    return False


def meet_sparse(optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
    """Leave the fused kernel, which takes no sparse gradient, and sum what these hold several times of one place.

    Raises `Untrainable`, naming a parameter of the model, where the optimizer takes none at all.
    """
    kind = type(optimizer).__name__
    for group in optimizer.param_groups:
        sparse = [
            parameter
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        if sparse and (kind not in TAKE_SPARSE or group["weight_decay"]):
            names = {parameter: name for name, parameter in model.named_parameters()}
            raise Untrainable(_explain_refusal(kind, names.get(sparse[0], "a parameter")))
        group["fused"] = group["foreach"] = None  # torch chooses
        for parameter in sparse:
            parameter.grad = parameter.grad.coalesce()


def _explain_refusal(kind: str, parameter: str) -> str:
    if kind in TAKE_SPARSE:
        what, instead = "weight_decay", "make it 0 (a ParameterGroup with decay_scale=0 will do)"
    else:
        what, instead = kind, f"choose {' or '.join(TAKE_SPARSE)} as optimizer"
    return f"{what} does not go with the sparse gradient of {parameter}: {instead}, or make its layer with sparse=False"


def clip_gradients(parameters: Iterable[Tensor], largest: float) -> None:
    """`nn.utils.clip_grad_norm_`, which takes no sparse gradients, for these too, once `meet_sparse` has seen them."""
    nn.utils.clip_grad_norm_([_show_values(parameter) for parameter in parameters], largest)


def _show_values(parameter: Any) -> Any:
    """The parameter, or where its gradient is sparse a stand-in whose gradient is the values of that one."""
    if parameter.grad is None or not parameter.grad.is_sparse:
        return parameter
    values = parameter.grad.values()
    stand_in = torch.empty_like(values)
    stand_in.grad = values
    return stand_in
