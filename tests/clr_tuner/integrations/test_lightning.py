"""Lightning's modules: their bounds, and the rates that their updates really use."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning")

import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import BaseFinetuning, GradientAccumulationScheduler, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import clr_tuner as ct
from clr.snippets import write_snippet
from clr_tuner.integrations.lightning import RangeTestCallback, range_test, with_schedule
from tests.clr_tuner.integrations.page import python_block

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:`LightningModule.configure_optimizers` returned `None`"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.* is deprecated"),
]

DIGITS = load_digits()
INPUTS, TARGETS = torch.tensor(DIGITS.data / 16, dtype=torch.float32), torch.tensor(DIGITS.target)
TRAIN, HELD_OUT = TensorDataset(INPUTS[:1440], TARGETS[:1440]), TensorDataset(INPUTS[1440:], TARGETS[1440:])
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
NUM_BATCHES = 23  # of 64, the last of 32
TINY: dict[str, Any] = {"effort": "quick", "num_steps": 40}


class Classifier(LightningModule):
    """Digits; `rates` keeps that of each update, over all of its optimizers."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
        self.head = nn.Linear(32, 10)
        self.num_batches = 0

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.num_batches += 1
        loss = cross_entropy(self.head(self.hidden(batch[0])), batch[1])
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        outputs = self.head(self.hidden(batch[0]))
        self.log("val_loss", cross_entropy(outputs, batch[1]))
        self.log("val_acc", (outputs.argmax(1) == batch[1]).float().mean())

    def make_optimizer(self) -> torch.optim.Optimizer:
        wanted = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = torch.optim.SGD(wanted, lr=0.01, momentum=0.9)
        optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
        return optimizer

    def configure_optimizers(self) -> Any:
        return self.make_optimizer()


class Scheduled(Classifier):
    def configure_optimizers(self) -> Any:
        return with_schedule(self.make_optimizer(), SCHEDULE)


class Data(LightningDataModule):
    def setup(self, stage: str) -> None:
        self.train, self.held_out = TRAIN, HELD_OUT

    def train_dataloader(self) -> Any:
        return load(self.train)

    def val_dataloader(self) -> Any:
        return DataLoader(self.held_out, batch_size=500)


rates: list[float] = []


@pytest.fixture(autouse=True)
def _no_rates() -> None:
    rates.clear()
    torch.manual_seed(0)


def load(data: Dataset[Any] = TRAIN) -> Any:
    return DataLoader(data, batch_size=64, shuffle=not isinstance(data, IterableDataset))


def make_trainer(**changes: Any) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(
        **({"max_epochs": 2, "accelerator": "cpu", "enable_checkpointing": False} | quiet | changes)
    )


def planned(bounds: Any) -> list[float]:
    return [point.lr for sweep in bounds.sweeps for point in sweep.points]


def content(module: nn.Module) -> list[bytes]:
    return [tensor.numpy().tobytes() for tensor in module.state_dict().values()]


def test_bounds_are_found_where_the_digits_are_learned() -> None:
    bounds = range_test(make_trainer(), Classifier(), datamodule=Data(), effort="quick")

    assert bounds, bounds
    assert bounds.metric == "accuracy"
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 2
    assert bounds.steps_per_epoch == NUM_BATCHES


@pytest.mark.parametrize("accumulated", [1, 4])
def test_every_update_of_a_range_test_has_the_planned_rate(accumulated: int) -> None:
    trainer = make_trainer(accumulate_grad_batches=accumulated)

    bounds = range_test(trainer, Classifier(), load(), **TINY)

    assert rates == planned(bounds)


def test_every_sweep_begins_with_the_weights_and_the_batches_of_the_first() -> None:
    bounds = range_test(make_trainer(), Classifier(), load(), num_steps=40, num_seeds=1)

    assert len(bounds.sweeps) > 1
    assert len({sweep.points[0].loss for sweep in bounds.sweeps}) == 1


@pytest.mark.parametrize("accumulated", [1, 4])
def test_the_loss_of_a_step_is_the_mean_of_its_batches(accumulated: int) -> None:
    bounds = range_test(make_trainer(accumulate_grad_batches=accumulated), Classifier(), load(), **TINY)

    assert bounds.sweeps[0].points[0].loss == pytest.approx(2.3, rel=0.1)


def test_module_data_and_generators_are_bit_for_bit_as_they_were() -> None:
    module, data, trainer = Classifier(), Data(), make_trainer()
    before, kept, drawn = content(module), dict(vars(data)), torch.get_rng_state()

    range_test(trainer, module, datamodule=data, **TINY)

    assert content(module) == before
    assert all(parameter.grad is None for parameter in module.parameters())
    assert (module.num_batches, module.training, module._trainer) == (0, True, None)
    assert vars(data) == kept
    assert torch.equal(torch.get_rng_state(), drawn)
    assert (trainer.global_step, trainer.train_dataloader, trainer.datamodule) == (0, None, None)


