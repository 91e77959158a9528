"""Parts of training loops that keep state in places of their own, and a reading of every byte of them."""

import copy
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR, ReduceLROnPlateau
from torch.optim.swa_utils import AveragedModel

from clr.policies import parse_schedule
from clr.range_test import RangeTestConfig
from clr.reporting import NoReport
from clr.scheduler import Scheduler
from clr.sweep import Sweep

WIDTH = 4


class Begun(NoReport):
    """To somebody who has the first sweeps of a test that another process left."""

    def __init__(self, sweeps: Sequence[Sweep], *, steps_per_epoch: float) -> None:
        self._sweeps, self.steps_per_epoch = sweeps, steps_per_epoch

    def begin(self, config: RangeTestConfig, **about: Any) -> Sequence[Sweep]:
        return self._sweeps


class Hidden(nn.Module):
    """Keeps a state in a plain attribute, which does not exist before the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.RNNCell(WIDTH, WIDTH)

    def forward(self, inputs: Tensor) -> Tensor:
        before = getattr(self, "h", torch.zeros(len(inputs), WIDTH))
        self.h = self.cell(inputs, before.detach())
        return self.h


@dataclass
class Memory:
    """What a model may remember in an object of its own."""

    last: Tensor
    seen: int = 0


class Containers(nn.Module):
    """Keeps tensors in lists, dicts, tuples, deques, a dataclass and an array, in place and bound anew."""

    def __init__(self) -> None:
        super().__init__()
        self.states = [torch.zeros(WIDTH), (torch.zeros(WIDTH), {"inner": torch.zeros(WIDTH)})]
        self.queue: deque[Tensor] = deque(maxlen=3)
        self.memory = Memory(torch.zeros(WIDTH))
        self.array, self.calls = np.zeros(WIDTH), 0

    def forward(self, inputs: Tensor) -> Tensor:
        mean = inputs.detach().mean(0)
        self.states[0] = mean
        self.states[1][0].add_(mean)
        self.states[1][1]["inner"].mul_(0.5).add_(mean)
        self.queue.append(mean)
        self.memory.last, self.memory.seen = mean, self.memory.seen + 1
        self.array += mean.numpy()
        self.calls += 1
        return inputs + self.states[1][1]["inner"] + self.memory.last * min(self.calls, 5)


class Buffers(nn.Module):
    """Resizes, expands, binds anew, adds and drops buffers; one is sparse, one of NaN and a negative zero."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seen", torch.empty(0))
        self.register_buffer("scale", torch.ones(1).expand(WIDTH))
        self.register_buffer("windows", torch.arange(6.0).unfold(0, 3, 1), persistent=False)
        self.register_buffer("sparse", torch.eye(WIDTH).to_sparse())
        self.register_buffer("odd", torch.tensor([float("nan"), -0.0]))
        self.register_buffer("later", None)

    def forward(self, inputs: Tensor) -> Tensor:
        self.seen.resize_(len(inputs)).copy_(inputs.detach().mean(1))
        self.sparse = (self.sparse + torch.ones(WIDTH, WIDTH).to_sparse()).coalesce()
        self.odd.zero_()
        self.later = self.seen.mean()
        self.register_buffer("added", self.later + 1, persistent=False)
        if hasattr(self, "windows"):
            del self.windows
        return inputs * self.scale + self.later


class Draws(nn.Module):
    """Draws from generators of its own, of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self.torchs = torch.Generator().manual_seed(1)
        self.sources = [np.random.default_rng(1), np.random.RandomState(1), random.Random(1)]

    def forward(self, inputs: Tensor) -> Tensor:
        ours, old, pythons = self.sources
        return inputs + torch.rand(1, generator=self.torchs) * ours.random() + old.rand() * pythons.random()


class Restless(nn.Module):
    """Changes itself: freezes, binds a weight to new memory, grows a module, takes a hook, changes its mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(WIDTH, WIDTH).requires_grad_(False)
        self.beside = [nn.Linear(WIDTH, WIDTH)]  # unregistered

    def forward(self, inputs: Tensor) -> Tensor:
        with torch.no_grad():
            self.beside[0].weight.add_(1e-3)
            self.first.weight.data = self.first.weight.data.clone()
        self.frozen.bias.requires_grad_(not self.frozen.bias.requires_grad)
        if not hasattr(self, "grown"):
            self.grown = nn.Dropout(0.1)
            self.first.register_forward_hook(lambda *_: None)
            self.frozen.eval()
        return self.grown(self.second(self.first(inputs))) + self.frozen(inputs) + self.beside[0](inputs)


