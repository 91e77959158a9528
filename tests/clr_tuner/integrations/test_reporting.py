"""Range tests inside frameworks, reported to a service."""

from typing import Any

import keras
import lightning
import numpy as np
import pytest
import skorch
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from transformers import Trainer, TrainingArguments

import clr_tuner as ct
from clr_tuner.integrations import keras as with_keras
from clr_tuner.integrations import lightning as with_lightning
from clr_tuner.integrations import skorch as with_skorch
from clr_tuner.integrations import transformers as with_transformers
from tests.clr_tuner.here.conftest import api_server, client, database_file, hurry  # noqa: F401

pytestmark = pytest.mark.filterwarnings("ignore")
QUICK: dict[str, Any] = {"effort": "quick", "num_steps": 60}

digits = load_digits()
IMAGES, LABELS = (digits.data / 16).astype(np.float32)[:640], digits.target[:640]


class Classifier(nn.Module):
    """Answers logits, or, told the labels, what a Trainer wants."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, x: Any, labels: Any = None) -> Any:
        logits = self.layers(x)
        return (
            logits
            if labels is None
            else {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}
        )


class Module(lightning.LightningModule):
    """The same for Lightning."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Classifier()

    def training_step(self, batch: Any) -> Any:
        return self.model(*batch)["loss"]

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)


def loader() -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.tensor(IMAGES), torch.tensor(LABELS)), batch_size=32, shuffle=True)


def in_keras(report: Any, _: Any) -> Any:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(32, "relu"), keras.layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), loss)
    return with_keras.range_test(model, IMAGES, LABELS, batch_size=32, report_to=report, **QUICK)


def in_lightning(report: Any, _: Any) -> Any:
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", logger=False, enable_progress_bar=False)
    return with_lightning.range_test(trainer, Module(), loader(), report_to=report, **QUICK)


def in_skorch(report: Any, _: Any) -> Any:
    net = skorch.NeuralNetClassifier(
        Classifier, criterion=nn.CrossEntropyLoss, optimizer=torch.optim.SGD, lr=0.1, batch_size=32, verbose=0
    )
    return with_skorch.range_test(net, IMAGES, LABELS.astype(np.int64), report_to=report, **QUICK)


def in_transformers(report: Any, folder: Any) -> Any:
    arguments = TrainingArguments(folder, per_device_train_batch_size=32, report_to=[], use_cpu=True)
    examples = [{"x": image, "labels": int(label)} for image, label in zip(IMAGES, LABELS, strict=True)]
    trainer = Trainer(Classifier(), arguments, train_dataset=examples)
    return with_transformers.range_test(trainer, report_to=report, **QUICK)


@pytest.mark.parametrize("run", [in_keras, in_lightning, in_skorch, in_transformers])
def test_the_service_says_what_the_framework_was_told(run: Any, client: ct.Client, tmp_path: Any) -> None:  # noqa: F811
    report = client.range_test_here(run.__name__)

    here = run(report, tmp_path)

    there = report.job.bounds()
    assert report.job.status == "succeeded"
    assert str(type(there)) == str(type(here))
    assert getattr(there, "max_lr", None) == getattr(here, "max_lr", None)
    assert getattr(there, "steps_per_epoch", None) == getattr(here, "steps_per_epoch", None)