def test_a_fit_after_the_test_is_the_one_without_it() -> None:
    runs = []
    for tested in (False, True):
        torch.manual_seed(3)
        module, trainer = Classifier(), make_trainer()
        if tested:
            range_test(trainer, module, load(), **TINY)
        trainer.fit(module, load())
        runs.append(content(module))

    assert runs[0] == runs[1]


def test_everything_is_restored_where_the_module_raises() -> None:
    class Failing(Classifier):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 7:
                raise OSError("gone")

    module = Failing()
    before = content(module)

    with pytest.raises(OSError, match="gone"):
        range_test(make_trainer(), module, load(), **TINY)
    assert content(module) == before


def test_nothing_is_said_of_the_trainer_that_tests(caplog: Any) -> None:
    trainer = make_trainer()
    caplog.clear()

    range_test(trainer, Classifier(), load(), **TINY)

    assert not caplog.records


def test_accumulation_by_epoch_is_that_of_the_first() -> None:
    trainer = make_trainer(callbacks=[GradientAccumulationScheduler({0: 4, 1: 1})])

    bounds = range_test(trainer, Classifier(), load(), effort="quick")

    assert bounds.steps_per_epoch == 6


def test_held_out_batches_may_be_given_where_the_module_has_the_others() -> None:
    class Loading(Classifier):
        def train_dataloader(self) -> Any:
            return load()

    bounds = range_test(
        make_trainer(), Loading(), val_dataloaders=DataLoader(HELD_OUT, batch_size=500), **TINY
    )

    assert bounds.sweeps[0].held_out


def test_callbacks_and_loggers_of_the_trainer_hear_nothing(tmp_path: Any) -> None:
    trainer = make_trainer(
        callbacks=[ModelCheckpoint(tmp_path, every_n_train_steps=1)],
        enable_checkpointing=True,
        logger=CSVLogger(tmp_path),
        log_every_n_steps=1,
    )

    range_test(trainer, Classifier(), load(), **TINY)

    assert list(tmp_path.iterdir()) == []


def test_schedulers_of_the_module_rest() -> None:
    bounds = range_test(make_trainer(), Scheduled(), load(), **TINY)

    assert rates == planned(bounds)
    assert not [warning for warning in bounds.warnings if "scheduler" in warning]


def test_configure_optimizers_may_ask_how_long_the_training_is() -> None:
    asked = []

    class Asking(Classifier):
        def configure_optimizers(self) -> Any:
            asked.append(self.trainer.estimated_stepping_batches)
            return super().configure_optimizers()

    range_test(make_trainer(accumulate_grad_batches=4), Asking(), load(), **TINY)

    assert asked == [2 * 6]


def test_clipping_of_the_trainer_holds_in_the_test() -> None:
    norms = []

    class Watching(Classifier):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            norms.append(nn.utils.get_total_norm([p.grad for p in self.parameters()]).item())

    range_test(make_trainer(gradient_clip_val=0.01), Watching(), load(), effort="quick", num_steps=12)

    assert max(norms) <= 0.0101


def test_precision_of_the_trainer_holds_in_the_test() -> None:
    kinds = set()

    class Watching(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            kinds.add(self.head(self.hidden(batch[0])).dtype)
            return super().training_step(batch, batch_idx)

    range_test(make_trainer(precision="bf16-mixed"), Watching(), load(), effort="quick", num_steps=12)

    assert kinds == {torch.bfloat16}


def test_what_is_frozen_at_first_is_frozen_in_the_test_and_only_there() -> None:
    class Freezing(BaseFinetuning):
        def freeze_before_training(self, pl_module: Any) -> None:
            self.freeze(pl_module.hidden, train_bn=False)

        def finetune_function(self, pl_module: Any, epoch: int, optimizer: Any) -> None:
            raise AssertionError("a range test is in its first epoch")

    moved: set[str] = set()

    class Watching(Classifier):
        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            moved.update(name for name, value in self.named_parameters() if (value != before[name]).any())

    module = Watching()
    before = {name: value.detach().clone() for name, value in module.named_parameters()}
    range_test(make_trainer(callbacks=[Freezing()]), module, load(), effort="quick", num_steps=12)

    assert moved == {"head.weight", "head.bias"}
    assert all(parameter.requires_grad for parameter in module.parameters())


def test_a_loss_that_is_logged_under_another_name_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"logs no 'loss', only val_loss, val_acc: name what it logs"):
        range_test(make_trainer(), Classifier(), datamodule=Data(), loss="loss", **TINY)


def test_without_validation_batches_the_training_loss_decides() -> None:
    bounds = range_test(make_trainer(), Classifier(), load(), **TINY)

    assert not bounds.sweeps[0].held_out


