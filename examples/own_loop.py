"""Find the bounds and train with them in a plain PyTorch loop: no service, no database.

python examples/own_loop.py
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from clr.bounds import Bounds
from clr.lr_finder import LRFinder
from clr.scheduler import Scheduler

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.data, dtype=torch.float32) / 16
data = TensorDataset(images, torch.tensor(digits.target))
train, held_out = random_split(data, [1397, 400])
loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
held_out_images, held_out_targets = held_out[:]

model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
criterion = nn.CrossEntropyLoss()


def train_on(inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One update; the loss before it."""
    optimizer.zero_grad()
    loss: torch.Tensor = criterion(model(inputs), targets)
    loss.backward()
    optimizer.step()
    return loss.detach()


def evaluate() -> tuple[float, float]:
    """(loss, accuracy) on the held-out images."""
    outputs = model(held_out_images)
    loss, correct = criterion(outputs, held_out_targets), outputs.argmax(1) == held_out_targets
    return loss.item(), correct.float().mean().item()


with LRFinder(model, optimizer, evaluate=evaluate) as finder:
    for inputs, targets in finder.batches(loader):
        finder.step(train_on(inputs, targets))

bounds = finder.bounds()
if not isinstance(bounds, Bounds):
    raise SystemExit(f"inconclusive: {bounds.message}; next: {bounds.next_experiment['message']}")
print(f"base_lr {bounds.base_lr:.3g}: {bounds.reason_base}")
print(f"max_lr  {bounds.max_lr:.3g}: {bounds.reason_max}")

cycle = {"base_lr": bounds.base_lr, "max_lr": bounds.max_lr, "step_size": bounds.step_size}
scheduler = Scheduler(optimizer, {"policy": "triangular2", **cycle})
steps_left = 3 * 2 * bounds.step_size  # three whole cycles: training ends at base_lr
while steps_left:
    for inputs, targets in loader:
        train_on(inputs, targets)
        scheduler.step()
        steps_left -= 1
        if not steps_left:
            break
print(f"accuracy after three cycles: {evaluate()[1]:.3f}")
