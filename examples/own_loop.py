"""Find the bounds and train with them in a plain PyTorch loop: no service, no database.

python examples/own_loop.py
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

import clr_tuner as ct

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

bounds = ct.find_bounds(model, optimizer, criterion, loader, held_out=held_out)
print(bounds)

scheduler = ct.Scheduler(optimizer, bounds.schedule("triangular2", num_epochs=20))
for _ in range(20):
    for inputs, targets in loader:
        optimizer.zero_grad()
        criterion(model(inputs), targets).backward()
        optimizer.step()
        scheduler.step()
model.eval()
right = model(held_out_images).argmax(1) == held_out_targets
print(f"accuracy after 20 epochs: {right.float().mean().item():.3f}")
