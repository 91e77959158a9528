"""Whatever a plain torch loop trains, the trainer trains alike."""

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clr.optimizers import NAMES, parse_optimizer
from clr.problem import ParameterGroup, Problem, Untrainable
from clr.training.kernels import FUSED, find_kernel
from clr.training.optimizers import make_optimizer
from clr.training.seeding import seeded
from clr.training.trainer import Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:Lazy modules are a new feature", "ignore:Sparse invariant checks"
)
TARGETS = torch.arange(16) % 3
REALS = torch.linspace(-1, 1, 16 * 16).reshape(16, 16).sin()
WORDS = torch.arange(16 * 5).reshape(16, 5) % 7
LR, STEPS = 0.05, 6


class Spectrum(nn.Module):
    """A complex weight between two Fourier transforms, on whatever `first` makes of the input."""

    def __init__(self, first: nn.Module) -> None:
        super().__init__()
        self.first, self.last = first, nn.Linear(16, 3)
        self.weight = nn.Parameter(torch.randn(9, 9, dtype=torch.cfloat) / 9)

    def forward(self, inputs: Tensor) -> Tensor:
        bent = torch.fft.rfft(self.first(inputs)) @ self.weight
        outputs: Tensor = self.last(torch.fft.irfft(bent, n=16))
        return outputs


class Tied(nn.Module):
    """One weight for what comes in and what goes out."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(7, 3, sparse=sparse)
        self.out = nn.Linear(3, 7, bias=False)
        self.out.weight = self.words.weight

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.out(self.words(inputs))[:, :3]
        return outputs


class WithGaps(nn.Module):
    """Its weight is every other column of a matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 6)[:, ::2])

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs @ self.weight


class Parameter(nn.Parameter):
    """A kind of one's own."""


def of_a_kind_of_its_own() -> nn.Module:
    layer = nn.Linear(16, 3)
    layer.weight = Parameter(layer.weight.data)
    return layer


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    model[0].requires_grad_(False)
    return model


MODELS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "float32": (lambda: nn.Linear(16, 3), REALS),
    "float64": (lambda: nn.Linear(16, 3).double(), REALS.double()),
    "bfloat16": (lambda: nn.Linear(16, 3).bfloat16(), REALS.bfloat16()),
    "complex": (lambda: Spectrum(nn.Identity()), REALS),
    "sparse": (lambda: nn.Sequential(nn.EmbeddingBag(7, 4, sparse=True), nn.Linear(4, 3)), WORDS),
    "complex and sparse": (lambda: Spectrum(nn.EmbeddingBag(7, 16, sparse=True)), WORDS),
    "tied": (lambda: Tied(sparse=False), WORDS),
    "tied and sparse": (lambda: Tied(sparse=True), WORDS),
    "frozen": (frozen, REALS),
    "with gaps": (WithGaps, REALS),
    "of a kind of its own": (of_a_kind_of_its_own, REALS),
    "mixed dtypes": (lambda: nn.Sequential(nn.Linear(16, 4), Cast(), nn.Linear(4, 3).double()), REALS),
    "lazy": (lambda: nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.LazyLinear(3)), REALS),
}


class Cast(nn.Module):
    """From float32 to float64."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.double()


def built(name: str) -> nn.Module:
    make, inputs = MODELS[name]
    with seeded(0):
        model = make()
    with seeded(0), torch.no_grad():
        model.eval()(inputs[:2])  # the shapes of lazy layers
    return model.train()


def plain_losses(
    name: str, optimizer: dict[str, Any], *, clip: float | None, accumulated: int
) -> list[float]:
    """A loop as one writes it, with torch's own choice of the kernel."""
    model, inputs = built(name), MODELS[name][1]
    kind, options = optimizer["name"], {key: value for key, value in optimizer.items() if key != "name"}
    optimizers = plain_optimizers(kind, model, options)
    losses = []
    for _ in range(STEPS):
        model.zero_grad()
        mean = 0.0
        for _ in range(accumulated):
            loss = nn.functional.cross_entropy(model(inputs), TARGETS) / accumulated
            loss.backward()
            mean += loss.item()
        if clip is not None:
            scale_down(model, clip)
        for updates in optimizers:
            updates.step()
        losses.append(mean)
    return losses