class Spectral(nn.Module):
    """A complex weight between two transforms, and a double one."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH // 2 + 1, dtype=torch.complex64))
        self.gain = nn.Parameter(torch.ones(WIDTH, dtype=torch.float64))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.fft.irfft(torch.fft.rfft(inputs) * self.weight, n=WIDTH) * self.gain.float()


def usual() -> nn.Module:
    return nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.BatchNorm1d(WIDTH), nn.Dropout(0.2), nn.Linear(WIDTH, WIDTH)
    )


MODULES: list[Callable[[], nn.Module]] = [usual, Hidden, Containers, Buffers, Draws, Restless, Spectral]


class Wrapped(torch.optim.Optimizer):
    """Steps another optimizer; keeps slow weights and a count in attributes, as Lookahead does."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05, "momentum": 0.9})
        self.inner = torch.optim.SGD(self.param_groups, momentum=0.9)
        self.param_groups = self.inner.param_groups
        self.slow = [one.detach().clone() for group in self.param_groups for one in group["params"]]
        self.count = 0

    def step(self, closure: Any = None) -> Any:
        loss = self.inner.step(closure)
        self.count += 1
        if self.count % 5 == 0:
            fast = (one for group in self.param_groups for one in group["params"])
            with torch.no_grad():
                for slow, one in zip(self.slow, fast, strict=True):
                    one.copy_(slow.lerp_(one, 0.5))
        return loss


class Preconditioner:
    """What an optimizer may keep in its state that is no tensor."""

    def __init__(self) -> None:
        self.factor = torch.ones(())

    def update(self) -> float:
        return float(self.factor.mul_(0.999))


class Preconditioned(torch.optim.SGD):
    """Keeps an object for each parameter."""

    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for one in group["params"]:
                held = self.state[one].setdefault("preconditioner", Preconditioner())
                if one.grad is not None:
                    one.grad.mul_(held.update())
        return super().step(closure)


def tensor_rate(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=torch.tensor(0.01), foreach=False)


OPTIMIZERS: list[Callable[[Any], torch.optim.Optimizer]] = [
    lambda parameters: torch.optim.SGD(parameters, lr=0.05, momentum=0.9),
    lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    tensor_rate,
    Wrapped,
    lambda parameters: Preconditioned(parameters, lr=0.05, momentum=0.9),
]


