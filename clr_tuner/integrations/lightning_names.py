"""What is used of Lightning: of `lightning`, or where that is not installed of `pytorch_lightning`, the same code."""

from importlib import import_module
from importlib.util import find_spec

PACKAGE = "lightning.pytorch" if find_spec("lightning") else "pytorch_lightning"

try:
    _root = import_module(PACKAGE)
except ImportError as error:
    raise ImportError(
        "clr_tuner.integrations.lightning needs Lightning: pip install 'lightning>=2.6'"
    ) from error

Callback = _root.Callback
LightningDataModule = _root.LightningDataModule
LightningModule = _root.LightningModule
Trainer = _root.Trainer
BaseFinetuning = import_module(f"{PACKAGE}.callbacks").BaseFinetuning
CombinedLoader = import_module(f"{PACKAGE}.utilities").CombinedLoader
DummyLogger = import_module(f"{PACKAGE}.loggers.logger").DummyLogger
GradientAccumulationScheduler = import_module(f"{PACKAGE}.callbacks").GradientAccumulationScheduler
LRSchedulerConfig = import_module(f"{PACKAGE}.utilities.types").LRSchedulerConfig
SingleDeviceStrategy = import_module(f"{PACKAGE}.strategies").SingleDeviceStrategy
TunerExitException = import_module(f"{PACKAGE}.utilities.exceptions")._TunerExitException
is_overridden = import_module(f"{PACKAGE}.utilities.model_helpers").is_overridden
