"""Training in two processes with a Trainer and with an Accelerator, as each process does it."""

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import distributed, nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainingArguments

import clr_tuner as ct
from clr_tuner.integrations import accelerate, transformers

COUNT = 2
INPUTS = torch.randn(1280, 64, generator=torch.Generator().manual_seed(0))
TARGETS = INPUTS[:, :10].argmax(1)
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
CRITERION = nn.CrossEntropyLoss()


class Digits(nn.Module):
    """Answers its own loss, as Transformers' models do."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, pixels: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.layers(pixels)
        return {"loss": CRITERION(logits, labels), "logits": logits}


def in_every_rank(rank: int, folder: Path) -> None:
    """What torch.multiprocessing starts: saves what this rank saw."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(COUNT)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}  # wanted, though the processes have met
    distributed.init_process_group("gloo", f"file://{folder / 'meet'}", rank=rank, world_size=COUNT)
    saw = {"accelerate": with_accelerate(), "transformers": with_transformers(folder)}
    torch.save(saw, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def with_accelerate() -> dict[str, Any]:
    """Ten updates of two batches in each process make an epoch."""
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    torch.manual_seed(0)
    model: Any = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer: Any = torch.optim.SGD(model.parameters(), lr=0.1)
    rates = watch(optimizer)
    loader: Any = DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=32, shuffle=True)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    before = sum(parameter.sum().item() for parameter in model.parameters())
    found = accelerate.range_test(
        accelerator, model, optimizer, CRITERION, loader, effort="quick", num_steps=60
    )
    saw = read(found, rates) | {"restored": before == sum(p.sum().item() for p in model.parameters())}
    ct.Scheduler(optimizer.optimizer, SCHEDULE).follow()
    for inputs, targets in loader:
        with accelerator.accumulate(model):
            accelerator.backward(CRITERION(model(inputs), targets))
            optimizer.step()
            optimizer.zero_grad()
    return saw | {"trained": list(rates)}


def with_transformers(folder: Path) -> dict[str, Any]:
    """As `with_accelerate`."""
    torch.manual_seed(0)
    model = Digits()
    arguments = TrainingArguments(
        folder / "out",
        per_device_train_batch_size=32,
        gradient_accumulation_steps=2,
        use_cpu=True,
        ddp_backend="gloo",
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        logging_strategy="no",
        dataloader_pin_memory=False,
        num_train_epochs=1,
    )
    rows = [{"pixels": pixels, "labels": int(label)} for pixels, label in zip(INPUTS, TARGETS, strict=True)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    rates = watch(optimizer)
    trainer: Any = Trainer(
        model, arguments, train_dataset=rows, eval_dataset=rows[:100], optimizers=(optimizer, None)
    )
    before = sum(parameter.sum().item() for parameter in model.parameters())
    found = transformers.range_test(trainer, effort="quick", num_steps=60)
    saw = read(found, rates) | {"restored": before == sum(p.sum().item() for p in model.parameters())}
    trainer.lr_scheduler = ct.Scheduler(optimizer, SCHEDULE)
    trainer.train()
    return saw | {"trained": list(rates)}


def watch(optimizer: torch.optim.Optimizer) -> list[float]:
    """The rates that its updates will use."""
    rates: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    return rates


def read(found: Any, rates: list[float]) -> dict[str, Any]:
    """What the test found, and the rates it used, which are forgotten."""
    points = [(point.lr, point.loss) for sweep in found.sweeps for point in sweep.points]
    looks = [(look.loss, look.accuracy) for sweep in found.sweeps for look in sweep.held_out]
    saw = {"found": str(found), "points": points, "looks": looks, "tested": list(rates)}
    rates.clear()
    return saw