class Loop:
    """Trains with what it was made of. beside: names of what runs along, of BESIDE."""

    def __init__(self, modules: list[int], optimizer: int, beside: set[str]) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(*(MODULES[index]() for index in modules), nn.Linear(WIDTH, 2))
        self.optimizer = OPTIMIZERS[optimizer](list(self.model.parameters()))
        self.beside = beside
        self.schedulers: list[Any] = []
        if "lambda" in beside:
            self.schedulers.append(LambdaLR(self.optimizer, lambda step: 0.9**step))
        if "one_cycle" in beside:
            self.schedulers.append(OneCycleLR(self.optimizer, max_lr=0.1, total_steps=10_000))
        if "plateau" in beside:
            self.schedulers.append(ReduceLROnPlateau(self.optimizer, patience=1))
        if "ours" in beside:
            spec = {"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 7}
            self.schedulers.append(Scheduler(self.optimizer, parse_schedule(spec)))
            self.schedulers[-1].follow()
        scaled = not any(
            one.is_complex() for one in self.model.parameters()
        )  # torch scales no complex gradients
        scale = 2.0**120 if "overflow" in beside else 4.0
        self.scaler = torch.amp.GradScaler("cpu", init_scale=scale, enabled=scaled)
        self.average = AveragedModel(self.model)
        self.teacher = copy.deepcopy(self.model)
        self.own = Preconditioner()
        generator = torch.Generator().manual_seed(7)
        data = torch.randn(48, WIDTH), torch.randint(2, (48,))
        dataset = torch.utils.data.TensorDataset(*data)
        self.loader = torch.utils.data.DataLoader(dataset, batch_size=8, shuffle=True, generator=generator)

    @property
    def also(self) -> list[Any]:
        """What no finder can know of."""
        return [self.teacher, self.own]

    def train_on(self, inputs: Tensor, targets: Tensor) -> Tensor:
        self.optimizer.zero_grad(set_to_none="zeros" not in self.beside)
        loss: Tensor = nn.functional.cross_entropy(self.model(inputs), targets)
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        for scheduler in self.schedulers:
            if not isinstance(scheduler, Scheduler):
                scheduler.step(*([loss.detach()] if isinstance(scheduler, ReduceLROnPlateau) else []))
        if not any(isinstance(one, Buffers) for one in self.model):  # AveragedModel bears no new sizes
            self.average.update_parameters(self.model)
        with torch.no_grad():
            for mean, one in zip(self.teacher.parameters(), self.model.parameters(), strict=False):
                if mean.shape == one.shape:
                    mean.lerp_(one, 0.1)
        self.own.update()
        np.random.rand()
        random.random()
        return loss.detach()

    def evaluate(self) -> tuple[float, float]:
        inputs, targets = next(iter(self.loader))
        outputs = self.model(inputs)
        right = (outputs.argmax(1) == targets).float().mean()
        return float(nn.functional.cross_entropy(outputs, targets)), float(right)

    def every_byte(self) -> Any:
        """All that training depends on, to be compared."""
        drawn = (torch.get_rng_state().numpy().tobytes(), repr(np.random.get_state()), random.getstate())
        parts = (
            self.model,
            self.optimizer,
            self.schedulers,
            self.scaler,
            self.average,
            self.teacher,
            self.own,
        )
        return reading([*parts, self.loader.generator], {}), drawn


BESIDE = ["lambda", "one_cycle", "plateau", "ours", "overflow", "zeros"]
OBJECTS = (
    nn.Module,
    torch.optim.Optimizer,
    LRScheduler,
    Scheduler,
    torch.amp.GradScaler,
    Memory,
    Preconditioner,
)


def reading(value: Any, seen: dict[int, tuple[int, Any]]) -> Any:
    """A value as nested tuples of identities and bytes."""
    if isinstance(value, int | float | str | bool | bytes | complex | None):
        return repr(value)
    if id(value) in seen:
        return "seen", seen[id(value)][0]
    seen[id(value)] = len(seen), value
    match value:
        case Tensor():
            dense = value.detach().to_dense() if value.is_sparse else value.detach()
            content = (
                dense.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if dense.numel() else b""
            )
            layout = () if value.is_sparse else (value.stride(), value.storage_offset())
            gradient = reading(value.grad, seen) if value.is_leaf else None
            return id(value), value.dtype, value.shape, layout, value.requires_grad, gradient, content
        case np.ndarray():
            return id(value), value.tobytes()
        case dict():
            pairs = ((reading(key, seen), reading(one, seen)) for key, one in value.items())
            return type(value), tuple(pairs)
        case list() | tuple() | deque():
            return type(value), tuple(reading(one, seen) for one in value)
        case set():
            return sorted(map(repr, value))
        case torch.Generator():
            return id(value), value.get_state().numpy().tobytes()
        case np.random.Generator():
            return id(value), repr(value.bit_generator.state)
        case np.random.RandomState():
            return id(value), repr(value.get_state())
        case random.Random():
            return id(value), value.getstate()
    if isinstance(value, OBJECTS):
        hidden = ("_optimizer_step_pre_hooks",) if isinstance(value, torch.optim.Optimizer) else ()
        return id(value), reading({k: v for k, v in vars(value).items() if k not in hidden}, seen)
    return id(value)
