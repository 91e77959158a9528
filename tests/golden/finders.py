"""Writes finders.json: what other packages' own code says of fixed curves. Run by hand, needed by no test.

    pip install torch-lr-finder==0.2.2 lightning==2.6.6 pytorch-ignite==0.5.5 fastai==2.8.12 \\
        fastprogress==1.0.3 scikit-learn
    pip install --target old --no-deps lightning==2.5.2
    pip install --target ktrain --no-deps ktrain==0.41.4
    python tests/golden/finders.py
    PYTHONPATH=old python tests/golden/finders.py
    PYTHONPATH=ktrain python tests/golden/finders.py

Each run answers for the packages it can import and keeps the other answers. Each package runs its own sweep on a
model whose loss is the curve's, with its early stop switched off, and so smooths, trims and chooses by itself; only
the rates are put in by hand, as each has a ladder of its own. ktrain's callback is called as Keras would, without
Keras. All run in double precision, so that a rule and not its rounding is compared; where single precision, their
default, would have answered otherwise, `single` has that answer.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
import json
import math
import sys
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from sklearn.datasets import load_digits

GOLDEN = Path(__file__).with_suffix(".json")
NEVER = math.nan  # as a multiple of the best loss that ends a sweep: no loss is above it

Curve = dict[str, list[float]]


def sweep(losses: Sequence[float], *, start_lr: float = 1e-6, end_lr: float = 10.0) -> Curve:
    """Losses along an exponential ladder, all with six digits."""
    lrs = start_lr * (end_lr / start_lr) ** (np.arange(len(losses)) / (len(losses) - 1))
    return {
        "lrs": [float(f"{lr:.5e}") for lr in lrs],
        "losses": [float(f"{loss:.5e}") for loss in losses],
    }


def typical(num_steps: int, noise: float) -> np.ndarray[Any, Any]:
    """A fall from 2.3 to 0.4 around 1e-2, a rise from 1 on."""
    decade = np.linspace(-6, 1, num_steps)
    fall, rise = 1 / (1 + np.exp(-4 * (decade + 2))), 1 / (1 + np.exp(-6 * (decade - 0.3)))
    return 2.3 - 1.9 * fall + 6 * rise + noise * np.random.default_rng(num_steps).standard_normal(num_steps)


def digits() -> list[float]:
    """The training loss of a small network on scikit-learn's digits, SGD, batches of 32, 150 steps."""
    torch.manual_seed(0)
    data = load_digits()
    inputs, targets = torch.tensor(data.data / 16).float(), torch.tensor(data.target)
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    optimizer = torch.optim.SGD(model.parameters(), momentum=0.9)
    losses = []
    for step in range(150):
        batch = torch.randint(len(inputs), (32,))
        loss = torch.nn.functional.cross_entropy(model(inputs[batch]), targets[batch])
        optimizer.param_groups[0]["lr"] = 1e-6 * 1e7 ** (step / 149)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def curves() -> dict[str, Curve]:
    """The curves, by name."""
    random = np.random.default_rng(0)
    x = np.linspace(-50, 50, 100)
    parabola = (-(x**2) - 30 * x + 4000) / 1000  # Lightning's issue 21141
    drop = np.clip(3 * (np.linspace(-6, 1, 100) + 2), 0, 2)
    ripple = random.uniform(-0.01, 0.01, 100)
    return {
        "typical, 100 steps": sweep(typical(100, 0.03)),
        "typical, 200 steps": sweep(typical(200, 0.03)),
        "noisy": sweep(typical(150, 0.4)),
        "digits": sweep(digits()),
        "plateau, then a cliff": sweep(np.where(np.arange(100) < 80, 2.3 - drop, 40) + ripple),
        "#21141": sweep(parabola, start_lr=1e-8, end_lr=1.0),
        "#21141, noise 0.1": sweep(parabola + random.uniform(-0.1, 0.1, 100), start_lr=1e-8, end_lr=1.0),
        "NaN tail": sweep([*typical(100, 0.03)[:80], *[math.nan] * 20]),
        "infinite at the end": sweep([*typical(100, 0.03)[:85], math.inf]),
        "negative": sweep(typical(100, 0.03) - 9),
        "near zero": sweep(typical(100, 0.03) * 1e-7),
        "flat": sweep([1.0] * 100),
        "rising": sweep(np.linspace(1, 3, 100)),
        "20 steps": sweep(typical(20, 0.03)),
        "12 steps": sweep(typical(12, 0.03)),
    }