def plain_optimizers(kind: str, model: nn.Module, options: dict[str, Any]) -> list[torch.optim.Optimizer]:
    if kind != "Muon":
        return [getattr(torch.optim, kind)(model.parameters(), lr=LR, **options)]
    embedded = {one.weight for one in model.modules() if isinstance(one, nn.EmbeddingBag)}
    real = {one for one in model.parameters() if one.ndim == 2 and one.is_floating_point()}
    matrices = [one for one in model.parameters() if one in real - embedded]
    rest = [one for one in model.parameters() if one not in real - embedded]
    muon = torch.optim.Muon(matrices, lr=LR, adjust_lr_fn="match_rms_adamw", **options)
    return [muon, torch.optim.AdamW(rest, lr=LR, weight_decay=0.1)] if rest else [muon]


def scale_down(model: nn.Module, largest: float) -> None:
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    norm = torch.stack([one.to_dense().abs().double().square().sum() for one in gradients]).sum().sqrt()
    for one in gradients:
        one.mul_(min(1.0, largest / float(norm + 1e-6)))


def losses_here(name: str, optimizer: dict[str, Any], *, clip: float | None, accumulated: int) -> list[float]:
    with seeded(0):
        model = MODELS[name][0]()
    trainer = Trainer(
        problem(model, MODELS[name][1]),
        parse_optimizer(optimizer),
        device="cpu",
        accumulation_steps=accumulated,
        clip_grad_norm=clip,
    )
    return [float(trainer.step(LR)) for _ in range(STEPS)]


def problem(model: nn.Module, inputs: Any, **changed: Any) -> Problem:
    batch = (inputs, TARGETS)
    return Problem(model, nn.CrossEntropyLoss(), batches=[batch], held_out=batch, train_size=16, **changed)


@pytest.mark.parametrize(("clip", "accumulated"), [(None, 1), (0.1, 2)])
@pytest.mark.parametrize("optimizer", [*NAMES, "SGD with momentum"])
@pytest.mark.parametrize("name", MODELS)
def test_what_a_plain_loop_trains_trains_alike(
    name: str, optimizer: str, clip: float | None, accumulated: int
) -> None:
    spec: dict[str, Any] = {"name": optimizer.split()[0]}
    if " " in optimizer:
        spec["momentum"] = 0.9
    try:
        expected = plain_losses(name, spec, clip=clip, accumulated=accumulated)
    except (RuntimeError, ValueError):
        with pytest.raises(Untrainable, match=r"sparse gradient of|no complex|trains 2-D weights"):
            losses_here(name, spec, clip=clip, accumulated=accumulated)
    else:
        found = losses_here(name, spec, clip=clip, accumulated=accumulated)
        rel = 0.05 if name == "bfloat16" else 2e-5
        if optimizer == "Muon":  # which computes in bfloat16
            rel = max(rel, 1e-3)
        assert found == pytest.approx(expected, rel=rel)


