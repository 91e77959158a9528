"""Accuracy is read as the loss reads outputs and targets."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clr.problem import Untrainable
from clr.training.accuracy import guessed, share_right

PLACES = torch.arange(6).reshape(2, 3) % 4
ONE_HOT = nn.functional.one_hot(PLACES, 4).float()  # (n, places, classes)


class Mine(nn.Module):
    """A loss that is none of torch's."""


class Smooth(nn.CrossEntropyLoss):
    """A kind of torch's."""


@dataclass
class Output:
    """As many libraries answer."""

    logits: Tensor
    hidden: Tensor


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "share"),
    [
        (nn.CrossEntropyLoss(), ONE_HOT[0], PLACES[0], 1.0),
        (nn.CrossEntropyLoss(), ONE_HOT.mT, PLACES, 1.0),
        (nn.NLLLoss(), ONE_HOT.mT, PLACES, 1.0),
        (Smooth(), ONE_HOT.mT, PLACES, 1.0),
        (Smooth(), ONE_HOT, PLACES, 1.0),
        (Mine(), ONE_HOT, PLACES, 1.0),
        (Mine(), ONE_HOT.mT, PLACES, 1.0),
        (nn.CrossEntropyLoss(), ONE_HOT.mT, ONE_HOT.mT, 1.0),
        (nn.CrossEntropyLoss(ignore_index=0), torch.zeros(4, 2), torch.tensor([0, 0, 0, 1]), 0.0),
        (nn.CrossEntropyLoss(), ONE_HOT[0], torch.tensor([0, -100, -100]), 1.0),
        (
            nn.BCEWithLogitsLoss(),
            torch.tensor([[-1.0], [0.4], [2.0]]),
            torch.tensor([[0.0], [0.0], [1.0]]),
            2 / 3,
        ),
        (nn.BCELoss(), torch.tensor([0.1, 0.4, 0.9]), torch.tensor([0.0, 1.0, 1.0]), 2 / 3),
    ],
)
def test_the_axis_of_the_classes_is_that_of_the_loss(
    loss: nn.Module, outputs: Tensor, targets: Tensor, share: float
) -> None:
    assert float(share_right(loss, outputs, targets)) == pytest.approx(share)


def test_as_many_classes_as_places_are_no_doubt_with_a_loss_of_torchs() -> None:
    targets = torch.tensor([[1, 1, 0], [2, 0, 0]])
    outputs = nn.functional.one_hot(targets, 3).float().mT

    assert float(share_right(nn.CrossEntropyLoss(), outputs, targets)) == 1.0
    assert guessed(nn.CrossEntropyLoss(), outputs, targets) is None
    assert "in dim 2 or in dim 1, and accuracy takes dim 2" in str(guessed(Mine(), outputs, targets))
    assert "in dim 1 or in dim 2, and accuracy takes dim 1" in str(guessed(Smooth(), outputs, targets))


@pytest.mark.parametrize(
    "outputs",
    [
        (ONE_HOT[0], "more"),
        [ONE_HOT[0]],
        {"loss": torch.zeros(()), "logits": ONE_HOT[0]},
        {"scores": ONE_HOT[0], "hidden": torch.zeros(3, 9)},
        Output(logits=ONE_HOT[0], hidden=torch.zeros(3, 9)),
    ],
)
def test_of_several_outputs_the_logits_or_the_first_are_read(outputs: Any) -> None:
    assert float(share_right(nn.CrossEntropyLoss(), outputs, PLACES[0])) == 1.0


@pytest.mark.parametrize(
    ("loss", "outputs", "targets", "message"),
    [
        (
            nn.CrossEntropyLoss(),
            object(),
            PLACES[0],
            "no accuracy can be read from outputs that are a object",
        ),
        (nn.CrossEntropyLoss(), (), PLACES[0], "a tuple"),
        (nn.CrossEntropyLoss(), ONE_HOT[0], PLACES[0][:, None], "not one row of classes for each of"),
        (nn.MSELoss(), torch.zeros(3, 1), torch.zeros(3, 1), "say classifies=False"),
        (Mine(), torch.zeros(3), torch.zeros(3).long(), "say classifies=False"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    loss: nn.Module, outputs: Any, targets: Tensor, message: str
) -> None:
    with pytest.raises(Untrainable, match=message):
        share_right(loss, outputs, targets)