class Net(torch.nn.Module):
    """Whatever its input, the output is the curve's next loss."""

    def __init__(self, losses: Sequence[float]) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.losses = iter(losses)

    def forward(self, _: torch.Tensor) -> torch.Tensor:
        return 0 * self.weight.sum() + next(self.losses)


def loader(num_steps: int) -> Any:
    """As many batches of one example."""
    return torch.utils.data.DataLoader([(torch.zeros(1), torch.zeros(1))] * num_steps)


def torch_lr_finder(curve: Curve) -> float:
    finders = importlib.import_module("torch_lr_finder")
    net = Net(curve["losses"])
    finder = finders.LRFinder(net, torch.optim.SGD(net.parameters(), lr=1e-6), lambda loss, _: loss)
    steps = len(curve["lrs"])
    finder.range_test(loader(steps), end_lr=10, num_iter=steps, diverge_th=NEVER)
    finder.history["lr"] = curve["lrs"]
    return finder.plot()[1]  # type: ignore[no-any-return]


def lightning(curve: Curve) -> float | None:
    package = importlib.import_module("lightning.pytorch")

    class Module(package.LightningModule):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(curve["losses"])

        def training_step(self, batch: Any) -> torch.Tensor:
            return self.net(batch)  # type: ignore[no-any-return]

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    steps = len(curve["lrs"])
    with tempfile.TemporaryDirectory() as folder:
        trainer = package.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=folder
        )
        found = importlib.import_module("lightning.pytorch.tuner").Tuner(trainer).lr_find(
            Module(), loader(steps), num_training=steps, early_stop_threshold=None, attr_name="unused",
            update_attr=False,
        )  # fmt: skip
    found.results["lr"] = curve["lrs"]
    return found.suggestion()  # type: ignore[no-any-return]


def ignite(curve: Curve) -> float:
    engine = importlib.import_module("ignite.engine").Engine
    net = Net(curve["losses"])
    to_save = {"model": net, "optimizer": torch.optim.SGD(net.parameters(), lr=1e-6)}
    trainer = engine(lambda _, batch: net(batch).item())
    finder = importlib.import_module("ignite.handlers").FastaiLRFinder()
    with finder.attach(trainer, to_save=to_save, diverge_th=NEVER) as attached:
        attached.run(loader(len(curve["lrs"])))
    finder.get_results()["lr"] = curve["lrs"]
    return finder.lr_suggestion()  # type: ignore[no-any-return]


def fastai(curve: Curve, *, rule: str) -> float:
    learner = importlib.import_module("fastai.learner")
    schedule = importlib.import_module("fastai.callback.schedule")
    if torch.get_default_dtype() == torch.float64:  # fastai's own `tensor` makes single precision of double
        learner.tensor = schedule.tensor = torch.tensor
    steps = len(curve["lrs"])

    class OurRates(learner.Callback):  # type: ignore[name-defined,misc]
        order = learner.Recorder.order + 1

        def after_batch(self) -> None:
            self.recorder.lrs[-1] = curve["lrs"][len(self.recorder.lrs) - 1]

    with tempfile.TemporaryDirectory() as folder:
        learn = learner.Learner(
            importlib.import_module("fastai.data.core").DataLoaders(loader(steps), loader(steps)),
            Net(curve["losses"]),
            loss_func=lambda loss, _: loss,
            path=folder,
            cbs=[OurRates()],
        )
        (found,) = learn.lr_find(
            num_it=steps, stop_div=False, show_plot=False, suggest_funcs=(getattr(schedule, rule),)
        )
    return found  # type: ignore[no-any-return]


