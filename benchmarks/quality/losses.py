"""Losses whose outputs are no guesses at their targets. `trivial`: the loss of one who does not look at the inputs."""

import torch
from torch import Tensor, nn

MARGIN = 0.5
GROUP = 32  # examples that are held against each other, at training and later
TEMPERATURE = 0.2
BLANKS = torch.linspace(0.05, 0.95, 19)  # shares of blanks that are tried


class HardestTriplets(nn.Module):
    """Each example nearer to the farthest of its class than to the nearest of another, by a margin; in groups."""

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """embeddings: (n, features), classes: (n,); what is over after the last whole group does not count."""
        points, labels = _grouped(embeddings), _grouped(classes)
        distances, same = torch.cdist(points, points), labels[:, :, None] == labels[:, None]
        farthest = distances.masked_fill(~same, 0).amax(dim=2)
        nearest = distances.masked_fill(same, torch.inf).amin(dim=2)
        return torch.relu(farthest - nearest + MARGIN).mean()

    def trivial(self, classes: Tensor) -> Tensor:
        """All embeddings in one point."""
        return self(torch.zeros(len(classes), 1), classes)


class ContrastedClasses(nn.Module):
    """Each example nearer to those of its class by its direction: their mean cross entropy among all; in groups."""

    def forward(self, embeddings: Tensor, classes: Tensor) -> Tensor:
        """embeddings: (n, features), classes: (n,); an only one of its class in a group does not count."""
        points = nn.functional.normalize(_grouped(embeddings), dim=2)
        labels, own = _grouped(classes), torch.eye(GROUP, dtype=torch.bool)
        alike = (points @ points.mT / TEMPERATURE).masked_fill(own, -torch.inf)
        same = (labels[:, :, None] == labels[:, None]) & ~own
        cost = alike.logsumexp(dim=2, keepdim=True) - alike
        number = same.sum(dim=2)
        means = cost.masked_fill(~same, 0).sum(dim=2) / number.clamp(min=1)
        return means[number > 0].mean()

    def trivial(self, classes: Tensor) -> Tensor:
        """All embeddings in one point."""
        return self(torch.zeros(len(classes), 1), classes)


def _grouped(values: Tensor) -> Tensor:
    return values[: len(values) // GROUP * GROUP].unflatten(0, (-1, GROUP))


class Unaligned(nn.Module):
    """Connectionist temporal classification of sequences of one length; class 0 is the blank."""

    def __init__(self, frames: int, classes: int) -> None:
        super().__init__()
        self._frames, self._classes = frames, classes

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """outputs: (n, frames, classes), targets: (n, symbols)."""
        lengths = [torch.full((len(targets),), size) for size in (outputs.shape[1], targets.shape[1])]
        return nn.functional.ctc_loss(outputs.log_softmax(dim=2).transpose(0, 1), targets, *lengths)

    def trivial(self, targets: Tensor) -> Tensor:
        """The same in every frame: the best share of blanks, and every other class alike."""
        return torch.stack([self._constant(blank, targets) for blank in BLANKS]).min()

    def _constant(self, blank: Tensor, targets: Tensor) -> Tensor:
        others = ((1 - blank) / (self._classes - 1)).expand(self._classes - 1)
        outputs = torch.cat([blank[None], others]).log().expand(len(targets), self._frames, -1)
        loss: Tensor = self(outputs, targets)
        return loss