def test_no_more_batches_of_an_epoch_are_taken_than_the_trainer_takes() -> None:
    bounds = range_test(make_trainer(limit_train_batches=5), Classifier(), load(), effort="quick")

    assert bounds.steps_per_epoch == 5


def test_several_loaders_are_taken_together() -> None:
    class Both(Classifier):
        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            first, second = (super(Both, self).training_step(batch[name], batch_idx) for name in "ab")
            return first + second

    few = TensorDataset(INPUTS[:320], TARGETS[:320])
    bounds = range_test(make_trainer(), Both(), {"a": load(), "b": load(few)}, effort="quick")

    assert bounds.steps_per_epoch == NUM_BATCHES


OF_THE_OTHER_PACKAGE = """
import sys
sys.modules["lightning"] = None
import torch
import pytorch_lightning as pl
from clr_tuner.integrations.lightning import range_test

class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.line = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return torch.nn.functional.mse_loss(self.line(batch), 2 * batch)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
loader = torch.utils.data.DataLoader(torch.randn(160, 1), batch_size=8)
print(len(range_test(trainer, Line(), loader, effort="quick", num_steps=40).sweeps))
"""


def test_where_pytorch_lightning_alone_is_installed_it_is_used() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", OF_THE_OTHER_PACKAGE], capture_output=True, text=True, check=False
    )

    assert ran.stdout.splitlines()[-1:] == ["1"], ran.stderr