@functools.cache
def ktrain_finder() -> Any:
    """ktrain's module of that name alone, as the package would load TensorFlow."""
    spec = importlib.util.find_spec("ktrain")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    keras = types.SimpleNamespace(get_value=lambda value: value, set_value=lambda *_: None)
    for name, content in {
        "ktrain": {"__path__": spec.submodule_search_locations},
        "ktrain.utils": {"DEFAULT_BS": 32},
        "ktrain.imports": {"np": np, "warnings": warnings, "K": keras},
        "ktrain.lroptimize": {"__path__": [f"{spec.submodule_search_locations[0]}/lroptimize"]},
    }.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(content)
    return importlib.import_module("ktrain.lroptimize.lrfinder").LRFinder


def ktrain(curve: Curve) -> float | None:
    optimizer = types.SimpleNamespace(lr=0.0)
    finder = ktrain_finder()(types.SimpleNamespace(optimizer=optimizer))
    finder.lr_mult = 1.0
    for step, (lr, loss) in enumerate(zip(curve["lrs"], curve["losses"], strict=True)):
        optimizer.lr = lr
        finder.on_batch_end(step, {"loss": loss})
    finder._compute_stats()
    return finder.estimate_lr()[0]  # type: ignore[no-any-return]


def rules() -> Iterator[tuple[str, str, Callable[[Curve], float | None]]]:
    """Of the packages that are here: the rule's name, its package and version, and what asks it."""

    def version(module: str) -> str | None:
        try:
            return str(importlib.metadata.version(module))
        except importlib.metadata.PackageNotFoundError:
            return None

    if number := version("torch-lr-finder"):
        yield "torch_lr_finder", f"torch-lr-finder {number}", torch_lr_finder
    if number := version("lightning"):
        old = tuple(map(int, number.split("."))) < (2, 5, 3)
        yield "lightning_before_2_5_3" if old else "lightning", f"lightning {number}", lightning
    if number := version("pytorch-ignite"):
        yield "ignite", f"pytorch-ignite {number}", ignite
    if number := version("fastai"):
        for rule in ("valley", "slide", "minimum", "steep"):
            yield rule, f"fastai {number}", functools.partial(fastai, rule=rule)
    if number := version("ktrain"):
        yield "ktrain", f"ktrain {number}", ktrain


@contextmanager
def precision(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    yield
    torch.set_default_dtype(before)


def ask(rule: Callable[[Curve], float | None], curve: Curve, dtype: torch.dtype) -> tuple[float | None, str]:
    """The answer and, where there is none, why."""
    with precision(dtype):
        try:
            found = rule(curve)
        except (RuntimeError, ValueError, IndexError) as error:
            return None, f"{type(error).__name__}: {error}"[:110]
    return (None, "no answer") if found is None else (float(found), "")


def main() -> None:
    mpl.use("Agg")
    warnings.simplefilter("ignore")
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {"sources": {}, "answers": {}, "none": {}}
    golden["curves"] = curves()
    # single precision first: fastai's `tensor` stays replaced
    single = {
        name: {curve: ask(rule, values, torch.float32)[0] for curve, values in golden["curves"].items()}
        for name, _, rule in rules()
    }
    for name, source, rule in rules():
        double = {curve: ask(rule, values, torch.float64) for curve, values in golden["curves"].items()}
        golden["sources"][name] = source
        golden["answers"][name] = {curve: lr for curve, (lr, _) in double.items()}
        golden["none"][name] = {curve: why for curve, (_, why) in double.items() if why}
        golden.setdefault("single", {})[name] = {
            curve: lr
            for curve, lr in single[name].items()
            if (lr is None) != (double[curve][0] is None)
            or (lr is not None and not math.isclose(lr, double[curve][0] or 0.0, rel_tol=1e-6))
        }
    GOLDEN.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
