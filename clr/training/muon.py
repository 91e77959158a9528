"""torch's Muon takes 2-D weights alone: beside it AdamW trains the rest, and both are one optimizer.

One of torch's, so that schedulers, scalers and finders take it; its groups are those of both.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clr.problem import Untrainable
from clr.training.kernels import find_kernel


class MuonAndAdamW(torch.optim.Optimizer):
    """torch.optim.Muon for a model's real 2-D weights, but those of embeddings, and AdamW for the rest.

    groups: as torch takes them, each holding parameters of the model or of its loss; None: all of the model's at one
    rate. weight_decay: of both. muon: more parameters of torch.optim.Muon. Raises `Untrainable` where no 2-D weight
    is.
    """

    def __init__(
        self,
        model: nn.Module,
        groups: Iterable[Mapping[str, Any]] | None = None,
        *,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        adjust_lr_fn: str = "match_rms_adamw",
        **muon: Any,
    ) -> None:
        embedded = {id(weight) for weight in _list_embedded(model)}
        by_muon, by_adamw = list[dict[str, Any]](), list[dict[str, Any]]()
        for group in groups or [{"params": list(model.parameters())}]:
            for chosen, takes in ((by_muon, True), (by_adamw, False)):
                parameters = [one for one in group["params"] if _is_matrix(one, embedded) == takes]
                if parameters:
                    chosen.append({**group, "params": parameters})
        if not by_muon:
            raise Untrainable("Muon trains 2-D weights, and this model has none beside embeddings: use AdamW")
        both: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay}
        self._inner: list[torch.optim.Optimizer] = [
            torch.optim.Muon(by_muon, adjust_lr_fn=adjust_lr_fn, **both, **muon)
        ]
        if by_adamw:
            both |= find_kernel("AdamW", [one for group in by_adamw for one in group["params"]])
            self._inner.append(torch.optim.AdamW(by_adamw, **both))
        super().__init__([group for inner in self._inner for group in inner.param_groups], {})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of both."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._share()
        for inner in self._inner:
            inner.step()
        return loss

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_inner": self._inner}

    def _share(self) -> None:
        """Hand both the groups and the state of now: loading a state puts others in their place."""
        for inner in self._inner:
            is_muon = isinstance(inner, torch.optim.Muon)
            inner.param_groups = [group for group in self.param_groups if ("ns_steps" in group) == is_muon]
            inner.state = self.state


def _is_matrix(parameter: Tensor, embedded: set[int]) -> bool:
    return parameter.ndim == 2 and parameter.is_floating_point() and id(parameter) not in embedded


def _list_embedded(model: nn.Module) -> list[Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
