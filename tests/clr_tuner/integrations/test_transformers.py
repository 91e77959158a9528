"""Transformers' Trainer: bounds by its own steps, and the rates that its updates really use."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments, set_seed

import clr_tuner as ct
from clr.snippets import write_snippet
from clr.sweep import Sweep
from clr_tuner.integrations.transformers import RangeTestCallback, range_test
from tests.clr_tuner.integrations.page import python_block

DIGITS = load_digits()
ROWS = [
    {"pixels": torch.tensor(pixels, dtype=torch.float32) / 16, "labels": int(label)}
    for pixels, label in zip(DIGITS.data, DIGITS.target, strict=True)
]
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
SHORT: dict[str, Any] = {"effort": "quick", "num_steps": 40}


class Digits(nn.Module):
    """Answers its own loss, as Transformers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 10)
        )

    def forward(self, pixels: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.layers(pixels)
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def make_trainer(folder: Path, model: nn.Module | None = None, rows: Any = ROWS, **arguments: Any) -> Trainer:
    torch.manual_seed(0)
    given = {name: arguments.pop(name) for name in ("optimizers", "model_init") if name in arguments}
    if "model_init" not in given:
        given["model"] = model or Digits()
    settings = {
        "per_device_train_batch_size": 32,
        "use_cpu": True,
        "report_to": [],
        "disable_tqdm": True,
        "save_strategy": "no",
        "logging_strategy": "no",
        "dataloader_pin_memory": False,
        "num_train_epochs": 1,
    }
    arguments = TrainingArguments(folder, **settings | arguments)
    return Trainer(args=arguments, train_dataset=rows[:1397], eval_dataset=rows[1397:], **given)


@pytest.fixture
def used() -> Iterator[list[float]]:
    """The rate of each update that any optimizer makes."""
    rates: list[float] = []
    handle = register_optimizer_step_pre_hook(
        lambda optimizer, *_: rates.append(float(optimizer.param_groups[0]["lr"]))
    )
    yield rates
    handle.remove()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def planned(sweeps: tuple[Sweep, ...]) -> list[float]:
    return [sweep.plan.lr(point.step) for sweep in sweeps for point in sweep.points]


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


def test_bounds_are_found_on_digits(tmp_path: Path) -> None:
    bounds = range_test(
        make_trainer(tmp_path, optim="sgd"), start_lr=1e-3, end_lr=3.0, num_steps=100, num_seeds=2
    )

    assert isinstance(bounds, ct.Bounds)
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 3
    assert bounds.metric == "accuracy"
    assert not [
        warning for warning in bounds.warnings if "began" in warning
    ]  # sweeps of one seed begin alike


@pytest.mark.parametrize("how", [{}, {"bf16": True}, {"optim": "schedule_free_adamw"}], ids=str)
def test_a_test_leaves_model_generators_and_trainer_as_they_were(tmp_path: Path, how: dict[str, Any]) -> None:
    trainer = make_trainer(tmp_path, **how)
    modules = [(module, dict(vars(module))) for module in trainer.model.modules()]
    before, attributes, drawn = weights(trainer.model), dict(vars(trainer)), torch.get_rng_state()

    range_test(trainer, **SHORT)

    assert same(before, trainer.model.state_dict())
    assert dict(vars(trainer)) == attributes
    assert all(vars(module) == bound for module, bound in modules)
    assert torch.equal(drawn, torch.get_rng_state())


def test_a_test_changes_nothing_of_the_training_after_it(tmp_path: Path) -> None:
    tested, untested = make_trainer(tmp_path), make_trainer(tmp_path)

    range_test(tested, **SHORT)
    for trainer in (tested, untested):
        set_seed(3)
        trainer.train()

    assert same(tested.model.state_dict(), untested.model.state_dict())


def test_every_update_of_a_test_has_its_planned_rate_also_with_accumulation(
    tmp_path: Path, used: list[float]
) -> None:
    trainer = make_trainer(tmp_path, gradient_accumulation_steps=3, warmup_steps=5)

    bounds = range_test(trainer, **SHORT)

    assert used == pytest.approx(planned(bounds.sweeps))
    assert len(used) > 30


def test_an_epoch_has_as_many_updates_as_the_trainer_makes(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, gradient_accumulation_steps=3, optim="sgd")

    bounds = range_test(trainer, start_lr=1e-3, end_lr=3.0, num_steps=100, num_seeds=1)

    assert bounds.steps_per_epoch == 15  # 44 batches, the last two of them together


def test_workers_that_outlive_a_sweep_are_warned_of(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, dataloader_num_workers=1, dataloader_persistent_workers=True)

    bounds = range_test(trainer, effort="quick", num_steps=12)

    assert any("persistent workers" in warning for warning in bounds.warnings)


def test_a_divergence_is_seen_whatever_the_logs_filter(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, optim="sgd", max_grad_norm=0.0)

    bounds = range_test(trainer, start_lr=1.0, end_lr=1e6, **SHORT)

    assert trainer.args.logging_nan_inf_filter
    assert bounds.sweeps[0].broke_off


@pytest.mark.parametrize(("max_grad_norm", "warned"), [(1e-6, True), (0.0, False), (1e9, False)])
def test_clipping_is_warned_of_where_it_took_place(
    tmp_path: Path, max_grad_norm: float, warned: bool
) -> None:
    bounds = range_test(make_trainer(tmp_path, optim="sgd", max_grad_norm=max_grad_norm), **SHORT)

    assert any("max_grad_norm" in warning for warning in bounds.warnings) == warned


def test_a_schedule_given_with_the_optimizer_is_played_at_every_update(
    tmp_path: Path, used: list[float]
) -> None:
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = make_trainer(
        tmp_path,
        model,
        optimizers=(optimizer, ct.Scheduler(optimizer, SCHEDULE)),
        gradient_accumulation_steps=2,
    )

    trainer.train()

    assert used == pytest.approx([SCHEDULE(step) for step in range(22)])


def test_the_example_finds_bounds_and_trains_under_their_schedule(tmp_path: Path, used: list[float]) -> None:
    trainer = make_trainer(tmp_path, gradient_accumulation_steps=2)
    names: dict[str, Any] = {"trainer": trainer}

    exec(python_block("Transformers"), names)

    tested = len(planned(names["bounds"].sweeps))
    assert trainer.state.max_steps == 22
    assert used[tested:] == pytest.approx([names["schedule"](step) for step in range(22)])


@pytest.mark.parametrize("init", [False, True], ids=["model", "model_init"])
def test_the_callback_tests_and_trains_within_the_bounds(
    tmp_path: Path, used: list[float], init: bool
) -> None:
    trainer = make_trainer(
        tmp_path, gradient_accumulation_steps=2, **({"model_init": Digits} if init else {})
    )
    callback = RangeTestCallback(trainer, "one_cycle", effort="quick")
    trainer.add_callback(callback)

    trainer.train()

    assert callback.bounds
    schedule = callback.bounds.schedule("one_cycle", num_steps=22)
    expected = [*planned(callback.bounds.sweeps), *(schedule(step) for step in range(22))]
    assert used == pytest.approx(expected)


def test_a_resumed_training_goes_on_under_the_schedule_of_its_checkpoint(
    tmp_path: Path, used: list[float]
) -> None:
    saving = {"save_strategy": "steps", "save_steps": 20}
    trainer, resumed = make_trainer(tmp_path, **saving), make_trainer(tmp_path, **saving)
    callback = RangeTestCallback(trainer, "one_cycle", effort="quick")
    trainer.add_callback(callback)
    resumed.add_callback(RangeTestCallback(resumed, "one_cycle", effort="quick"))
    trainer.train()
    used.clear()

    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-20"))

    schedule = callback.bounds.schedule("one_cycle", num_steps=44)
    assert used == pytest.approx([schedule(step) for step in range(20, 44)])


def test_groups_keep_the_ratio_of_their_rates_in_the_test_and_in_the_training(tmp_path: Path) -> None:
    model, rates = Digits(), []
    groups = [{"params": model.layers[0].parameters(), "lr": 0.01}, {"params": model.layers[4].parameters()}]
    optimizer = torch.optim.AdamW(groups, lr=0.1)
    optimizer.register_step_pre_hook(
        lambda optimizer, *_: rates.append(tuple(group["lr"] for group in optimizer.param_groups))
    )
    trainer = make_trainer(tmp_path, model, optimizers=(optimizer, None))
    trainer.add_callback(RangeTestCallback(trainer, "one_cycle", effort="quick"))

    trainer.train()

    assert len(rates) > 100
    assert [second / first for first, second in rates] == pytest.approx([10.0] * len(rates))


def test_the_callback_refuses_a_trainer_with_a_scheduler(tmp_path: Path) -> None:
    model = Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = make_trainer(tmp_path, model, optimizers=(optimizer, ct.Scheduler(optimizer, SCHEDULE)))

    with pytest.raises(ValueError, match="has a scheduler: leave it out"):
        RangeTestCallback(trainer)


def test_training_ends_where_a_callback_finds_no_bounds(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path)
    trainer.add_callback(RangeTestCallback(trainer, start_lr=1e-9, end_lr=1e-8, **SHORT))

    with pytest.raises(ValueError, match="there are no bounds to make a schedule of"):
        trainer.train()


@pytest.mark.filterwarnings(
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)  # peft asks for it
def test_a_lora_model_is_tested_and_left_as_it_was(tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=12,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
    )
    counting = [(torch.arange(8) + start) % 12 for start in range(12)] * 10
    rows = [{"input_ids": row, "labels": row} for row in counting]
    torch.manual_seed(0)
    model = get_peft_model(LlamaForCausalLM(config), LoraConfig(r=4, target_modules=["q_proj", "v_proj"]))
    trainer = make_trainer(tmp_path, model, rows * 20, gradient_accumulation_steps=2)
    before, trained = weights(model), [parameter.requires_grad for parameter in model.parameters()]

    bounds = range_test(trainer, effort="quick")

    assert same(before, model.state_dict())
    assert [parameter.requires_grad for parameter in model.parameters()] == trained
    assert bounds
    losses = [look.loss for look in bounds.sweeps[0].held_out]
    assert min(losses) < losses[0] - 0.05
    assert bounds.sweeps[0].held_out[0].accuracy is None


def test_without_the_framework_the_error_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "clr_tuner.integrations.transformers")

    with pytest.raises(ImportError, match=r"pip install 'transformers\[torch\]"):
        import_module("clr_tuner.integrations.transformers")


def test_the_code_to_paste_has_the_rate_of_each_update(tmp_path: Path, used: list[float]) -> None:
    trainer, model = make_trainer(tmp_path), Digits()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    names = {"model": model, "optimizer": optimizer, "args": trainer.args, "train_data": ROWS}

    exec(write_snippet(SCHEDULE, 30, framework="transformers"), names)

    assert used == pytest.approx([SCHEDULE(step) for step in range(30)])