@pytest.mark.parametrize(
    "optimizer", [{"name": "SGD", "weight_decay": 0.01}, {"name": "Adagrad", "weight_decay": 0.01}]
)
def test_weight_decay_of_sparse_gradients_is_refused_and_spared_by_a_group(optimizer: dict[str, Any]) -> None:
    with seeded(0):
        model: Any = MODELS["sparse"][0]()
    groups = [ParameterGroup(model[0].parameters(), decay_scale=0), ParameterGroup(model[1].parameters())]  # type: ignore[arg-type]
    spared = problem(model, WORDS, parameter_groups=groups)

    with pytest.raises(
        Untrainable, match=r"weight_decay does not go with the sparse gradient of 0\.weight: make it 0"
    ):
        Trainer(problem(model, WORDS), parse_optimizer(optimizer), device="cpu").step(LR)

    trainer = Trainer(spared, parse_optimizer(optimizer), device="cpu")
    assert trainer.step(LR) != trainer.step(LR)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("complex and sparse", {"name": "SGD", "momentum": 0.9}),
        ("complex and sparse", {"name": "Adagrad"}),
        ("complex", {"name": "AdamW"}),
        ("mixed dtypes", {"name": "RMSprop"}),
        ("float32", {"name": "NAdam"}),
        ("float32", {"name": "RAdam"}),
        ("float32", {"name": "Adamax"}),
        ("float32", {"name": "Adafactor"}),
        ("lazy", {"name": "Muon"}),
        ("float32", {"name": "ASGD"}),
    ],
)
def test_a_saved_state_goes_on_bit_for_bit(name: str, optimizer: dict[str, Any]) -> None:
    def trainer() -> Trainer:
        with seeded(0):
            return Trainer(
                problem(MODELS[name][0](), MODELS[name][1]), parse_optimizer(optimizer), device="cpu"
            )

    through, stopped, resumed = trainer(), trainer(), trainer()
    expected = [float(through.step(LR)) for _ in range(6)]
    for _ in range(3):
        stopped.step(LR)
    file = io.BytesIO()
    torch.save(stopped.state_dict(), file)
    file.seek(0)
    with seeded(0):
        resumed.load_state_dict(torch.load(file, weights_only=True))
        found = [float(resumed.step(LR)) for _ in range(3)]

    assert found == expected[3:]


class Turning(nn.Module):
    """Its gradient is dense at first and sparse later."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.calls = nn.Parameter(torch.ones(7, 3)), 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += self.training
        return nn.functional.embedding_bag(inputs, self.weight, sparse=self.calls > 2)


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_a_gradient_may_turn_sparse_at_any_step(name: str) -> None:
    trainer = Trainer(problem(Turning(), WORDS), parse_optimizer({"name": name}), device="cpu")

    losses = [float(trainer.step(LR)) for _ in range(6)]

    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("name", "model", "kernel"),
    [
        ("AdamW", "float32", {"fused": True}),
        ("AdamW", "bfloat16", {"fused": True}),
        ("RMSprop", "float32", {"foreach": True}),
        ("AdamW", "complex", {"foreach": True}),
        ("AdamW", "with gaps", {"foreach": True}),
        ("AdamW", "of a kind of its own", {}),
        ("NAdam", "float32", {"foreach": True}),
        ("Muon", "float32", {}),
    ],
)
def test_the_kernel_follows_from_the_parameters(name: str, model: str, kernel: dict[str, bool]) -> None:
    assert find_kernel(name, MODELS[model][0]().parameters()) == kernel


def test_tied_weights_in_two_groups_are_named() -> None:
    model: Any = Tied(sparse=False)
    groups = [ParameterGroup([model.words.weight]), ParameterGroup([model.out.weight])]

    with pytest.raises(ValueError, match=r"hold words.weight twice; name tied weights once"):
        make_optimizer(parse_optimizer({"name": "SGD"}), model, groups)


def test_a_frozen_parameter_needs_no_group() -> None:
    model: Any = frozen()
    groups = [ParameterGroup([one for one in model.parameters() if one.requires_grad])]

    assert make_optimizer(parse_optimizer({"name": "SGD"}), model, groups)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("name", sorted(FUSED))
def test_every_number_of_a_long_parameter_moves(name: str, dtype: torch.dtype) -> None:
    parameter = nn.Parameter(torch.ones(1003, dtype=dtype))
    optimizer = getattr(torch.optim, name)([parameter], lr=0.5, **find_kernel(name, [parameter]))
    parameter.grad = torch.ones_like(parameter)

    optimizer.step()

    assert bool((parameter != 1).all())
