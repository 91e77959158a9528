"""Code to paste that trains under a schedule: by torch's own scheduler where it has such a one, or in a framework.

Where torch has none, `clr_tuner.Scheduler` plays it: the base installation is enough for that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

from clr.spelling import did_you_mean

if TYPE_CHECKING:
    from clr.policies import Schedule

Framework = Literal["torch", "keras", "lightning", "transformers"]

TORCH = """\
from itertools import chain, repeat
{imports}
{scheduler}
batches = chain.from_iterable(repeat(train_loader))  # epoch after epoch
for _, (inputs, targets) in zip(range({num_steps}), batches):
    optimizer.zero_grad()
    loss = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
{step}"""

SET_RATE = """\
for group in optimizer.param_groups:
    group["lr"] = group["initial_lr"] = {lr}
"""

MUON = """\
# torch.optim.Muon takes 2-D weights alone; what was measured is this, with AdamW for the rest:
# optimizer = ct.MuonAndAdamW(model, {parameters})
"""

KERAS = """\
import clr_tuner as ct
import keras

schedule = ct.parse_schedule({spec})
accumulated = model.optimizer.gradient_accumulation_steps or 1  # batches of an update


class LearningRate(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.batches = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = schedule(self.batches // accumulated)
        self.batches += 1


epochs = -(-{num_steps} * accumulated // len(train_data))  # {num_steps} steps, rounded up to whole epochs
model.fit(train_data, epochs=epochs, callbacks=[LearningRate()])
"""

LIGHTNING = """\
import clr_tuner as ct
from clr_tuner.integrations.lightning import with_schedule
from lightning.pytorch import Trainer

schedule = ct.parse_schedule({spec})
make_optimizer = model.configure_optimizers  # returns an optimizer, and no scheduler
model.configure_optimizers = lambda: with_schedule(make_optimizer(), schedule)
trainer = Trainer(max_epochs=-1, max_steps={num_steps})  # a step is an update, also with accumulate_grad_batches
trainer.fit(model, train_loader)
"""

TRANSFORMERS = """\
from dataclasses import replace

import clr_tuner as ct
from transformers import Trainer

schedule = {spec}
args = replace(args, max_steps={num_steps})  # updates
scheduler = ct.Scheduler(optimizer, schedule)
trainer = Trainer(model, args, train_dataset=train_data, optimizers=(optimizer, scheduler))
trainer.train()
"""

FRAMEWORKS: Mapping[str, str] = {"keras": KERAS, "lightning": LIGHTNING, "transformers": TRANSFORMERS}


def write_snippet(schedule: Schedule, num_steps: int, *, framework: Framework = "torch") -> str:
    """The code that trains `num_steps` steps under this schedule; momentum is left as the optimizer has it, but for
    the preset torch, which cycles it in torch.

    torch: it uses the names model, criterion, optimizer and train_loader, whose batches are (inputs, targets). keras:
    model, compiled, and train_data, which has a length in batches. lightning: model, a LightningModule, and
    train_loader. transformers: model, optimizer, args (TrainingArguments) and train_data.
    Raises ValueError for another framework.
    """
    if framework in FRAMEWORKS:
        return FRAMEWORKS[framework].format(spec=_literal(_spec(schedule)), num_steps=num_steps)
    if framework != "torch":
        names = get_args(Framework)
        hint = did_you_mean(str(framework), names)
        raise ValueError(
            f"framework must be one of {', '.join(names)}, not {framework!r}; {hint}".rstrip("; ")
        )
    if schedule.policy == "fixed":
        return TORCH.format(
            imports="", scheduler=SET_RATE.format(lr=_number(schedule.lr)), num_steps=num_steps, step=""
        )
    name, arguments = _torch_scheduler(schedule)
    start = SET_RATE.format(lr=_number(arguments.pop("lr"))) if "lr" in arguments else ""
    listed = "".join(f"    {key}={_literal(value)},\n" for key, value in arguments.items())
    made = f"{name}(\n    optimizer,\n{listed})\n"
    imports = (
        "\nimport clr_tuner as ct\n"
        if name.startswith("ct.")
        else f"\nfrom torch.optim.lr_scheduler import {name}\n"
    )
    return TORCH.format(
        imports=imports,
        scheduler=f"{start}scheduler = {made}",
        num_steps=num_steps,
        step="    scheduler.step()  # after each step of the optimizer, not after each epoch\n",
    )


def say_optimizer(spec: Mapping[str, Any], framework: Framework) -> str:
    """A comment above the code, where the optimizer that was measured is none that torch itself has.

    spec: {"name", its parameters}.
    """
    if spec["name"] != "Muon" or framework == "keras":
        return ""
    parameters = (f"{name}={_literal(value)}" for name, value in spec.items() if name != "name")
    return MUON.format(parameters=", ".join(parameters))


def _torch_scheduler(schedule: Schedule) -> tuple[str, dict[str, Any]]:
    """The scheduler's name and arguments; `lr` is what the optimizer must have before it is made."""
    own = _TORCH.get(schedule.policy, lambda _: None)(schedule)
    return own or ("ct.Scheduler", {"schedule": _spec(schedule)})


def _cyclic(schedule: Any) -> tuple[str, dict[str, Any]]:
    arguments = {
        "base_lr": schedule.base_lr,
        "max_lr": schedule.max_lr,
        "step_size_up": schedule.step_size,
        "step_size_down": schedule.step_size_down or schedule.step_size,
        "mode": schedule.policy,
        "cycle_momentum": False,
    }
    return "CyclicLR", arguments | ({"gamma": schedule.gamma} if schedule.policy == "exp_range" else {})


def _one_cycle(schedule: Any) -> tuple[str, dict[str, Any]] | None:
    if not schedule.final_lr > 0:
        return None  # torch divides by it
    pct_start = (schedule.step_size + 1) / schedule.num_steps  # the peak is a step before that share
    return "OneCycleLR", {
        "max_lr": schedule.max_lr,
        "total_steps": schedule.num_steps,
        "pct_start": pct_start if schedule.pct_start is None else schedule.pct_start,
        "anneal_strategy": schedule.anneal,
        "div_factor": schedule.max_lr / schedule.base_lr,
        "final_div_factor": schedule.base_lr / schedule.final_lr,
        "three_phase": schedule.three_phase,
    } | ({} if schedule.preset == "torch" else {"cycle_momentum": False})


def _restarts(schedule: Any) -> tuple[str, dict[str, Any]]:
    return "CosineAnnealingWarmRestarts", {
        "lr": schedule.max_lr,
        "T_0": schedule.t_0,
        "T_mult": schedule.t_mult,
        "eta_min": schedule.base_lr,
    }


def _steps(schedule: Any) -> tuple[str, dict[str, Any]]:
    return "StepLR", {"lr": schedule.lr, "step_size": schedule.drop_every, "gamma": schedule.gamma}


def _milestones(schedule: Any) -> tuple[str, dict[str, Any]]:
    milestones = list(schedule.milestones)
    return "MultiStepLR", {"lr": schedule.lr, "milestones": milestones, "gamma": schedule.gamma}


def _exponential(schedule: Any) -> tuple[str, dict[str, Any]]:
    return "ExponentialLR", {"lr": schedule.lr, "gamma": schedule.gamma}


_TORCH: Mapping[str, Callable[[Any], tuple[str, dict[str, Any]] | None]] = {
    "triangular": _cyclic,
    "triangular2": _cyclic,
    "exp_range": _cyclic,
    "one_cycle": _one_cycle,
    "sgdr": _restarts,
    "step_decay": _steps,
    "multistep_decay": _milestones,
    "exponential_decay": _exponential,
}


def _spec(schedule: Schedule) -> dict[str, Any]:
    return {name: value for name, value in schedule.model_dump(mode="json").items() if value is not None}


def _number(value: float) -> str:
    return f"{value:.12g}"


def _literal(value: Any) -> str:
    """As Python spells it, numbers by 12 digits."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value) if isinstance(value, str) else repr(value)