def test_a_stream_without_length_is_tested() -> None:
    class Stream(IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(TRAIN)

    bounds = range_test(make_trainer(max_steps=10), Classifier(), load(Stream()), **TINY)

    assert rates == planned(bounds)


class Manual(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


class Idle(Classifier):
    def configure_optimizers(self) -> Any:
        return None


@pytest.mark.parametrize(
    ("make", "changes", "refusal"),
    [
        (Manual, {}, "manual optimization"),
        (Idle, {}, "returns no optimizer"),
        (Classifier, {"fast_dev_run": True}, "fast_dev_run"),
        (Classifier, {"strategy": "ddp", "devices": 2}, "test on one"),
        (Classifier, {"max_epochs": 0}, "trains nothing"),
        (lambda: nn.Linear(1, 1), {}, "takes a LightningModule of lightning.pytorch, not Linear"),
    ],
)
def test_what_cannot_be_tested_is_refused(make: Callable[[], Any], changes: Any, refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        range_test(make_trainer(**changes), make(), load(), **TINY)


def test_a_schedule_has_no_time_without_a_budget() -> None:
    with pytest.raises(ValueError, match="needs num_epochs"):
        range_test(make_trainer(), Classifier(), load(), schedule="one_cycle", **TINY)


@pytest.mark.parametrize(("accumulated", "num_steps"), [(1, 2 * NUM_BATCHES), (4, 2 * 6)])
def test_every_update_of_a_training_has_the_rate_of_the_schedule(accumulated: int, num_steps: int) -> None:
    make_trainer(accumulate_grad_batches=accumulated).fit(Scheduled(), load())

    assert rates == pytest.approx([SCHEDULE(step) for step in range(num_steps)])


def test_an_epoch_with_a_rest_of_batches_has_as_many_steps_as_lightning_makes_of_it() -> None:
    trainer = make_trainer(accumulate_grad_batches=4)

    bounds = range_test(trainer, Classifier(), load(), effort="quick", schedule="one_cycle", num_epochs=30)

    assert bounds.steps_per_epoch == 6
    assert bounds.for_training("one_cycle", num_epochs=30).num_steps == 30 * 6
    assert bounds.for_budget == bounds.fit_budget("one_cycle", num_epochs=30).for_budget


def test_lightning_by_default_steps_once_an_epoch_and_with_schedule_does_not() -> None:
    class Plain(Classifier):
        def configure_optimizers(self) -> Any:
            config = with_schedule(self.make_optimizer(), SCHEDULE)
            return {"optimizer": config["optimizer"], "lr_scheduler": config["lr_scheduler"]["scheduler"]}

    make_trainer().fit(Plain(), load())

    assert rates == pytest.approx([SCHEDULE(epoch) for epoch in range(2) for _ in range(NUM_BATCHES)])


def test_a_training_that_goes_on_from_a_checkpoint_goes_on_with_the_schedule(tmp_path: Any) -> None:
    trainer = make_trainer(max_epochs=1)
    trainer.fit(Scheduled(), load())
    trainer.save_checkpoint(tmp_path / "last.ckpt")

    make_trainer().fit(Scheduled(), load(), ckpt_path=tmp_path / "last.ckpt")

    assert rates == pytest.approx([SCHEDULE(step) for step in range(2 * NUM_BATCHES)])


def test_groups_keep_the_ratio_of_their_rates() -> None:
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": parameters[:1], "lr": 0.1}, {"params": parameters[1:], "lr": 0.02}]

    config = with_schedule(torch.optim.SGD(groups), SCHEDULE)

    assert [group["lr"] for group in config["optimizer"].param_groups] == pytest.approx([0.01, 0.002])


def test_the_example_of_the_page_trains_under_its_schedule() -> None:
    names: dict[str, Any] = {"Classifier": Classifier, "Trainer": make_trainer, "data": Data()}

    exec(python_block("Lightning", 1, of=2), names)  # as a reader would

    module, num_steps = names["module"], 8 * NUM_BATCHES
    assert rates[-num_steps:] == pytest.approx([module.schedule(step) for step in range(num_steps)])
    assert names["module"].trainer.callback_metrics["val_acc"] > 0.85


@pytest.mark.parametrize("accumulated", [1, 4])
def test_a_fit_with_the_callback_finds_what_the_range_test_finds_and_trains_by_it(accumulated: int) -> None:
    module = Classifier()
    num_steps = 2 * -(-NUM_BATCHES // accumulated)
    budget = {"schedule": "one_cycle", "num_epochs": 2}
    expected = range_test(
        make_trainer(accumulate_grad_batches=accumulated), module, datamodule=Data(), effort="quick", **budget
    )
    tested = len(rates)
    callback = RangeTestCallback("one_cycle", effort="quick")
    trainer = make_trainer(accumulate_grad_batches=accumulated, callbacks=[callback])

    trainer.fit(module, datamodule=Data())

    assert callback.bounds == expected
    schedule = expected.schedule("one_cycle", num_steps=num_steps)
    used = rates[tested:]
    assert used[:tested] == planned(expected)
    assert used[tested:] == pytest.approx([schedule(step) for step in range(num_steps)])
    assert trainer.global_step == num_steps


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
def test_a_fit_that_goes_on_from_a_checkpoint_goes_on_under_its_schedule(tmp_path: Any) -> None:
    data = {"train_dataloaders": load(), "val_dataloaders": DataLoader(HELD_OUT, batch_size=500)}
    first = RangeTestCallback("triangular", effort="quick")
    stopped = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    make_trainer(callbacks=[first, stopped], enable_checkpointing=True).fit(Classifier(), **data)
    assert first.bounds
    schedule = first.bounds.schedule("triangular", num_steps=2 * NUM_BATCHES)
    rates.clear()

    second = RangeTestCallback("triangular", effort="quick")
    make_trainer(callbacks=[second, stopped], enable_checkpointing=True).fit(
        Classifier(), **data, ckpt_path=tmp_path / "epoch=0.ckpt"
    )

    assert rates == pytest.approx([schedule(step) for step in range(NUM_BATCHES, 2 * NUM_BATCHES)])
    assert second.bounds is not None
    assert second.bounds.max_lr == first.bounds.max_lr


def test_the_callback_refuses_a_module_with_a_scheduler_of_its_own() -> None:
    with pytest.raises(ValueError, match="brings a scheduler: leave it out"):
        make_trainer(callbacks=[RangeTestCallback(effort="quick")]).fit(Scheduled(), load())


def test_the_callback_refuses_a_training_without_an_end() -> None:
    with pytest.raises(ValueError, match="has no end to plan for"):
        make_trainer(max_epochs=-1, callbacks=[RangeTestCallback(effort="quick")]).fit(Classifier(), load())


def test_the_callback_trains_nothing_where_there_are_no_bounds() -> None:
    callback = RangeTestCallback(effort="quick", num_steps=20, start_lr=1e-8, end_lr=1e-7)

    with pytest.raises(ValueError, match="there are no bounds"):
        make_trainer(callbacks=[callback]).fit(Classifier(), load())
    assert callback.bounds is not None
    assert not callback.bounds


def test_the_example_of_the_page_tests_and_trains_in_one_fit() -> None:
    module = Classifier()
    names = {"Trainer": make_trainer, "module": module, "data": Data()}

    exec(python_block("Lightning", 0, of=2), names)  # as a reader would

    assert module.trainer.callback_metrics["val_acc"] > 0.85


def test_where_it_is_missing_one_is_told_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    spec = find_spec("clr_tuner.integrations.lightning_names")
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ImportError, match="pip install 'lightning>="):
        spec.loader.exec_module(module_from_spec(spec))


@pytest.mark.filterwarnings("ignore:The number of training batches")  # than it logs after
def test_the_code_to_paste_has_the_rate_of_each_update(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # where Lightning leaves its checkpoint

    exec(write_snippet(SCHEDULE, 30, framework="lightning"), {"model": Classifier(), "train_loader": load()})

    assert rates == pytest.approx([SCHEDULE(step) for step in range(30)])
